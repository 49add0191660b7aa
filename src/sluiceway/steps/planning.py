"""Making the plans of a rollout and of its canary, or ending one that cannot be planned."""

from dataclasses import replace
from datetime import datetime

from sluiceway.errors import BadInput, Fault
from sluiceway.gates import Role
from sluiceway.planning import CanaryPower, RecordedHarms, block_length
from sluiceway.planning import plan_canary as simulate_canary
from sluiceway.releases import Member, Release, parse_member_name
from sluiceway.rollouts.actions import MakePlan, PlanCanary
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import CanaryPlanned, Ended, Happening, Planned
from sluiceway.rollouts.plan import Plan, make_plan
from sluiceway.rollouts.planned_evidence import planned_evidence
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.companions import along_of
from sluiceway.steps.members import changed_features, keep_contracts, member_of
from sluiceway.steps.replayable import not_replayable
from sluiceway.steps.site import Site
from sluiceway.system.values import System


def plan_rollout(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Write the plan, or the end of a rollout that cannot be planned.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, MakePlan(), now=now)
    assert state.requested is not None
    system = site.systems.kept(rollout_id)
    champion = site.journal.champion(site.environment)
    if champion is None:
        what = f"{site.environment} has no champion; adopt what serves first: sluiceway adopt …"
        _refuse(site, rollout_id, state, ReasonCode.NO_CHAMPION, what, now)
        return
    if strange := _unfit(site, system, state, champion.release):
        _refuse(site, rollout_id, state, ReasonCode.BAD_INPUT, strange, now)
        return
    try:
        members = _members(site, system, state)
    except BadInput as error:
        _refuse(site, rollout_id, state, ReasonCode.BAD_INPUT, str(error), now)
        return
    if not champion.release.with_members(members).changed_from(champion.release):
        verb = "is" if len(members) == 1 else "are"
        what = f"{', '.join(m.name for m in members)} {verb} champion already"
        _refuse(site, rollout_id, state, ReasonCode.ALREADY_CHAMPION, what, now)
        return
    if along := along_of(site, system, champion.release, members, now=now):
        ended = Ended(
            ending=Ending.REJECTED,
            phase=Phase.PLAN,
            code=ReasonCode.MUST_GO_WITH,
            reason=along.sentence,
            must_go_with=along.companions,
        )
        site.tell(rollout_id, ended, after=state.seq, now=now)
        return
    plan = make_plan(
        system,
        rollout_id=rollout_id,
        environment=site.environment,
        members=members,
        champion=champion.release,
        generation=champion.generation,
        now=now,
    )
    if unknown := not_replayable(site, system, plan, champion.release):
        code, reason = unknown
        happened: Happening = Ended(
            ending=Ending.ERRORED, phase=Phase.PLAN, code=code, reason=reason
        )
    else:
        wanted = champion.release.with_members(members)
        keep_contracts(site, system, champion.release, wanted)
        happened = Planned(plan=plan)
    site.tell(rollout_id, happened, after=state.seq, now=now)


def plan_canary(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Fix the length of its blocks and simulate the canary, from what shadow measured.

    Raises:
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, PlanCanary(), now=now)
    plan, recorded = state.plan, state.shadows[-1].harms
    assert plan is not None
    assert recorded is not None
    power = canary_power(plan, recorded)
    planned = CanaryPlanned(power=power, evidence=planned_evidence(plan, power, recorded))
    site.tell(rollout_id, planned, after=state.seq, now=now)


def canary_power(plan: Plan, recorded: RecordedHarms) -> CanaryPower:
    """What a plan's canary needs to finish, by what shadow recorded."""
    gates = plan.simulated_gates(recorded)
    blocks = block_length(gates, recorded, plan.canary.block, level=plan.alpha)
    power = simulate_canary(
        gates, plan.levels, recorded, plan.schedule, seed=plan.seed, blocks=blocks
    )
    unplanned = (g.name for g in plan.gates if g not in gates and g.role is Role.REQUIRED)
    return replace(power, unplanned=tuple(unplanned))


def _unfit(site: Site, system: System, state: RolloutState, champion: Release) -> str | None:
    """Why the system file cannot be the one to judge this rollout by; None where it can."""
    assert state.requested is not None
    if system.digest != state.requested.system_digest:
        return "the system file has changed since the request; ask for the rollout again"
    return unfit(site, system, champion)


def unfit(site: Site, system: System, champion: Release) -> str | None:
    """Why a system file cannot judge what serves; None where it can."""
    if lacking := sorted(system.models.keys() - champion.members.keys()):
        return f"the champion release lacks {', '.join(lacking)}, which the file declares"
    if strange := sorted(champion.members.keys() - system.models.keys()):
        return f"the champion release has {', '.join(strange)}, which the file does not declare"
    if changed := changed_features(site, system, champion.members.values()):
        return f"what serves rests on definitions that have changed: {'; '.join(changed)}"
    return None


def _members(site: Site, system: System, state: RolloutState) -> tuple[Member, ...]:
    assert state.requested is not None
    found: list[Member] = []
    faults: list[Fault] = []
    for name in state.requested.members:
        model, version = parse_member_name(name)
        try:
            found.append(member_of(site, system, model, version))
        except BadInput as error:
            faults.extend(error.faults)
    if faults:
        raise BadInput(faults)
    return tuple(found)


def _refuse(
    site: Site, rollout_id: str, state: RolloutState, code: ReasonCode, what: str, now: datetime
) -> None:
    ended = Ended(ending=Ending.REJECTED, phase=Phase.PLAN, code=code, reason=what)
    site.tell(rollout_id, ended, after=state.seq, now=now)
