"""Two windows column by column: what can be compared is, what cannot says why."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sluiceway.drift.comparing import (
    BlockContrast,
    NumericComparison,
    compare_categories,
    compare_numbers,
    compare_rates,
)
from sluiceway.drift.findings import Distance, DriftFinding, DriftReason, Side
from sluiceway.drift.profiles import (
    Aspect,
    CategorySummary,
    ColumnProfile,
    Ints,
    Kind,
    NumericSummary,
    WindowProfile,
    alike,
)
from sluiceway.outcomes import Outcome

Key = tuple[str, Aspect]
_MOST_NAMED = 10
_NOTHING = Side(rows=0, blocks=0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """One aspect of one column in two windows.

    Attributes:
        finding: What is known so far; its reason is NO_VALUES or the like where the distance is
            None, and WITHIN_THRESHOLD is not yet claimed where it is not.
        source: What the distance was made from; None where there is none.
    """

    finding: DriftFinding
    source: NumericComparison | BlockContrast | None = None

    @property
    def comparable(self) -> bool:
        """Whether there is a distance to judge."""
        return self.source is not None

    def contrast(self) -> BlockContrast:
        """The distance as a function of which blocks are current."""
        assert self.source is not None
        return self.source.contrast() if isinstance(self.source, NumericComparison) else self.source


def compared(reference: WindowProfile, current: WindowProfile) -> Iterator[Compared]:
    """Compare every column of the reference, and report those it does not have."""
    for name in sorted({*reference.columns, *current.columns}):
        before, now = reference.columns.get(name), current.columns.get(name)
        if before is None or now is None:
            error = now is None
            yield _refused(
                name,
                DriftReason.COLUMN_MISSING if error else DriftReason.NO_VALUES,
                Outcome.ERROR if error else Outcome.INCONCLUSIVE,
                what=("current" if error else "reference",),
            )
            continue
        yield from _nulls(name, reference, before, current, now)
        yield from _values(name, before, now)


def distances(reference: WindowProfile, other: WindowProfile) -> Mapping[Key, float]:
    """Distance of everything that can be compared."""
    return {
        (one.finding.column, one.finding.aspect): one.finding.distance
        for one in compared(reference, other)
        if one.finding.distance is not None
    }


def _refused(
    column: str,
    reason: DriftReason,
    outcome: Outcome = Outcome.INCONCLUSIVE,
    *,
    aspect: Aspect = Aspect.VALUES,
    sides: tuple[Side, Side] = (_NOTHING, _NOTHING),
    what: tuple[str, ...] = (),
    faulty_rows: int = 0,
) -> Compared:
    return Compared(
        finding=DriftFinding(
            column=column,
            aspect=aspect,
            outcome=outcome,
            reason=reason,
            reference=sides[0],
            current=sides[1],
            what=what,
            faulty_rows=faulty_rows,
        )
    )


def _nulls(
    name: str,
    reference: WindowProfile,
    before: ColumnProfile,
    current: WindowProfile,
    now: ColumnProfile,
) -> Iterator[Compared]:
    sides = tuple(
        Side(
            rows=int(rows.sum()),
            blocks=int((rows > 0).sum()),
            typical=float(nulls.sum() / rows.sum()) if rows.any() else None,
        )
        for rows, nulls in ((reference.rows, before.nulls), (current.rows, now.nulls))
    )
    if not (sides[0].rows and sides[1].rows):
        yield _refused(name, DriftReason.NO_ROWS, aspect=Aspect.NULLS, sides=(sides[0], sides[1]))
        return
    source = compare_rates((before.nulls, reference.rows), (now.nulls, current.rows))
    finding = DriftFinding(
        column=name,
        aspect=Aspect.NULLS,
        outcome=Outcome.INCONCLUSIVE,
        reason=DriftReason.NOT_DISTINGUISHED,
        reference=sides[0],
        current=sides[1],
        distance_kind=Distance.NULL_RATE,
        distance=source.today,
    )
    yield Compared(finding=finding, source=source)


def _values(name: str, before: ColumnProfile, now: ColumnProfile) -> Iterator[Compared]:
    kinds = (before.kind, now.kind)
    if Kind.MIXED in kinds:
        where = tuple(
            side
            for side, kind in zip(("reference", "current"), kinds, strict=True)
            if kind is Kind.MIXED
        )
        yield _refused(name, DriftReason.MIXED_TYPES, Outcome.ERROR, what=where)
        return
    if before.kind.with_(now.kind) is Kind.MIXED:
        what = (before.kind.value, now.kind.value)
        yield _refused(name, DriftReason.KIND_CHANGED, Outcome.ERROR, what=what)
        return
    if not (before.parts or now.parts):
        yield _refused(name, DriftReason.NO_VALUES)
    for aspect in sorted({*before.parts, *now.parts}):
        first, second = before.parts.get(aspect), now.parts.get(aspect)
        if isinstance(first, NumericSummary) and isinstance(second, NumericSummary):
            yield _numbers(name, aspect, first, second)
        elif isinstance(first, CategorySummary) and isinstance(second, CategorySummary):
            yield _categories(name, aspect, first, second)
        else:
            yield _refused(name, DriftReason.NO_VALUES, aspect=aspect)


def _numbers(name: str, aspect: Aspect, first: NumericSummary, second: NumericSummary) -> Compared:
    sides = _sides(first.counts, second.counts)
    infinite = int(first.infinite.sum() + second.infinite.sum())
    if infinite:
        return _refused(
            name,
            DriftReason.INFINITE_VALUES,
            Outcome.ERROR,
            aspect=aspect,
            sides=sides,
            faulty_rows=infinite,
        )
    if not (first.total and second.total):
        return _refused(name, DriftReason.NO_VALUES, aspect=aspect, sides=sides)
    source = compare_numbers(first, second)
    low, middle, high = source.quartiles()
    with np.errstate(over="ignore"):
        width = high - low
    finding = DriftFinding(
        column=name,
        aspect=aspect,
        outcome=Outcome.INCONCLUSIVE,
        reason=DriftReason.NOT_DISTINGUISHED,
        reference=replace(sides[0], typical=middle),
        current=replace(sides[1], typical=source.current_median()),
        distance_kind=Distance.KS,
        distance=source.distance,
        error=source.error,
        wasserstein_iqr=_ratio(source.wasserstein, float(width)),
    )
    if source.constant:
        return Compared(finding=replace(finding, reason=DriftReason.CONSTANT, distance=None))
    return Compared(finding=finding, source=source)


def _ratio(area: float | None, width: float) -> float | None:
    if area is None or not 0 < width < math.inf:
        return None
    ratio = area / width
    return ratio if math.isfinite(ratio) else None


def _categories(
    name: str, aspect: Aspect, first: CategorySummary, second: CategorySummary
) -> Compared:
    sides = _sides(first.table.sum(axis=1), second.table.sum(axis=1))
    if not (first.total and second.total):
        return _refused(name, DriftReason.NO_VALUES, aspect=aspect, sides=sides)
    before, now = alike(first, second)
    had, has = before.table.sum(axis=0), now.table.sum(axis=0)
    unseen = np.flatnonzero((had == 0) & (has > 0) & (not before.hashed))
    named = sorted(unseen.tolist(), key=lambda at: (-has[at], now.labels[at]))
    constant = int(((had + has) > 0).sum()) == 1
    source = compare_categories(before, now)
    finding = DriftFinding(
        column=name,
        aspect=aspect,
        outcome=Outcome.INCONCLUSIVE,
        reason=DriftReason.CONSTANT if constant else DriftReason.NOT_DISTINGUISHED,
        reference=sides[0],
        current=sides[1],
        distance_kind=Distance.CRAMERS_V,
        distance=None if constant else source.today,
        unseen=tuple(now.labels[at] for at in named[:_MOST_NAMED]),
        unseen_rows=int(has[unseen].sum()),
    )
    return Compared(finding=finding, source=None if constant else source)


def _sides(first: Ints, second: Ints) -> tuple[Side, Side]:
    before, now = (
        Side(rows=int(rows.sum()), blocks=int((rows > 0).sum())) for rows in (first, second)
    )
    return before, now
