"""The table of what an outcome leads to, row by row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from sluiceway.gates import Reason, Role, render
from sluiceway.outcomes import Outcome, worst
from sluiceway.planning import Fit
from sluiceway.rollouts.actions import (
    AuditFeatures,
    CheckContracts,
    End,
    EnterStep,
    Promote,
    ReplayShadow,
    RollBack,
    StopTraffic,
    Wait,
)
from sluiceway.rollouts.deciding import next_action
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import (
    Confirmed,
    DeadlineLengthened,
    Promoted,
    StepEntered,
    TrafficStopped,
)
from sluiceway.slices import Condition, Slice
from tests.rollouts.happenings import (
    DAY,
    HARMS,
    REQUESTED,
    REQUIRED,
    START,
    Told,
    audited,
    contracts,
    drifted,
    looked,
    planned,
    powered,
    shadow,
    verdict,
    verdicts,
)

PASSED, INCONCLUSIVE, ERROR, FAILED = Outcome
WINDOW = (START - 21 * DAY, START - DAY)
EXTENDED = (START - 31 * DAY, START - DAY)


def after(*happenings, at=START, now=None):  # type: ignore[no-untyped-def]
    """What comes next, once the world has been made as these events want it."""
    told = Told()
    for happening in happenings:
        told.add(happening, at)
    told.add(Confirmed(seq=len(told.events), revision=1), at)
    return next_action(told.state, now=now or at, behind=None)


def ending(action):  # type: ignore[no-untyped-def]
    return action.ended.ending if isinstance(action, End) else type(action)


@pytest.mark.parametrize(
    ("told", "leads_to"),
    [
        ([PASSED], ReplayShadow),
        ([INCONCLUSIVE], Ending.INCONCLUSIVE),
        ([ERROR], CheckContracts),
        ([ERROR, ERROR], Ending.ERRORED),
        ([FAILED], Ending.REJECTED),
        ([ERROR, FAILED], Ending.REJECTED),
    ],
)
def test_contracts(told, leads_to) -> None:  # type: ignore[no-untyped-def]
    assert ending(after(REQUESTED, planned(), *map(contracts, told))) == leads_to


@pytest.mark.parametrize(
    ("told", "leads_to"),
    [
        ([(PASSED, WINDOW)], EnterStep),
        ([(INCONCLUSIVE, WINDOW)], EXTENDED),
        ([(INCONCLUSIVE, WINDOW), (INCONCLUSIVE, EXTENDED)], Ending.INCONCLUSIVE),
        ([(INCONCLUSIVE, WINDOW), (PASSED, EXTENDED)], EnterStep),
        ([(ERROR, WINDOW)], WINDOW),
        ([(ERROR, WINDOW), (ERROR, WINDOW)], Ending.ERRORED),
        ([(FAILED, WINDOW)], Ending.REJECTED),
        ([(INCONCLUSIVE, WINDOW), (FAILED, EXTENDED)], Ending.REJECTED),
    ],
)
def test_shadow(told, leads_to) -> None:  # type: ignore[no-untyped-def]
    shadows = [shadow(outcome, *window) for outcome, window in told]
    action = after(REQUESTED, planned(), contracts(PASSED), *shadows)
    found = (action.start, action.end) if isinstance(action, ReplayShadow) else ending(action)
    assert found == leads_to


def look_of(outcome):  # type: ignore[no-untyped-def]
    return looked((outcome, PASSED, PASSED), "2026-03-03")


CANARY = (REQUESTED, planned(steps=1), contracts(PASSED), shadow(PASSED, *WINDOW))
STEP = StepEntered(step=0, weight=10)
# Blocks mature a day after they end: before this nothing new can be looked at.
SOON, LATE = START + timedelta(hours=1), START + 25 * DAY


@pytest.mark.parametrize(
    ("outcome", "leads_to"),
    [(PASSED, Wait), (INCONCLUSIVE, Wait), (ERROR, StopTraffic), (FAILED, RollBack)],
)
def test_canary_before_its_time(outcome, leads_to) -> None:  # type: ignore[no-untyped-def]
    assert ending(after(*CANARY, STEP, look_of(outcome), now=SOON)) == leads_to


@pytest.mark.parametrize("outcome", [PASSED, INCONCLUSIVE])
def test_a_canary_that_cannot_be_promoted_by_its_deadline_is_over(outcome) -> None:  # type: ignore[no-untyped-def]
    last = looked((outcome, PASSED, PASSED), "2026-03-25")
    assert ending(after(*CANARY, STEP, last, now=LATE)) == Ending.EXPIRED


def test_a_canary_in_error_holds_without_traffic_and_is_aborted_after_its_limit() -> None:
    told = (*CANARY, STEP, look_of(ERROR), TrafficStopped(reason="unreadable"))
    assert isinstance(after(*told, now=SOON), Wait)
    late = looked((ERROR, PASSED, PASSED), "2026-03-10")
    told = (*CANARY, STEP, late, TrafficStopped(reason="unreadable"))
    assert ending(after(*told, now=START + 5 * DAY)) == Ending.ABORTED


@pytest.mark.parametrize(
    ("outcome", "leads_to"),
    [(PASSED, Wait), (INCONCLUSIVE, Wait), (ERROR, Wait), (FAILED, RollBack)],
)
def test_watch(outcome, leads_to) -> None:  # type: ignore[no-untyped-def]
    promoted = Promoted(release="new", previous_release="old")
    action = after(*CANARY, STEP, look_of(PASSED), promoted, look_of(outcome), now=SOON)
    assert ending(action) == leads_to


def test_only_the_worst_of_two_outcomes_counts() -> None:
    order = list(Outcome)
    for one, other in product(order, order):
        assert worst([one, other]) is order[max(order.index(one), order.index(other))]
    assert order == [PASSED, INCONCLUSIVE, ERROR, FAILED]
    assert worst([]) is INCONCLUSIVE


def test_promotion_comes_from_a_passed_look_after_bake_time_alone() -> None:
    now = START + 3 * DAY
    for outcome in Outcome:
        last = looked((outcome, PASSED, PASSED), "2026-03-03")
        states = {name: replace(state, n=1) for name, state in last.states.items()}
        seen = (*CANARY, STEP, replace(last, states=states))
        assert isinstance(after(*seen, now=now), AuditFeatures) == (outcome is PASSED)
        assert isinstance(after(*seen, audited(PASSED), now=now), Promote) == (outcome is PASSED)


@pytest.mark.parametrize(
    ("outcome", "leads_to"),
    [(PASSED, Promote), (INCONCLUSIVE, Promote), (ERROR, Wait), (FAILED, Wait)],
)
def test_features_served_otherwise_than_trained_hold_the_promotion(outcome, leads_to) -> None:  # type: ignore[no-untyped-def]
    last = look_of(PASSED)
    states = {name: replace(state, n=1) for name, state in last.states.items()}
    seen = (*CANARY, STEP, replace(last, states=states), audited(outcome))
    assert isinstance(after(*seen, now=START + 3 * DAY), leads_to)


def test_a_new_look_audits_the_features_anew() -> None:
    last = look_of(PASSED)
    states = {name: replace(state, n=1) for name, state in last.states.items()}
    seen = replace(last, states=states)
    action = after(*CANARY, STEP, seen, audited(FAILED), seen, now=START + 3 * DAY)
    assert action == AuditFeatures()


def test_a_mismatch_that_lasts_to_the_deadline_is_why_it_ended() -> None:
    last = looked((PASSED, PASSED, PASSED), "2026-03-25")
    action = after(*CANARY, STEP, last, audited(FAILED), now=LATE)
    assert isinstance(action, End)
    assert action.ended.code is ReasonCode.FEATURES_MISMATCH


DRIFT = drifted("2026-03-03")
AFTER = datetime(2026, 3, 4, tzinfo=UTC)
REPLAY = (AFTER - 20 * DAY, AFTER)
LONGER = (AFTER - 30 * DAY, AFTER)


def promotable():  # type: ignore[no-untyped-def]
    """A look after which, but for drift, features are audited and then it is promoted."""
    last = look_of(PASSED)
    states = {name: replace(state, n=1) for name, state in last.states.items()}
    return replace(last, states=states)


@pytest.mark.parametrize(
    ("told", "leads_to"),
    [
        ([], REPLAY),
        ([(PASSED, REPLAY)], AuditFeatures),
        ([(FAILED, REPLAY)], RollBack),
        ([(ERROR, REPLAY)], REPLAY),
        ([(ERROR, REPLAY), (ERROR, REPLAY)], Ending.ERRORED),
        ([(ERROR, REPLAY), (PASSED, REPLAY)], AuditFeatures),
        ([(INCONCLUSIVE, REPLAY)], LONGER),
        ([(INCONCLUSIVE, REPLAY), (INCONCLUSIVE, LONGER)], Wait),
        ([(INCONCLUSIVE, REPLAY), (PASSED, LONGER)], AuditFeatures),
        ([(INCONCLUSIVE, REPLAY), (FAILED, LONGER)], RollBack),
        ([(PASSED, REPLAY), DRIFT], Wait),
    ],
)
def test_drift_replays_shadow_whose_fresh_verdict_counts(told, leads_to) -> None:  # type: ignore[no-untyped-def]
    """The plan allows one replay because of drift: at the second drift it holds."""
    happened = [one if one is DRIFT else shadow(one[0], *one[1]) for one in told]
    action = after(*CANARY, STEP, promotable(), DRIFT, *happened, now=START + 3 * DAY)
    found = (action.start, action.end) if isinstance(action, ReplayShadow) else ending(action)
    assert found == leads_to


@pytest.mark.parametrize("outcome", [FAILED, ERROR])
def test_live_evidence_against_the_candidate_comes_before_drift(outcome) -> None:  # type: ignore[no-untyped-def]
    action = after(*CANARY, STEP, look_of(outcome), DRIFT, now=SOON)
    assert isinstance(action, RollBack if outcome is FAILED else StopTraffic)


def test_a_canary_that_drift_holds_ends_at_its_deadline_and_says_why() -> None:
    last = looked((PASSED, PASSED, PASSED), "2026-03-25")
    passed = shadow(PASSED, *REPLAY)
    action = after(*CANARY, STEP, DRIFT, passed, DRIFT, last, now=LATE)
    assert isinstance(action, End)
    assert (action.ended.ending, action.ended.code) == (Ending.EXPIRED, ReasonCode.SHADOW_STALE)
    assert action.ended.reason.startswith(
        "shadow evidence stale: drift in wind KS D 0.500 > 0.250, over 10 days up to 2026-03-03 "
        "against 20 of shadow's; the 1 replay that the policy allows because of drift are spent"
    )


def test_drift_makes_what_shadow_said_inconclusive_with_its_reason() -> None:
    told = Told()
    passed = replace(shadow(PASSED, *WINDOW), verdicts=verdicts((PASSED, PASSED, INCONCLUSIVE)))
    for one in (REQUESTED, planned(steps=1), contracts(PASSED), passed, STEP, DRIFT):
        told.add(one, START)
    stale = told.state.shadows[-1]
    assert {v.outcome for v in stale.verdicts} == {INCONCLUSIVE}
    assert {v.reason for v in stale.verdicts} == {Reason.SHADOW_STALE}
    assert render(stale.verdicts[0]).startswith("up.mae: shadow evidence stale: drift in wind")


def test_a_replay_in_the_canary_keeps_its_deadline_and_its_slices() -> None:
    told = Told()
    moved = DeadlineLengthened(before=20 * DAY, after=27 * DAY, reason="needs 25 days")
    one = Slice(variable="c", conditions=(Condition(column="s.c", equals="a"),))
    guard = verdict(replace(REQUIRED[0], role=Role.GUARD, slice=one), PASSED)
    first = replace(shadow(PASSED, *WINDOW, HARMS), slices=(guard,))
    again = shadow(PASSED, *REPLAY, HARMS)
    for happened in (
        REQUESTED, planned(steps=1), contracts(PASSED), first, powered(Fit.LENGTHENED), moved,
        STEP, DRIFT, again,
    ):  # fmt: skip
        told.add(happened, START)
    state = told.state
    assert state.lengthened == moved
    assert [gate.name for gate in state.slice_gates] == [guard.gate.name]
