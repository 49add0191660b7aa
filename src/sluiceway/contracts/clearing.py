"""How an edge that a change touches stands: cleared, waiting for evidence, or broken."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sluiceway.contracts.change_kinds import RULES, Change, Evidence, alternatives_in_words
from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.contracts.change_names import ChangeKind
from sluiceway.contracts.changes import BrokenEdge
from sluiceway.system.values import Reliance


class Standing(StrEnum):
    """What is to be done about an edge that a change touches."""

    CLEARED = "cleared"
    """There is evidence that it holds."""
    AWAITS = "awaits"
    """The evidence is still to come on the way that lies ahead."""
    BROKEN = "broken"
    """Nothing on the way will give the evidence; somebody has to act first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchedEdge:
    """An edge whose reliance a change touches, and how it stands.

    Attributes:
        edge: Its name.
        relied_on: What of the edge's reliance the change touches.
        shown: The evidence that there is.
    """

    edge: str
    change: Change
    relied_on: tuple[Reliance, ...]
    shown: tuple[Evidence, ...]
    standing: Standing


def touched(
    broken: BrokenEdge, *, shown: Collection[Evidence], coming: Collection[Evidence] = ()
) -> TouchedEdge:
    """Hold an edge that a change breaks against the evidence.

    Args:
        shown: Evidence that there is.
        coming: Evidence that whoever asks will gather before anybody is served.
    """
    rule = RULES[broken.change.kind]
    standing = Standing.BROKEN
    if rule.is_cleared(shown):
        standing = Standing.CLEARED
    elif rule.is_cleared({*shown, *coming}):
        standing = Standing.AWAITS
    return TouchedEdge(
        edge=broken.edge.name,
        change=broken.change,
        relied_on=broken.relied_on,
        shown=tuple(evidence for evidence in Evidence if evidence in shown),
        standing=standing,
    )


def touched_sentence(touched_edge: TouchedEdge) -> str:
    """How an edge stands, in words."""
    told = f"{touched_edge.edge}: {change_sentence(touched_edge.change)}"
    ways = touched_edge.change.cleared_by
    match touched_edge.standing:
        case Standing.CLEARED:
            way = next(way for way in ways if way <= set(touched_edge.shown))
            return f"{told}; cleared by {alternatives_in_words((way,))}"
        case Standing.AWAITS:
            return f"{told}; waits for {alternatives_in_words(ways)}"
        case Standing.BROKEN:
            return f"{told}; it would take {alternatives_in_words(ways)}"


_SHOWN: Final = frozenset({Evidence.CONSUMER_ACKNOWLEDGEMENT, Evidence.SHADOW_REPLAY})
"""What an edge's owner who agrees has shown, and what follows before anything live is touched."""


def can_be_agreed_to(kind: ChangeKind, *, outside: bool) -> bool:
    """Whether an owner's word clears a change: no word makes a wrong unit right.

    Args:
        outside: Whether the reader is an outside application. Nobody but its owner can say what
            that bears; what a model bears, a replay has to show.
    """
    return outside or RULES[kind].is_cleared(_SHOWN)
