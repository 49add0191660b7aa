"""What would happen to versions that somebody wants live: read before, written nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sluiceway.contracts.change_kinds import Change
from sluiceway.contracts.changes import broken_edges, diff, required_bump
from sluiceway.errors import BadInput, Fault
from sluiceway.ports import UnknownVersion, UnloadableVersion
from sluiceway.releases import Member, Release
from sluiceway.releasing import (
    Facts,
    PromotionAnswer,
    Proposal,
    Step,
    WayBack,
    both_of,
    can_promote,
    mixing_steps,
    release_problem,
    smallest_steps,
)
from sluiceway.rights import NeededApproval, approvals_needed
from sluiceway.rollouts.plan import Plan, make_plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.companions import proposed, said_of
from sluiceway.steps.foreseen import ForeseenEnd, NeededSample, foreseen_end, needed_sample
from sluiceway.steps.known import contradictions, facts_of
from sluiceway.steps.members import contracts_of, member_of
from sluiceway.steps.owners_word import owners_word
from sluiceway.steps.requests import parse_members
from sluiceway.steps.returning import possible_ways_back, way_back_said
from sluiceway.steps.site import Site
from sluiceway.system.time_changes import TimeBudget, time_budgets
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whether versions may go live now, and what would have to go along.

    Attributes:
        candidate: The whole release that was asked about.
        proposal: The best release with these versions; None where the contracts let them go as
            they are.
        proposed: The same in words.
    """

    environment: str
    generation: int
    candidate: Release
    answer: PromotionAnswer
    proposal: Proposal | None
    proposed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChange:
    """How a version's contract differs from that of what serves.

    Attributes:
        bump: ``patch``, ``minor`` or ``major``; None where nothing changed.
    """

    model: str
    before: str
    after: str
    bump: str | None
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlan:
    """All that a rollout of these versions would come to.

    Attributes:
        asked: Whether they may go live now.
        members: The versions the plan is about, those that must go along included.
        plan: What a rollout would fix before its first evidence.
        foreseen: Where a rollout would end without a replay; None where it would get to one.
        times: Every declared need of time that the change reaches, with what is promised of it.
        needed: What the canary is going to need, as far as that is known.
        consistent: Whether one routing decision holds for a unit's whole chain.
        steps: The releases it could be taken apart into, in order; where routing is not
            consistent, has to be. Empty where no order keeps every state between compatible.
        ways_back: For each version: what goes back if it alone is bad, as far as contracts say.
        ways_back_said: The same in words.
        approvals: Who would have to approve, and why.
        waits_for: The first open rollout that reserves a node of this one.
    """

    asked: Asked
    system: System
    members: tuple[Member, ...]
    contract_changes: tuple[ContractChange, ...]
    plan: Plan
    foreseen: ForeseenEnd | None
    times: tuple[TimeBudget, ...]
    needed: NeededSample
    consistent: bool
    steps: tuple[Step, ...]
    ways_back: tuple[WayBack, ...]
    ways_back_said: tuple[str, ...]
    approvals: tuple[NeededApproval, ...]
    waits_for: str | None


def ask(site: Site, names: Sequence[str], *, now: datetime) -> Asked:
    """Whether these versions may go live, over what will really be live.

    Raises:
        BadInput: The names are no members of the system, a version cannot be had, or nothing
            serves yet.
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    system = site.systems.current()
    return _asked(site, system, _members(site, system, names, asked="can-promote"), now)[0]


def plan_release(site: Site, names: Sequence[str], *, now: datetime) -> ReleasePlan:
    """Everything a rollout of these versions would come to; nothing is written.

    What must go along is part of the plan. Where nothing is possible the plan is of what was asked
    for, and the answer says why not.

    Raises:
        BadInput: As in :func:`ask`, or the versions serve already.
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    system = site.systems.current()
    wanted = _members(site, system, names, asked="plan")
    asked, facts, more = _asked(site, system, wanted, now)
    members = (*wanted, *more)
    champion = site.champion()
    candidate = champion.release.with_members(members)
    if not candidate.changed_from(champion.release):
        raise BadInput([Fault(where="plan", what=f"serves already: {', '.join(names)}")])
    plan = make_plan(
        system,
        rollout_id="plan",
        environment=site.environment,
        members=members,
        champion=champion.release,
        generation=champion.generation,
        now=now,
    )
    ways = possible_ways_back(facts, candidate, champion.release)
    changed = tuple(_contract_changes(facts, champion.release, members))
    return ReleasePlan(
        asked=asked,
        system=system,
        members=members,
        contract_changes=changed,
        plan=plan,
        foreseen=foreseen_end(site, system, plan, now=now),
        times=_times(facts, champion.release, candidate, plan),
        needed=needed_sample(site, plan),
        consistent=site.router.consistent,
        steps=_steps(site, facts, champion.release, candidate),
        ways_back=ways,
        ways_back_said=tuple(
            way_back_said(facts, one, candidate, champion.release) for one in ways
        ),
        approvals=approvals_needed(
            system,
            plan.radius,
            [change for one in changed for change in one.changes],
            members,
            acknowledged=_agreed(site, system, champion.release, candidate, members, now),
        ),
        waits_for=_waits_for(site, plan),
    )


