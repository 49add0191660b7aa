"""What became of a contract's demands."""

from collections.abc import Iterator
from typing import Final

from sluiceway.contracts.change_kinds import Change
from sluiceway.contracts.change_names import ChangeKind
from sluiceway.contracts.value_changes import (
    CategoryKinds,
    Said,
    StatedKinds,
    categories_change,
    embedding_change,
    in_unit,
    is_wider,
    range_change,
    stated_change,
)
from sluiceway.contracts.values import Contract, InputDemand

_K = ChangeKind
_CATEGORIES: Final = CategoryKinds(
    listed=_K.INPUT_CATEGORIES_LISTED,
    unlisted=_K.INPUT_CATEGORIES_UNLISTED,
    added=_K.INPUT_CATEGORIES_ADDED,
    removed=_K.INPUT_CATEGORIES_REMOVED,
    replaced=_K.INPUT_CATEGORIES_REPLACED,
    reordered=_K.INPUT_CATEGORIES_REORDERED,
)
_UNIT: Final = StatedKinds(
    stated=_K.INPUT_UNIT_STATED, dropped=_K.INPUT_UNIT_DROPPED, changed=_K.INPUT_UNIT_CHANGED
)
_SEMANTICS: Final = StatedKinds(
    stated=_K.INPUT_SEMANTICS_STATED,
    dropped=_K.INPUT_SEMANTICS_DROPPED,
    changed=_K.INPUT_SEMANTICS_CHANGED,
)
_RANGE: Final = (_K.INPUT_RANGE_TIGHTENED, _K.INPUT_RANGE_LOOSENED, _K.INPUT_RANGE_MOVED)


def input_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """Inputs that came or went, and what became of the demands on the others."""
    before = {demand.name: demand for demand in old.inputs}
    after = {demand.name: demand for demand in new.inputs}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            optional = before[name].nullable
            kind = _K.OPTIONAL_INPUT_REMOVED if optional else _K.INPUT_REMOVED
            yield Change(kind=kind, model=new.model, field=name)
        elif name not in before:
            optional = after[name].nullable
            kind = _K.OPTIONAL_INPUT_ADDED if optional else _K.INPUT_ADDED
            yield Change(kind=kind, model=new.model, field=name)
        else:
            for kind, was, becomes in _demand_changes(before[name], after[name]):
                yield Change(
                    kind=kind,
                    model=new.model,
                    field=name,
                    before="" if was is None else str(was),
                    after="" if becomes is None else str(becomes),
                )


def _demand_changes(old: InputDemand, new: InputDemand) -> Iterator[Said]:
    if old.dtype != new.dtype:
        yield _dtype_kind(old.dtype, new.dtype), old.dtype, new.dtype
    units = [None if unit is None else in_unit(unit) for unit in (old.unit, new.unit)]
    yield from stated_change(units[0], units[1], _UNIT)
    yield from range_change(old, new, _RANGE)
    if old.nullable != new.nullable:
        yield _K.INPUT_NULL_ACCEPTED if new.nullable else _K.INPUT_NULL_REFUSED, "", ""
    yield from categories_change(old, new, _CATEGORIES)
    yield from stated_change(old.semantics, new.semantics, _SEMANTICS)
    yield from embedding_change(
        old.embedding,
        new.embedding,
        dimension=_K.INPUT_DIMENSION_CHANGED,
        space=_K.INPUT_SPACE_CHANGED,
    )


def _dtype_kind(old: str | None, new: str | None) -> ChangeKind:
    if old is None or new is None:
        return _K.INPUT_DTYPE_STATED if old is None else _K.INPUT_DTYPE_DROPPED
    wider = is_wider(new, old)
    if wider is None:
        return _K.INPUT_DTYPE_REPLACED
    return _K.INPUT_DTYPE_WIDENED if wider else _K.INPUT_DTYPE_NARROWED
