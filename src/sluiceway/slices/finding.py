"""Looking for slices that nobody declared: where do the rows that get worse lie?

A shallow regression tree on the harm of each row, grown on some of the blocks only. Its leaves are
hypotheses, not verdicts: they are judged on other blocks, and in the canary. That is the honest
split of Athey & Imbens (2016), "Recursive partitioning for heterogeneous causal effects", PNAS 113.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from sluiceway.slices.values import LOWEST, Column, Condition, Slice

Floats = NDArray[np.float64]

DEPTH = 2
"""Conditions of a found slice at the most: more, and nobody can say whom it is about."""
SMALLEST_SHARE = 0.05
"""Share of the rows that a found slice holds at the least."""
FEWEST_ROWS = 100
"""Rows that a found slice holds at the least."""
CHANCE = 12.0
"""A split that explains less than so many rows' share of the variance is taken for chance: about
the largest of the many chi-squares, with one degree of freedom, that a tree looks at."""


def find_slices(
    harm: Floats, columns: Mapping[str, Column], *, most: int, seed: int = 0
) -> tuple[Slice, ...]:
    """Find the parts of the rows with the most harm.

    Args:
        harm: Candidate's loss less the baseline's, of each row, in any unit; ``float64[n]``, rows
            where it is not finite are left out.
        columns: ``source.column`` to values of shape (n,): numbers, texts or times; text and time
            columns with many values are of no use and are passed over.
        most: Slices given at the most.
        seed: For the order in which the tree tries equally good columns.

    Returns:
        Slices whose mean harm is above that of all rows, worst first; none where no split tells
        anything.
    """
    kept = np.isfinite(harm)
    rows = int(kept.sum())
    least = max(FEWEST_ROWS, int(np.ceil(SMALLEST_SHARE * rows)))
    encoded = _encoded({name: column[kept] for name, column in columns.items()})
    if most < 1 or rows < 2 * least or not encoded:
        return ()
    outcome = harm[kept]
    size = float(np.abs(outcome).max())
    if size == 0:
        return ()
    outcome = outcome / size
    tree = DecisionTreeRegressor(
        max_depth=DEPTH,
        min_samples_leaf=least,
        min_impurity_decrease=float(outcome.var()) * CHANCE / rows,
        random_state=seed,
    )
    matrix = np.column_stack([one.values for one in encoded])
    tree.fit(matrix, outcome)
    leaves = tree.apply(matrix)
    paths = _paths(tree, encoded)
    means = {leaf: float(outcome[leaves == leaf].mean()) for leaf in paths}
    overall = float(outcome.mean())
    worst = sorted((leaf for leaf in paths if means[leaf] > overall), key=lambda one: -means[one])
    found = [Slice(variable=None, conditions=paths[leaf]) for leaf in worst if paths[leaf]]
    by_name = {one.name: one for one in reversed(found)}
    return tuple(reversed(by_name.values()))[:most]


_LARGEST = float(np.finfo(np.float32).max) / 2
"""Beyond this the middle between two values overflows a single precision number."""


@dataclass(frozen=True, slots=True)
class _Encoded:
    """One column of the tree's matrix: a numeric column, or one value of a text column."""

    column: str
    level: str | None
    values: Floats


MOST_VALUES = 20
"""Different texts of a column that is split by."""


def _encoded(columns: Mapping[str, Column]) -> list[_Encoded]:
    encoded = []
    for name, column in sorted(columns.items()):
        if column.dtype.kind in "fiub":
            values = np.asarray(column, dtype=np.float64)
            finite = values[np.isfinite(values)]
            # The tree compares single precision numbers; what they cannot hold it cannot split.
            if finite.size and finite.min() < finite.max() and np.abs(finite).max() <= _LARGEST:
                values = np.where(np.isinf(values), np.nan, values)
                encoded.append(_Encoded(name, None, values))
        elif column.dtype.kind not in "mM":
            texts = pd.Series(column)
            levels = texts.value_counts()
            if 1 < len(levels) <= MOST_VALUES:
                encoded += [
                    _Encoded(name, str(level), (texts == level).to_numpy(dtype=np.float64))
                    for level in levels.index
                ]
    return encoded


def _paths(
    tree: DecisionTreeRegressor, encoded: Sequence[_Encoded]
) -> dict[int, tuple[Condition, ...]]:
    """The conditions of each leaf; empty where a leaf cannot be said in conditions."""
    grown = tree.tree_
    paths: dict[int, tuple[Condition, ...]] = {}

    def walk(node: int, ranges: Mapping[str, Condition], sayable: bool) -> None:
        left, right = int(grown.children_left[node]), int(grown.children_right[node])
        if left == right:
            paths[node] = tuple(ranges.values()) if sayable else ()
            return
        one, cut = encoded[int(grown.feature[node])], float(grown.threshold[node])
        to_left = bool(grown.missing_go_to_left[node])
        if one.level is not None:
            # "Is not this value" is no slice that anybody would name.
            is_it = Condition(column=one.column, equals=one.level)
            walk(left, ranges, False)
            walk(right, {**ranges, f"{one.column}={one.level}": is_it}, sayable)
            return
        before = ranges.get(one.column)
        if np.isinf(cut):  # the missing ones against all others
            lower = before or Condition(column=one.column, low=LOWEST)
            lower = replace(lower, missing=False)
            upper = Condition(column=one.column, missing=True)
        else:
            # The tree sends x <= cut to the left; a condition holds below its upper end.
            edge = float(np.nextafter(cut, np.inf))
            lower = _narrowed(before, one.column, high=edge, missing=to_left)
            upper = _narrowed(before, one.column, low=edge, missing=not to_left)
        walk(left, {**ranges, one.column: lower}, sayable)
        walk(right, {**ranges, one.column: upper}, sayable)

    walk(0, {}, True)
    gaps = {one.column for one in encoded if np.isnan(one.values).any()}
    return {
        leaf: tuple(_without_missing(condition, gaps) for condition in conditions)
        for leaf, conditions in paths.items()
    }


def _narrowed(
    before: Condition | None,
    column: str,
    *,
    missing: bool,
    low: float | None = None,
    high: float | None = None,
) -> Condition:
    if before is None:
        return Condition(column=column, low=low, high=high, missing=missing)
    return replace(
        before,
        low=before.low if low is None else low,
        high=before.high if high is None else high,
        missing=before.missing and missing,
    )


def _without_missing(condition: Condition, gaps: set[str]) -> Condition:
    """A column that is never missing need not say so."""
    return condition if condition.column in gaps else replace(condition, missing=False)
