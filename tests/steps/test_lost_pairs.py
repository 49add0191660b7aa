"""Pairs lost for reasons unrelated to the version count by arm: many, or unequal, is an error."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.statistics.lost_pairs import PARTS
from sluiceway.steps.pairs import units_to_pair
from sluiceway.steps.serving import BatchServer
from tests.driver import advance
from tests.orders import data
from tests.steps.changed_log import DAY, looked_at
from tests.steps.test_gateway_evidence import Gateway
from tests.steps.test_own_units import EVEN
from tests.steps.worlds import NOW, quick_site, same_fraud, to_canary

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(autouse=True)
def busy_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop with enough orders that losses below 1 % can be told apart."""
    monkeypatch.setattr(data, "ROWS_A_DAY", 3_000)


def losing(candidate: float, champion: float, *, at_once: bool = False) -> Change:
    """The log without the mirrored answers to so many percent of each arm's units, to be exact.

    Args:
        at_once: Whether those units are the first ones, one after the other.
    """

    def change(log: pd.DataFrame) -> pd.DataFrame:
        if log.empty:
            return log
        gone = []
        for arm, share in (("candidate", candidate), ("baseline", champion)):
            own = log[(log["path"] == "primary") & (log["arm"] == arm)].sort_values("event_time")
            count = round(len(own) * share / 100)
            places = (
                np.arange(count) if at_once else np.linspace(0, len(own) - 1, count).astype(int)
            )
            gone += list(own["unit"].iloc[places])
        return log[(log["path"] == "primary") | ~log["unit"].isin(gone)]

    return change


def test_an_arm_that_loses_its_pairs_is_an_error_though_few_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rollout, look = looked_at(tmp_path, monkeypatch, losing(1.9, 0.0), EVEN)
    assert look.outcome is Outcome.ERROR
    assert look.watermark is None
    assert all(state.n == 0 for state in look.states.values())
    said = str(look.fault)
    assert said.startswith("one arm loses more of its pairs than the other: ")
    assert "of the candidate's 2,9" in said or "of the candidate's 3,0" in said
    assert "(1.90 %) lack the champion's answer, 0 of the champion's" in said
    assert said.endswith(f"(bets on {PARTS} parts of each block, level 0.001 over all looks)")
    assert site.state(rollout).weight == 0


def test_it_is_seen_in_what_a_gateway_logged(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    site = quick_site(tmp_path / "tables", EVEN)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    window = Window(start=NOW, end=NOW + 2 * DAY)
    BatchServer(site).answer(window, now=window.end)
    gateway = Gateway(tmp_path / "gateway", site)
    same_fraud(gateway.site)
    to_canary(gateway.site, "fraud@2")
    gateway.answer(window, losing(0.0, 1.9))
    gateway.post(window)
    advance(gateway.site, rollout, NOW + 3 * DAY)
    look = gateway.site.state(rollout).look
    assert look is not None
    assert look.outcome is Outcome.ERROR
    assert "one arm loses more of its pairs than the other: 0 of the candidate's" in str(look.fault)
    assert "(1.90 %) lack the candidate's answer" in str(look.fault)


@pytest.mark.parametrize(
    "change",
    [losing(0.0, 0.0), losing(0.8, 0.8), losing(0.1, 0.0), losing(1.9, 0.0, at_once=True)],
    ids=["none", "alike", "a few of one arm", "many of one arm at once"],
)
def test_chance_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    _, _, look = looked_at(tmp_path, monkeypatch, change, EVEN)
    assert look.fault is None
    assert {state.n for state in look.states.values()} == {2}


def test_too_many_lost_pairs_are_told_by_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, look = looked_at(tmp_path, monkeypatch, losing(3.0, 1.0), EVEN)
    assert look.outcome is Outcome.ERROR
    said = str(look.fault)
    assert "pairs lost one arm's answer (2.0 %, limit 1 %): " in said
    assert "(3.00 %) lack the champion's answer" in said
    assert "(1.00 %) lack the candidate's answer" in said


def test_what_the_version_failed_to_answer_is_no_lost_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there with a safe default: dropping it would reward failing on hard ones."""

    def failing(log: pd.DataFrame) -> pd.DataFrame:
        if log.empty:
            return log
        mirrored = (log["arm"] == "candidate") & (log["path"] == "mirror")
        hard = log["unit"].isin(log.loc[mirrored, "unit"].iloc[::70])
        return log.assign(fallback=mirrored & hard)

    _, _, look = looked_at(tmp_path, monkeypatch, failing, EVEN)
    assert look.fault is None


def test_a_row_that_nobody_received_tells_whose_unit_it_is() -> None:
    """Of one unit only the mirrored answer is there, of another the received one."""
    rows = pd.DataFrame(
        {
            "unit": ["a", "b", "c", "c"],
            "block": "2026-02-10",
            "event_time": NOW,
            "routing_revision": 3,
            "arm": ["baseline", "baseline", "baseline", "candidate"],
            "path": ["mirror", "primary", "primary", "mirror"],
            "paired": True,
        }
    )
    found = units_to_pair(rows, ["fraud"], frozenset())
    assert found["on_candidate"].to_dict() == {"a": True, "b": False, "c": False}
    assert found["lost"].to_dict() == {"a": True, "b": True, "c": False}
    assert units_to_pair(rows, ["fraud"], frozenset({"2026-02-10"})).empty
