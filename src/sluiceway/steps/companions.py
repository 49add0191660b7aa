"""What has to go along with versions that the contracts do not let go alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sluiceway.releases import Member, Release
from sluiceway.releasing import Facts, Proposal, Shelf, propose, release_problem
from sluiceway.releasing.wording import pick_name, proposal_sentence
from sluiceway.steps.known import contradictions, facts_of, shelf_of
from sluiceway.steps.returning import why_unfit
from sluiceway.steps.site import Site
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Along:
    """Versions that cannot go live without others.

    Attributes:
        companions: ``model@version`` of what has to go along, sorted.
        sentence: The same in words, with why.
    """

    companions: tuple[str, ...]
    sentence: str


def along_of(
    site: Site, system: System, champion: Release, members: Iterable[Member], *, now: datetime
) -> Along | None:
    """What has to go along with a candidate that contracts forbid to go alone.

    Returns:
        None where the contracts allow it, or where no set of versions is allowed: then each broken
        edge is told when the contracts are checked.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    wanted = tuple(members)
    facts = facts_of(site, system, wanted, now=now)
    if not contradictions(facts, champion.with_members(wanted)):
        return None
    proposal, facts, shelf = proposed(site, system, facts, wanted, now=now)
    if not proposal.companions:
        return None
    return Along(
        companions=tuple(pick_name(pick) for pick in proposal.companions),
        sentence=said_of(facts, proposal, shelf),
    )


def proposed(
    site: Site, system: System, facts: Facts, wanted: Iterable[Member], *, now: datetime
) -> tuple[Proposal, Facts, Shelf]:
    """The best release with what is wanted, and what it was chosen from.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    members = tuple(wanted)
    shelf = shelf_of(site, system, facts, members)
    everything = [one for versions in shelf.values() for one in versions]
    known = facts_of(site, system, everything, now=now)
    problem = release_problem(known, shelf)
    return propose(problem, {m.model: m.version for m in members}), known, shelf


def said_of(facts: Facts, proposal: Proposal, shelf: Shelf) -> str:
    """A proposal in words, with what the contracts say of each pair that does not fit."""
    everything = {m.name: m for versions in shelf.values() for m in versions}
    rules = (*proposal.alone, *proposal.conflict)
    return proposal_sentence(proposal, why_unfit(facts, rules, everything.values()))
