"""Collecting rows partition by partition into per-block sums."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sluiceway.errors import BadInput, Fault
from sluiceway.statistics.metrics import BlockSums, Domain, Floats, Metric


class MetricAccumulator:
    """Takes one arm's rows in partitions of any size and order, gives :class:`BlockSums`.

    Additive metrics keep sums only, whatever the rows. Rank metrics keep, for each row, label
    (1 byte where it is 0 or 1, else 8), score (8 a column), block code (4) and weight, where there
    are weights (8): 13 bytes a row at the least, and twice that while summing.

    Attributes:
        metric: What is collected.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._sums: BlockSums | None = None
        self._codes: dict[str, int] = {}
        self._kept: list[tuple[NDArray[Any], Floats, NDArray[np.int32], Floats | None]] = []

    def add(
        self,
        label: ArrayLike,
        answer: ArrayLike,
        block: ArrayLike,
        *,
        reference: ArrayLike | None = None,
        weight: ArrayLike | None = None,
    ) -> None:
        """Count one partition.

        Args:
            label: ``[n]``, or ``[n, outputs]``, NaN where there is none.
            answer: ``[n]``, or ``[n, columns]`` for several outputs or class probabilities.
            block: ``[n]`` ids (text, whole numbers or dates), which may recur in other
                partitions; two ids are the same block when their text is the same.
            reference: The baseline's answers to the same rows, for paired metrics.
            weight: How much each row counts, for metrics that take weights.

        Raises:
            BadInput: A row has no block, columns differ in length, or the metric takes no weights,
                or not columns of this shape, or not those of other partitions.
            ValueError: A weight is none.
        """
        labels = np.asarray(label, dtype=np.float64)
        answers = np.asarray(answer, dtype=np.float64)
        codes, found = pd.factorize(np.asarray(block))
        if not len(labels) == len(answers) == len(codes):
            what = f"label {labels.shape}, answer {answers.shape} and block {codes.shape} differ"
            raise BadInput([Fault(where=self.metric.name, what=f"lengths of {what}")])
        if (codes < 0).any():
            what = f"{int((codes < 0).sum())} rows have no block id; each row needs one"
            raise BadInput([Fault(where=self.metric.name, what=what)])
        names = np.asarray([str(one) for one in found], dtype=object)
        if weight is not None and not self.metric.weighable:
            raise BadInput([Fault(where=self.metric.name, what="takes no weights")])
        mass = None if weight is None else np.asarray(weight, dtype=np.float64)
        if self.metric.additive:
            other = None if reference is None else np.asarray(reference, dtype=np.float64)
            self._add_sums(labels, answers, codes, names, other, mass)
        else:
            check_kept(self.metric, labels, answers)
            self._keep(labels, answers, codes, names, mass)

    def _add_sums(
        self,
        label: Floats,
        answer: Floats,
        codes: NDArray[np.intp],
        names: NDArray[np.object_],
        reference: Floats | None,
        weight: Floats | None,
    ) -> None:
        ids, renumbered = np.unique(names.astype(str), return_inverse=True)
        block = renumbered.astype(np.intp)[codes]
        sums = self.metric.block_sums(
            label, answer, block, tuple(map(str, ids)), reference=reference, weight=weight
        )
        self._sums = sums if self._sums is None else self._sums.merge(sums)

    def _keep(
        self,
        label: Floats,
        answer: Floats,
        codes: NDArray[np.intp],
        names: NDArray[np.object_],
        weight: Floats | None,
    ) -> None:
        known = self._codes
        renumbered = np.asarray([known.setdefault(str(name), len(known)) for name in names])
        block = renumbered.astype(np.int32)[codes] if codes.size else codes.astype(np.int32)
        mass = self.metric.checked_weight(weight, len(codes))
        if self._kept:
            _, before, _, weighed = self._kept[0]
            if before.shape[1:] != answer.shape[1:]:
                raise self._bad("partitions of different numbers of outputs cannot be put together")
            if (weighed is None) != (mass is None):
                raise self._bad("weighted and unweighted partitions cannot be put together")
        self._kept.append(
            (self._packed(label), answer.copy(), block, None if mass is None else mass.copy())
        )

    def _bad(self, what: str) -> BadInput:
        return BadInput([Fault(where=self.metric.name, what=what)])

    @property
    def _labels_are_small(self) -> bool:
        return self.metric.label_domain is Domain.BINARY

    def _packed(self, label: Floats) -> NDArray[Any]:
        if not self.metric.needs_label:
            return np.zeros(len(label), np.int8)
        if not self._labels_are_small:
            return label.copy()
        # One byte holds it all: 0, 1, -1 for no label, 2 for a label that is neither.
        small = np.select([np.isnan(label), (label == 0) | (label == 1)], [-1, label], 2)
        return small.astype(np.int8)

    def finish(self) -> BlockSums:
        """The sums of everything added so far; no rows give no blocks."""
        if self._sums is not None:
            return self._sums
        ids = sorted(self._codes)
        rank_of = {name: place for place, name in enumerate(ids)}
        renumbered = np.asarray([rank_of[name] for name in self._codes], dtype=np.intp)
        if not self._kept:
            none = np.empty((0, self.metric.columns) if self.metric.columns > 1 else 0)
            return self.metric.block_sums(np.empty(0), none, np.empty(0, np.intp), ids)
        packed = np.concatenate([part[0] for part in self._kept])
        answer = np.concatenate([part[1] for part in self._kept])
        codes = np.concatenate([part[2] for part in self._kept])
        weights = [part[3] for part in self._kept if part[3] is not None]
        label = packed.astype(np.float64)
        if self._labels_are_small:
            label[packed == -1] = np.nan
        block = renumbered[codes] if codes.size else codes.astype(np.intp)
        return self.metric.block_sums(
            label, answer, block, ids, weight=np.concatenate(weights) if weights else None
        )


def check_kept(metric: Metric, label: Floats, answer: Floats) -> None:
    """Refuse rows that a metric of all rows at once could not take later, when they are summed.

    Raises:
        BadInput: Labels or answers have other columns than the metric takes.
    """
    if metric.outputs:
        fits, told = label.shape == answer.shape and label.ndim <= 2, "be of one shape"
    elif metric.columns > 1:
        fits = label.ndim == 1 and answer.shape[1:] == (metric.columns,)
        told = f"be one number and {metric.columns} numbers a row"
    else:
        fits, told = label.ndim == answer.ndim == 1, "be one number a row"
    if not fits:
        what = f"label {label.shape} and answer {answer.shape} must {told}"
        raise BadInput([Fault(where=metric.name, what=what)])
