"""The decision: what a rollout does next. Pure; the flows only carry it out.

Read :func:`next_action` as a ladder: the first rung that applies is what happens, and no later
rung softens an earlier one. Nothing is promoted but by the one rung that asks for a look whose
outcome is PASSED, at the last step, after its bake time.
"""

from datetime import datetime, timedelta

from sluiceway.attribution import Origin
from sluiceway.outcomes import Outcome
from sluiceway.planning import GROWS_UP_TO_LOG_E, Fit, render_power
from sluiceway.rollouts.actions import (
    Action,
    AuditFeatures,
    CheckContracts,
    Diagnose,
    End,
    EnterStep,
    LengthenDeadline,
    MakePlan,
    NarrowCanary,
    OpenIncident,
    PlanCanary,
    PlanWayBack,
    Promote,
    Reconcile,
    ReplayShadow,
    RequestApproval,
    Rest,
    RestoreChampion,
    RollBack,
    ServePart,
    StopTraffic,
    Wait,
)
from sluiceway.rollouts.due import due_look, next_look_at, watch_over_at
from sluiceway.rollouts.endings import ENDS_AS, Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    ContractsChecked,
    Ended,
    FeaturesAudited,
    ShadowMeasured,
)
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.reasons import (
    audit_reason,
    contract_reason,
    deadline_reason,
    harm_reason,
    look_reason,
    shadow_reason,
    stale_reason,
)
from sluiceway.rollouts.state import RolloutState

ATTEMPTS = 2
"""How often contracts and shadow are tried when they end in ERROR."""

ERROR_LIMIT = timedelta(days=3)
"""How long a canary may stay unmeasurable, without traffic, before it is aborted."""


def next_action(
    state: RolloutState, *, now: datetime, behind: str | None, displaced: bool = False
) -> Action:
    """Decide what a rollout does next.

    Args:
        state: What its events come to.
        now: The time (UTC).
        behind: An earlier rollout, not yet ended, that touches the same nodes.
        displaced: Its versions were promoted, and a person has moved the champion since.
    """
    if state.unconfirmed:
        return Reconcile()
    if state.ended is not None or state.requested is None:
        return Rest()  # over, or an adoption or rollback by hand, which are done in one event
    if state.rollback is not None:
        return _after_rollback(state)
    if state.abort is not None and state.promoted is None:
        phase, code = state.phase, ReasonCode.ABORTED_BY_HAND
        return _end(Ending.ABORTED, phase, code, state.abort.reason)
    if displaced and state.restored is None:
        code, why = ReasonCode.ROLLED_BACK_BY_HAND, "an earlier generation was put back by hand"
        return _end(Ending.ROLLED_BACK, Phase.WATCH, code, why)
    if state.halted is not None and (state.step is not None or state.promoted is not None):
        return RollBack(code=state.halted.code, reason=state.halted.reason)  # a hard rule
    if state.plan is None:
        if behind is not None:
            return Wait(until=None, reason=f"waits for {behind}", behind=behind)
        return MakePlan()
    live = state.live_plan or state.plan
    if state.promoted is not None:
        return _watch(state, live, now)
    if state.contracts is None or state.contracts.outcome is not Outcome.PASSED:
        return _contracts(state.contracts, state.contract_attempts)
    went_stale = bool(state.shadows) and state.step is not None and state.drift is not None
    if not state.trusts_shadow and not went_stale:
        return _shadow(state.shadows, state.plan)
    # Before the approval, so that who approves sees it; a canary that began is not planned anew.
    if state.step is None and (unfit := _power(state)) is not None:
        return unfit
    if state.needed and (state.refused is not None or not state.approved):
        return _approval(state, now)
    return _canary(state, live, now)


def _contracts(checked: ContractsChecked | None, attempts: int) -> Action:
    if checked is None:
        return CheckContracts()
    code, reason, origin = contract_reason(checked)
    if checked.outcome is Outcome.ERROR and attempts < ATTEMPTS:
        return CheckContracts()
    return _end(ENDS_AS[checked.outcome], Phase.CONTRACTS, code, reason, origin)


