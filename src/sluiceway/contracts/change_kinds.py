"""A change, with what its kind means."""

from dataclasses import dataclass

from sluiceway.contracts.change_names import Aspect, Bump, ChangeKind, Direction, Evidence, Side
from sluiceway.contracts.change_rules import RULES, Alternatives, Rule, alternatives_in_words
from sluiceway.system.values import Reliance

__all__ = [
    "RULES",
    "Alternatives",
    "Aspect",
    "Bump",
    "Change",
    "ChangeKind",
    "Direction",
    "Evidence",
    "Rule",
    "Side",
    "alternatives_in_words",
    "sentence",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two contracts of a model, or between two of its versions.

    Attributes:
        field: Output field or input; None where the whole answer is meant. A renamed field has the
            name that its readers know.
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
    def aspect(self) -> Aspect:
        """What of the field, the input or the model it is about."""
        return RULES[self.kind].aspect

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

    @property
    def cleared_by(self) -> Alternatives:
        """What it takes for an edge that it breaks to hold again."""
        return RULES[self.kind].cleared_by


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
