"""Priors are fixed by the canary's plan: by what shadow saw, at the sample that is planned."""

from dataclasses import replace

import pytest

from sluiceway.gates import Comparison
from sluiceway.outcomes import Outcome
from sluiceway.planning import Fit, RecordedHarms
from sluiceway.rollouts.events import CanaryPlanned, StepEntered
from sluiceway.rollouts.planned_evidence import planned_evidence, rate_of
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
)


def reading(metric, paired=True, **more):  # type: ignore[no-untyped-def]
    evidence = method_for(metric_named(metric), paired=paired, independent_units=True)
    comparison = Comparison.PAIRED if paired else Comparison.UNPAIRED
    return replace(REQUIRED[0], metric=metric, evidence=evidence, comparison=comparison, **more)


def recorded_of(*gates, days=30, units=100, **columns):  # type: ignore[no-untyped-def]
    """A record in which all days are alike, with these columns for each gate."""
    column = {gate.name: (0.0,) * days for gate in gates}
    return RecordedHarms(
        blocks=tuple(f"{day:03d}" for day in range(days)),
        units=(units,) * days,
        harms=column,
        **columns,
    )


def test_what_a_unit_tells_is_weighed_by_the_units_of_a_block() -> None:
    pairs, bets = reading("accuracy"), reading("expected_cost(miss=5, false_alarm=1)")
    record = RecordedHarms(
        blocks=("a", "b", "c"),
        units=(100, 300, 50),
        harms={pairs.name: (0.0, 0.0, None), bets.name: (1.0, -1.0, None)},
        losses={pairs.name: (0.2, 0.4, None)},
        differences={bets.name: (-3.0, 3.0)},
    )
    assert rate_of(record, pairs) == pytest.approx(0.35)
    assert rate_of(record, bets) == pytest.approx(1.0 + 9.0)
    assert rate_of(replace(record, losses={}, differences={}), pairs) is None
    assert rate_of(replace(record, losses={}, differences={}), bets) is None


def test_a_gate_that_counts_pairs_expects_those_of_its_planned_sample() -> None:
    pairs, bets = reading("accuracy"), reading("expected_cost(miss=5, false_alarm=1)")
    served = reading("error_rate", in_shadow=False)
    record = recorded_of(
        pairs,
        bets,
        served,
        losses={pairs.name: (0.2,) * 30, served.name: (0.04,) * 30},
        differences={bets.name: (-5.0, 5.0, *(0.0,) * 8)},
    )
    power = replace(powered(Fit.IN_TIME).power, units_needed=10_000)
    of = replace(plan(steps=1), gates=(pairs, bets, served, REQUIRED[1]))  # weight 10, mirror 20
    found = planned_evidence(of, power, record)
    assert set(found) == {pairs.name, bets.name, served.name}
    assert found[pairs.name].method is Method.BETA_MIXTURE
    assert found[pairs.name].expected == pytest.approx(2_800 * 0.2)
    assert found[served.name].expected == pytest.approx(2_800 * 0.04)
    # The same differences in units of their reach: the same information.
    assert found[bets.name].method is Method.BETTING
    assert found[bets.name].expected == pytest.approx(found[pairs.name].expected)


def test_a_gate_that_counts_events_expects_them_at_the_last_steps_weight() -> None:
    live = reading("accuracy", paired=False)
    of = replace(plan(steps=2), gates=(live,))
    power = replace(powered(Fit.IN_TIME).power, units_needed=10_000)
    record = recorded_of(live, losses={live.name: (0.03,) * 30}, halves=(live.name,))
    found = planned_evidence(of, power, record)[live.name]
    assert found.method is Method.CONDITIONAL_EVENTS
    assert found.rate == pytest.approx(0.03)
    assert found.expected == pytest.approx(10_000 * 0.03 * 0.2 * 0.8)


def test_where_nothing_is_known_nothing_is_changed() -> None:
    pairs = reading("accuracy")
    of = replace(plan(), gates=(pairs, reading("recall"), replace(pairs, in_shadow=False)))
    power = powered(Fit.IN_TIME).power
    nothing = RecordedHarms(blocks=(), units=(), harms={})
    assert planned_evidence(of, power, nothing) == {}
    refused = powered(Fit.REFUSED).power
    known = recorded_of(pairs, losses={pairs.name: (0.2,) * 30})
    assert planned_evidence(of, refused, known) == {}


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
