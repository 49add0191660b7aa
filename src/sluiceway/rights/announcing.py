"""Telling that a field will go: to the owners of what reads it, and to nobody else."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sluiceway.contracts.values import Contract, Deprecation
from sluiceway.rights.acknowledging import Acknowledgement, covers, other_end
from sluiceway.system.values import Edge, System


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One message to one owner about one field that will go.

    Attributes:
        edges: The owner's edges that read the field, by name.
    """

    model: str
    deprecation: Deprecation
    owner: str
    contact: str
    edges: tuple[str, ...]

    @property
    def text(self) -> str:
        """The message."""
        gone = self.deprecation
        field = f"{self.model}.{gone.field}"
        instead = f"use {gone.use_instead} instead" if gone.use_instead else "nothing replaces it"
        edges = ", ".join(self.edges)
        return (
            f"{field} is deprecated since {gone.since} and may be removed from {gone.remove_after} "
            f"on; {instead}. Why: {gone.because}. You read it in {edges}; acknowledge it with: "
            + "; ".join(
                f'sluiceway acknowledge "{edge}" --as {self.owner}'.replace("→", "->")
                for edge in self.edges
            )
        )


def announcements(
    system: System, new: Contract, *, old: Contract | None = None
) -> tuple[Announcement, ...]:
    """The messages that a contract's new and changed deprecations call for.

    One a field and owner, whatever the number of edges. A change of wording alone is none.

    Args:
        new: The contract that serves, or is about to.
        old: The one before; None where nothing was said before.
    """
    said = old.deprecations if old is not None else ()
    found = []
    for gone in new.deprecations:
        if any(covers(before, gone) and covers(gone, before) for before in said):
            continue
        edges: dict[str, list[str]] = {}
        for edge in system.edges:
            if (edge.producer, edge.field) == (new.model, gone.field):
                edges.setdefault(other_end(system, edge).name, []).append(edge.name)
        found += [
            Announcement(
                model=new.model,
                deprecation=gone,
                owner=owner,
                contact=system.owners[owner].contact,
                edges=tuple(names),
            )
            for owner, names in edges.items()
        ]
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An announcement, and the day on which it was made."""

    announcement: Announcement
    on: date


def not_yet_told(wanted: Iterable[Announcement], told: Iterable[Told]) -> tuple[Announcement, ...]:
    """Those of which an edge has not been told exactly this before."""
    said = tuple(told)
    return tuple(
        one
        for one in wanted
        if any(told_on(one.model, one.deprecation, edge, said, exactly=True) is None
               for edge in one.edges)
    )  # fmt: skip


def told_on(
    model: str, gone: Deprecation, edge: str, told: Iterable[Told], *, exactly: bool = False
) -> date | None:
    """The day on which an edge's owner was first told of a removal that is no later; or None.

    Args:
        exactly: Whether only the same dates and replacement count.
    """
    days = [
        one.on
        for one in told
        if one.announcement.model == model
        and edge in one.announcement.edges
        and covers(one.announcement.deprecation, gone)
        and (not exactly or covers(gone, one.announcement.deprecation))
    ]
    return min(days, default=None)


def acknowledged_on(
    gone: Deprecation, edge: str, said: Iterable[Acknowledgement], today: date
) -> date | None:
    """The day on which an edge's owner agreed to a removal that is no later; or None."""
    days = [
        one.on
        for one in said
        if one.edge == edge
        and one.deprecation is not None
        and covers(one.deprecation, gone)
        and one.holds_on(today)
    ]
    return min(days, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeprecationStatus:
    """How far one edge is with one deprecation.

    Attributes:
        edge: The edge by its name; None for a field that nobody declares to read.
        owner: Who decides for the edge; None where there is none.
        announced_on: When they were told; None while they were not.
        acknowledged_on: When they agreed; None while they have not.
        days_left: Until it may be removed; 0 from that day on.
    """

    model: str
    deprecation: Deprecation
    edge: str | None
    owner: str | None
    announced_on: date | None
    acknowledged_on: date | None
    days_left: int

    @property
    def word(self) -> str:
        """``acknowledged``, ``announced``, ``not announced`` or ``nobody reads it``."""
        if self.edge is None:
            return "nobody reads it"
        if self.acknowledged_on is not None:
            return "acknowledged"
        return "announced" if self.announced_on is not None else "not announced"

    @property
    def waits_for(self) -> str | None:
        """The owner who has yet to answer; None where nobody has."""
        return self.owner if self.edge is not None and self.acknowledged_on is None else None


def deprecation_statuses(
    system: System,
    contracts: Iterable[Contract],
    told: Iterable[Told],
    acknowledgements: Iterable[Acknowledgement],
    *,
    today: date,
) -> tuple[DeprecationStatus, ...]:
    """Every deprecation of these contracts, edge by edge."""
    said, agreed = tuple(told), tuple(acknowledgements)
    found = []
    for contract in contracts:
        for gone in contract.deprecations:
            edges: list[Edge | None] = [
                edge
                for edge in system.edges
                if (edge.producer, edge.field) == (contract.model, gone.field)
            ]
            found += [
                DeprecationStatus(
                    model=contract.model,
                    deprecation=gone,
                    edge=edge.name if edge else None,
                    owner=other_end(system, edge).name if edge else None,
                    announced_on=told_on(contract.model, gone, edge.name, said) if edge else None,
                    acknowledged_on=acknowledged_on(gone, edge.name, agreed, today)
                    if edge
                    else None,
                    days_left=max(0, (gone.remove_after - today).days),
                )
                for edge in (edges or [None])
            ]
    return tuple(found)