def _shadow(shadows: tuple[ShadowMeasured, ...], plan: Plan) -> Action:
    whole = ReplayShadow(start=plan.shadow_end - plan.shadow_window, end=plan.shadow_end)
    if not shadows:
        return whole
    latest = shadows[-1]
    extended = ReplayShadow(start=whole.start - plan.shadow_extension, end=whole.end)
    code, reason, origin = shadow_reason(latest)
    if latest.outcome is Outcome.FAILED:
        return _end(Ending.REJECTED, Phase.SHADOW, code, reason, origin)
    if latest.outcome is Outcome.ERROR:
        if sum(s.outcome is Outcome.ERROR for s in shadows) < ATTEMPTS:
            return ReplayShadow(start=latest.start, end=latest.end)
        return _end(Ending.ERRORED, Phase.SHADOW, code, reason, origin)
    if latest.start > extended.start:
        return extended
    return _end(Ending.INCONCLUSIVE, Phase.SHADOW, code, reason, origin)


def _power(state: RolloutState) -> Action | None:
    """What is to be done before the canary can finish in time; None where it can."""
    if state.shadows[-1].harms is None:
        return None  # journalled before harms were kept: there is nothing to plan from
    power = state.power
    if power is None:
        return PlanCanary()
    if power.fit is Fit.REFUSED or power.deadline_needed is None:
        code = ReasonCode.CANARY_UNDERPOWERED
        return _end(Ending.INCONCLUSIVE, Phase.CANARY, code, render_power(power))
    if power.fit is Fit.LENGTHENED and state.lengthened is None:
        after, why = power.deadline_needed, render_power(power)
        return LengthenDeadline(before=power.deadline, after=after, reason=why)
    return None


def _approval(state: RolloutState, now: datetime) -> Action:
    if state.refused is not None:
        code = ReasonCode.APPROVAL_REFUSED
        return _end(Ending.REJECTED, Phase.APPROVAL, code, state.refused.reason)
    if state.approval_requested is None:
        asked = dict.fromkeys(owner for need in state.needed for owner in need.by)
        return RequestApproval(owners=tuple(asked))
    names = ", ".join(need.name for need in state.waiting_for)
    expires = state.approval_requested.expires
    if expires is not None and now >= expires:
        reason = f"nobody answered for {names} by {expires:%Y-%m-%d %H:%M} UTC"
        return _end(Ending.REJECTED, Phase.APPROVAL, ReasonCode.APPROVAL_EXPIRED, reason)
    return Wait(until=expires, reason=f"waits for the approval of {names}")


