"""Per-block sums of rank metrics: exact whatever the partitioning of the rows.

The area under the ROC curve is a U-statistic over pairs of one positive and one negative row.
A pair touches at most two blocks, so five sums per block are enough to delete any block exactly.
Placements as in DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more
correlated receiver operating characteristic curves", Biometrics 44.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

ROC_AUC_SUMS = ("above_all", "below_all", "within", "positives", "negatives")


def roc_auc_block_sums(
    positive: NDArray[np.bool_], score: Floats, block: Codes, blocks: int
) -> Floats:
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
    order = np.argsort(score, kind="stable")
    score, positive, block = score[order], positive[order], block[order]
    group = _starts_where(score[1:] != score[:-1])
    negatives_below, positives_above = _placements(positive, group)

    # Stable, so inside each block the scores stay sorted; small codes sort by radix.
    small = block.astype(np.uint16) if blocks <= np.iinfo(np.uint16).max else block
    by_block = np.argsort(small, kind="stable")
    inner_score, inner_block = score[by_block], block[by_block]
    inner_positive = positive[by_block]
    changes = (inner_score[1:] != inner_score[:-1]) | (inner_block[1:] != inner_block[:-1])
    # Counted over the whole column; what lies in earlier blocks is taken off below.
    below, _ = _placements(inner_positive, _starts_where(changes))

    positives = np.bincount(block, weights=positive, minlength=blocks)
    rows = np.bincount(block, minlength=blocks).astype(np.float64)
    negatives = rows - positives
    earlier_negatives = np.cumsum(negatives) - negatives
    inside = np.bincount(inner_block, weights=np.where(inner_positive, below, 0), minlength=blocks)
    within = inside - positives * earlier_negatives
    above_all = np.bincount(block, weights=np.where(positive, negatives_below, 0), minlength=blocks)
    below_all = np.bincount(block, weights=np.where(positive, 0, positives_above), minlength=blocks)
    return np.stack([above_all, below_all, within, positives, negatives], axis=1)


def _starts_where(changes: NDArray[np.bool_]) -> Codes:
    """First row of each group of ties, for rows whose neighbours differ where ``changes``."""
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.intp)


def _placements(positive: NDArray[np.bool_], group: Codes) -> tuple[Floats, Floats]:
    """Per sorted row: negatives below it and positives above it, ties counted one half."""
    n = positive.size
    sizes = np.diff(np.append(group, n))
    positives_before = np.concatenate([[0], np.cumsum(positive)])
    edges = np.append(group, n)
    positives_at = positives_before[edges]
    negatives_at = edges - positives_at
    below = (negatives_at[:-1] + negatives_at[1:]) / 2
    above = positives_at[-1] - (positives_at[:-1] + positives_at[1:]) / 2
    return np.repeat(below, sizes), np.repeat(above, sizes)


def roc_auc(sums: Floats) -> Floats:
    """The AUC of totals ``float64[..., 5]``; NaN where a class is missing."""
    return _ratio(sums[..., 0], sums[..., 3] * sums[..., 4])


def roc_auc_without_each(sums: Floats) -> Floats:
    """The AUC with each block deleted, ``float64[G]``; NaN where a class would be missing."""
    total = sums.sum(axis=0)
    pairs = total[0] - sums[:, 0] - sums[:, 1] + sums[:, 2]
    return _ratio(pairs, (total[3] - sums[:, 3]) * (total[4] - sums[:, 4]))


def roc_auc_inside_each(sums: Floats) -> Floats:
    """The AUC of each block's own rows, ``float64[G]``; NaN where a class is missing."""
    return _ratio(sums[:, 2], sums[:, 3] * sums[:, 4])


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    out = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=out, where=np.asarray(denominator) > 0)
    return out
