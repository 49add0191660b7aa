"""Whatever the journal holds, the core reads it, decides the same every time, and never raises."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.outcomes import Outcome
from sluiceway.rollouts.actions import Promote, Reconcile, Rest, next_action
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    AbortRequested,
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    ChampionRestored,
    Confirmed,
    ContractsChecked,
    Diagnosed,
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
)
from sluiceway.rollouts.state import fold

from .happenings import (
    CANDIDATE,
    DAY,
    LIVE,
    REQUESTED,
    START,
    Told,
    contracts,
    looked,
    planned,
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
    st.builds(shadow, outcomes, st.just(START - 21 * DAY), st.just(START - DAY)),
    st.just(ApprovalRequested(owners=("ada",))),
    st.just(Approved(reason="yes")),
    st.just(ApprovalRefused(reason="no")),
    st.builds(StepEntered, step=st.integers(0, 1), weight=st.integers(1, 100)),
    st.just(TrafficStopped(reason="unreadable")),
    st.builds(
        looked,
        st.tuples(outcomes, outcomes, outcomes),
        blocks,
        st.sampled_from([None, "unreadable"]),
    ),
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
    for happening in beginning:
        told.add(happening, now)
    for happening, after in rest:
        now += timedelta(hours=after)
        told.add(happening, now)
    now += timedelta(hours=later)
    state = fold(told.events)
    action = next_action(state, now=now, behind=None)
    assert next_action(fold(told.events), now=now, behind=None) == action
    if told.of(Ended):
        assert isinstance(action, Reconcile | Rest)
    if told.of(Ended, AbortRequested, RollbackDecided):
        assert projected(state).routing.canaries == ()
        assert not isinstance(action, Promote)
    if isinstance(action, Promote):
        assert not told.of(Promoted, ApprovalRefused)
        for kind in (ContractsChecked, ShadowMeasured, Looked):
            assert told.of(kind)[-1][1].outcome is Outcome.PASSED  # type: ignore[union-attr]
        assert not state.plan.approvals or told.of(Approved)  # type: ignore[union-attr]


def test_a_refusal_is_not_softened_by_an_approval_in_the_same_breath() -> None:
    told = Told()
    for happening in (
        REQUESTED,
        planned(approvals=("ada",)),
        contracts(Outcome.PASSED),
        shadow(Outcome.PASSED, START - 21 * DAY, START - DAY),
        ApprovalRequested(owners=("ada",)),
        Confirmed(seq=4, revision=1),
    ):
        told.add(happening, START)
    for order in ((Approved, ApprovalRefused), (ApprovalRefused, Approved)):
        both = Told(events=list(told.events))
        for kind in order:
            both.add(kind(reason="word"), START)
        ended = next_action(both.state, now=START, behind=None).ended  # type: ignore[union-attr]
        assert (ended.ending, ended.code) == (Ending.REJECTED, ReasonCode.APPROVAL_REFUSED)


def test_a_held_rollout_takes_not_even_the_first_step() -> None:
    told = Told()
    for happening in (
        REQUESTED,
        Held(reason="freeze until Monday"),
        planned(),
        contracts(Outcome.PASSED),
        shadow(Outcome.PASSED, START - 21 * DAY, START - DAY),
        Confirmed(seq=5, revision=1),
    ):
        told.add(happening, START)
    waits = next_action(told.state, now=START, behind=None)
    assert "freeze until Monday" in waits.reason  # type: ignore[union-attr]
    told.add(Resumed(reason="it is Monday"), START)
    assert next_action(told.state, now=START, behind=None).weight == 10  # type: ignore[union-attr]
