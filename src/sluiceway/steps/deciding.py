"""Asking the core what a rollout does next."""

from datetime import datetime

from sluiceway.journal import JournalConflict
from sluiceway.rollouts.actions import (
    Action,
    End,
    EnterStep,
    LengthenDeadline,
    RequestApproval,
    RollBack,
    StopTraffic,
    Wait,
)
from sluiceway.rollouts.deciding import next_action
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import (
    ApprovalRequested,
    DeadlineLengthened,
    Happening,
    RollbackDecided,
    StepEntered,
    TrafficStopped,
    Waited,
)
from sluiceway.steps.promotion import end_if_changed
from sluiceway.steps.requests import behind
from sluiceway.steps.site import Site


def decide(site: Site, rollout_id: str, *, now: datetime) -> Action:
    """What the rollout does next; who it waits for is written down once.

    Raises:
        LookupError: There is no such rollout.
    """
    state = site.state(rollout_id)
    if state.seq == 0:
        raise LookupError(f"there is no rollout {rollout_id} in {site.environment}")
    queued = state.requested is not None and state.plan is None and state.ended is None
    before = behind(site, rollout_id) if queued else None
    displaced = site.is_displaced(state)
    action = next_action(state, now=now, behind=before, displaced=displaced)
    if isinstance(action, Wait) and action.behind not in (None, state.waits_behind):
        assert action.behind is not None
        try:
            site.tell(rollout_id, Waited(behind=action.behind), after=state.seq, now=now)
        except JournalConflict:  # somebody else looked at the same time; what they wrote decides
            return decide(site, rollout_id, now=now)
    return action


Decision = EnterStep | LengthenDeadline | RequestApproval | RollBack | StopTraffic | End
"""Actions whose whole effect is one event; the world follows by reconciling."""


def write_decision(site: Site, rollout_id: str, decision: Decision, *, now: datetime) -> None:
    """Write down what was decided.

    Raises:
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, decision, now=now)
    if isinstance(decision, EnterStep) and end_if_changed(
        site, rollout_id, state, Phase.CANARY, now=now
    ):
        return
    if isinstance(decision, RequestApproval):
        patience = site.systems.kept(rollout_id).policies.rights.expires
        asked = ApprovalRequested(
            owners=decision.owners,
            needed=state.needed,
            expires=None if patience is None else now + patience,
        )
        site.tell(rollout_id, asked, after=state.seq, now=now)
        return
    site.tell(rollout_id, _event(decision), after=state.seq, now=now)


def _event(
    decision: EnterStep | LengthenDeadline | RollBack | StopTraffic | End,
) -> Happening:
    match decision:
        case EnterStep():
            return StepEntered(step=decision.step, weight=decision.weight)
        case LengthenDeadline():
            return DeadlineLengthened(
                before=decision.before, after=decision.after, reason=decision.reason
            )
        case RollBack():
            return RollbackDecided(code=decision.code, reason=decision.reason)
        case StopTraffic():
            return TrafficStopped(reason=decision.reason)
        case End():
            return decision.ended


def unfinished(site: Site, *, by_clock: bool = False) -> tuple[str, ...]:
    """Ids of all rollouts that have something left to do, first come first.

    Args:
        by_clock: Leave out those that were asked for as of another time than the clock's.
    """
    open_ids = []
    for rollout_id in site.journal.rollouts(site.environment):
        state = site.state(rollout_id)
        if by_clock and state.requested is not None and state.requested.replayed:
            continue
        if state.unconfirmed or (state.requested is not None and state.ended is None):
            open_ids.append(rollout_id)
    return tuple(open_ids)
