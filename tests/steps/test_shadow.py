"""A shadow replay blames who is to blame, and counts whole blocks only."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from sluiceway.attribution import Origin
from sluiceway.blocks import BlockCalendar
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ShadowMeasured
from sluiceway.steps.shadow import whole_blocks_from
from sluiceway.steps.site import Site
from tests.driver import LIVE, QUICK, Wild, add, adopt_live, advance, memory_site, variant
from tests.orders.data import day, table

from .worlds import NOW, ask, better_fraud, ended, told


def touchy_cost(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Bears what the live fraud model answers, and nothing above it."""
    if columns["fraud.probability"].max() > 0.9:
        raise ValueError("no price for such an order")
    return np.asarray(LIVE["cost"].predict(columns))


def site_with(tmp_path: Path, cost: object, *changes: tuple[str, str]) -> Site:
    (tmp_path / "system").mkdir()
    site = memory_site(tmp_path, file=variant(tmp_path / "system", *QUICK, *changes))
    add(site, "cost", "1", Wild(LIVE["cost"].inputs, cost))  # type: ignore[arg-type]
    adopt_live(site, NOW)
    return site


@pytest.mark.parametrize(
    "cost",
    [touchy_cost, lambda columns: 1900 * columns["fraud.probability"]],
    ids=["raises", "leaves its range"],
)
def test_a_candidate_that_breaks_an_unchanged_consumer_is_rejected_and_named(
    tmp_path: Path, cost: object
) -> None:
    site = site_with(tmp_path, cost)
    better_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.SHADOW), end.reason
    assert end.code is ReasonCode.PROMISE_BROKEN
    assert end.origin == Origin(kind="model", name="fraud")
    assert end.reason.startswith("cost@1: ")
    assert "it does answer what the champion's fraud feeds it" in end.reason
    (measured,) = told(site, rollout, ShadowMeasured)
    assert measured.outcome is Outcome.FAILED  # type: ignore[attr-defined]


def test_a_champion_that_gives_no_usable_answer_is_nobodys_verdict(tmp_path: Path) -> None:
    site = site_with(tmp_path, lambda _: 1 / 0)
    better_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.code) == (Ending.ERRORED, ReasonCode.SHADOW_ERRORED)
    assert end.origin is None


@pytest.mark.parametrize("end", [datetime(2013, 3, 20), datetime(2013, 11, 10)])
@pytest.mark.parametrize("days", [5, 12, 25])
@pytest.mark.parametrize("timezone", ["America/New_York", "UTC"])
def test_a_window_counted_in_hours_begins_with_a_whole_block(
    end: datetime, days: int, timezone: str
) -> None:
    """The clocks went forward on 2013-03-10 and back on 2013-11-03."""
    calendar = BlockCalendar(timezone=timezone, length=timedelta(days=1))
    midnight = end.replace(tzinfo=ZoneInfo(timezone))
    start = whole_blocks_from(calendar, midnight.astimezone(UTC) - timedelta(days=days))
    assert start == calendar.start(calendar.name(start))
    assert calendar.name(start) == (end - timedelta(days=days)).date().isoformat()


def test_a_clock_change_cuts_no_block_of_a_replay(tmp_path: Path) -> None:
    """New York's clocks went forward on 2026-03-08, inside the window."""
    site = site_with(
        tmp_path, LIVE["cost"].predict, ("timezone: UTC", "timezone: America/New_York")
    )
    add(site, "cost", "2", LIVE["cost"])
    rollout = ask(site, "cost@2")
    advance(site, rollout, day(72))
    measured = told(site, rollout, ShadowMeasured)[0]
    assert isinstance(measured, ShadowMeasured)
    local = ZoneInfo("America/New_York")
    assert measured.start.astimezone(local).hour == 23
    whole = Window(start=datetime(2026, 2, 28, tzinfo=local).astimezone(UTC), end=measured.end)
    assert measured.end == datetime(2026, 3, 12, tzinfo=local)
    assert measured.rows == len(table(whole))
