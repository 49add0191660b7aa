"""Blocks that shadow showed to be too short: the canary's own are longer, from plan to watch."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.planning import BlockLength, block_length
from sluiceway.reports import explain
from sluiceway.rollouts.endings import Ending
from sluiceway.rollouts.events import CanaryPlanned, Looked, ShadowMeasured, draft
from sluiceway.rollouts.folding import fold
from sluiceway.steps import planning
from tests.driver import advance, live_days

from .worlds import NOW, ask, ended, quick_site, same_fraud, told

DAY = timedelta(days=1)
WHY = (
    "blocks of 2 days instead of 1 day: 5 × the autocorrelation time of at least 0.4 days of "
    "fraud.brier, in 12 blocks of record, which are too few to see it fade"
)


def two_days(*args: object, **more: object) -> BlockLength:
    """As if the record had shown so."""
    found = block_length(*args, **more)  # type: ignore[arg-type]
    return replace(found, length=2 * DAY, time=0.4 * DAY, gate="fraud.brier", seen=True)


def test_a_canary_is_planned_looked_at_and_watched_in_its_longer_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "block_length", two_days)
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    state = site.state(rollout)
    assert state.plan is not None
    assert state.live_plan is not None
    assert (state.plan.canary.block, state.live_plan.canary.block) == (DAY, 2 * DAY)
    # The policy watches for one day, in which no block of two could be seen to end.
    assert (state.plan.watch.window, state.live_plan.watch.window) == (DAY, 2 * DAY)
    live_days(site, rollout, NOW, 32)
    assert ended(site, rollout).ending is Ending.PROMOTED
    looks = told(site, rollout, Looked)
    calendar = state.live_plan.calendar
    for look in looks:
        assert isinstance(look, Looked)
        assert look.watermark == calendar.name(calendar.start(look.watermark or ""))
        assert {verdict.gate.block for verdict in look.verdicts} == {"2-day block"}
        assert {verdict.gate.block for verdict in look.slices} == {"2-day block"}
    last = looks[-1]
    assert isinstance(last, Looked)
    # All orders of both days: 120 a day.
    assert {one.rows / one.blocks for one in last.verdicts} == {240}
    assert last.verdicts[0].blocks >= 10
    events = site.journal.events(site.environment, rollout)
    said = explain(events, site.systems.kept(rollout))
    assert WHY in said
    assert "2-day blocks, " in said
    (promoted,) = (event.at for event in events if event.kind == "promoted")
    assert any(event.kind == "looked" and event.at > promoted for event in events)


def test_a_length_is_not_chosen_again_once_the_canary_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "block_length", two_days)
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    events = list(site.journal.events(site.environment, rollout))
    assert fold(events).step == 0
    (shadow,) = told(site, rollout, ShadowMeasured)
    (planned,) = told(site, rollout, CanaryPlanned)
    assert isinstance(planned, CanaryPlanned)
    again = replace(planned, power=replace(planned.power, blocks=None))
    after = list(events)
    for what in (shadow, again):
        one = draft(what, at=NOW)  # type: ignore[arg-type]
        after.append(replace(events[-1], seq=len(after) + 1, kind=one.kind, payload=one.payload))
    assert fold(after).blocks == planned.power.blocks
    before = [event for event in after if event.kind != "step_entered"]
    assert fold(before).blocks is None


def test_blocks_that_are_long_enough_stay_and_say_whether_that_is_known(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    state = site.state(rollout)
    assert state.live_plan == state.plan
    events = site.journal.events(site.environment, rollout)
    assert (
        "; blocks of 1 day, not verified: no autocorrelation is seen, but 12 blocks of record are "
        "too few to rule it out"
    ) in explain(events, site.systems.kept(rollout))
