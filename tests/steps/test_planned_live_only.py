"""Gates that only live answers show are planned by what the log says of the champion."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluiceway.adapters.prediction_log import MemoryPredictionLog
from sluiceway.outcomes import Outcome
from sluiceway.planning import CanaryPower, Fit, render_power
from sluiceway.ports import Window
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.driver import advance
from tests.steps.test_own_units import REVIEWS
from tests.steps.test_served_evidence import Dress, Served, gate, took
from tests.steps.worlds import NOW, ask, quick_site, same_fraud

DAY = timedelta(days=1)
PAST = Window(start=NOW - 40 * DAY, end=NOW)
"""What the champion has answered before anybody asked for a rollout."""


def planned(
    folder: Path,
    *declared: tuple[str, str],
    dress: Dress | None,
    past: Window = PAST,
    log: Callable[[Dress], MemoryPredictionLog] = Served,
) -> tuple[Site, str, CanaryPower]:
    """The plan of a canary of fraud@2, which answers what fraud@1 does."""
    site = quick_site(folder, *declared)
    if dress is not None:
        site = replace(site, predictions=log(dress))
        BatchServer(site).answer(past, now=NOW)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    power = site.state(rollout).power
    assert power is not None
    return site, rollout, power


def slow_at_times(rows: pd.DataFrame) -> pd.DataFrame:
    """Ten milliseconds, and one answer in a hundred ten times that."""
    rows = took(rows, baseline=10, candidate=10, mirror=10)
    late = np.random.default_rng(len(rows)).random(len(rows)) < 0.01
    return rows.assign(**{"seconds:fraud": rows["seconds:fraud"] * np.where(late, 10, 1)})


LATENCY = gate("latency_mean", 5, "ms", role="required")
ERRORS = gate("error_rate", 0.05, "share", role="required")


def test_latency_is_in_the_plan_where_the_log_knows_the_champions(tmp_path: Path) -> None:
    _, _, power = planned(tmp_path, LATENCY, dress=slow_at_times)
    assert power.unplanned == ()
    own = next(one for one in power.gates if one.gate == "fraud.latency_mean")
    assert own.harm == 0
    # Sixty answers a half, of which about one in two halves took 90 ms longer: about 1.6 ms.
    assert 0.3 < own.spread < 4
    assert own.detectable is not None


def test_errors_are_in_the_plan_as_of_two_arms_that_fail_on_their_own(tmp_path: Path) -> None:
    def failing(rows: pd.DataFrame) -> pd.DataFrame:
        draw = np.random.default_rng(len(rows)).random(len(rows)) < 0.1
        why = np.where(draw, "error", None)
        return took(rows, 10, 10, 10).assign(**{"stand_in:fraud": why})

    site, rollout, power = planned(tmp_path, ERRORS, dress=failing)
    assert power.unplanned == ()
    own = next(one for one in power.gates if one.gate == "fraud.error_rate")
    # 120 pairs a day of which 2 · .1 · .9 differ.
    assert own.spread == pytest.approx(np.sqrt(0.18 / 120), rel=0.4)
    recorded = site.state(rollout).shadows[-1].harms
    assert recorded is not None
    assert recorded.halves == ()
    shares = [one for one in recorded.losses["fraud.error_rate"] if one is not None]
    assert np.mean(shares) == pytest.approx(0.18, abs=0.03)


def test_a_margin_that_no_log_can_hold_refuses_the_canary(tmp_path: Path) -> None:
    tight = gate("latency_mean", 0.01, "ms", role="required")
    site, rollout, power = planned(tmp_path, tight, dress=slow_at_times)
    assert power.fit is Fit.REFUSED
    assert power.gates[0].gate == "fraud.latency_mean"
    assert "fraud.latency_mean alone needs more than" in render_power(power)
    assert site.state(rollout).ended is not None


@pytest.mark.parametrize("case", ["no log", "nine days", "unreadable"])
def test_what_the_log_does_not_know_is_said_not_to_be_in_it(tmp_path: Path, case: str) -> None:
    class Broken(Served):
        def read(self, window: Window) -> pd.DataFrame:
            raise OSError("the disk is gone")

    past = Window(start=NOW - 9 * DAY, end=NOW) if case == "nine days" else PAST
    log = Broken if case == "unreadable" else Served
    site, rollout, power = planned(
        tmp_path, LATENCY, dress=None if case == "no log" else slow_at_times, past=past, log=log
    )
    assert power.unplanned == ("fraud.latency_mean",)
    assert "fraud.latency_mean is not in it" in render_power(power)
    assert site.state(rollout).shadows[-1].outcome is Outcome.PASSED


def test_labels_that_depend_on_the_answer_are_planned_by_the_champions_own(tmp_path: Path) -> None:
    site, rollout, power = planned(tmp_path, *REVIEWS, dress=lambda rows: rows)
    assert power.unplanned == ()
    assert "fraud.accuracy" in {one.gate for one in power.gates}
    recorded = site.state(rollout).shadows[-1].harms
    assert recorded is not None
    assert recorded.halves == ("fraud.accuracy",)


def test_what_served_while_a_promotion_was_watched_is_the_champion(tmp_path: Path) -> None:
    """The arm that was the candidate answers everybody then."""

    def watched(rows: pd.DataFrame) -> pd.DataFrame:
        early = rows["event_time"] < NOW - 7 * DAY
        rows = slow_at_times(rows)
        return rows.assign(
            arm=rows["arm"].mask(early, "candidate"), weight=rows["weight"].mask(early, 100)
        )

    site, rollout, power = planned(tmp_path, LATENCY, dress=watched)
    assert power.unplanned == ()
    recorded = site.state(rollout).shadows[-1].harms
    assert recorded is not None
    harms = recorded.harms["fraud.latency_mean"]
    assert len(set(harms)) == len(harms), "no day is another's repetition"
