"""From raw columns to profiles: one sort of each block, nothing else touches every row twice."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluiceway.drift.profiles import (
    CATEGORIES,
    GROUP_NAMES,
    POINTS,
    Aspect,
    CategorySummary,
    ColumnProfile,
    Floats,
    Ints,
    Kind,
    NumericSummary,
    Summary,
    WindowProfile,
    groups_of,
)

Raw = NDArray[Any] | pd.Series


def profile_window(
    columns: Mapping[str, Raw],
    block_names: Sequence[str],
    block_codes: NDArray[np.intp],
    *,
    event_time: Raw | None = None,
    points: int = POINTS,
    block: str = "block",
) -> WindowProfile:
    """Profile raw columns block by block.

    Args:
        columns: Arrays or pandas columns of shape (rows,). Numbers and booleans are numeric (NaN is
            missing), text and pandas categories are categories, dates are timestamps.
        block_names: Names of the blocks, ascending, each once.
        block_codes: Index into ``block_names`` for each row, ``intp[rows]``, in any order.
        event_time: When each row happened, which the lag of timestamps is measured from; naive
            times are UTC.
        points: Order statistics kept of each block (:class:`NumericSummary`), at least 2.
        block: What one block is called.

    Raises:
        ValueError: Lengths differ, a code is outside ``block_names``, or names are not ascending.
    """
    cut = _Cut(block_names, np.asarray(block_codes, dtype=np.intp), points)
    times = None if event_time is None else cut.ordered(_instants(pd.Series(event_time)))
    return WindowProfile(
        blocks=cut.names,
        rows=np.diff(cut.edges),
        columns={name: _profile(name, raw, cut, times) for name, raw in columns.items()},
        block=block,
    )


class _Cut:
    """Where blocks begin and end, once the rows stand block by block."""

    def __init__(self, names: Sequence[str], codes: NDArray[np.intp], points: int) -> None:
        self.names, self.points = tuple(names), points
        if points < 2:
            raise ValueError(f"points {points} must be at least 2")
        if any(first >= second for first, second in pairwise(self.names)):
            raise ValueError("block names must be ascending, each once")
        if codes.ndim != 1 or (codes.size and not 0 <= codes.min() <= codes.max() < len(names)):
            raise ValueError(f"block codes must be one column of 0..{len(self.names) - 1}")
        self.rows = len(codes)
        self._order = None
        if (codes[1:] < codes[:-1]).any():
            self._order = np.argsort(codes, kind="stable")
            codes = codes[self._order]
        self.edges: Ints = np.searchsorted(codes, np.arange(len(self.names) + 1)).astype(np.int64)
        self.spans = list(pairwise(self.edges.tolist()))

    def ordered(self, column: NDArray[Any]) -> NDArray[Any]:
        """The column with its rows block by block."""
        return column if self._order is None else column[self._order]


def _profile(name: str, raw: Raw, cut: _Cut, times: NDArray[np.datetime64] | None) -> ColumnProfile:
    if len(raw) != cut.rows or getattr(raw, "ndim", 1) != 1:
        raise ValueError(f"{name}: {len(raw)} values for {cut.rows} rows")
    dtype = raw.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes, labels = pd.Series(raw).cat.codes.to_numpy(), raw.cat.categories  # type: ignore[union-attr]
        return _of_codes(codes, labels.to_numpy(dtype=object), cut)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return _timestamps(cut.ordered(_instants(pd.Series(raw))), cut, times)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return _numbers(_floats(raw), cut)
    if pd.api.types.is_timedelta64_dtype(dtype):
        return _numbers(pd.Series(raw).dt.total_seconds().to_numpy(), cut)
    return _objects(raw, cut, times)


def _floats(raw: Raw) -> Floats:
    if isinstance(raw, pd.Series):
        return raw.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(raw, dtype=np.float64)


def _instants(column: pd.Series) -> NDArray[np.datetime64]:
    if getattr(column.dt, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.to_numpy(dtype="datetime64[us]")


def _objects(raw: Raw, cut: _Cut, times: NDArray[np.datetime64] | None) -> ColumnProfile:
    """Text, or Python objects of whatever type: the different values tell."""
    try:
        codes, found = pd.factorize(raw)
    except TypeError:  # lists and the like have no hash
        nulls = cut.ordered(np.asarray(pd.isna(pd.Series(raw))))
        return ColumnProfile(kind=Kind.MIXED, nulls=_per_block(nulls, cut))
    labels = np.asarray(found, dtype=object)
    if all(isinstance(one, str) for one in labels):
        return _of_codes(codes, labels, cut)
    if all(isinstance(one, Number) and not isinstance(one, complex) for one in labels):
        numbers = np.append(labels.astype(np.float64), np.nan)
        return _numbers(numbers[codes], cut)
    if all(isinstance(one, datetime | np.datetime64) for one in labels):
        instants = pd.to_datetime(pd.Series(raw), utc=True, errors="coerce")
        return _timestamps(cut.ordered(_instants(instants)), cut, times)
    return ColumnProfile(kind=Kind.MIXED, nulls=_per_block(cut.ordered(codes < 0), cut))


def _of_codes(codes: NDArray[Any], labels: NDArray[np.object_], cut: _Cut) -> ColumnProfile:
    """Count codes into ``labels``, −1 where a value is missing."""
    codes = cut.ordered(codes)
    names = tuple(str(one) for one in labels)
    hashed = len(names) > CATEGORIES
    if hashed:
        codes, names = np.append(groups_of(names), -1)[codes], GROUP_NAMES
    table = np.empty((len(cut.spans), len(names) + 1), dtype=np.int64)
    for place, (start, stop) in enumerate(cut.spans):
        table[place] = np.bincount(codes[start:stop] + 1, minlength=len(names) + 1)
    nulls, table = table[:, 0].copy(), table[:, 1:]
    if not hashed:
        # Sorted, and without what pandas knows as a category and no row has.
        there = sorted(np.flatnonzero(table.any(axis=0)).tolist(), key=names.__getitem__)
        names, table = tuple(names[at] for at in there), table[:, there]
    if not table.any():
        return ColumnProfile(kind=Kind.EMPTY, nulls=nulls)
    summary = CategorySummary(labels=names, table=np.ascontiguousarray(table), hashed=hashed)
    return ColumnProfile(kind=Kind.CATEGORY, nulls=nulls, parts={Aspect.VALUES: summary})


def _numbers(column: Floats, cut: _Cut) -> ColumnProfile:
    summary, nulls = summarised(cut.ordered(column), cut.spans, cut.points)
    if not (summary.total or summary.infinite.any()):
        return ColumnProfile(kind=Kind.EMPTY, nulls=nulls)
    return ColumnProfile(kind=Kind.NUMERIC, nulls=nulls, parts={Aspect.VALUES: summary})


def summarised(
    column: Floats, spans: Sequence[tuple[int, int]], points: int
) -> tuple[NumericSummary, Ints]:
    """Order statistics of each span of a column, and its missing values."""
    kept: list[Floats] = []
    # Of each block: points, finite values, infinite ones, missing ones.
    counted = np.zeros((len(spans), 4), dtype=np.int64)
    ends = np.full((len(spans), 2), np.nan)
    ranks: dict[int, Ints] = {}
    for place, (start, stop) in enumerate(spans):
        ascending = np.sort(column[start:stop])  # NaN last
        low, high, there = 0, len(ascending), len(ascending)
        if there and not (np.isfinite(ascending[0]) and np.isfinite(ascending[-1])):
            low = int(np.searchsorted(ascending, -np.inf, side="right"))
            high = int(np.searchsorted(ascending, np.inf, side="left"))
            there = int(np.searchsorted(ascending, np.inf, side="right"))
        n = high - low
        finite = ascending[low:high]
        if n:
            ends[place] = finite[0], finite[-1]
        if n > points:
            if n not in ranks:
                # ⌈(i + ½) n/K⌉ − 1, in whole numbers: places from 0.
                ranks[n] = -(-(2 * np.arange(points) + 1) * n // (2 * points)) - 1
            finite = finite[ranks[n]]
        kept.append(finite)
        counted[place] = len(finite), n, there - n, len(ascending) - there
    summary = NumericSummary(
        kept=np.concatenate(kept) if kept else np.empty(0),
        points=counted[:, 0].copy(),
        counts=counted[:, 1].copy(),
        infinite=counted[:, 2].copy(),
        low=ends[:, 0].copy(),
        high=ends[:, 1].copy(),
    )
    return summary, counted[:, 3].copy()


def _timestamps(
    column: NDArray[np.datetime64], cut: _Cut, times: NDArray[np.datetime64] | None
) -> ColumnProfile:
    missing = np.isnat(column)
    nulls = _per_block(missing, cut)
    if missing.all():
        return ColumnProfile(kind=Kind.EMPTY, nulls=nulls)
    second = np.timedelta64(1_000_000, "us")
    parts: dict[Aspect, Summary] = {}
    if times is not None:
        parts[Aspect.LAG], _ = summarised((times - column) / second, cut.spans, cut.points)
    steps, edges = [], [0]
    for start, stop in cut.spans:
        inside = np.sort(column[start:stop][~missing[start:stop]])
        steps.append(np.diff(inside) / second)
        edges.append(edges[-1] + len(steps[-1]))
    parts[Aspect.CADENCE], _ = summarised(np.concatenate(steps), list(pairwise(edges)), cut.points)
    return ColumnProfile(kind=Kind.TIMESTAMP, nulls=nulls, parts=parts)


def _per_block(flags: NDArray[np.bool_], cut: _Cut) -> Ints:
    counts = [np.count_nonzero(flags[start:stop]) for start, stop in cut.spans]
    return np.asarray(counts, dtype=np.int64)
