"""Per-block sums of rank metrics: exact whatever the partitioning of the rows.

The area under the ROC curve is a U-statistic over pairs of one positive and one negative row.
A pair touches at most two blocks, so five sums per block are enough to delete any block exactly.
Placements as in DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more
correlated receiver operating characteristic curves", Biometrics 44.

Average precision is a mean over positives of (positives at or above)/(rows at or above): a ratio
that deleting a block changes at every rank, so no fixed number of sums gives it back. Its sums hold
the numerator without each block instead, counted once while the rows are ranked.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]

ROC_AUC_SUMS = ("above_all", "below_all", "within", "positives", "negatives")
AVERAGE_PRECISION_SUMS = ("precisions", "without", "inside", "positives", "negatives")

CELLS_AT_ONCE = 1 << 18
"""Cells of blocks x thresholds counted at once: 2 MB a column, which stays in the cache."""

LEAST_LEFT = 1e-6
"""Weight of pairs that must be left without a block, as a share of all: of less, the ninth digit
would be rounding. Pairs that are counted are exact, and any are enough."""

COUNTED_CELLS = 1 << 29
"""Cells of blocks x thresholds up to which average precision is counted without each block (about
5 s of CPU); beyond, such as for a million units that recur, the loss of a block is linearised."""


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Rows in rising order, and the first of each group of ties."""

    positive: Mask
    block: Codes
    group: Codes

    @property
    def sizes(self) -> Codes:
        """Rows of each group."""
        return np.diff(np.append(self.group, self.positive.size))

    @property
    def positives_before(self) -> Codes:
        """Positives before the first row of each group, and all of them at the end."""
        before = np.zeros(self.positive.size + 1, dtype=np.intp)
        np.cumsum(self.positive, out=before[1:])
        at: Codes = before[np.append(self.group, self.positive.size)]
        return at

    @classmethod
    def by_score(
        cls, positive: Mask, score: Floats, block: Codes, blocks: int
    ) -> tuple[Self, Self]:
        """All rows by score; and by block, then score."""
        # Ties are counted as one, so their order does not matter, and the fastest sort will do.
        order = np.argsort(score)
        small = block.astype(_smallest(blocks))[order]
        score, positive = score[order], positive[order]
        overall = cls(positive, small, _starts_where(score[1:] != score[:-1]))
        # Stable, so inside each block the scores stay sorted; small codes sort by radix.
        by_block = np.argsort(small, kind="stable")
        score, inner = score[by_block], small[by_block]
        changes = (score[1:] != score[:-1]) | (inner[1:] != inner[:-1])
        return overall, cls(positive[by_block], inner, _starts_where(changes))


def _smallest(blocks: int) -> type[np.unsignedinteger] | type[np.intp]:
    return np.uint8 if blocks <= 1 << 8 else np.uint16 if blocks <= 1 << 16 else np.intp


def _starts_where(changes: Mask) -> Codes:
    """First row of each group of ties, for rows whose neighbours differ where ``changes``."""
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.intp)


def roc_auc_block_sums(positive: Mask, score: Floats, block: Codes, blocks: int) -> Floats:
    """Count, for each block, the pairs that the score orders rightly; a tie counts one half.

    Args:
        positive: Which rows are positive, ``bool[n]``.
        score: Finite scores in any unit, higher means more likely positive, ``float64[n]``.
        block: Code of each row's block, 0 to ``blocks - 1``, ``intp[n]``.
        blocks: Number of blocks, G.

    Returns:
        ``float64[G, 5]`` in the order of :data:`ROC_AUC_SUMS`, all in pairs or rows: pairs of a
        positive in the block with any negative; of any positive with a negative in the block;
        of both in the block; positives; negatives. Exact below 2**52 pairs.
    """
    if score.size == 0:
        return np.zeros((blocks, len(ROC_AUC_SUMS)))
    overall, inner = _Ranked.by_score(positive, score, block, blocks)
    negatives_below, positives_above = _placements(overall)
    # Counted over the whole column; what lies in earlier blocks is taken off below.
    below, _ = _placements(inner)

    positives, negatives = _classes(positive, block, blocks)
    earlier_negatives = np.cumsum(negatives) - negatives

    def summed(ranked: _Ranked, which: Mask, placements: Floats) -> Floats:
        found: Floats = np.bincount(
            ranked.block[which], weights=placements[which], minlength=blocks
        ).astype(np.float64, copy=False)
        return found

    within = summed(inner, inner.positive, below) - positives * earlier_negatives
    above_all = summed(overall, overall.positive, negatives_below)
    below_all = summed(overall, ~overall.positive, positives_above)
    return np.stack([above_all, below_all, within, positives, negatives], axis=1)


