"""Whatever the journal holds, the core reads it, decides the same every time, and never raises."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.outcomes import Outcome
from sluiceway.planning import Fit
from sluiceway.rollouts.actions import (
    EnterStep,
    LengthenDeadline,
    PlanCanary,
    Promote,
    Reconcile,
    RequestApproval,
    Rest,
)
from sluiceway.rollouts.deciding import next_action
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    AbortRequested,
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    CandidateHalted,
    ChampionRestored,
    Confirmed,
    ContractsChecked,
    DeadlineLengthened,
    Diagnosed,
    DriftFound,
    Ended,
    Held,
    IncidentOpened,
    Looked,
    Promoted,
    Resumed,
    RollbackDecided,
    ShadowMeasured,
    StepEntered,
    TrafficStopped,
    Waited,
    happening,
)
from sluiceway.rollouts.folding import fold

from .happenings import (
    CANDIDATE,
    DAY,
    HARMS,
    LIVE,
    REQUESTED,
    START,
    Told,
    contracts,
    drifted,
    looked,
    planned,
    powered,
    projected,
    shadow,
)

outcomes = st.sampled_from(list(Outcome))
blocks = st.sampled_from([None, "2026-03-02", "2026-03-05", "2026-04-01"])
happenings = st.one_of(
    st.just(REQUESTED),
    st.builds(Waited, behind=st.just("r0")),
    st.builds(planned, approvals=st.sampled_from([(), ("ada",)])),
    st.builds(contracts, outcomes),
    st.builds(
        shadow,
        outcomes,
        st.just(START - 21 * DAY),
        st.just(START - DAY),
        st.sampled_from([None, HARMS]),
    ),
    st.builds(powered, st.sampled_from(list(Fit))),
    st.just(DeadlineLengthened(before=20 * DAY, after=27 * DAY, reason="needs 25 days")),
    st.just(ApprovalRequested(owners=("ada",))),
    st.just(Approved(reason="yes")),
    st.just(ApprovalRefused(reason="no")),
    st.builds(StepEntered, step=st.integers(0, 1), weight=st.integers(1, 100)),
    st.just(TrafficStopped(reason="unreadable")),
    st.builds(
        CandidateHalted,
        code=st.sampled_from([ReasonCode.BREAKER_OPEN, ReasonCode.CONTRACT_BROKEN]),
        reason=st.just("no usable answer"),
        model=st.sampled_from(["up", "down"]),
        version=st.just("2"),
        broken=st.just(18),
        rows=st.just(20),
        instance=st.just("gw-1"),
        revision=st.just(1),
    ),
    st.builds(
        looked,
        st.tuples(outcomes, outcomes, outcomes),
        blocks,
        st.sampled_from([None, "unreadable"]),
    ),
    st.builds(drifted, st.sampled_from(["2026-03-02", "2026-03-05"])),
    st.just(Held(reason="freeze")),
    st.just(Resumed(reason="go on")),
    st.just(AbortRequested(reason="enough")),
    st.just(Promoted(release=CANDIDATE.content_hash, previous_release=LIVE.content_hash)),
    st.just(RollbackDecided(code=ReasonCode.HARM_IN_CANARY, reason="harm")),
    st.just(ChampionRestored(release=LIVE.content_hash)),
    st.just(Diagnosed(attribution=None, fault="not found")),
    st.just(IncidentOpened(title="harm", owners=("ada",))),
    st.builds(Confirmed, seq=st.integers(0, 30), revision=st.just(1)),
    st.just(
        Ended(
            ending=Ending.ABORTED,
            phase=Phase.CANARY,
            code=ReasonCode.ABORTED_BY_HAND,
            reason="enough",
        )
    ),
)
hours = st.integers(0, 24 * 40)
# Half of all sequences begin as real ones do, so that the later rungs are reached as well.
beginnings = st.sampled_from(
    [
        (),
        (
            REQUESTED,
            planned(),
            contracts(Outcome.PASSED),
            shadow(Outcome.PASSED, START - 21 * DAY, START - DAY),
            StepEntered(step=1, weight=20),
            Confirmed(seq=5, revision=1),
        ),
        (
            REQUESTED,
            planned(),
            contracts(Outcome.PASSED),
            shadow(Outcome.PASSED, START - 21 * DAY, START - DAY, HARMS),
            Confirmed(seq=4, revision=1),
        ),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    beginning=beginnings,
    rest=st.lists(st.tuples(happenings, hours), max_size=12),
    later=hours,
)
def test_no_sequence_of_events_confuses_the_core(beginning, rest, later) -> None:  # type: ignore[no-untyped-def]
    told, now = Told(), START
    for one in beginning:
        told.add(one, now)
    for one, after in rest:
        now += timedelta(hours=after)
        told.add(one, now)
    now += timedelta(hours=later)
    state = fold(told.events)
    action = next_action(state, now=now, behind=None)
    assert next_action(fold(told.events), now=now, behind=None) == action
    if told.of(Ended):
        assert isinstance(action, Reconcile | Rest)
    if told.of(Ended, AbortRequested, RollbackDecided):
        assert projected(state).routing.canaries == ()
        assert not isinstance(action, Promote)
    if told.of(CandidateHalted):
        assert not isinstance(action, Promote | EnterStep)
        assert all(route.weight == 0 for route in projected(state).routing.canaries)
    if isinstance(action, Promote):
        assert not told.of(Promoted, ApprovalRefused)
        assert not isinstance(told.of(ShadowMeasured, DriftFound)[-1][1], DriftFound)
        for kind in (ContractsChecked, ShadowMeasured, Looked):
            assert told.of(kind)[-1][1].outcome is Outcome.PASSED  # type: ignore[union-attr]
        assert not state.plan.approvals or told.of(Approved)  # type: ignore[union-attr]


def test_a_refusal_is_not_softened_by_an_approval_in_the_same_breath() -> None:
    told = Told()
    for one in (
        REQUESTED,
        planned(approvals=("ada",)),
        contracts(Outcome.PASSED),
        shadow(Outcome.PASSED, START - 21 * DAY, START - DAY),
        ApprovalRequested(owners=("ada",)),
        Confirmed(seq=4, revision=1),
    ):
        told.add(one, START)
    for order in ((Approved, ApprovalRefused), (ApprovalRefused, Approved)):
        both = Told(events=list(told.events))
        for kind in order:
            both.add(kind(reason="word"), START)
        ended = next_action(both.state, now=START, behind=None).ended  # type: ignore[union-attr]
        assert (ended.ending, ended.code) == (Ending.REJECTED, ReasonCode.APPROVAL_REFUSED)


def shadowed(fit: Fit | None, *more: object) -> Told:
    """A rollout whose shadow has passed with harms, and what its plan came to."""
    told = Told()
    passed = shadow(Outcome.PASSED, START - 21 * DAY, START - DAY, HARMS)
    for one in (
        REQUESTED,
        planned(approvals=("ada",)),
        contracts(Outcome.PASSED),
        passed,
        Confirmed(seq=4, revision=1),
        *((powered(fit),) if fit else ()),
        *more,
    ):
        told.add(one, START)  # type: ignore[arg-type]
    return told


def test_a_canary_is_planned_before_anybody_is_asked_to_approve_it() -> None:
    assert next_action(shadowed(None).state, now=START, behind=None) == PlanCanary()
    asks = next_action(shadowed(Fit.IN_TIME).state, now=START, behind=None)
    assert asks == RequestApproval(owners=("ada",))


def test_a_canary_that_needs_more_time_gets_it_before_anybody_is_asked() -> None:
    longer = next_action(shadowed(Fit.LENGTHENED).state, now=START, behind=None)
    assert isinstance(longer, LengthenDeadline)
    assert (longer.before, longer.after) == (20 * DAY, 27 * DAY)
    moved = DeadlineLengthened(before=longer.before, after=longer.after, reason=longer.reason)
    state = shadowed(Fit.LENGTHENED, moved).state
    assert state.plan is not None
    assert state.deadline_of(state.plan) == 27 * DAY
    asks = next_action(state, now=START, behind=None)
    assert asks == RequestApproval(owners=("ada",))


def test_a_canary_that_cannot_finish_ends_inconclusive_with_its_numbers() -> None:
    ended = next_action(shadowed(Fit.REFUSED).state, now=START, behind=None).ended  # type: ignore[union-attr]
    assert (ended.ending, ended.phase) == (Ending.INCONCLUSIVE, Phase.CANARY)
    assert ended.code is ReasonCode.CANARY_UNDERPOWERED
    assert ended.reason == (
        "a harmless candidate would pass all required gates with probability 0.30 by the deadline "
        "of 20d and 0.50 by the latest one of 40d; 0.80 is wanted and needs more than the "
        "38 blocks (190 units) until then; no gate is required"
    )


def test_a_new_replay_makes_what_was_planned_void() -> None:
    again = shadow(Outcome.PASSED, START - 31 * DAY, START - DAY, HARMS)
    told = shadowed(Fit.IN_TIME, again, Confirmed(seq=7, revision=1))
    assert next_action(told.state, now=START, behind=None) == PlanCanary()


def test_a_shadow_replay_that_was_journalled_before_planning_still_reads() -> None:
    event = shadowed(None).events[3]
    assert {"harms", "seconds"} <= event.payload.keys()
    older = replace(event, payload={k: v for k, v in event.payload.items() if k != "harms"})
    read = happening(older)
    assert isinstance(read, ShadowMeasured)
    assert read.harms is None


def test_a_held_rollout_takes_not_even_the_first_step() -> None:
    told = Told()
    for one in (
        REQUESTED,
        Held(reason="freeze until Monday"),
        planned(),
        contracts(Outcome.PASSED),
        shadow(Outcome.PASSED, START - 21 * DAY, START - DAY),
        Confirmed(seq=5, revision=1),
    ):
        told.add(one, START)
    waits = next_action(told.state, now=START, behind=None)
    assert "freeze until Monday" in waits.reason  # type: ignore[union-attr]
    told.add(Resumed(reason="it is Monday"), START)
    assert next_action(told.state, now=START, behind=None).weight == 10  # type: ignore[union-attr]
