"""What became of the values of one field or one input; both are compared in the same ways."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sluiceway.contracts.bands import Interval, interval, interval_kind, range_text
from sluiceway.contracts.change_names import ChangeKind
from sluiceway.contracts.values import Embedding, InputDemand, OutputField

_K = ChangeKind
Said = tuple[ChangeKind, object, object]
"""What changed, what it was, and what it is."""

_WIDTH: Final = ("boolean", "long", "double")
"""Numeric types, each with the values of those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedKinds:
    """What it is called where something begins to be said, ceases to be, or changes.

    The two of a type are apart: a wider one has every value of the narrower.
    """

    stated: ChangeKind
    dropped: ChangeKind
    changed: ChangeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryKinds:
    """What the changes of a list of categories are called."""

    listed: ChangeKind
    unlisted: ChangeKind
    added: ChangeKind
    removed: ChangeKind
    replaced: ChangeKind
    reordered: ChangeKind


def stated_change(old: str | None, new: str | None, kinds: StatedKinds) -> Iterator[Said]:
    """Of something that need not be said."""
    if old == new:
        return
    kind = kinds.stated if old is None else kinds.dropped if new is None else kinds.changed
    yield kind, old, new


def range_change(
    old: OutputField | InputDemand,
    new: OutputField | InputDemand,
    kinds: tuple[ChangeKind, ChangeKind, ChangeKind],
) -> Iterator[Said]:
    """Of the range."""
    before: Interval = interval(old)
    kind = interval_kind(before, interval(new), kinds)
    if kind is not None:
        yield kind, range_text(old), range_text(new)


def categories_change(
    old: OutputField | InputDemand, new: OutputField | InputDemand, kinds: CategoryKinds
) -> Iterator[Said]:
    """Of the categories, and of their order: as ranks, and as codes where they are numbered."""
    before, after = old.categories, new.categories
    if before == after:
        return
    texts = ", ".join(before or ()), ", ".join(after or ())
    if before is None or after is None:
        yield (kinds.listed if before is None else kinds.unlisted, *texts)
        return
    gone, come = set(before) - set(after), set(after) - set(before)
    if gone or come:
        kind = kinds.replaced if gone and come else kinds.added if come else kinds.removed
        yield (kind, *texts)
    kept = [name for name in before if name in set(after)]
    order = [name for name in after if name in set(before)]
    numbered = old.dtype == new.dtype == "long"
    recoded = numbered and any(before.index(name) != after.index(name) for name in kept)
    if kept != order or recoded:
        yield (kinds.reordered, *texts)


def embedding_change(
    old: Embedding | None, new: Embedding | None, *, dimension: ChangeKind, space: ChangeKind
) -> Iterator[Said]:
    """Of a vector's dimension, and of the space it lies in."""
    if _dimension(old) != _dimension(new):
        yield dimension, _dimension(old), _dimension(new)
    if old is not None and new is not None and old.space != new.space:
        yield space, old.space, new.space


def _dimension(embedding: Embedding | None) -> str:
    return "a single value" if embedding is None else f"a vector of {embedding.dimension}"


def is_wider(new: str, old: str) -> bool | None:
    """Whether a type has every value of another one; None where neither has those of the other."""
    if old not in _WIDTH or new not in _WIDTH:
        return None
    return _WIDTH.index(new) > _WIDTH.index(old)


def in_unit(unit: str) -> str:
    """A unit in words."""
    return unit or "no unit"
