"""Canaries that cannot finish, and harms that add up: stopped before anything live is touched."""

from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.planning import Fit
from sluiceway.planning.budget import BudgetReason
from sluiceway.reports import explain
from sluiceway.rollouts.actions import Rest
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import CanaryPlanned, DeadlineLengthened, StepEntered
from sluiceway.steps import requests
from sluiceway.steps.site import Site
from tests.driver import Line, add, advance, live_days

from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud, told

DAY = timedelta(days=1)


def explained(site: Site, rollout: str) -> str:
    events = site.journal.events(site.environment, rollout)
    return explain(events, site.systems.kept(rollout))


def test_a_canary_that_fits_says_sample_time_and_probability(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    (planned,) = told(site, rollout, CanaryPlanned)
    assert planned.power.fit is Fit.IN_TIME  # type: ignore[attr-defined]
    assert (
        "Canary planned, it fits its deadline: a harmless candidate passes all required gates "
        "within 10 days (1,200 units) with probability 0.80, and by the deadline of 25d (23 days) "
        "with 1.00"
    ) in explained(site, rollout)
    assert site.state(rollout).step == 0


def test_a_canary_that_needs_longer_is_lengthened_visibly(tmp_path: Path) -> None:
    """Ten blocks of a day, one day until the first begins, one until the last is mature."""
    site = quick_site(tmp_path, ("deadline: 25d", "deadline: 7d"))
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    (moved,) = told(site, rollout, DeadlineLengthened)
    assert (moved.before, moved.after) == (7 * DAY, 12 * DAY)  # type: ignore[attr-defined]
    order = kinds(site, rollout)
    assert order.index("deadline_lengthened") < order.index("step_entered")
    assert "deadline was moved from 7d to 12d" in explained(site, rollout)
    live_days(site, rollout, NOW, 14)
    assert ended(site, rollout).ending is Ending.PROMOTED


def test_a_canary_that_cannot_finish_is_refused_with_its_numbers(tmp_path: Path) -> None:
    site = quick_site(tmp_path, ("deadline: 25d", "deadline: 7d\n    max_deadline: 11d"))
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    assert isinstance(advance(site, rollout, NOW), Rest)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.INCONCLUSIVE, Phase.CANARY)
    assert end.code is ReasonCode.CANARY_UNDERPOWERED
    assert end.reason == (
        "a harmless candidate would pass all required gates with probability 0.00 by the deadline "
        "of 7d and 0.00 by the latest one of 11d; 0.80 is wanted and needs more than the 9 days "
        "(1,080 units) until then; fraud.brier alone needs 10 days: 9 days pass a margin of 0 "
        "(its margin is 0.0050) and stop a harm of 0.0050"
    )
    assert told(site, rollout, StepEntered) == []
    assert end.reason in explained(site, rollout)


def test_a_plan_is_shown_before_the_owners_are_asked(tmp_path: Path) -> None:
    site = quick_site(
        tmp_path, ("approvals: []", "approvals: [risk]"), ("deadline: 25d", "deadline: 7d")
    )
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    order = [kind for kind in kinds(site, rollout) if kind != "confirmed"]
    assert order[-3:] == ["canary_planned", "deadline_lengthened", "approval_requested"]


def late(days: float) -> Line:
    """Handling that says so many days too much: its MAE rises with the square of that."""
    return Line({"distance": 1 / 500, "fraud.probability": 0.0}, offset=2.0 + days)


@pytest.fixture
def spent(tmp_path: Path) -> Site:
    """A shop whose second generation has spent about two thirds of handling's margin."""
    site = quick_site(tmp_path)
    add(site, "handling", "2", late(0.21))
    add(site, "handling", "3", late(0.30))
    rollout = ask(site, "handling@2")
    advance(site, rollout, NOW)
    live_days(site, rollout, NOW, 25)
    assert ended(site, rollout).ending is Ending.PROMOTED, ended(site, rollout).reason
    return site


def test_a_second_small_harm_is_rejected_by_what_the_first_has_spent(spent: Site) -> None:
    later = NOW + 30 * DAY
    rollout = requests.request_rollout(spent, ["handling@3"], now=later, actor="ada")
    assert isinstance(advance(spent, rollout, later), Rest)
    shadow = spent.state(rollout).shadows[-1]
    own = {v.gate.name: v.outcome.value for v in shadow.verdicts}
    assert set(own.values()) == {"passed"}, "against what serves alone it would have passed"
    budget = {one.gate.name: (one.generation, one.reason) for one in shadow.budget}
    assert budget["handling.mae"] == (1, BudgetReason.BUDGET_SPENT)
    end = ended(spent, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.SHADOW)
    assert end.code is ReasonCode.BUDGET_SPENT
    assert end.reason.startswith("since generation 1, handling.mae: harm +0.0")
    assert "x since generation 1, handling.mae" in explained(spent, rollout)


def test_what_was_spent_is_forgotten_after_the_window(spent: Site) -> None:
    later = NOW + 130 * DAY
    rollout = requests.request_rollout(spent, ["handling@3"], now=later, actor="ada")
    advance(spent, rollout, later)
    shadow = spent.state(rollout).shadows[-1]
    assert shadow.budget == ()
    assert shadow.outcome.value == "passed"


def test_a_step_back_to_the_best_generation_is_not_held_up(spent: Site) -> None:
    later = NOW + 30 * DAY
    rollout = requests.request_rollout(spent, ["handling@1"], now=later, actor="ada")
    advance(spent, rollout, later)
    shadow = spent.state(rollout).shadows[-1]
    assert {one.reason for one in shadow.budget} <= {BudgetReason.NOT_WORSE_THAN_CHAMPION}
    assert shadow.outcome.value == "passed", shadow
