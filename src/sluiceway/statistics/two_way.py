"""Collecting rows whose units come back in several blocks, for two-way errors."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sluiceway.errors import BadInput, Fault
from sluiceway.statistics.accumulating import check_kept
from sluiceway.statistics.metrics import BlockSums, Codes, Floats, Metric, TwoWaySums


class _Names:
    """Ids met so far, in the order in which they were met."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._code: dict[str, int] = {}

    def codes(self, ids: ArrayLike) -> Codes:
        """The code of each id; two are the same when their text is the same."""
        codes, found = pd.factorize(np.asarray(ids))
        if (codes < 0).any():
            what = f"{int((codes < 0).sum())} rows have no {self._what} id; each row needs one"
            raise BadInput([Fault(where=self._what, what=what)])
        known = self._code
        renumbered = [known.setdefault(str(one), len(known)) for one in found]
        return np.asarray(renumbered, dtype=np.intp)[codes]

    def ranked(self) -> tuple[tuple[str, ...], Codes]:
        """All ids sorted, and the place among them of each code."""
        ids = sorted(self._code)
        place = {one: at for at, one in enumerate(ids)}
        return tuple(ids), np.asarray([place[one] for one in self._code], dtype=np.intp)


class TwoWayAccumulator:
    """Takes one arm's rows with their units, in partitions of any size and order.

    Additive metrics keep sums for each pair of a block and a unit; others keep all rows.

    Attributes:
        metric: What is collected.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._blocks, self._units = _Names("block"), _Names("unit")
        self._at: list[tuple[Codes, Codes]] = []
        self._parts: list[BlockSums] = []
        self._rows: list[tuple[Floats, Floats, Floats | None]] = []

    def add(
        self,
        label: ArrayLike,
        answer: ArrayLike,
        block: ArrayLike,
        unit: ArrayLike,
        *,
        reference: ArrayLike | None = None,
        weight: ArrayLike | None = None,
    ) -> None:
        """Count one partition.

        Args:
            label: ``[n]``, or ``[n, outputs]``, NaN where there is none.
            answer: ``[n]``, or ``[n, columns]`` for several outputs or class probabilities.
            block: ``[n]`` ids, as in :class:`~sluiceway.statistics.accumulating.MetricAccumulator`.
            unit: ``[n]`` ids of what recurs, such as customers.
            reference: The baseline's answers to the same rows, for paired metrics.
            weight: How much each row counts, for metrics that take weights; in all partitions or
                in none.

        Raises:
            BadInput: A row has no block or unit, columns differ in length, or the metric takes no
                weights, or not columns of this shape.
            ValueError: A weight is none.
        """
        labels = np.asarray(label, dtype=np.float64)
        answers = np.asarray(answer, dtype=np.float64)
        blocks, units = np.asarray(block), np.asarray(unit)
        lengths = {len(labels), len(answers), len(blocks), len(units)}
        if len(lengths) > 1:
            what = f"lengths of label, answer, block and unit differ: {sorted(lengths)}"
            raise BadInput([Fault(where=self.metric.name, what=what)])
        if weight is not None and not self.metric.weighable:
            raise BadInput([Fault(where=self.metric.name, what="takes no weights")])
        mass = None if weight is None else np.asarray(weight, dtype=np.float64)
        if not self.metric.additive:
            check_kept(self.metric, labels, answers)
            mass = self.metric.checked_weight(mass, len(labels))
        block_codes, unit_codes = self._blocks.codes(blocks), self._units.codes(units)
        if not self.metric.additive:
            kept = None if mass is None else mass.copy()
            self._rows.append((labels.copy(), answers.copy(), kept))
            self._at.append((block_codes, unit_codes))
            return
        cell, cells = pd.factorize(_pairs(block_codes, unit_codes))
        other = None if reference is None else np.asarray(reference, dtype=np.float64)
        part = self.metric.block_sums(
            labels,
            answers,
            cell.astype(np.intp),
            _numbers(len(cells)),
            reference=other,
            weight=mass,
        )
        self._parts.append(part)
        self._at.append(_split(cells))

    def finish(self) -> TwoWaySums:
        """The sums of everything added so far; no rows give no blocks."""
        block_ids, block_place = self._blocks.ranked()
        unit_ids, unit_place = self._units.ranked()
        none = np.empty(0, dtype=np.intp)
        blocks = np.concatenate([none, *(block_place[one] for one, _ in self._at)])
        units = np.concatenate([none, *(unit_place[one] for _, one in self._at)])
        # Sorted, so that the same rows give the same cells whatever the order they came in.
        pairs, cell = np.unique(_pairs(blocks, units), return_inverse=True)
        ways = ((blocks, block_ids), (units, unit_ids), (cell, _numbers(len(pairs))))
        if self._parts:
            whole = _stacked(self._parts)
            found = [whole.collapse(codes, ids) for codes, ids in ways]
        else:
            label, answer, weight = self._all_rows()
            found = [
                self.metric.block_sums(label, answer, codes, ids, weight=weight)
                for codes, ids in ways
            ]
        return TwoWaySums(blocks=found[0], units=found[1], cells=found[2])

    def _all_rows(self) -> tuple[Floats, Floats, Floats | None]:
        if not self._rows:
            columns = self.metric.columns
            return np.empty(0), np.empty((0, columns) if columns > 1 else 0), None
        weights = [weight for *_, weight in self._rows if weight is not None]
        return (
            np.concatenate([label for label, *_ in self._rows]),
            np.concatenate([answer for _, answer, _ in self._rows]),
            np.concatenate(weights) if weights else None,
        )


_SHIFT = 1 << 31


def _pairs(block: Codes, unit: Codes) -> NDArray[np.int64]:
    return block.astype(np.int64) * _SHIFT + unit


def _split(pairs: NDArray[np.int64]) -> tuple[Codes, Codes]:
    return (pairs // _SHIFT).astype(np.intp), (pairs % _SHIFT).astype(np.intp)


def _numbers(count: int) -> tuple[str, ...]:
    """Ids that sort as numbers do."""
    return tuple(f"{number:012d}" for number in range(count))


def _stacked(parts: list[BlockSums]) -> BlockSums:
    """All parts one after the other; ids repeat, so it is for collapsing only."""
    columns: dict[str, Any] = {
        one.name: np.concatenate([getattr(part, one.name) for part in parts])
        for one in fields(parts[0])
        if isinstance(getattr(parts[0], one.name), np.ndarray)
    }
    return replace(parts[0], blocks=_numbers(len(columns["rows"])), **columns)
