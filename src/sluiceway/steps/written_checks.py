"""What contracts as they are written say of candidate versions, before any of them is asked.

It is the first part of a rollout's contract check, and all of it that a plan can know.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from sluiceway.contracts.changes import broken_edges, diff
from sluiceway.contracts.values import Contract
from sluiceway.contracts.versions import check_version
from sluiceway.outcomes import Outcome, worst
from sluiceway.ports import UnknownVersion, UnloadableVersion
from sluiceway.releases import Member, Release
from sluiceway.releasing.facts import ignores_on, lost_contract
from sluiceway.releasing.wording import CONTRACT_AS_IT_WAS
from sluiceway.rollouts.events import ContractCheck
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.reasons import contract_sentence
from sluiceway.steps.contract_edges import is_cleared, with_edges
from sluiceway.steps.contract_times import with_times
from sluiceway.steps.members import contracts_of
from sluiceway.steps.owners_word import OwnersWord, owners_word
from sluiceway.steps.ownership import today_of
from sluiceway.steps.site import Site
from sluiceway.system.values import Edge, Ignore, System


def written_checks(
    site: Site, system: System, plan: Plan, *, now: datetime
) -> tuple[ContractCheck, ...]:
    """Every candidate version's check, as far as it needs no answers.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    champion = site.journal.release(site.environment, plan.baseline)
    candidate = champion.with_members(plan.members)
    try:
        contracts = contracts_of(site, system, champion, candidate)
    except (UnknownVersion, UnloadableVersion) as error:
        fault = f"a contract cannot be had: {error}"
        return tuple(unchecked(member, fault) for member in plan.members)
    if lost := no_longer_known(champion, plan, contracts):
        return tuple(unchecked(member, lost) for member in plan.members)
    checks = tuple(
        written_check(
            system,
            plan,
            champion,
            member,
            contracts,
            owners_word(site, system, champion, candidate, member, contracts, now=now),
            today=today_of(system, now),
        )
        for member in plan.members
    )
    try:
        checks = with_edges(checks, site, system, plan, contracts, champion=champion)
    except (UnknownVersion, UnloadableVersion) as error:
        fault = f"a version cannot be had: {error}"
        return tuple(unchecked(member, fault) for member in plan.members)
    return with_times(
        checks, system=system, champion=champion, candidate=candidate, contracts=contracts
    )


def no_longer_known(champion: Release, plan: Plan, contracts: Mapping[str, Contract]) -> str | None:
    """What serves was verified against contracts that are not there any more; None: all are.

    A file that was edited in place would be compared with itself, and every change look like none.
    """
    lost = []
    for candidate in plan.members:
        serving = champion.members[candidate.model]
        if contracts[serving.contract_hash].content_hash != serving.contract_hash:
            lost.append(lost_contract(serving))
    return f"{'; '.join(lost)}; to clear it: {CONTRACT_AS_IT_WAS}" if lost else None


def unchecked(member: Member, fault: str) -> ContractCheck:
    """Nothing is known of this version."""
    return ContractCheck(
        model=member.model,
        version=member.version,
        outcome=Outcome.ERROR,
        changes=(),
        version_findings=(),
        broken_edges=(),
        findings=(),
        fault=fault,
        rows=0,
        seconds=0.0,
        sentence=fault,
    )


def written_check(
    system: System,
    plan: Plan,
    champion: Release,
    member: Member,
    contracts: Mapping[str, Contract],
    said: OwnersWord,
    *,
    today: date,
) -> ContractCheck:
    """What one version's contract says, held against that of what serves.

    Args:
        today: The day in the system's timezone, on which an ignore counts or does not.
    """
    candidate = champion.with_members(plan.members)
    old = contracts[champion.members[member.model].contract_hash]
    new = contracts[member.contract_hash]
    changes = diff(old, new)
    versions = check_version(old, new)
    touched = broken_edges(changes, system.edges)
    # Who still reads a field that goes is for the rules of its deprecation to say.
    broken = [
        one
        for one in touched
        if not said.takes_away(one.change)
        and not said.clears(one, system)
        and not is_cleared(one, system, plan, candidate, contracts)
    ]
    ignored = {
        one.edge.name: found
        for one in broken
        if (found := _ignored(system, candidate, one.edge, today)) is not None
    }
    counts = [one for one in broken if one.edge.name not in ignored]
    outcomes = [Outcome.FAILED] if counts or versions else [Outcome.PASSED]
    check = ContractCheck(
        model=member.model,
        version=member.version,
        outcome=worst([*outcomes, *(found.outcome for found in said.removals)]),
        changes=changes,
        version_findings=versions,
        broken_edges=tuple(dict.fromkeys(one.edge.name for one in counts)),
        findings=(),
        fault=None,
        rows=0,
        seconds=0.0,
        sentence="",
        removals=said.removals,
        agreed_edges=said.agreed_among(touched, system),
        ignored=tuple(dict.fromkeys(ignored.values())),
    )
    return replace(check, sentence=contract_sentence(check))


def _ignored(system: System, candidate: Release, edge: Edge, today: date) -> Ignore | None:
    """Who answers for an edge that breaks, if anybody does."""
    ends = [candidate.members.get(name) for name in (edge.producer, edge.consumer)]
    if ends[0] is None:  # a feature's edge breaks for its feeder; no ignore is of those
        return None
    reader = ends[1].version if ends[1] else None
    return ignores_on(system.ignores, edge, ends[0].version, reader, today=today)[0]
