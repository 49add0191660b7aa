"""The kinds of changes between two contracts, and what each kind means.

The algebra of directions: an output promise that loosens breaks those who read it; an input demand
that tightens breaks those who feed it; a change that does both breaks whatever relies on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sluiceway.system.values import Reliance


class Direction(StrEnum):
    """Which way a promise or a demand moved."""

    NONE = "none"
    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    BOTH = "both"

    @property
    def reverse(self) -> "Direction":
        """The direction of the way back."""
        return _REVERSE.get(self, self)


_REVERSE: Final = {
    Direction.LOOSENS: Direction.TIGHTENS,
    Direction.TIGHTENS: Direction.LOOSENS,
}


class Bump(StrEnum):
    """How far a semantic version must rise."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"

    @property
    def size(self) -> int:
        """Place in the order patch < minor < major, from 0."""
        return list(Bump).index(self)


class Side(StrEnum):
    """Whose edges a change is about."""

    OUTPUT = "output"
    """Those that read the model."""
    INPUT = "input"
    """Those that feed it."""


class ChangeKind(StrEnum):
    """What changed."""

    WORDING_CHANGED = "wording_changed"
    FIELD_ADDED = "field_added"
    FIELD_REMOVED = "field_removed"
    POSITION_MOVED = "position_moved"
    DTYPE_WIDENED = "dtype_widened"
    DTYPE_NARROWED = "dtype_narrowed"
    DTYPE_REPLACED = "dtype_replaced"
    UNIT_CHANGED = "unit_changed"
    RANGE_WIDENED = "range_widened"
    RANGE_NARROWED = "range_narrowed"
    RANGE_MOVED = "range_moved"
    NULL_ALLOWED = "null_allowed"
    NULL_FORBIDDEN = "null_forbidden"
    SCALE_ADDED = "scale_added"
    SCALE_REMOVED = "scale_removed"
    SCALE_TIGHTENED = "scale_tightened"
    SCALE_LOOSENED = "scale_loosened"
    SCALE_MOVED = "scale_moved"
    QUANTILES_ADDED = "quantiles_added"
    QUANTILES_REMOVED = "quantiles_removed"
    QUANTILES_TIGHTENED = "quantiles_tightened"
    QUANTILES_LOOSENED = "quantiles_loosened"
    QUANTILES_MOVED = "quantiles_moved"
    DEADLINE_LONGER = "deadline_longer"
    DEADLINE_SHORTER = "deadline_shorter"
    FALLBACK_CHANGED = "fallback_changed"
    INPUT_ADDED = "input_added"
    INPUT_REMOVED = "input_removed"
    OPTIONAL_INPUT_ADDED = "optional_input_added"
    OPTIONAL_INPUT_REMOVED = "optional_input_removed"
    INPUT_RANGE_TIGHTENED = "input_range_tightened"
    INPUT_RANGE_LOOSENED = "input_range_loosened"
    INPUT_RANGE_MOVED = "input_range_moved"
    INPUT_NULL_REFUSED = "input_null_refused"
    INPUT_NULL_ACCEPTED = "input_null_accepted"
    INPUT_UNIT_CHANGED = "input_unit_changed"
    INPUT_UNIT_STATED = "input_unit_stated"
    INPUT_UNIT_DROPPED = "input_unit_dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a kind of change means.

    Attributes:
        breaks: What somebody relied on and can rely on no longer; empty breaks nobody.
        said: The sentence, with ``{field}``, ``{before}`` and ``{after}``.
    """

    side: Side
    direction: Direction
    bump: Bump
    breaks: frozenset[Reliance]
    said: str


def _rule(side: Side, direction: Direction, bump: Bump, breaks: str, said: str) -> Rule:
    return Rule(
        side=side,
        direction=direction,
        bump=bump,
        breaks=frozenset(Reliance(name) for name in breaks.split()),
        said=said,
    )


_K = ChangeKind
_IN, _OUT = Side.INPUT, Side.OUTPUT
_NONE, _LOOSE, _TIGHT, _BOTH = (
    Direction.NONE,
    Direction.LOOSENS,
    Direction.TIGHTENS,
    Direction.BOTH,
)
_PATCH, _MINOR, _MAJOR = Bump.PATCH, Bump.MINOR, Bump.MAJOR
_ALL = "columnar numeric behavioural operational"

RULES: Final[Mapping[ChangeKind, Rule]] = {
    _K.WORDING_CHANGED: _rule(_OUT, _NONE, _PATCH, "", "says the same in other words"),
    _K.FIELD_ADDED: _rule(_OUT, _TIGHT, _MINOR, "", "is promised anew"),
    _K.FIELD_REMOVED: _rule(_OUT, _LOOSE, _MAJOR, _ALL, "is promised no longer"),
    _K.POSITION_MOVED: _rule(
        _OUT, _BOTH, _MAJOR, "columnar", "moves from answer column {before} to {after}"
    ),
    _K.DTYPE_WIDENED: _rule(
        _OUT, _LOOSE, _MAJOR, "columnar", "changes its type from {before} to {after}"
    ),
    # Fewer values are possible, and yet a reader of finer ones loses its precision.
    _K.DTYPE_NARROWED: _rule(
        _OUT, _TIGHT, _MAJOR, "columnar numeric", "changes its type from {before} to {after}"
    ),
    _K.DTYPE_REPLACED: _rule(
        _OUT,
        _BOTH,
        _MAJOR,
        "columnar numeric behavioural",
        "changes its type from {before} to {after}",
    ),
    _K.UNIT_CHANGED: _rule(
        _OUT, _BOTH, _MAJOR, "numeric behavioural", "changes its unit from {before} to {after}"
    ),
    _K.RANGE_WIDENED: _rule(
        _OUT, _LOOSE, _MAJOR, "numeric", "widens its range from {before} to {after}"
    ),
    _K.RANGE_NARROWED: _rule(
        _OUT, _TIGHT, _MINOR, "", "narrows its range from {before} to {after}"
    ),
    _K.RANGE_MOVED: _rule(
        _OUT, _BOTH, _MAJOR, "numeric", "moves its range from {before} to {after}"
    ),
    _K.NULL_ALLOWED: _rule(_OUT, _LOOSE, _MAJOR, "numeric", "may be missing from now on"),
    _K.NULL_FORBIDDEN: _rule(_OUT, _TIGHT, _MINOR, "", "is never missing from now on"),
    _K.SCALE_ADDED: _rule(_OUT, _TIGHT, _MINOR, "", "promises an interquartile range of {after}"),
    _K.SCALE_REMOVED: _rule(
        _OUT, _LOOSE, _MAJOR, "behavioural", "no longer promises an interquartile range of {before}"
    ),
    _K.SCALE_TIGHTENED: _rule(
        _OUT, _TIGHT, _MINOR, "", "tightens its interquartile range from {before} to {after}"
    ),
    _K.SCALE_LOOSENED: _rule(
        _OUT,
        _LOOSE,
        _MAJOR,
        "behavioural",
        "loosens its interquartile range from {before} to {after}",
    ),
    _K.SCALE_MOVED: _rule(
        _OUT,
        _BOTH,
        _MAJOR,
        "behavioural",
        "moves its interquartile range from {before} to {after}",
    ),
    _K.QUANTILES_ADDED: _rule(_OUT, _TIGHT, _MINOR, "", "promises quantiles: {after}"),
    _K.QUANTILES_REMOVED: _rule(
        _OUT, _LOOSE, _MAJOR, "behavioural", "no longer promises quantiles: {before}"
    ),
    _K.QUANTILES_TIGHTENED: _rule(
        _OUT, _TIGHT, _MINOR, "", "tightens its quantiles from {before} to {after}"
    ),
    _K.QUANTILES_LOOSENED: _rule(
        _OUT, _LOOSE, _MAJOR, "behavioural", "loosens its quantiles from {before} to {after}"
    ),
    _K.QUANTILES_MOVED: _rule(
        _OUT, _BOTH, _MAJOR, "behavioural", "moves its quantiles from {before} to {after}"
    ),
    _K.DEADLINE_LONGER: _rule(
        _OUT, _LOOSE, _MAJOR, "operational", "may take {after} instead of {before}"
    ),
    _K.DEADLINE_SHORTER: _rule(_OUT, _TIGHT, _MINOR, "", "takes at most {after}, was {before}"),
    _K.FALLBACK_CHANGED: _rule(
        _OUT, _BOTH, _MAJOR, "operational", "falls back to {after} instead of {before}"
    ),
    _K.INPUT_ADDED: _rule(_IN, _TIGHT, _MAJOR, "columnar", "is demanded anew"),
    _K.INPUT_REMOVED: _rule(_IN, _LOOSE, _MINOR, "", "is demanded no longer"),
    # What may be missing demands nothing of those who feed it.
    _K.OPTIONAL_INPUT_ADDED: _rule(_IN, _NONE, _MINOR, "", "is read where it is there"),
    _K.OPTIONAL_INPUT_REMOVED: _rule(_IN, _NONE, _MINOR, "", "is read no longer"),
    _K.INPUT_RANGE_TIGHTENED: _rule(
        _IN, _TIGHT, _MAJOR, "numeric", "must lie in {after}, was {before}"
    ),
    _K.INPUT_RANGE_LOOSENED: _rule(_IN, _LOOSE, _MINOR, "", "may lie in {after}, was {before}"),
    _K.INPUT_RANGE_MOVED: _rule(_IN, _BOTH, _MAJOR, "numeric", "must lie in {after}, was {before}"),
    _K.INPUT_NULL_REFUSED: _rule(_IN, _TIGHT, _MAJOR, "numeric", "must not be missing"),
    _K.INPUT_NULL_ACCEPTED: _rule(_IN, _LOOSE, _MINOR, "", "may be missing"),
    _K.INPUT_UNIT_CHANGED: _rule(
        _IN, _BOTH, _MAJOR, "numeric behavioural", "is demanded in {after}, was {before}"
    ),
    # Nobody knows what was fed so far: undetermined counts as a break.
    _K.INPUT_UNIT_STATED: _rule(
        _IN, _TIGHT, _MAJOR, "numeric", "is demanded in {after}, its unit was not said before"
    ),
    _K.INPUT_UNIT_DROPPED: _rule(
        _IN, _LOOSE, _MINOR, "", "is demanded in no unit any more, was {before}"
    ),
}
"""What each kind of change means: the whole policy of this module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two contracts of a model.

    Attributes:
        field: Output field or input; None where the whole answer is meant.
        before: What was promised or demanded, in words.
        after: What is promised or demanded now, in words.
    """

    kind: ChangeKind
    model: str
    field: str | None
    before: str = ""
    after: str = ""

    @property
    def side(self) -> Side:
        """Whether it is about those who read the model or those who feed it."""
        return RULES[self.kind].side

    @property
    def direction(self) -> Direction:
        """Which way the promise or demand moved."""
        return RULES[self.kind].direction

    @property
    def bump(self) -> Bump:
        """The smallest rise of the version that announces it honestly."""
        return RULES[self.kind].bump

    @property
    def breaks(self) -> frozenset[Reliance]:
        """What somebody relied on and can rely on no longer."""
        return RULES[self.kind].breaks


def sentence(change: Change) -> str:
    """A change in words: ``dep_delay.minutes: changes its unit from minutes to hours``."""
    if change.field is None:
        subject = change.model
    elif change.side is Side.INPUT:
        subject = f"{change.model}, input {change.field}"
    else:
        subject = f"{change.model}.{change.field}"
    said = RULES[change.kind].said
    return f"{subject}: {said.format(before=change.before, after=change.after)}"