def _canary(state: RolloutState, plan: Plan, now: datetime) -> Action:
    steps = plan.canary.steps
    if state.step is None or state.step_at is None or state.first_step_at is None:
        if state.held is not None:
            return Wait(until=None, reason=f"is held: {state.held.reason}")
        return EnterStep(step=0, weight=steps[0].weight)
    outcome = state.look.outcome if state.look else Outcome.INCONCLUSIVE
    if state.look is not None and outcome is Outcome.FAILED:
        return RollBack(code=ReasonCode.HARM_IN_CANARY, reason=harm_reason(state.look))
    if outcome is Outcome.ERROR and state.weight > 0:
        return StopTraffic(reason=look_reason(state.look))
    if (fresh := _fresh_shadow(state, plan)) is not None:
        return fresh
    due = due_look(state, plan, now)
    if due is not None:
        return due
    deadline = state.first_step_at + state.deadline_of(plan)
    if now >= deadline:
        code, reason = (
            ReasonCode.CANARY_DEADLINE,
            deadline_reason(state.look, state.deadline_of(plan)),
        )
        if outcome is Outcome.PASSED and state.audit and _forbids(state.audit):
            code, reason = ReasonCode.FEATURES_MISMATCH, audit_reason(state.audit)
        if stale := _stale(state, plan):
            code, reason = ReasonCode.SHADOW_STALE, f"{stale}; {reason}"
        return _end(Ending.EXPIRED, Phase.CANARY, code, reason)
    if outcome is Outcome.ERROR:
        return _unmeasurable(state, plan, now)
    if state.held is not None:
        until = min(next_look_at(state, plan), deadline)
        return Wait(until=until, reason=f"is held: {state.held.reason}")
    if stale := _stale(state, plan):
        until = min(next_look_at(state, plan), deadline)
        return Wait(until=until, reason=f"holds: {stale}")
    if state.weight == 0:
        return EnterStep(step=state.step, weight=steps[state.step].weight)
    baked = state.step_at + steps[state.step].bake_time
    if now >= baked and state.step + 1 < len(steps):
        if not _may_grow(state, plan):
            reason = "grows no further while live evidence is missing or leans to harm"
            return Wait(until=min(next_look_at(state, plan), deadline), reason=reason)
        return EnterStep(step=state.step + 1, weight=steps[state.step + 1].weight)
    if now >= baked and outcome is Outcome.PASSED and _has_seen_step(state, plan):
        return _audited(state, plan, deadline)
    upcoming = next_look_at(state, plan)
    until = min(upcoming, baked) if now < baked else upcoming
    return Wait(until=min(until, deadline), reason="waits for the next block of evidence")


def _fresh_shadow(state: RolloutState, plan: Plan) -> Action | None:
    """What is to be done about shadow evidence from which the live inputs have drifted away.

    It is replayed on as long a window that ends with the drift, and the fresh verdict takes the
    stale one's place. None where there is nothing to do: it holds, or it waits for the deadline.
    """
    drift, watch = state.drift, plan.drift
    if drift is None or watch is None or state.trusts_shadow:
        return None
    end = plan.calendar.end(drift.watermark)
    whole = ReplayShadow(start=end - plan.shadow_window, end=end)
    if state.stale:
        return whole if state.drifts <= watch.replays else None
    latest = state.replays[-1]
    code, reason, origin = shadow_reason(latest)
    if latest.outcome is Outcome.FAILED:
        return RollBack(code=code, reason=reason)
    if latest.outcome is Outcome.ERROR:
        if sum(one.outcome is Outcome.ERROR for one in state.replays) < ATTEMPTS:
            return ReplayShadow(start=latest.start, end=latest.end)
        return _end(Ending.ERRORED, Phase.CANARY, code, reason, origin)
    extended = whole.start - plan.shadow_extension
    return ReplayShadow(start=extended, end=end) if latest.start > extended else None


def _stale(state: RolloutState, plan: Plan) -> str | None:
    """Why shadow's evidence does not carry the canary any further; None where it does."""
    if state.drift is None or state.trusts_shadow:
        return None
    replayed = state.replays[-1] if state.replays else None
    return stale_reason(state.drift, replayed, plan.drift.replays if plan.drift else 0)


def _audited(state: RolloutState, plan: Plan, deadline: datetime) -> Action:
    """Promote, unless the candidate is served other features than it was trained with.

    Audited once a look; features that are put right are found so by the next one.
    """
    if state.audit is None or state.audited_looks < state.looks:
        return AuditFeatures()
    if _forbids(state.audit):
        until = min(next_look_at(state, plan), deadline)
        return Wait(until=until, reason=f"is not promoted: {audit_reason(state.audit)}")
    return Promote()


def _forbids(audited: FeaturesAudited) -> bool:
    return audited.outcome in (Outcome.FAILED, Outcome.ERROR)


def _may_grow(state: RolloutState, plan: Plan) -> bool:
    """Whether more units may be given to the candidate.

    The present step was seen, and the gates' evidence together is no more likely under harm than
    without (the family's e-value is at most 1). This only holds a step; what rolls back is the
    level of the plan.
    """
    leans = state.look is None or state.look.log_e > GROWS_UP_TO_LOG_E
    return _has_seen_step(state, plan) and not leans


