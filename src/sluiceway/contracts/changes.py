"""The difference of two contracts, the edges it breaks, and the version it deserves."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import semver

from sluiceway.contracts.change_kinds import Bump, Change, ChangeKind, Side
from sluiceway.contracts.values import BehaviouralPromise, Contract, InputDemand, OutputField
from sluiceway.durations import render_duration
from sluiceway.system.values import Edge, Reliance

_K = ChangeKind


def diff(old: Contract, new: Contract) -> tuple[Change, ...]:
    """Everything that changed from one contract of a model to the next, besides its version.

    Raises:
        ValueError: They are contracts of different models.
    """
    if old.model != new.model:
        raise ValueError(f"a contract of {old.model} is no earlier contract of {new.model}")
    return (*_output_changes(old, new), *_operation_changes(old, new), *_input_changes(old, new))


def required_bump(changes: Iterable[Change]) -> Bump | None:
    """The smallest honest rise of the version; None where nothing changed."""
    return max((change.bump for change in changes), key=lambda bump: bump.size, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenEdge:
    """An edge that a change breaks, with what it relied on."""

    edge: Edge
    change: Change
    relied_on: tuple[Reliance, ...]


def broken_edges(changes: Iterable[Change], edges: Iterable[Edge]) -> tuple[BrokenEdge, ...]:
    """The edges that changes break.

    An edge that reads the model breaks where the change touches what it relies on. An edge that
    feeds the model breaks wherever the demand on it tightens: the demand itself says what is
    relied on, whatever the edge declares.
    """
    declared = tuple(edges)
    return tuple(
        BrokenEdge(edge=edge, change=change, relied_on=relied_on)
        for change in changes
        for edge in declared
        if (relied_on := _broken(change, edge))
    )


def _broken(change: Change, edge: Edge) -> tuple[Reliance, ...]:
    if change.side is Side.INPUT:
        feeds = edge.consumer == change.model and edge.column == change.field
        return tuple(sorted(change.breaks)) if feeds else ()
    # A feature is an edge's producer too; it has no field.
    if edge.producer != change.model or edge.field is None:
        return ()
    if change.field not in (None, edge.field):
        return ()
    return tuple(reliance for reliance in edge.relies_on if reliance in change.breaks)


class VersionCode(StrEnum):
    """What is wrong with a declared version."""

    BUMP_TOO_SMALL = "bump_too_small"
    VERSION_WENT_BACK = "version_went_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFinding:
    """A declared version that hides what changed.

    Attributes:
        required: The smallest honest rise; None where nothing changed.
    """

    code: VersionCode
    model: str
    old: str
    new: str
    required: Bump | None


def check_version(old: Contract, new: Contract) -> tuple[VersionFinding, ...]:
    """Compare the declared rise of the version with the one that the changes require.

    Before 1.0.0 the same rule holds: consumers do not break less for a leading zero.

    Raises:
        ValueError: They are contracts of different models, or a version is no semantic version.
    """
    required = required_bump(diff(old, new))
    before, after = semver.Version.parse(old.version), semver.Version.parse(new.version)
    code: VersionCode | None = None
    if after < before:
        code = VersionCode.VERSION_WENT_BACK
    elif required is not None and _declared_size(before, after) < required.size:
        code = VersionCode.BUMP_TOO_SMALL
    if code is None:
        return ()
    return (
        VersionFinding(
            code=code, model=new.model, old=old.version, new=new.version, required=required
        ),
    )


def version_sentence(finding: VersionFinding) -> str:
    """A version finding in words."""
    step = f"{finding.model}: version {finding.old} → {finding.new}"
    if finding.code is VersionCode.VERSION_WENT_BACK:
        return f"{step} goes back"
    return f"{step} is less than the {finding.required} bump that the changes require"


def _declared_size(before: semver.Version, after: semver.Version) -> int:
    """Size of the declared rise in the order of :class:`Bump`; −1 for none."""
    if after.major != before.major:
        return Bump.MAJOR.size
    if after.minor != before.minor:
        return Bump.MINOR.size
    return Bump.PATCH.size if after.patch != before.patch else -1


Interval = tuple[float, float]

_WHOLE: Final = -1.0
"""Key of a band that belongs to no probability."""


def _output_changes(old: Contract, new: Contract) -> Iterator[Change]:
    before = {field.name: field for field in old.output}
    after = {field.name: field for field in new.output}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Change(kind=_K.FIELD_REMOVED, model=new.model, field=name)
        elif name not in before:
            yield Change(kind=_K.FIELD_ADDED, model=new.model, field=name)
        else:
            yield from _field_changes(new.model, before[name], after[name])


def _field_changes(model: str, old: OutputField, new: OutputField) -> Iterator[Change]:
    def change(kind: ChangeKind, before: object = "", after: object = "") -> Change:
        return Change(kind=kind, model=model, field=new.name, before=str(before), after=str(after))

    if old.position != new.position:
        yield change(_K.POSITION_MOVED, old.position, new.position)
    if old.dtype != new.dtype:
        yield change(_dtype_kind(old.dtype, new.dtype), old.dtype, new.dtype)
    if old.unit != new.unit:
        yield change(_K.UNIT_CHANGED, old.unit, new.unit)
    kind = _interval_kind(
        _interval(old), _interval(new), (_K.RANGE_NARROWED, _K.RANGE_WIDENED, _K.RANGE_MOVED)
    )
    if kind is not None:
        yield change(kind, _range_text(old), _range_text(new))
    if old.nullable != new.nullable:
        yield change(_K.NULL_ALLOWED if new.nullable else _K.NULL_FORBIDDEN)
    yield from _promise_changes(old, new, change)


def _promise_changes(
    old: OutputField, new: OutputField, change: Callable[..., Change]
) -> Iterator[Change]:
    behavioural = (
        (_scale_bands, (_K.SCALE_TIGHTENED, _K.SCALE_LOOSENED, _K.SCALE_MOVED),
         _K.SCALE_ADDED, _K.SCALE_REMOVED),
        (_quantile_bands, (_K.QUANTILES_TIGHTENED, _K.QUANTILES_LOOSENED, _K.QUANTILES_MOVED),
         _K.QUANTILES_ADDED, _K.QUANTILES_REMOVED),
    )  # fmt: skip
    said = False
    for bands_of, moved, added, removed in behavioural:
        before, after = bands_of(old.promise), bands_of(new.promise)
        texts = (_bands_text(before, old.unit), _bands_text(after, new.unit))
        kind: ChangeKind | None
        if before and after:
            kind = _bands_kind(before, after, moved)
        else:
            kind = removed if before else added if after else None
        if kind is not None:
            said = True
            yield change(kind, *texts)
    if old.promise != new.promise and not said:
        yield change(_K.WORDING_CHANGED)


def _operation_changes(old: Contract, new: Contract) -> Iterator[Change]:
    if old.deadline != new.deadline:
        longer = new.deadline > old.deadline
        yield Change(
            kind=_K.DEADLINE_LONGER if longer else _K.DEADLINE_SHORTER,
            model=new.model,
            field=None,
            before=render_duration(old.deadline),
            after=render_duration(new.deadline),
        )
    fields = {field.name for field in old.output} & {field.name for field in new.output}
    for name in sorted(old.fallback.keys() | new.fallback.keys()):
        before, after = old.fallback.get(name), new.fallback.get(name)
        # The default of a field that comes or goes, comes or goes with it.
        gone_with_it = (before is None or after is None) and name not in fields
        if before != after and not gone_with_it:
            yield Change(
                kind=_K.FALLBACK_CHANGED,
                model=new.model,
                field=name,
                before=_number(before),
                after=_number(after),
            )


def _input_changes(old: Contract, new: Contract) -> Iterator[Change]:
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
            yield from _demand_changes(new.model, before[name], after[name])


def _demand_changes(model: str, old: InputDemand, new: InputDemand) -> Iterator[Change]:
    def change(kind: ChangeKind, before: str = "", after: str = "") -> Change:
        return Change(kind=kind, model=model, field=new.name, before=before, after=after)

    if old.unit is None and new.unit is not None:
        yield change(_K.INPUT_UNIT_STATED, after=new.unit)
    elif old.unit is not None and new.unit is None:
        yield change(_K.INPUT_UNIT_DROPPED, before=old.unit)
    elif old.unit != new.unit:
        yield change(_K.INPUT_UNIT_CHANGED, str(old.unit), str(new.unit))
    kind = _interval_kind(
        _interval(old),
        _interval(new),
        (_K.INPUT_RANGE_TIGHTENED, _K.INPUT_RANGE_LOOSENED, _K.INPUT_RANGE_MOVED),
    )
    if kind is not None:
        yield change(kind, _range_text(old), _range_text(new))
    if old.nullable != new.nullable:
        yield change(_K.INPUT_NULL_ACCEPTED if new.nullable else _K.INPUT_NULL_REFUSED)


_WIDTH: Final = ("boolean", "long", "double")
"""Numeric types, each with the values of those before it."""


def _dtype_kind(old: str, new: str) -> ChangeKind:
    if old not in _WIDTH or new not in _WIDTH:
        return _K.DTYPE_REPLACED
    return _K.DTYPE_WIDENED if _WIDTH.index(new) > _WIDTH.index(old) else _K.DTYPE_NARROWED


def _interval(bounded: OutputField | InputDemand) -> Interval:
    return (
        float("-inf") if bounded.low is None else bounded.low,
        float("inf") if bounded.high is None else bounded.high,
    )


def _interval_kind(
    old: Interval, new: Interval, kinds: tuple[ChangeKind, ChangeKind, ChangeKind]
) -> ChangeKind | None:
    """One of (inside, around, moved), or None where they are equal."""
    return _bands_kind({_WHOLE: old}, {_WHOLE: new}, kinds)


def _bands_kind(
    old: Mapping[float, Interval],
    new: Mapping[float, Interval],
    kinds: tuple[ChangeKind, ChangeKind, ChangeKind],
) -> ChangeKind | None:
    """One of (all inside, all around, moved), or None where they are equal.

    Bands, not reference and tolerance, are compared: what consumers were promised is the band,
    so a new reference whose band lies inside the old one takes nothing away from them.
    """
    if dict(old) == dict(new):
        return None
    inside, around, moved = kinds
    if _all_inside(new, old):
        return inside
    return around if _all_inside(old, new) else moved


def _all_inside(inner: Mapping[float, Interval], outer: Mapping[float, Interval]) -> bool:
    return all(
        key in inner and low <= inner[key][0] and inner[key][1] <= high
        for key, (low, high) in outer.items()
    )


def _scale_bands(promise: BehaviouralPromise | None) -> dict[float, Interval]:
    if promise is None or promise.scale is None:
        return {}
    scale = promise.scale
    return {_WHOLE: (scale.low * scale.reference, scale.high * scale.reference)}


def _quantile_bands(promise: BehaviouralPromise | None) -> dict[float, Interval]:
    if promise is None or promise.quantiles is None:
        return {}
    tolerance = promise.quantiles.tolerance
    return {
        probability: (value - tolerance, value + tolerance)
        for probability, value in sorted(promise.quantiles.reference.items())
    }


def _bands_text(bands: Mapping[float, Interval], unit: str) -> str:
    if _WHOLE in bands:
        low, high = bands[_WHOLE]
        return f"{low:.4g} to {high:.4g} {unit}"
    return ", ".join(
        f"{probability * 100:g} % {low:.4g} to {high:.4g} {unit}"
        for probability, (low, high) in bands.items()
    )


def _range_text(bounded: OutputField | InputDemand) -> str:
    low, high = _interval(bounded)
    return f"[{low:g}, {high:g}]"


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:g}"
