"""Per-block sums of rank metrics whose rows have weights: those of `ranks`, in weights for counts.

A pair of rows weighs the product of both weights, and the precision at a positive is the share of
weight among rows that score at least as much: what copies of the rows would give, were weights
whole numbers, and what ``sample_weight`` means to sklearn. Sums of weights are rounded where
counts are exact, so blocks are summed each by itself, and a block that leaves next to no weight
behind leaves the metric undefined.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluiceway.statistics import ranks

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]

LEAST_LEFT = 1e-7
"""Weight of positives that others must have, as a share of a block's own weight, for the average
precision without it: of less, a ninth digit would be rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Falling:
    """Rows, or cells of rows of one block and score, from the highest score to the lowest.

    Attributes:
        group: Place of the row's score among all different ones, never falling within a block.
        block: Code of the row's block.
        positives: Weight that is positive, ``float64[n]``.
        negatives: Weight that is negative, ``float64[n]``.
    """

    group: Codes
    block: Codes
    positives: Floats
    negatives: Floats

    @classmethod
    def by_score(cls, positive: Mask, score: Floats, block: Codes, weight: Floats) -> Self:
        order = np.argsort(score)[::-1]
        score, positive, weight = score[order], positive[order], weight[order]
        return cls(
            group=np.concatenate([[0], np.cumsum(score[1:] != score[:-1])]).astype(np.intp),
            block=block[order].astype(np.intp),
            positives=np.where(positive, weight, 0.0),
            negatives=np.where(positive, 0.0, weight),
        )

    def inside_blocks(self) -> Self:
        """Its cells, block after block."""
        order = np.argsort(self.block, kind="stable")
        group, block = self.group[order], self.block[order]
        changes = (group[1:] != group[:-1]) | (block[1:] != block[:-1])
        first = np.concatenate([[0], np.flatnonzero(changes) + 1])
        return type(self)(
            group=group[first],
            block=block[first],
            positives=np.add.reduceat(self.positives[order], first),
            negatives=np.add.reduceat(self.negatives[order], first),
        )

    @cached_property
    def positives_of(self) -> Floats:
        """Positive weight of each group."""
        return _summed(self.group, self.positives)

    @cached_property
    def negatives_of(self) -> Floats:
        """Negative weight of each group."""
        return _summed(self.group, self.negatives)

    def summed(self, values: Floats, blocks: int) -> Floats:
        """Sums by block, ``float64[blocks]``."""
        return _summed(self.block, values, blocks)


def _summed(codes: Codes, values: Floats, size: int = 0) -> Floats:
    found: Floats = np.bincount(codes, weights=values, minlength=size).astype(
        np.float64, copy=False
    )
    return found


def _down_to_each(of_cells: Floats, block: Codes) -> Floats:
    """Sums from a block's first cell to each of its own, whatever other blocks weigh."""
    summed = pd.Series(of_cells).groupby(block, sort=False).cumsum()
    return np.asarray(summed, dtype=np.float64)


def roc_auc_block_sums(
    positive: Mask, score: Floats, block: Codes, blocks: int, weight: Floats
) -> Floats:
    """Weigh, for each block, the pairs that the score orders rightly; a tie weighs one half.

    Args:
        positive: Which rows are positive, ``bool[n]``.
        score: Finite scores in any unit, higher means more likely positive, ``float64[n]``.
        block: Code of each row's block, 0 to ``blocks - 1``, ``intp[n]``.
        blocks: Number of blocks, G.
        weight: How much each row counts, above 0, ``float64[n]``.

    Returns:
        ``float64[G, 5]`` in the order of :data:`~sluiceway.statistics.ranks.ROC_AUC_SUMS`, in
        products of weights for pairs, and in weights for rows.
    """
    if score.size == 0:
        return np.zeros((blocks, len(ranks.ROC_AUC_SUMS)))
    with np.errstate(over="ignore", invalid="ignore"):
        rows = _Falling.by_score(positive, score, block, weight)
        above = np.cumsum(rows.positives_of) - rows.positives_of / 2
        # From the bottom, so that what lies below is summed and not what a difference leaves.
        below = np.cumsum(rows.negatives_of[::-1])[::-1] - rows.negatives_of / 2
        cells = rows.inside_blocks()
        own = _down_to_each(cells.positives, cells.block) - cells.positives / 2
        columns = [
            rows.summed(rows.positives * below[rows.group], blocks),
            rows.summed(rows.negatives * above[rows.group], blocks),
            cells.summed(cells.negatives * own, blocks),
            rows.summed(rows.positives, blocks),
            rows.summed(rows.negatives, blocks),
        ]
    return np.stack(columns, axis=1)


