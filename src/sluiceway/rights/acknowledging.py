"""What the owner of an edge has agreed to: that a field goes, or that a contract breaks for it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sluiceway.contracts.values import Deprecation
from sluiceway.releases import Member
from sluiceway.system.values import Edge, Owner, System

_ARROW = re.compile(r"\s*(?:→|->)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One edge's owner knows what is coming and has agreed to it.

    Exactly one of `deprecation` and `version` is set. What was agreed to is a content, never a
    number: a version of the same number with another contract or other files needs another word.

    Attributes:
        edge: The edge by its name.
        owner: In whose name it was given.
        on: The day on which it was.
        deprecation: The removal it agrees to; one that comes sooner, or leaves another
            replacement, needs another.
        version: ``model@version`` of the producer whose breaking changes it agrees to.
        contract_hash: Content hash of that version's contract; None in older journals, which
            agree to nothing that could be told apart.
        artifact_sha256: Digest of that version's files; None as above.
        until: Its last day; None for no end.
    """

    edge: str
    owner: str
    on: date
    deprecation: Deprecation | None = None
    version: str | None = None
    contract_hash: str | None = None
    artifact_sha256: str | None = None
    until: date | None = None

    def __post_init__(self) -> None:
        """Refuse one that agrees to nothing or to two things."""
        if (self.deprecation is None) == (self.version is None):
            raise ValueError("an acknowledgement is of a deprecation or of a version")

    def holds_on(self, today: date) -> bool:
        """Whether it has begun and not ended."""
        return self.on <= today and (self.until is None or today <= self.until)

    def is_of(self, member: Member) -> bool:
        """Whether it was given for this version's very contract and files."""
        return (member.contract_hash, member.artifact_sha256) == (
            self.contract_hash,
            self.artifact_sha256,
        )


def covers(said: Deprecation, now: Deprecation) -> bool:
    """Whether what was said of one deprecation holds for another.

    It does where the other comes no sooner and leaves the same replacement.
    """
    return (
        said.field == now.field
        and said.remove_after <= now.remove_after
        and said.use_instead == now.use_instead
    )


def other_end(system: System, edge: Edge) -> Owner:
    """Who decides for an edge: the owner of what reads it."""
    return system.owner_of(edge.consumer)


def edge_named(edges: Iterable[Edge], text: str) -> Edge | None:
    """The edge that is written ``producer.field → consumer``, or with ``->``; else None."""
    wanted = " → ".join(_ARROW.split(text.strip()))
    return next((edge for edge in edges if edge.name == wanted), None)


def acknowledgement_fault(
    system: System, text: str, owner: str, *, actor: str, today: date
) -> str | None:
    """Why somebody may not acknowledge for an edge; None where they may."""
    edge = edge_named(system.edges, text)
    if edge is None or edge.field is None:
        live = ", ".join(one.name for one in system.edges if one.field is not None)
        return f"is no edge between models and their consumers (there are: {live})"
    if owner not in system.owners:
        return f"{owner} is not among the owners (there are: {', '.join(system.owners)})"
    rightful = other_end(system, edge)
    if owner != rightful.name:
        return f"{owner} does not own {edge.consumer}; {rightful.name} does"
    if rightful.left is not None and rightful.left <= today:
        return f"{owner} left on {rightful.left}; say in the system file who owns it now"
    if rightful.people and actor not in rightful.people:
        return f"{actor} does not speak for {owner} (its people: {', '.join(rightful.people)})"
    return None
