"""A slice is a conjunction of conditions on raw columns, fixed before it is judged."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Column = NDArray[Any]
Mask = NDArray[np.bool_]

LOWEST = -sys.float_info.max
"""Smallest value there is; infinities are not written into a journal."""

MOST_LEVELS = 20
"""Values of one declared variable that become slices of their own, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What one column must be: one value, or in a range; without either, missing.

    Attributes:
        column: ``source.column``.
        low: Smallest value, inclusive, in the column's unit; None where there is none.
        high: Values lie below it; None where there is none.
        equals: The one text or number (as text) that belongs; None where a range is meant.
        missing: Whether missing values belong.
    """

    column: str
    low: float | None = None
    high: float | None = None
    equals: str | None = None
    missing: bool = False

    def holds(self, column: Column) -> Mask:
        """Which of ``column[n]`` belong, ``bool[n]``."""
        gone = np.asarray(pd.isna(column), dtype=bool)
        if self.equals is not None:
            belongs = _equal(column, self.equals)
        elif self.low is None and self.high is None:
            belongs = np.zeros(len(column), dtype=bool)
        else:
            values = _numbers(column)
            with np.errstate(invalid="ignore"):
                belongs = np.ones(len(values), dtype=bool)
                if self.low is not None:
                    belongs &= values >= self.low
                if self.high is not None:
                    belongs &= values < self.high
        return np.where(gone, self.missing, belongs)

    @property
    def text(self) -> str:
        """How people read it: ``schedule.distance 500 to 1500``."""
        if self.equals is not None:
            said = f"{self.column} = {self.equals}"
        elif self.low is None and self.high is None:
            said = f"{self.column} missing"
        elif self.low == LOWEST and self.high is None:
            said = f"{self.column} not missing"
        elif self.low is None:
            said = f"{self.column} < {_end(self.high)}"
        elif self.high is None:
            said = f"{self.column} ≥ {_end(self.low)}"
        else:
            said = f"{self.column} {_end(self.low)} to {_end(self.high)}"
        ranged = self.equals is None and not (self.low is None and self.high is None)
        return f"{said} or missing" if self.missing and ranged else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows that meet every condition.

    Attributes:
        variable: Name of the declared variable it comes from; None where a tree found it.
        conditions: At least one.
    """

    variable: str | None
    conditions: tuple[Condition, ...]

    @property
    def name(self) -> str:
        """How people call it, unique among the slices of a plan."""
        return ", ".join(condition.text for condition in self.conditions)

    @property
    def columns(self) -> tuple[str, ...]:
        """The ``source.column`` names it reads, each once."""
        return tuple(dict.fromkeys(condition.column for condition in self.conditions))

    def holds(self, columns: Mapping[str, Column]) -> Mask:
        """Which rows belong, ``bool[n]``.

        Raises:
            KeyError: A column is not among them.
        """
        first, *others = self.conditions
        belongs = first.holds(columns[first.column])
        for condition in others:
            belongs &= condition.holds(columns[condition.column])
        return belongs


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceVariable:
    """A declared way to cut the rows.

    Attributes:
        reads: ``source.column``, of a source without labels.
        edges: Ascending; each cuts below it from at or above it. Empty: each value is a slice.
    """

    name: str
    reads: str
    edges: tuple[float, ...]


def slices_of(variable: SliceVariable, column: Column) -> tuple[Slice, ...]:
    """The slices of one declared variable.

    Args:
        column: Values seen, shape (n,); looked at only where the variable has no edges.

    Returns:
        Ranges in ascending order, or the most frequent values, the most frequent first. Values
        beyond :data:`MOST_LEVELS`, and missing ones, are in no slice.
    """
    if variable.edges:
        ends = (None, *variable.edges, None)
        conditions = [
            Condition(column=variable.reads, low=low, high=high) for low, high in pairwise(ends)
        ]
    else:
        there = pd.Series(column[~np.asarray(pd.isna(column), dtype=bool)])
        levels = there.value_counts().head(MOST_LEVELS).index
        conditions = [Condition(column=variable.reads, equals=_text(level)) for level in levels]
    return tuple(Slice(variable=variable.name, conditions=(one,)) for one in conditions)


def _end(edge: float | None) -> str:
    """An end of a range; in full where six digits would cut off whole numbers."""
    assert edge is not None
    return f"{edge:.12g}" if 1e5 <= abs(edge) < 1e12 else f"{edge:g}"


def _numbers(column: Column) -> NDArray[np.float64]:
    """The column as numbers; what is no number is in no range."""
    if column.dtype.kind in "fiubmM":
        return np.asarray(column, dtype=np.float64)
    found = pd.to_numeric(pd.Series(column), errors="coerce")
    return found.to_numpy(dtype=np.float64, na_value=np.nan)


def _text(level: object) -> str:
    return f"{level:.15g}" if isinstance(level, float) else str(level)


def _equal(column: Column, wanted: str) -> Mask:
    if column.dtype.kind in "fiub":
        try:
            return np.asarray(column == float(wanted), dtype=bool)
        except ValueError:
            return np.zeros(len(column), dtype=bool)
    return np.asarray(pd.Series(column).astype(str) == wanted, dtype=bool)