def _classes(positive: Mask, block: Codes, blocks: int) -> tuple[Floats, Floats]:
    positives = np.bincount(block[positive], minlength=blocks).astype(np.float64)
    return positives, np.bincount(block, minlength=blocks) - positives


def _placements(ranked: _Ranked) -> tuple[Floats, Floats]:
    """Per sorted row: negatives below it and positives above it, ties counted one half."""
    sizes, positives_at = ranked.sizes, ranked.positives_before
    negatives_at = np.append(ranked.group, ranked.positive.size) - positives_at
    below = (negatives_at[:-1] + negatives_at[1:]) / 2
    above = positives_at[-1] - (positives_at[:-1] + positives_at[1:]) / 2
    if sizes.size == ranked.positive.size:
        return below, above
    return np.repeat(below, sizes), np.repeat(above, sizes)


def roc_auc(sums: Floats) -> Floats:
    """The AUC of totals ``float64[..., 5]``; NaN where a class is missing."""
    with np.errstate(over="ignore"):
        return _ratio(sums[..., 0], sums[..., 3] * sums[..., 4])


def roc_auc_without_each(sums: Floats) -> Floats:
    """The AUC with each block deleted, ``float64[G]``; NaN where a class would be missing.

    Of weighted pairs, also where next to none would be left (:data:`LEAST_LEFT`).
    """
    total = sums.sum(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        pairs = total[0] - sums[:, 0] - sums[:, 1] + sums[:, 2]
        left = (total[3] - sums[:, 3]) * (total[4] - sums[:, 4])
        if not _counted(sums[:, :3]):
            left = np.where(left > LEAST_LEFT * total[3] * total[4], left, 0.0)
    return _ratio(pairs, left)


def _counted(pairs: Floats) -> bool:
    """Whether these are pairs and halves of pairs, whose differences are exact."""
    return bool(pairs.sum() < 2**52 and not (pairs % 0.5).any())


def roc_auc_inside_each(sums: Floats) -> Floats:
    """The AUC of each block's own rows, ``float64[G]``; NaN where a class is missing."""
    with np.errstate(over="ignore"):
        return _ratio(sums[:, 2], sums[:, 3] * sums[:, 4])


def average_precision_block_sums(
    positive: Mask, score: Floats, block: Codes, blocks: int
) -> Floats:
    """Sum, for each block, the precision at each positive row: over all rows, and inside the block.

    The precision at a row is the share of positives among the rows that score at least as much;
    rows of one score come together, as in sklearn's ``average_precision_score``. The sums without
    each block are counted, not linearised, up to :data:`COUNTED_CELLS`: work grows with blocks x
    thresholds, thresholds being the different scores of positives (.3 s of CPU for 100 x 400,000).

    Args:
        positive: Which rows are positive, ``bool[n]``.
        score: Finite scores in any unit, higher means more likely positive, ``float64[n]``.
        block: Code of each row's block, 0 to ``blocks - 1``, ``intp[n]``.
        blocks: Number of blocks, G.

    Returns:
        ``float64[G, 5]`` in the order of :data:`AVERAGE_PRECISION_SUMS`: precisions among all rows
        at the block's positives; at all other positives among all rows but the block's; at the
        block's positives among its own rows; positives; negatives.
    """
    if score.size == 0:
        return np.zeros((blocks, len(AVERAGE_PRECISION_SUMS)))
    overall, inner = _Ranked.by_score(positive, score, block, blocks)
    positives, negatives = _classes(positive, block, blocks)

    before = overall.positives_before
    above = before[-1] - before[:-1]
    precision = np.repeat(above / (positive.size - overall.group), overall.sizes)
    which = overall.positive
    precisions = np.bincount(overall.block[which], weights=precision[which], minlength=blocks)

    before = inner.positives_before
    first_of = inner.block[inner.group].astype(np.intp)
    # What lies in later blocks is not above.
    own = np.cumsum(positives)[first_of] - before[:-1]
    rows = np.cumsum(positives + negatives)[first_of] - inner.group
    precision = np.repeat(own / rows, inner.sizes)
    which = inner.positive
    inside = np.bincount(inner.block[which], weights=precision[which], minlength=blocks)
    thresholds = np.count_nonzero(np.diff(overall.positives_before))
    counted = blocks * thresholds <= COUNTED_CELLS
    without_each = _precisions_without_each if counted else _linear_precisions_without_each
    without = without_each(overall, positives + negatives)
    return np.stack([precisions, without, inside, positives, negatives], axis=1)


def _precisions_without_each(ranked: _Ranked, rows: Floats) -> Floats:
    """Sum of precisions at all positives outside each block among rows outside it, ``[G]``."""
    before = ranked.positives_before
    held = np.flatnonzero(np.diff(before))
    thresholds = held.size
    positives = np.diff(before)[held]
    positives_above = before[-1] - before[:-1][held]
    rows_above = ranked.positive.size - ranked.group[held]
    # The highest threshold at or below each row, for the rows that have one.
    reached = np.cumsum(np.diff(before) > 0) - 1
    place = np.repeat(reached, ranked.sizes)
    counted = place >= 0
    order = np.argsort(ranked.block, kind="stable")
    order = order[counted[order]]
    place, positive = place[order], ranked.positive[order]
    ends = np.cumsum(np.bincount(ranked.block[order], minlength=rows.size))
    starts = np.concatenate([[0], ends[:-1]])
    out = np.zeros(rows.size)
    step = max(1, CELLS_AT_ONCE // max(thresholds, 1))
    for first in range(0, rows.size, step):
        last = min(first + step, rows.size)
        part = slice(starts[first], ends[last - 1])
        shape = last - first, thresholds
        cell = place[part] + thresholds * (ranked.block[order[part]].astype(np.intp) - first)
        all_rows = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        theirs = np.bincount(cell[positive[part]], minlength=shape[0] * shape[1]).reshape(shape)
        # Rows at or above a threshold: summed from the top.
        left = rows_above - np.cumsum(all_rows[:, ::-1], axis=1)[:, ::-1]
        found = positives_above - np.cumsum(theirs[:, ::-1], axis=1)[:, ::-1]
        # Where nothing is left above, no positive of others is there either.
        share = found / np.maximum(left, 1)
        out[first:last] = np.einsum("gt,gt->g", positives - theirs, share)
    return out


def _linear_precisions_without_each(ranked: _Ranked, rows: Floats) -> Floats:
    """The same to first order in a block's share of the rows above each threshold.

    A row takes away its own precision, and from each positive i at or below it what it adds to the
    count of positives, 1/Nᵢ if positive, less what it adds to that of rows, TPᵢ/Nᵢ².
    """
    before = ranked.positives_before
    positives = np.diff(before)
    found, above = before[-1] - before[:-1], ranked.positive.size - ranked.group
    gain = np.repeat(np.cumsum(positives / above) + found / above, ranked.sizes)
    loss = np.repeat(np.cumsum(positives * found / above**2), ranked.sizes)
    taken = np.where(ranked.positive, gain, 0.0) - loss
    whole = float((positives * found / above).sum())
    return np.asarray(whole - np.bincount(ranked.block, weights=taken, minlength=rows.size))


def average_precision(sums: Floats) -> Floats:
    """The average precision of totals ``float64[..., 5]``; NaN where a class is missing.

    sklearn gives 1 without negatives, whatever the scores; that says nothing of the scores.
    """
    return _ratio(sums[..., 0], sums[..., 3], sums[..., 4])


def average_precision_without_each(sums: Floats) -> Floats:
    """The average precision with each block deleted, ``float64[G]``; NaN as above."""
    total = sums.sum(axis=0)
    return _ratio(sums[:, 1], total[3] - sums[:, 3], total[4] - sums[:, 4])


def average_precision_inside_each(sums: Floats) -> Floats:
    """The average precision of each block's own rows, ``float64[G]``; NaN as above."""
    return _ratio(sums[:, 2], sums[:, 3], sums[:, 4])


def _ratio(numerator: Floats, denominator: Floats, other: Floats | float = 1.0) -> Floats:
    out = np.full(np.shape(denominator), np.nan)
    there = (np.asarray(denominator) > 0) & (np.asarray(other) > 0)
    with np.errstate(over="ignore", invalid="ignore"):
        np.divide(numerator, denominator, out=out, where=there)
    return out
