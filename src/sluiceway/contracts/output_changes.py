"""What became of a contract's output fields."""

from collections.abc import Iterator
from typing import Final

from sluiceway.contracts.bands import bands_kind, bands_text, quantile_bands, scale_bands
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
from sluiceway.contracts.values import BehaviouralPromise, Contract, Deprecation, OutputField

_K = ChangeKind
_CATEGORIES: Final = CategoryKinds(
    listed=_K.CATEGORIES_LISTED,
    unlisted=_K.CATEGORIES_UNLISTED,
    added=_K.CATEGORIES_ADDED,
    removed=_K.CATEGORIES_REMOVED,
    replaced=_K.CATEGORIES_REPLACED,
    reordered=_K.CATEGORIES_REORDERED,
)
_POSITIVE: Final = StatedKinds(
    stated=_K.POSITIVE_STATED, dropped=_K.POSITIVE_DROPPED, changed=_K.POSITIVE_FLIPPED
)
_CALIBRATION: Final = StatedKinds(
    stated=_K.CALIBRATION_STATED, dropped=_K.CALIBRATION_DROPPED, changed=_K.RECALIBRATED
)
_SEMANTICS: Final = StatedKinds(
    stated=_K.SEMANTICS_STATED, dropped=_K.SEMANTICS_DROPPED, changed=_K.SEMANTICS_CHANGED
)
_BEHAVIOUR: Final = (
    (scale_bands, (_K.SCALE_TIGHTENED, _K.SCALE_LOOSENED, _K.SCALE_MOVED),
     _K.SCALE_ADDED, _K.SCALE_REMOVED),
    (quantile_bands, (_K.QUANTILES_TIGHTENED, _K.QUANTILES_LOOSENED, _K.QUANTILES_MOVED),
     _K.QUANTILES_ADDED, _K.QUANTILES_REMOVED),
)  # fmt: skip


def output_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """Fields that came, went or were renamed, and what became of the others."""
    before = {field.name: field for field in old.output}
    after = {field.name: field for field in new.output}
    renamed = renamed_fields(old, new)
    for name in sorted(before.keys() | (after.keys() - set(renamed.values()))):
        now = after.get(renamed.get(name, name))
        if name not in before:
            yield Change(kind=_K.FIELD_ADDED, model=new.model, field=name)
        elif now is None:
            yield Change(kind=_K.FIELD_REMOVED, model=new.model, field=name)
        else:
            for kind, was, becomes in _field_changes(before[name], now):
                yield Change(
                    kind=kind, model=new.model, field=name, before=str(was), after=str(becomes)
                )


def renamed_fields(old: Contract, new: Contract) -> dict[str, str]:
    """New name by old name of fields that are the same under another name.

    They are where the old contract's deprecation names the new field, or where meaning (the same
    semantics id) and position are equal. What fits twice is no renaming.
    """
    pairs = [
        (gone.name, come.name)
        for gone in old.output
        if gone.name not in {field.name for field in new.output}
        for come in new.output
        if come.name not in {field.name for field in old.output} and _is_same(old, gone, new, come)
    ]
    gone_names, come_names = [gone for gone, _ in pairs], [come for _, come in pairs]
    return {
        gone: come
        for gone, come in pairs
        if gone_names.count(gone) == 1 and come_names.count(come) == 1
    }


def _is_same(old: Contract, gone: OutputField, new: Contract, come: OutputField) -> bool:
    # The way back of a renaming is one too, so either contract may declare it.
    if _replaces(old, gone.name, come.name) or _replaces(new, come.name, gone.name):
        return True
    return gone.semantics is not None and (gone.semantics, gone.position) == (
        come.semantics,
        come.position,
    )


def _replaces(contract: Contract, name: str, other: str) -> bool:
    said = (other, f"{contract.model}.{other}")
    return any(one.field == name and one.use_instead in said for one in contract.deprecations)


def deprecation_changes(old: Contract, new: Contract) -> Iterator[Change]:
    """What became of announced removals.

    That of a field that comes or goes, comes or goes with it.
    """
    before, after = _by_field(old), _by_field(new)
    kept = {field.name for field in old.output} & {field.name for field in new.output}
    for name in sorted(kept):
        was, becomes = before.get(name), after.get(name)
        if was is None and becomes is None:
            continue
        if was is None or becomes is None:
            kind = _K.DEPRECATION_SET if was is None else _K.DEPRECATION_WITHDRAWN
        elif was.remove_after != becomes.remove_after:
            later = becomes.remove_after > was.remove_after
            kind = _K.DEPRECATION_LATER if later else _K.DEPRECATION_EARLIER
        else:
            continue
        days = ["" if one is None else one.remove_after.isoformat() for one in (was, becomes)]
        yield Change(kind=kind, model=new.model, field=name, before=days[0], after=days[1])


def _by_field(contract: Contract) -> dict[str, Deprecation]:
    return {one.field: one for one in reversed(contract.deprecations)}


def _field_changes(old: OutputField, new: OutputField) -> Iterator[Said]:
    said = list(_told_changes(old, new))
    if old.name != new.name:
        said.insert(0, (_K.FIELD_RENAMED, old.name, new.name))
    if not said and old != new:
        said.append((_K.WORDING_CHANGED, "", ""))
    yield from said


def _told_changes(old: OutputField, new: OutputField) -> Iterator[Said]:
    if old.position != new.position:
        yield _K.POSITION_MOVED, old.position, new.position
    if old.dtype != new.dtype:
        wider = is_wider(new.dtype, old.dtype)
        kind = _K.DTYPE_WIDENED if wider else _K.DTYPE_NARROWED
        yield _K.DTYPE_REPLACED if wider is None else kind, old.dtype, new.dtype
    if old.unit != new.unit:
        yield _K.UNIT_CHANGED, in_unit(old.unit), in_unit(new.unit)
    yield from range_change(old, new, (_K.RANGE_NARROWED, _K.RANGE_WIDENED, _K.RANGE_MOVED))
    if old.nullable != new.nullable:
        yield _K.NULL_ALLOWED if new.nullable else _K.NULL_FORBIDDEN, "", ""
    yield from categories_change(old, new, _CATEGORIES)
    yield from stated_change(old.positive, new.positive, _POSITIVE)
    yield from stated_change(old.calibration, new.calibration, _CALIBRATION)
    yield from stated_change(old.semantics, new.semantics, _SEMANTICS)
    yield from embedding_change(
        old.embedding, new.embedding, dimension=_K.DIMENSION_CHANGED, space=_K.SPACE_CHANGED
    )
    yield from _promise_changes(old, new)


def _promise_changes(old: OutputField, new: OutputField) -> Iterator[Said]:
    before: BehaviouralPromise | None = old.promise
    for bands_of, moved, added, removed in _BEHAVIOUR:
        was, becomes = bands_of(before), bands_of(new.promise)
        texts = bands_text(was, old.unit), bands_text(becomes, new.unit)
        if bool(was) != bool(becomes):
            yield (added if becomes else removed, *texts)
        elif (kind := bands_kind(was, becomes, moved)) is not None:
            yield (kind, *texts)
