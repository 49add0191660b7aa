"""Days in canary whose log is not what the server wrote: what evidence makes of it is claimed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from sluiceway.adapters.prediction_log import MemoryPredictionLog
from sluiceway.ports import Window
from sluiceway.rollouts.events import Looked
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.driver import advance
from tests.steps.worlds import NOW, quick_site, same_fraud, to_canary

DAY = timedelta(days=1)


def looked_at(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    *policies: tuple[str, str],
    days: int = 2,
) -> tuple[Site, str, Looked]:
    """The last look at some days in canary whose log was changed.

    Args:
        change: Is given the log of a window as it was written, and gives what is read of it.
        policies: What else the system file says, beside the quick ones.
    """
    site = quick_site(tmp_path, *policies)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    window = Window(start=NOW, end=NOW + days * DAY)
    BatchServer(site).answer(window, now=window.end)
    read = MemoryPredictionLog.read
    monkeypatch.setattr(MemoryPredictionLog, "read", lambda log, w: change(read(log, w)))
    advance(site, rollout, NOW + (days + 1) * DAY)
    look = site.state(rollout).look
    assert look is not None
    return site, rollout, look
