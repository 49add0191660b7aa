"""How a process of the crowd brings a rollout on: as the flow does, without Prefect."""

import time
from datetime import datetime
from typing import Final

from sluiceway.settings import Settings
from sluiceway.wiring import opened
from tasks.retrying import TRANSIENT
from tests.driver import advance

_TRIES: Final = 4
"""As often as a task of the flow is tried."""


def by_steps(settings: Settings, rollout_id: str, now: datetime) -> None:
    """Do what there is to do until it rests or waits; what may be gone in a second is waited for.

    Raises:
        SluicewayError: It was not gone.
    """
    with opened(settings) as site:
        for remaining in reversed(range(_TRIES)):
            try:
                advance(site, rollout_id, now)
            except TRANSIENT:
                if not remaining:
                    raise
                time.sleep(1)
            else:
                return
