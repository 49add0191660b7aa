"""What cannot be read takes the traffic away; what nobody has seen proves nothing."""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from sluiceway.adapters.prediction_log import DamagedLog, MemoryPredictionLog
from sluiceway.ports import Window
from sluiceway.rollouts.actions import Rest, Wait
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import Looked, happening
from sluiceway.steps import deciding, going_back, world
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.driver import LIVE, add, advance, live_days, perform
from tests.steps.worlds import NOW, quick_site, same_fraud, to_canary


def damaged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_self: object, _window: Window) -> pd.DataFrame:
        raise DamagedLog("a file of the log cannot be read")

    assert isinstance(site.predictions, MemoryPredictionLog)
    monkeypatch.setattr(MemoryPredictionLog, "read", read)


def by_a_real_clock(site: Site, rollout: str, now: datetime, turns: int = 40) -> object:
    """What the flow does when nobody gives it a time: every turn has a later now."""
    for _ in range(turns):
        now += timedelta(milliseconds=5)
        action = deciding.decide(site, rollout, now=now)
        if isinstance(action, Rest | Wait):
            return action
        perform(site, rollout, action, now)
    raise AssertionError(f"{rollout} does not come to rest: {action}")


def looks(site: Site, rollout: str) -> list[Looked]:
    told = map(happening, site.journal.events(site.environment, rollout))
    return [one for one in told if isinstance(one, Looked)]


def test_a_damaged_log_stops_the_traffic_and_is_not_read_in_a_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    assert site.state(rollout).weight > 0
    damaged(site, monkeypatch)
    later = NOW + timedelta(days=3)
    assert isinstance(by_a_real_clock(site, rollout, later), Wait)
    assert site.state(rollout).weight == 0
    assert len(looks(site, rollout)) == 1
    assert looks(site, rollout)[0].watermark is None
    by_a_real_clock(site, rollout, later + timedelta(minutes=5))
    assert len(looks(site, rollout)) == 1
    by_a_real_clock(site, rollout, later + timedelta(days=4))
    ended = site.state(rollout).ended
    assert ended is not None
    assert (ended.ending, ended.code) == (Ending.ABORTED, ReasonCode.CANARY_UNMEASURABLE)
    assert "cannot be read" in ended.reason


def test_days_on_which_nobody_answered_are_no_evidence(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    before = site.state(rollout).step
    for days in range(1, 4):
        advance(site, rollout, NOW + timedelta(days=days))
    state = site.state(rollout)
    assert state.step == before
    assert state.weight == 0
    assert state.look is not None
    assert state.look.watermark is None
    assert "no pair of answers was logged" in str(state.look.fault)


def test_rows_that_are_logged_late_still_count(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    advance(site, rollout, NOW + timedelta(days=2))
    assert site.state(rollout).measured == 0
    window = Window(start=NOW, end=NOW + timedelta(days=2))
    BatchServer(site).answer(window, now=window.end)
    advance(site, rollout, NOW + timedelta(days=3))
    assert site.state(rollout).measured >= 1


def test_a_model_that_reads_only_models_can_be_judged_live(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    add(site, "priority", "2", LIVE["priority"])
    rollout = to_canary(site, "priority@2")
    live_days(site, rollout, NOW, 4)
    state = site.state(rollout)
    assert state.look is not None
    assert state.look.fault is None
    assert state.measured >= 1


def test_a_rollback_by_hand_that_dies_half_way_is_finished(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    for number in range(40):
        live_days(site, rollout, NOW + timedelta(days=number), 1)
        if site.state(rollout).promoted is not None:
            break
    now = NOW + timedelta(days=number + 1)
    assert site.state(rollout).ended is None
    going_back.request_rollback(site, to=1, reason="page 3", now=now, actor="ada")
    # Killed here: nothing was reconciled, and the promoted rollout knows nothing of it.
    assert site.champion().generation == 1
    for open_rollout in deciding.unfinished(site):
        advance(site, open_rollout, now)
    ended = site.state(rollout).ended
    assert ended is not None
    assert (ended.ending, ended.phase) == (Ending.ROLLED_BACK, Phase.WATCH)
    assert ended.code is ReasonCode.ROLLED_BACK_BY_HAND
    assert deciding.unfinished(site) == ()
    assert site.router.observed() is not None
    assert site.registry.aliases("fraud")["champion"] == "1"


def test_what_was_changed_by_hand_is_put_back(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    to_canary(site, "fraud@2")
    site.registry.set_alias("fraud", "champion", "2")
    found = world.restore(site)
    assert any("aliases" in one for one in found)
    assert site.registry.aliases("fraud")["champion"] == "1"
    assert world.restore(site) == []