def _agreed(
    site: Site,
    system: System,
    champion: Release,
    candidate: Release,
    members: Sequence[Member],
    now: datetime,
) -> frozenset[str]:
    """Edges whose owners have agreed already to all that these members' contracts do to them."""
    try:
        contracts = contracts_of(site, system, champion, candidate)
    except (UnknownVersion, UnloadableVersion):
        return frozenset()  # what serves has gone; the answer says so
    found: set[str] = set()
    for member in members:
        serving = champion.members[member.model]
        old = contracts[serving.contract_hash]
        broken = broken_edges(diff(old, contracts[member.contract_hash]), system.edges)
        word = owners_word(site, system, champion, candidate, member, contracts, now=now)
        found |= set(word.agreed_among(broken, system))
    return frozenset(found)


def _members(site: Site, system: System, names: Sequence[str], *, asked: str) -> tuple[Member, ...]:
    """Every version, or all that is wrong with all of them."""
    wanted = parse_members(system, names, asked=asked)
    if site.journal.champion(site.environment) is None:
        what = f"{site.environment} has no champion; adopt what serves first: sluiceway adopt …"
        raise BadInput([Fault(where=site.environment, what=what)])
    found: list[Member] = []
    faults: list[Fault] = []
    for model, version in sorted(wanted.items()):
        try:
            found.append(member_of(site, system, model, version))
        except BadInput as error:
            faults.extend(error.faults)
    if faults:
        raise BadInput(faults)
    return tuple(found)


def _asked(
    site: Site, system: System, members: tuple[Member, ...], now: datetime
) -> tuple[Asked, Facts, tuple[Member, ...]]:
    """The answer, what it rests on, and the members that must go along."""
    champion = site.champion()
    candidate = champion.release.with_members(members)
    facts = facts_of(site, system, members, now=now)
    answer = can_promote(
        facts, candidate, consistent=site.router.consistent, beside=_beside(site, candidate)
    )
    proposal, said = None, None
    along: tuple[Member, ...] = ()
    if contradictions(facts, candidate):
        proposal, facts, shelf = proposed(site, system, facts, members, now=now)
        said = said_of(facts, proposal, shelf)
        along = tuple(
            next(one for one in shelf[model] if one.version == version)
            for model, version in proposal.companions
        )
    asked = Asked(
        environment=site.environment,
        generation=champion.generation,
        candidate=candidate,
        answer=answer,
        proposal=proposal,
        proposed=said,
    )
    return asked, facts, along


def _open(site: Site) -> list[RolloutState]:
    states = (site.state(one) for one in site.journal.rollouts(site.environment))
    return [one for one in states if one.requested is not None and one.ended is None]


def _beside(site: Site, candidate: Release) -> list[Release]:
    """Candidates of other rollouts that answer live units now."""
    live = [one.plan for one in _open(site) if one.plan is not None and one.weight > 0]
    releases = [site.candidate_release(plan) for plan in live]
    return [one for one in releases if one != candidate]


def _waits_for(site: Site, plan: Plan) -> str | None:
    mine = {*plan.radius.models, *plan.radius.consumers}
    for rollout_id in site.journal.rollouts(site.environment):
        state = site.state(rollout_id)
        reserved = state.requested.reserves if state.requested and not state.ended else ()
        if mine.intersection(reserved):
            return rollout_id
    return None


def _contract_changes(
    facts: Facts, champion: Release, members: Sequence[Member]
) -> list[ContractChange]:
    found = []
    for member in members:
        before = champion.members.get(member.model)
        old = facts.contracts.get(before.contract_hash) if before else None
        new = facts.contracts.get(member.contract_hash)
        if old is None or new is None:
            continue
        changes = diff(old, new)
        bump = required_bump(changes)
        found.append(
            ContractChange(
                model=member.model,
                before=old.version,
                after=new.version,
                bump=bump.value if bump else None,
                changes=changes,
            )
        )
    return found


def _times(
    facts: Facts, champion: Release, candidate: Release, plan: Plan
) -> tuple[TimeBudget, ...]:
    """Needs of time that the change reaches; none where a contract is not known any more."""
    before, after = facts.contracts_of(champion), facts.contracts_of(candidate)
    if before.keys() != after.keys():
        return ()
    reached = {*plan.radius.models, *plan.radius.consumers}
    return time_budgets(facts.system, before, after, reached)


def _steps(site: Site, facts: Facts, champion: Release, candidate: Release) -> tuple[Step, ...]:
    """Into which releases the change may be taken apart, or must be where hops mix."""
    problem = release_problem(facts, both_of(champion, candidate))
    goal = candidate.versions
    if not site.router.consistent:
        return mixing_steps(problem, goal) or ()
    try:
        return smallest_steps(problem, goal)
    except ValueError:
        return ()
