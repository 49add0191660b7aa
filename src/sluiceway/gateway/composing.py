"""What can be answered by, made of what is wanted and who is there."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sluiceway.gateway.population import Population
from sluiceway.gateway.wanted import OtherPaths, Place, Resident, Wanted
from sluiceway.releases import Member, Release
from sluiceway.serving.served import Pairing, Served, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What could answer now.

    Attributes:
        chosen: Who is asked for each version.
        pairings: Halted where a candidate is not there; without the watches whose old release is
            not there.
        is_settled: Whether nothing is on the way that would change it.
    """

    wanted: Wanted
    chosen: dict[Version, Resident]
    pairings: tuple[Pairing, ...]
    is_settled: bool

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for offers that answer alike."""
        wanted = self.wanted
        halts = tuple((pairing.rollout_id, pairing.halted) for pairing in self.pairings)
        chosen = frozenset(self.chosen.values())
        return (wanted.table, id(wanted.system), chosen, halts)

    def served(self, population: Population, other_paths: OtherPaths | None) -> Served:
        """The same, ready to answer at once."""
        wanted = self.wanted
        there = {version: population.there[one] for version, one in self.chosen.items()}
        return Served(
            table=wanted.table,
            system=wanted.system,
            champion=wanted.champion,
            pairings=self.pairings,
            backends={version: one.backend for version, one in there.items()},
            contracts={version: one.contract for version, one in there.items()},
            transformations=wanted.transformations,
            cut=frozenset(wanted.table.cut),
            detours=other_paths.detours(wanted.table, resident=there.keys())
            if other_paths is not None
            else None,
        )


def offer_of(wanted: Wanted, population: Population) -> Offer | None:
    """Work out what could answer; None while the champion is not in this process."""
    if any(population.lacks(one) for one in in_process(wanted, wanted.champion)):
        return None
    chosen: dict[Version, Resident] = {}
    for member in wanted.champion.members.values():
        _choose(wanted, population, member, chosen)
    pairings = [_paired(wanted, population, pairing, chosen) for pairing in wanted.pairings]
    rest = () if wanted.previous is None else wanted.previous.members.values()
    for member in (*wanted.others, *rest):
        _choose(wanted, population, member, chosen)
    needed = [m for pairing in wanted.pairings for m in _members(pairing)]
    return Offer(
        wanted=wanted,
        chosen=chosen,
        pairings=tuple(pairing for pairing in pairings if pairing is not None),
        is_settled=not any(_is_pending(wanted, population, m) for m in (*needed, *wanted.others)),
    )


def in_process(wanted: Wanted, release: Release) -> list[Resident]:
    """The members of a release, where they live in this process."""
    members = release.members.values()
    return [wanted.place_of(member, Place.IN_PROCESS) for member in members]


def words(said: Iterable[str]) -> str | None:
    """Each thing once; None where nothing was said."""
    return "; ".join(dict.fromkeys(said)) or None


def _paired(
    wanted: Wanted, population: Population, pairing: Pairing, chosen: dict[Version, Resident]
) -> Pairing | None:
    faults = [_choose(wanted, population, member, chosen) for member in _members(pairing)]
    said = words(fault for fault in faults if fault is not None)
    if said is None:
        return pairing
    if pairing.rollout_id in wanted.watched:
        return None  # to halt it would give everybody the release that was replaced
    return replace(pairing, halted=pairing.halted or said)


def _members(pairing: Pairing) -> list[Member]:
    arms = (pairing.baseline, pairing.candidate)
    return [member for release in arms for member in release.members.values()]


def _places(wanted: Wanted, member: Member) -> list[Resident]:
    places = [wanted.place_of(member, place) for place in (Place.IN_PROCESS, Place.WORKER)]
    return list(dict.fromkeys(places))


def _choose(
    wanted: Wanted, population: Population, member: Member, chosen: dict[Version, Resident]
) -> str | None:
    """Take a version, wherever it is; or else why that cannot be, in words."""
    places = _places(wanted, member)
    there = next((one for one in places if one in population.there), None)
    if there is None:
        known = [one for one in places if one in population.faults]
        return population.lacks((known or places)[0])
    if chosen.setdefault((member.model, member.version), there) != there:
        return f"{member.name} serves with other files than those of this release"
    return None


def _is_pending(wanted: Wanted, population: Population, member: Member) -> bool:
    return all(population.is_pending(one) for one in _places(wanted, member))
