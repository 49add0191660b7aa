"""Collecting rows partition by partition into per-block sums."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sluiceway.errors import BadInput, Fault
from sluiceway.statistics.metrics import BlockSums, Floats, Metric


class MetricAccumulator:
    """Takes one arm's rows in partitions of any size and order, gives :class:`BlockSums`.

    Additive metrics keep sums only, whatever the rows. Rank metrics keep, for each row, label
    (1 byte), score (8) and block code (4): 13 bytes a row, and twice that while summing.

    Attributes:
        metric: What is collected.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._sums: BlockSums | None = None
        self._codes: dict[str, int] = {}
        self._kept: list[tuple[NDArray[np.int8], Floats, NDArray[np.int32]]] = []

    def add(self, label: ArrayLike, answer: ArrayLike, block: ArrayLike) -> None:
        """Count one partition.

        Args:
            label: ``[n]``, NaN where there is none.
            answer: ``[n]``.
            block: ``[n]`` ids (text, whole numbers or dates), which may recur in other
                partitions; two ids are the same block when their text is the same.

        Raises:
            BadInput: A row has no block, or columns differ in length.
        """
        labels = np.asarray(label, dtype=np.float64)
        answers = np.asarray(answer, dtype=np.float64)
        codes, found = pd.factorize(np.asarray(block))
        if not labels.shape == answers.shape == codes.shape:
            what = f"label {labels.shape}, answer {answers.shape} and block {codes.shape} differ"
            raise BadInput([Fault(where=self.metric.name, what=f"lengths of {what}")])
        if (codes < 0).any():
            what = f"{int((codes < 0).sum())} rows have no block id; each row needs one"
            raise BadInput([Fault(where=self.metric.name, what=what)])
        names = np.asarray([str(one) for one in found], dtype=object)
        if self.metric.additive:
            self._add_sums(labels, answers, codes, names)
        else:
            self._keep(labels, answers, codes, names)

    def _add_sums(
        self, label: Floats, answer: Floats, codes: NDArray[np.intp], names: NDArray[np.object_]
    ) -> None:
        ids, renumbered = np.unique(names.astype(str), return_inverse=True)
        block = renumbered.astype(np.intp)[codes]
        sums = self.metric.block_sums(label, answer, block, tuple(map(str, ids)))
        self._sums = sums if self._sums is None else self._sums.merge(sums)

    def _keep(
        self, label: Floats, answer: Floats, codes: NDArray[np.intp], names: NDArray[np.object_]
    ) -> None:
        known = self._codes
        renumbered = np.asarray([known.setdefault(str(name), len(known)) for name in names])
        # One byte holds it all: 0, 1, -1 for no label, 2 for a label that is neither.
        small = np.select([np.isnan(label), (label == 0) | (label == 1)], [-1, label], 2)
        block = renumbered.astype(np.int32)[codes] if codes.size else codes.astype(np.int32)
        self._kept.append((small.astype(np.int8), answer.copy(), block))

    def finish(self) -> BlockSums:
        """The sums of everything added so far; no rows give no blocks."""
        if self._sums is not None:
            return self._sums
        ids = sorted(self._codes)
        rank_of = {name: place for place, name in enumerate(ids)}
        renumbered = np.asarray([rank_of[name] for name in self._codes], dtype=np.intp)
        small = np.concatenate([np.empty(0, np.int8), *(part[0] for part in self._kept)])
        answer = np.concatenate([np.empty(0), *(part[1] for part in self._kept)])
        codes = np.concatenate([np.empty(0, np.int32), *(part[2] for part in self._kept)])
        label = small.astype(np.float64)
        label[small == -1] = np.nan
        block = renumbered[codes] if codes.size else codes.astype(np.intp)
        return self.metric.block_sums(label, answer, block, ids)
