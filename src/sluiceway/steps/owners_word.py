"""What the owners' answers make of a version's changes, for the contract check."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sluiceway.contracts.change_kinds import Change, Side
from sluiceway.contracts.changes import BrokenEdge
from sluiceway.contracts.clearing import can_be_agreed_to
from sluiceway.contracts.values import Contract
from sluiceway.releases import Member, Release
from sluiceway.rights import RemovalFinding
from sluiceway.steps import ownership
from sluiceway.steps.site import Site
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersWord:
    """What owners have said of one version's changes.

    Attributes:
        gone: Names of all fields that are promised no longer.
        removals: Why some of them may not go yet.
        agreed: Names of edges whose owners agreed beforehand to what this very version breaks.
    """

    gone: tuple[str, ...]
    removals: tuple[RemovalFinding, ...]
    agreed: frozenset[str]

    def takes_away(self, change: Change) -> bool:
        """Whether readers lose the field, also where it goes on under another name."""
        return change.side is Side.OUTPUT and change.field in self.gone

    def clears(self, broken: BrokenEdge, system: System) -> bool:
        """Whether the reader's owner has agreed, and can."""
        outside = broken.edge.consumer in system.consumers
        return broken.edge.name in self.agreed and can_be_agreed_to(
            broken.change.kind, outside=outside
        )

    def agreed_among(self, broken: Iterable[BrokenEdge], system: System) -> tuple[str, ...]:
        """Names of the edges whose owners have agreed to all that is done to them, and can."""
        asked: dict[str, bool] = {}
        for one in broken:
            said = self.clears(one, system) or self._may_go(one.change)
            asked[one.edge.name] = asked.get(one.edge.name, True) and said
        return tuple(edge for edge, said in asked.items() if said)

    def _may_go(self, change: Change) -> bool:
        refused = {found.field for found in self.removals}
        return self.takes_away(change) and change.field not in refused


def owners_word(
    site: Site,
    system: System,
    champion: Release,
    candidate: Release,
    member: Member,
    contracts: Mapping[str, Contract],
    *,
    now: datetime,
) -> OwnersWord:
    """Ask the journal what owners have said of a version's changes.

    Args:
        champion: What serves.
        candidate: What is to serve.
        contracts: By content hash, of the members of both.
    """
    old = contracts[champion.members[member.model].contract_hash]
    new = contracts[member.contract_hash]
    return OwnersWord(
        gone=ownership.taken_away(old, new),
        removals=ownership.removals(site, system, old, new, candidate, now=now),
        agreed=ownership.agreed_edges(site, system, member, now=now),
    )
