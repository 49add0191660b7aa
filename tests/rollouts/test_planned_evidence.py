"""Priors are fixed by the canary's plan: by what shadow saw, at the sample that is planned."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.gates import Comparison, HarmEstimate
from sluiceway.outcomes import Outcome
from sluiceway.planning import Fit, RecordedHarms
from sluiceway.rollouts.events import CanaryPlanned, StepEntered
from sluiceway.rollouts.planned_evidence import mean_square, planned_evidence
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.sequential import Evidence, Method, method_for
from tests.rollouts.happenings import (
    DAY,
    REQUESTED,
    REQUIRED,
    START,
    Told,
    plan,
    planned,
    powered,
    shadow,
    verdict,
)


def reading(metric, paired=True, **more):  # type: ignore[no-untyped-def]
    evidence = method_for(metric_named(metric), paired=paired, independent_units=True)
    comparison = Comparison.PAIRED if paired else Comparison.UNPAIRED
    return replace(REQUIRED[0], metric=metric, evidence=evidence, comparison=comparison, **more)


def days_of(gate, differences):  # type: ignore[no-untyped-def]
    """Days of pairs, ``float64[days, pairs]``, as a shadow replay records them."""
    days, pairs = differences.shape
    return RecordedHarms(
        blocks=tuple(f"{day:03d}" for day in range(days)),
        units=(pairs,) * days,
        harms={gate.name: tuple(differences.mean(axis=1).tolist())},
    )


def test_the_mean_square_of_a_difference_is_read_from_the_harms_of_blocks() -> None:
    rng = np.random.default_rng(4)
    differences = rng.choice([-1.0, 0.0, 1.0], p=[0.02, 0.95, 0.03], size=(400, 200))
    found = mean_square(days_of(REQUIRED[0], differences), REQUIRED[0])
    assert found == pytest.approx((differences**2).mean(), rel=0.15)
    assert mean_square(days_of(REQUIRED[0], differences[:1]), REQUIRED[0]) is None


def test_a_gate_that_counts_pairs_expects_those_of_its_planned_sample() -> None:
    rng = np.random.default_rng(5)
    pairs, bets, days = reading("accuracy"), reading("expected_cost(miss=5, false_alarm=1)"), 300
    differences = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=(days, 100))
    recorded = days_of(pairs, differences)
    recorded = replace(recorded, harms=recorded.harms | days_of(bets, 5 * differences).harms)
    power = replace(powered(Fit.IN_TIME).power, units_needed=10_000)
    of = replace(plan(steps=1), gates=(pairs, bets, REQUIRED[1]))  # at weight 10, mirror 20
    found = planned_evidence(of, power, recorded, ())
    assert set(found) == {pairs.name, bets.name}
    assert found[pairs.name].method is Method.BETA_MIXTURE
    assert found[pairs.name].expected == pytest.approx(2_800 * 0.2, rel=0.15)
    # The same differences in units of their reach: the same information.
    assert found[bets.name].method is Method.BETTING
    assert found[bets.name].expected == pytest.approx(found[pairs.name].expected)


def test_a_gate_that_counts_events_expects_them_at_the_last_steps_weight() -> None:
    live = reading("accuracy", paired=False)
    seen = HarmEstimate(
        harm=0.0, standard_error=0.1, low=-1.0, high=1.0, baseline=0.97, candidate=0.97,
        rows=10, blocks=10, method="as told",
    )  # fmt: skip
    judged = replace(verdict(live, Outcome.PASSED), estimate=seen)
    of = replace(plan(steps=2), gates=(live,))
    power = replace(powered(Fit.IN_TIME).power, units_needed=10_000)
    nothing = RecordedHarms(blocks=(), units=(), harms={})
    found = planned_evidence(of, power, nothing, [judged])[live.name]
    assert found.method is Method.CONDITIONAL_EVENTS
    assert found.rate == pytest.approx(0.03)
    assert found.expected == pytest.approx(10_000 * 0.03 * 0.2 * 0.8)


def test_where_nothing_is_known_nothing_is_changed() -> None:
    pairs = reading("accuracy")
    of = replace(plan(), gates=(pairs, reading("recall"), replace(pairs, in_shadow=False)))
    power = powered(Fit.IN_TIME).power
    nothing = RecordedHarms(blocks=(), units=(), harms={})
    assert planned_evidence(of, power, nothing, ()) == {}
    refused = powered(Fit.REFUSED).power
    assert planned_evidence(of, refused, days_of(pairs, np.eye(20)), ()) == {}


def test_priors_are_those_of_the_plan_the_canary_began_with() -> None:
    told, name = Told(), REQUIRED[0].name
    first, second = Evidence(expected=7.0), Evidence(expected=8.0)
    window = (START - 21 * DAY, START - DAY)
    power = powered(Fit.IN_TIME).power
    passed = shadow(Outcome.PASSED, *window)
    begun = CanaryPlanned(power=power, evidence={name: first})

    def live() -> Evidence:
        found = told.state.live_plan
        assert found is not None
        return found.gates[0].evidence

    for one in (REQUESTED, planned(steps=1), passed, begun):
        told.add(one, START)
    assert live() == first
    told.add(passed, START)  # what was planned from an earlier replay does not hold for a new one
    assert live() == Evidence()
    for one in (begun, StepEntered(step=0, weight=10), passed):
        told.add(one, START)
    told.add(CanaryPlanned(power=power, evidence={name: second}), START)
    assert live() == first