def average_precision_block_sums(
    positive: Mask, score: Floats, block: Codes, blocks: int, weight: Floats
) -> Floats:
    """Sum, for each block, weight x precision of its positives: over all rows, inside the block.

    Args:
        positive: Which rows are positive, ``bool[n]``.
        score: Finite scores in any unit, higher means more likely positive, ``float64[n]``.
        block: Code of each row's block, 0 to ``blocks - 1``, ``intp[n]``.
        blocks: Number of blocks, G.
        weight: How much each row counts, above 0, ``float64[n]``.

    Returns:
        ``float64[G, 5]`` in the order of
        :data:`~sluiceway.statistics.ranks.AVERAGE_PRECISION_SUMS`, in weights for rows. What
        others come to is NaN where they have no negatives, or next to no positives
        (:data:`LEAST_LEFT`); it is linearised beyond
        :data:`~sluiceway.statistics.ranks.COUNTED_CELLS`.
    """
    if score.size == 0:
        return np.zeros((blocks, len(ranks.AVERAGE_PRECISION_SUMS)))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rows = _Falling.by_score(positive, score, block, weight)
        found = np.cumsum(rows.positives_of)
        above = np.cumsum(rows.positives_of + rows.negatives_of)
        precisions = rows.summed(rows.positives * (found / above)[rows.group], blocks)

        cells = rows.inside_blocks()
        own = _down_to_each(cells.positives, cells.block)
        share = own / _down_to_each(cells.positives + cells.negatives, cells.block)
        inside = cells.summed(cells.positives * share, blocks)

        positives = rows.summed(rows.positives, blocks)
        negatives = rows.summed(rows.negatives, blocks)
        thresholds = int(np.count_nonzero(rows.positives_of))
        counted = blocks * thresholds <= ranks.COUNTED_CELLS
        without = (_without_each if counted else _linear_without_each)(rows, cells, blocks)
        left = positives.sum() - positives
        other_negatives = (~positive).sum() - np.bincount(block[~positive], minlength=blocks)
        usable = (left > LEAST_LEFT * (positives + negatives)) & (other_negatives > 0)
        without = np.where(usable, without, np.nan)
    return np.stack([precisions, without, inside, positives, negatives], axis=1)


def _without_each(rows: _Falling, cells: _Falling, blocks: int) -> Floats:
    """Weight x precision of all positives outside each block among rows outside it, ``[G]``."""
    held = np.flatnonzero(rows.positives_of)
    positives = rows.positives_of[held]
    found = np.cumsum(rows.positives_of)[held]
    above = np.cumsum(rows.positives_of + rows.negatives_of)[held]
    # The highest threshold at or below each cell, for the cells that have one.
    place = np.searchsorted(held, cells.group)
    counted = place < held.size
    place, block = place[counted], cells.block[counted]
    theirs, all_theirs = cells.positives[counted], (cells.positives + cells.negatives)[counted]
    ends = np.cumsum(np.bincount(block, minlength=blocks))
    out = np.zeros(blocks)
    step = max(1, ranks.CELLS_AT_ONCE // max(held.size, 1))
    for first in range(0, blocks, step):
        last = min(first + step, blocks)
        part = slice(ends[first - 1] if first else 0, ends[last - 1])
        shape = last - first, held.size
        cell = place[part] + held.size * (block[part] - first)

        size = shape[0] * shape[1]
        own = _summed(cell, theirs[part], size).reshape(shape)
        own_rows = _summed(cell, all_theirs[part], size).reshape(shape)
        left = above - np.cumsum(own_rows, axis=1)
        share = (found - np.cumsum(own, axis=1)) / np.where(left > 0, left, np.inf)
        # Where nothing is left, rounding is; no precision lies outside 0 to 1.
        share = np.clip(share, 0, 1)
        out[first:last] = np.einsum("gt,gt->g", np.maximum(positives - own, 0), share)
    return out


def _linear_without_each(rows: _Falling, cells: _Falling, blocks: int) -> Floats:
    """The same to first order, as of counts in `ranks`: each row takes its weight times that."""
    positives = rows.positives_of
    found, above = np.cumsum(positives), np.cumsum(positives + rows.negatives_of)

    def from_below(values: Floats) -> Floats:
        return np.cumsum(values[::-1])[::-1]

    gain = (from_below(positives / above) + found / above)[cells.group]
    loss = from_below(positives * found / above**2)[cells.group]
    taken = cells.positives * gain - (cells.positives + cells.negatives) * loss
    whole = float((positives * found / above).sum())
    return np.asarray(whole - cells.summed(taken, blocks))
