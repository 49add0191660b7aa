"""What each input of a model may be: its ends, its categories, and anything between, drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sluiceway.contracts.values import InputDemand, OutputField

Column = np.ndarray[Any, np.dtype[Any]]
Scalar = float | str | None
"""One value: numbers and booleans as floats, None where it is missing."""
Row = Mapping[str, Scalar]

NEVER_SEEN: Final = "a category never seen before"
"""What a model that knows no list of categories is given as a new one."""
_MOST_CATEGORIES: Final = 50
"""Most recorded texts that are tried where nobody lists the categories."""
_NUMBERS: Final = frozenset({"double", "long", "boolean"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one input was in recorded rows.

    Attributes:
        typical: The value that stands for it where another input is looked at: the lower median
            of numbers, the most frequent text; None where every value was missing.
        low: Smallest number; None where there is none.
        high: Largest number.
        texts: Texts, the most frequent first; empty for numbers.
        nulls: How many values were missing.
        rows: How many values there were in all.
    """

    typical: Scalar
    low: float | None
    high: float | None
    texts: tuple[str, ...]
    nulls: int
    rows: int

    @classmethod
    def of(cls, values: Column) -> "Seen":
        """Look at one column, shape (rows,): floats with NaN for missing, or texts with None."""
        rows = len(values)
        if values.dtype.kind in "fiub":
            numbers = np.sort(values.astype(np.float64)[np.isfinite(values)])
            some = len(numbers) > 0
            return cls(
                typical=float(numbers[(len(numbers) - 1) // 2]) if some else None,
                low=float(numbers[0]) if some else None,
                high=float(numbers[-1]) if some else None,
                texts=(),
                nulls=int(np.count_nonzero(np.isnan(values))) if values.dtype.kind == "f" else 0,
                rows=rows,
            )
        texts = [str(value) for value in values if not is_missing(value)]
        found, counts = np.unique(np.asarray(texts, dtype=object), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        frequent = tuple(str(found[place]) for place in order)
        return cls(
            typical=frequent[0] if frequent else None,
            low=None,
            high=None,
            texts=frequent,
            nulls=rows - len(texts),
            rows=rows,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What whoever feeds an input says of it: a feature's declaration or a producer's promise.

    Attributes:
        by: Name of the feature, or ``model.field``.
        fallback: The producer's safe default; None for features.
    """

    by: str
    dtype: str
    unit: str | None
    low: float | None
    high: float | None
    nullable: bool
    categories: tuple[str, ...] | None
    fallback: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Everything one input may be.

    Attributes:
        low: Smallest value; None where nobody bounds it and nothing was recorded.
        high: Largest value.
        nullable: Whether it may be missing.
        categories: Every text it may be, or those that were recorded; None for numbers.
        admits_new: Whether it may be a text that nobody listed.
        typical: What it is while another input is looked at.
        fallback: What it is while its producer gives no answer; None where none feeds it.
        bounded: Whether somebody declares both ends, so that they are not just what was recorded.
    """

    name: str
    dtype: str
    low: float | None
    high: float | None
    nullable: bool
    categories: tuple[str, ...] | None
    admits_new: bool
    typical: Scalar
    fallback: float | None
    bounded: bool


def region_of(
    name: str,
    *,
    demand: InputDemand | None,
    supply: Supply | None,
    seen: Seen | None,
    dtype: str | None = None,
) -> Region:
    """Put together what is known of an input: its demand, else its supply, else the record.

    A demand is what the model says that it can answer, so it counts in full, also where nobody
    feeds such values yet.

    Args:
        dtype: Of the model's signature, for where neither demand nor supply say one.
    """
    said = demand.dtype if demand else None
    kind = said or (supply.dtype if supply else None) or dtype
    kind = kind or ("string" if seen and seen.texts else "double")
    low = _first(demand.low if demand else None, supply.low if supply else None)
    high = _first(demand.high if demand else None, supply.high if supply else None)
    bounded = low is not None and high is not None
    if kind == "boolean":
        low, high, bounded = 0.0, 1.0, True
    elif seen is not None:
        low, high = _first(low, seen.low), _first(high, seen.high)
    listed = (demand and demand.categories) or (supply and supply.categories) or None
    if listed is not None and kind == "long":
        low, high, bounded = 0.0, float(len(listed) - 1), True
    region = Region(
        name=name,
        dtype=kind,
        low=low,
        high=high,
        nullable=demand.nullable if demand else bool(supply and supply.nullable),
        categories=(listed or (seen.texts[:_MOST_CATEGORIES] if seen else ()))
        if kind == "string"
        else None,
        admits_new=kind == "string" and listed is None and demand is not None,
        typical=None,
        fallback=supply.fallback if supply else None,
        bounded=bounded,
    )
    return _with_typical(region, seen.typical if seen else None)


def region_of_field(field: OutputField, *, fallback: float | None, name: str) -> Region:
    """The whole promised region of a producer's field, as its consumer may get it.

    Args:
        fallback: The field's safe default.
        name: The consumer's name for it, ``model.field``.
    """
    supply = supply_of_field(field, fallback=fallback, name=name)
    return region_of(name, demand=None, supply=supply, seen=None)


def supply_of_field(field: OutputField, *, fallback: float | None, name: str) -> Supply:
    """What a producer's promise says of the input that reads it."""
    return Supply(
        by=name,
        dtype=field.dtype,
        unit=field.unit,
        low=field.low,
        high=field.high,
        nullable=field.nullable,
        categories=field.categories,
        fallback=fallback,
    )


def _with_typical(region: Region, typical: Scalar) -> Region:
    if region.categories is not None:
        first = region.categories[0] if region.categories else None
        return replace(region, typical=typical if isinstance(typical, str) else first)
    if not isinstance(typical, float):
        ends = [end for end in (region.low, region.high) if end is not None]
        typical = region.fallback if region.fallback is not None else math.fsum(ends) / 2
    inside = max(typical, -math.inf if region.low is None else region.low)
    inside = min(inside, math.inf if region.high is None else region.high)
    whole = region.dtype in ("long", "boolean")
    return replace(region, typical=float(math.floor(inside)) if whole else float(inside))


def ends(region: Region) -> tuple[float, ...]:
    """The least and the largest value, where they are known."""
    if region.dtype == "string":
        return ()
    low, high = region.low, region.high
    if region.dtype in ("long", "boolean"):
        low = None if low is None else float(math.ceil(low))
        high = None if high is None else float(math.floor(high))
    return tuple(dict.fromkeys(end for end in (low, high) if end is not None))


def just_inside(region: Region) -> tuple[float, ...]:
    """The next values inside the ends, and zero where it lies between."""
    found = ends(region)
    if len(found) < 2 or region.dtype == "boolean":
        return ()
    low, high = found
    if region.dtype == "long":
        near = [low + 1, high - 1]
    else:
        near = [math.nextafter(low, high), math.nextafter(high, low)]
    values = [value for value in (*near, 0.0) if low < value < high]
    return tuple(dict.fromkeys(values))


def outside(region: Region) -> tuple[Scalar, ...]:
    """Values that nobody may give: just beyond the ends, no category, none where one is needed."""
    values: list[Scalar] = []
    found = ends(region)
    if len(found) == 2 and region.bounded:
        step = 1.0 if region.dtype in ("long", "boolean") else 0.0
        below = found[0] - step if step else math.nextafter(found[0], -math.inf)
        above = found[1] + step if step else math.nextafter(found[1], math.inf)
        values += [below, above]
    if region.categories and not region.admits_new:
        values.append(NEVER_SEEN)
    if not region.nullable:
        values.append(None)
    return tuple(values)


def interior(region: Region, *, steps: int) -> tuple[float, ...]:
    """An even grid between the ends, the ends left out."""
    found = ends(region)
    if len(found) < 2:
        return ()
    grid = np.linspace(found[0], found[1], steps + 2)[1:-1]
    if region.dtype in ("long", "boolean"):
        grid = np.unique(np.round(grid))
        grid = grid[(grid > found[0]) & (grid < found[1])]
    return tuple(float(value) for value in grid)


def drawn(region: Region) -> SearchStrategy[Scalar]:
    """Anything the region admits; it shrinks to the typical value, then to the simplest number."""
    options: list[SearchStrategy[Scalar]] = [st.just(region.typical)]
    found = ends(region)
    if len(found) == 2 and region.dtype == "double":
        options.append(st.floats(found[0], found[1], allow_nan=False, allow_infinity=False))
    elif len(found) == 2:
        options.append(st.integers(int(found[0]), int(found[1])).map(float))
    special: list[Scalar] = [*(region.categories or ()), *found, *just_inside(region)]
    special += [None] if region.nullable else []
    special += [NEVER_SEEN] if region.admits_new else []
    if special:
        options.append(st.sampled_from(special))
    return st.one_of(options)


def columns_of(rows: Sequence[Row], regions: Mapping[str, Region]) -> dict[str, Column]:
    """Rows as one array a column, as a replay gives them: numbers as floats, texts as objects."""
    return {
        name: np.array([row[name] for row in rows], dtype=object)
        if region.dtype not in _NUMBERS
        else np.array([_number(row[name]) for row in rows], dtype=np.float64)
        for name, region in regions.items()
    }


def rows_of(columns: Mapping[str, Column], places: Sequence[int]) -> list[dict[str, Scalar]]:
    """Some rows of arrays, value by value."""
    return [{name: _scalar(values[place]) for name, values in columns.items()} for place in places]


def is_missing(value: object) -> bool:
    """Whether a value of a column is none."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(value: Scalar) -> float:
    return math.nan if value is None else float(value)


def _scalar(value: object) -> Scalar:
    if is_missing(value):
        return None
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
