"""What rows leave behind: sums for each block, whatever the partitioning."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]


class Domain(StrEnum):
    """Which numbers a label or an answer may be. NaN and infinities belong to `ANY` only."""

    FINITE = "a finite number"
    UNIT = "a number from 0 to 1"
    BINARY = "0 or 1"
    CODE = "the code of a class: a whole number from 0"
    ANY = "anything, nothing too"

    def holds(self, values: Floats) -> Mask:
        """Which of ``float64[n]`` or of the rows of ``float64[n, k]`` belong, ``bool[n]``."""
        belongs: Mask
        if self is Domain.UNIT:
            belongs = (values >= 0) & (values <= 1)
        elif self is Domain.BINARY:
            belongs = (values == 0) | (values == 1)
        elif self is Domain.CODE:
            belongs = (values >= 0) & (values == np.floor(values)) & np.isfinite(values)
        elif self is Domain.ANY:
            belongs = np.ones(values.shape, dtype=bool)
        else:
            belongs = np.isfinite(values)
        return belongs if belongs.ndim == 1 else np.asarray(belongs.all(axis=1))

    def holds_all(self, values: Floats) -> bool:
        """Whether all of ``float64[n]`` belong; cheaper than asking for each."""
        if values.size == 0 or self is Domain.ANY:
            return True
        if self in (Domain.FINITE, Domain.UNIT):
            # Minimum and maximum are NaN where any value is.
            low, high = float(values.min()), float(values.max())
            if self is Domain.UNIT:
                return low >= 0 and high <= 1
            return bool(np.isfinite(low) and np.isfinite(high))
        return bool(self.holds(values).all())


class UnitKind(StrEnum):
    """What a metric's value is counted in."""

    LABEL = "the label's unit"
    SHARE = "a share from 0 to 1"
    SQUARED_SHARE = "squared probability from 0 to 1"
    NATS = "nats"
    COST = "the unit of the costs given"
    MILLISECONDS = "milliseconds"
    PURE = "a pure number"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockSums:
    """What one arm's rows leave behind for one metric, block by block.

    Attributes:
        metric: Its name; :func:`~sluiceway.statistics.metrics.metric_named` finds it.
        blocks: Ids of the G blocks, sorted, each once.
        sums: The metric's sums, ``float64[G, k]``, over rows with a label and no fault.
        rows: Rows counted in ``sums``, ``int64[G]``.
        unlabelled: Rows left out because their label is missing (NaN), ``int64[G]``.
        label_faults: Rows whose label is outside the metric's domain, ``int64[G]``.
        answer_faults: Rows, labelled or not, whose answer is outside its domain, ``int64[G]``.
        weight: Sum of the rows' weights, ``float64[G]``; None where each row counts once.
        additive: Whether sums of parts add up to the sums of the whole.
    """

    metric: str
    blocks: tuple[str, ...]
    sums: Floats
    rows: Ints
    unlabelled: Ints
    label_faults: Ints
    answer_faults: Ints
    weight: Floats | None = None
    additive: bool = True

    @property
    def mass(self) -> Floats:
        """What each block's means are over: its weights, or its rows; ``float64[G]``."""
        return self.rows.astype(np.float64) if self.weight is None else self.weight

    def merge(self, other: Self) -> Self:
        """Sums of the rows of both, for additive metrics.

        Raises:
            ValueError: The two hold different metrics, only one is weighted, they are of different
                numbers of outputs, or they hold a rank metric, whose sums need all rows at once
                (:class:`~sluiceway.statistics.accumulating.MetricAccumulator`).
        """
        if self.metric != other.metric:
            raise ValueError(f"sums of {self.metric} and of {other.metric} cannot be merged")
        if not self.additive:
            raise ValueError(f"{self.metric} ranks all rows at once: its sums cannot be merged")
        if (self.weight is None) != (other.weight is None):
            raise ValueError(f"{self.metric}: weighted and unweighted sums cannot be merged")
        if self.sums.shape[1:] != other.sums.shape[1:]:
            raise ValueError(
                f"{self.metric}: sums of different numbers of outputs cannot be merged"
            )
        blocks = tuple(sorted({*self.blocks, *other.blocks}))
        place = {block: code for code, block in enumerate(blocks)}
        merged: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            first = getattr(self, name)
            if not isinstance(first, np.ndarray):
                continue
            total = np.zeros((len(blocks), *first.shape[1:]), dtype=first.dtype)
            for part in (self, other):
                total[[place[block] for block in part.blocks]] += getattr(part, name)
            merged[name] = total
        return replace(self, blocks=blocks, **merged)

    def collapse(self, group: Codes, ids: tuple[str, ...]) -> Self:
        """Sums of whole groups of blocks, for additive metrics.

        Args:
            group: Code of each block's group, an index into ``ids``, ``intp[G]``.
            ids: Ids of the groups, sorted, each once.
        """
        if not self.additive:
            raise ValueError(f"{self.metric} ranks all rows at once: its sums cannot be merged")
        collapsed: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            parts = getattr(self, name)
            if isinstance(parts, np.ndarray):
                collapsed[name] = np.zeros((len(ids), *parts.shape[1:]), dtype=parts.dtype)
                np.add.at(collapsed[name], group, parts)
        return replace(self, blocks=ids, **collapsed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoWaySums:
    """The same rows of one arm, summed by block, by unit, and by both.

    Attributes:
        blocks: By block.
        units: By unit, such as a customer who comes back.
        cells: By pairs of a block and a unit; ids are numbers in the order of blocks, then units.
    """

    blocks: BlockSums
    units: BlockSums
    cells: BlockSums