def _has_seen_step(state: RolloutState, plan: Plan) -> bool:
    """Whether a block of the present step was measured: what nobody has seen proves nothing."""
    return state.measured > state.measured_at_step and _is_past(state, plan, state.step_at)


def _is_past(state: RolloutState, plan: Plan, moment: datetime | None) -> bool:
    """Whether a block that ended after this moment has entered the evidence."""
    if state.look is None or state.look.watermark is None or moment is None:
        return False
    return plan.calendar.end(state.look.watermark) > moment


def _unmeasurable(state: RolloutState, plan: Plan, now: datetime) -> Action:
    reason = look_reason(state.look)
    limit = (state.error_since or now) + ERROR_LIMIT
    if now >= limit:
        return _end(Ending.ABORTED, Phase.CANARY, ReasonCode.CANARY_UNMEASURABLE, reason)
    until = min(next_look_at(state, plan), limit)
    return Wait(until=until, reason=f"has no traffic: {reason}")


def _watch(state: RolloutState, plan: Plan, now: datetime) -> Action:
    if state.look is not None and state.look.outcome is Outcome.FAILED:
        return RollBack(code=ReasonCode.HARM_AFTER_PROMOTION, reason=harm_reason(state.look))
    due = due_look(state, plan, now)
    if due is not None:
        return due
    over = watch_over_at(state, plan)
    if now < over:
        return Wait(until=min(next_look_at(state, plan), over), reason="watches the promotion")
    reason = look_reason(state.look)
    if _was_watched(state, plan):
        return _end(Ending.PROMOTED, Phase.WATCH, ReasonCode.ALL_GATES_PASSED, reason)
    # It was promoted on good evidence and harm was not seen, but nobody could have seen it.
    if state.incident is None:
        return OpenIncident()
    return _end(Ending.PROMOTED, Phase.WATCH, ReasonCode.WATCH_UNMEASURABLE, reason)


def _was_watched(state: RolloutState, plan: Plan) -> bool:
    """Whether harm after the promotion would have been seen."""
    if state.look is None or state.look.outcome is Outcome.ERROR:
        return False
    measured = state.measured > state.measured_at_promotion
    return measured and _is_past(state, plan, state.promoted_at)


def _after_rollback(state: RolloutState) -> Action:
    # The whole release goes first: what harms must not serve while anybody thinks.
    if state.promoted is not None and state.restored is None:
        return RestoreChampion()
    if state.diagnosed is None:
        return Diagnose()
    if state.way_back is None and _may_go_back_in_part(state):
        return PlanWayBack()
    partial = state.way_back is not None and state.way_back.release is not None
    if partial and state.promoted is not None and state.part_served is None:
        return ServePart()
    if state.incident is None:
        return OpenIncident()
    if partial and state.promoted is None and state.abort is None:
        if state.held is not None:
            return Wait(until=None, reason=f"is held: {state.held.reason}")
        return NarrowCanary()
    assert state.rollback is not None
    found, broke = state.diagnosed.attribution, state.halted_member
    origin = found.origin if found else None
    if broke is not None:
        origin = Origin(kind="model", name=broke.model)
    phase = Phase.WATCH if state.promoted is not None else Phase.CANARY
    reason = state.rollback.reason
    if state.way_back is not None:
        reason += f". {state.way_back.reason}"
    return _end(Ending.ROLLED_BACK, phase, state.rollback.code, reason, origin)


def _may_go_back_in_part(state: RolloutState) -> bool:
    """Whether several versions went out together and it is known which of them have to go."""
    assert state.diagnosed is not None
    if state.plan is None or len(state.plan.members) == 1:
        return False
    found = state.diagnosed.attribution
    traced = found is not None and found.origin is not None and bool(found.revert)
    return traced or state.halted_member is not None


def _end(
    ending: Ending, phase: Phase, code: ReasonCode, reason: str, origin: Origin | None = None
) -> End:
    return End(ended=Ended(ending=ending, phase=phase, code=code, reason=reason, origin=origin))
