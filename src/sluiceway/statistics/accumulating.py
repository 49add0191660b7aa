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
    (1 byte where it is 0 or 1, else 8), score (8) and block code (4): 13 bytes a row, and twice
    that while summing.

    Attributes:
        metric: What is collected.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._sums: BlockSums | None = None
        self._codes: dict[str, int] = {}
        self._kept: list[tuple[NDArray[Any], Floats, NDArray[np.int32]]] = []

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
            label: ``[n]``, NaN where there is none.
            answer: ``[n]``.
            block: ``[n]`` ids (text, whole numbers or dates), which may recur in other
                partitions; two ids are the same block when their text is the same.
            reference: The baseline's answers to the same rows, for paired metrics.
            weight: How much each row counts, for metrics that take weights.

        Raises:
            BadInput: A row has no block, columns differ in length, or the metric takes no weights.
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
        if self.metric.additive:
            other = None if reference is None else np.asarray(reference, dtype=np.float64)
            mass = None if weight is None else np.asarray(weight, dtype=np.float64)
            self._add_sums(labels, answers, codes, names, other, mass)
        elif labels.ndim > 1 or answers.ndim > 1:
            what = f"label {labels.shape} and answer {answers.shape} must be one number a row"
            raise BadInput([Fault(where=self.metric.name, what=what)])
        else:
            self._keep(labels, answers, codes, names)

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
        self, label: Floats, answer: Floats, codes: NDArray[np.intp], names: NDArray[np.object_]
    ) -> None:
        known = self._codes
        renumbered = np.asarray([known.setdefault(str(name), len(known)) for name in names])
        block = renumbered.astype(np.int32)[codes] if codes.size else codes.astype(np.int32)
        self._kept.append((self._packed(label), answer.copy(), block))

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
        empty = np.empty(0, np.int8 if self._labels_are_small else np.float64)
        packed = np.concatenate([empty, *(part[0] for part in self._kept)])
        none = np.empty((0, self.metric.columns) if self.metric.columns > 1 else 0)
        answer = np.concatenate([none, *(part[1] for part in self._kept)])
        codes = np.concatenate([np.empty(0, np.int32), *(part[2] for part in self._kept)])
        label = packed.astype(np.float64)
        if self._labels_are_small:
            label[packed == -1] = np.nan
        block = renumbered[codes] if codes.size else codes.astype(np.intp)
        return self.metric.block_sums(label, answer, block, ids)
