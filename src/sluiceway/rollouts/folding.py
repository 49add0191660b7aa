"""What a rollout's events come to. Nothing else is consulted, so a crash forgets nothing."""

from collections.abc import Iterable
from dataclasses import replace

from sluiceway.gates import made_stale
from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.rights import GivenApproval
from sluiceway.rollouts.events import (
    AbortRequested,
    Adopted,
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    CanaryNarrowed,
    CanaryPlanned,
    CandidateHalted,
    ChampionRestored,
    Confirmed,
    ContractsChecked,
    DeadlineLengthened,
    Diagnosed,
    DriftFound,
    EdgesIsolated,
    EdgesRestored,
    Ended,
    FeaturesAudited,
    FlagsDeclared,
    FlagSet,
    FlagUnset,
    Held,
    IncidentOpened,
    Looked,
    PartServed,
    Planned,
    Promoted,
    Requested,
    Resumed,
    RollbackDecided,
    ShadowMeasured,
    StepEntered,
    TrafficStopped,
    Waited,
    WayBackPlanned,
    happening,
)
from sluiceway.rollouts.state import RolloutState

# Events after which serving or registry must look different, or people must be shown anew;
# `Confirmed` follows each.
_MOVES_THE_WORLD = (
    Adopted,
    Planned,
    ContractsChecked,
    ShadowMeasured,
    StepEntered,
    TrafficStopped,
    CandidateHalted,
    CanaryNarrowed,
    DriftFound,
    AbortRequested,
    Promoted,
    RollbackDecided,
    ChampionRestored,
    PartServed,
    Ended,
    EdgesIsolated,
    EdgesRestored,
    FlagsDeclared,
    FlagSet,
    FlagUnset,
)


def fold(events: Iterable[Event]) -> RolloutState:
    """Read a rollout's events, from the first."""
    state = RolloutState()
    for event in events:
        state = _after(state, event)
    return state


def _after(state: RolloutState, event: Event) -> RolloutState:
    happened = happening(event)
    state = replace(state, seq=event.seq)
    if isinstance(happened, _MOVES_THE_WORLD):
        state = replace(state, wanted_seq=event.seq)
    match happened:
        case Requested():
            return replace(state, requested=happened, requested_by=event.actor)
        case Waited():
            return replace(state, waits_behind=happened.behind)
        case Planned():
            return replace(state, plan=happened.plan, proposed=happened.plan, waits_behind=None)
        case ContractsChecked():
            attempts = state.contract_attempts + 1
            return replace(state, contracts=happened, contract_attempts=attempts)
        case ShadowMeasured():
            state = replace(state, shadows=(*state.shadows, happened), compared_at=0)
            if state.step is not None:
                return state  # a canary that began keeps its deadline
            # What was planned from an earlier replay does not hold for a new one.
            return replace(state, power=None, lengthened=None, blocks=None, evidence={})
        case CanaryPlanned():
            state = replace(state, power=happened.power)
            if state.step is not None:
                return state
            return replace(state, blocks=happened.power.blocks, evidence=happened.evidence)
        case DeadlineLengthened():
            return replace(state, lengthened=happened)
        case ApprovalRequested():
            return replace(state, approval_requested=happened)
        case Approved():
            approval = GivenApproval(owners=happened.owners, actor=event.actor)
            return replace(state, given=(*state.given, approval))
        case ApprovalRefused():
            return replace(state, refused=happened)
        case StepEntered():
            return replace(
                state,
                step=happened.step,
                weight=0 if state.halted else happened.weight,  # a hard rule is never softened
                step_at=event.at,
                measured_at_step=state.measured,
                first_step_at=state.first_step_at or event.at,
                guarded=state.slice_gates,
            )
        case TrafficStopped() | CandidateHalted() | AbortRequested() | RollbackDecided():
            return _stopped(state, happened)
        case CanaryNarrowed():
            return _narrowed(state, happened, event)
        case Looked():
            errored = happened.outcome is Outcome.ERROR
            state = _with_inputs(state, happened)
            return replace(
                state,
                look=happened,
                looked_at=event.at,
                looks=state.looks + 1,
                error_since=(state.error_since or event.at) if errored else None,
            )
        case DriftFound():
            return _drifted(state, happened)
        case FeaturesAudited():
            return replace(state, audit=happened, audited_looks=state.looks)
        case Held():
            return replace(state, held=happened)
        case Resumed():
            return replace(state, held=None)
        case Promoted():
            return replace(
                state,
                promoted=happened,
                promoted_at=event.at,
                measured_at_promotion=state.measured,
                weight=0,
            )
        case ChampionRestored():
            return replace(state, restored=happened)
        case Diagnosed():
            return replace(state, diagnosed=happened)
        case WayBackPlanned():
            return replace(state, way_back=happened)
        case PartServed():
            return replace(state, part_served=happened)
        case IncidentOpened():
            return replace(state, incident=happened)
        case Confirmed():
            return replace(state, confirmed_seq=happened.seq)
        case Ended():
            return replace(state, ended=happened, weight=0)
    return state


def _stopped(
    state: RolloutState,
    happened: TrafficStopped | CandidateHalted | AbortRequested | RollbackDecided,
) -> RolloutState:
    state = replace(state, weight=0)
    match happened:
        case CandidateHalted():
            return replace(state, halted=state.halted or happened)  # the first rule is the reason
        case AbortRequested():
            return replace(state, abort=happened)
        case RollbackDecided():
            return replace(state, rollback=happened)
    return state


def _narrowed(state: RolloutState, happened: CanaryNarrowed, event: Event) -> RolloutState:
    """Another candidate from here on: nobody has seen it live, so all live evidence begins anew."""
    models = happened.plan.radius.models
    return replace(
        state,
        plan=happened.plan,
        narrowed=(*state.narrowed, happened),
        since_revision=event.position,
        step=0,
        weight=happened.weight,
        step_at=event.at,
        first_step_at=event.at,
        measured_at_step=0,
        guarded=tuple(gate for gate in state.slice_gates if gate.model in models),
        look=None,
        looked_at=None,
        audit=None,
        error_since=None,
        halted=None,
        rollback=None,
        diagnosed=None,
        way_back=None,
        incident=None,
    )


def _with_inputs(state: RolloutState, look: Looked) -> RolloutState:
    seen = look.inputs
    if seen is None:
        return state
    kept = () if seen.kept is None else (seen.kept,)
    compared = state.compared_at if seen.compared is None else seen.compared.blocks
    return replace(state, inputs=(*state.inputs, *kept), compared_at=compared)


def _drifted(state: RolloutState, found: DriftFound) -> RolloutState:
    """What shadow said holds no more; where it said nothing good, that stays."""
    state = replace(
        state, drift=found, drifts=state.drifts + 1, shadows_at_drift=len(state.shadows)
    )
    if not state.shadows or state.shadows[-1].outcome is not Outcome.PASSED:
        return state
    latest, columns = state.shadows[-1], found.report.columns
    stale = replace(
        latest,
        outcome=Outcome.INCONCLUSIVE,
        verdicts=made_stale(latest.verdicts, columns),
        slices=made_stale(latest.slices, columns),
    )
    return replace(state, shadows=(*state.shadows[:-1], stale))
