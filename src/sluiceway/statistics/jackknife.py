"""The paired harm of a metric with its error, for one fixed sample.

Delete-a-block jackknife, the cluster-robust variance CV3:
se² = (G - 1)/G · Σ_g (h₍₋g₎ - h)², with Student t quantiles.
Source: MacKinnon, Nielsen & Webb (2023), "Fast and reliable jackknife and bootstrap methods for
cluster-robust inference", Journal of Applied Econometrics 38.

Degrees of freedom are G - 1 for blocks of one size, and fewer for unequal ones, whose few large
blocks make most of the error (:func:`degrees_of_freedom`). Where units recur in several blocks, the
error is two-way (:func:`two_way_harm`).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from sluiceway.statistics.metrics import BlockSums, Floats, TwoWaySums, metric_named


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedHarm:
    """Candidate minus baseline on the same rows, signed so that positive is worse.

    Attributes:
        harm: In the metric's unit. NaN where the metric is undefined.
        standard_error: In the metric's unit. NaN where it cannot be estimated.
        baseline: The metric's value for the baseline.
        candidate: The metric's value for the candidate.
        blocks: Blocks with at least one row, G.
        rows: Rows counted, the same in both arms.
        degrees_of_freedom: Of ``standard_error``, at most G - 1. NaN below two blocks.
    """

    harm: float
    standard_error: float
    baseline: float
    candidate: float
    blocks: int
    rows: int
    degrees_of_freedom: float

    def upper(self, alpha: float) -> float:
        """One-sided (1 - ``alpha``) upper bound of the harm; NaN without an error estimate."""
        return self.harm + self._half_width(alpha)

    def lower(self, alpha: float) -> float:
        """One-sided (1 - ``alpha``) lower bound of the harm; NaN without an error estimate."""
        return self.harm - self._half_width(alpha)

    def _half_width(self, alpha: float) -> float:
        if not 0 < alpha < 0.5:
            raise ValueError(f"alpha {alpha} must lie between 0 and 0.5")
        if self.blocks < 2:
            return float("nan")
        # Of the lower tail, which keeps its digits however small alpha is.
        return -float(special.stdtrit(self.degrees_of_freedom, alpha)) * self.standard_error


def are_paired(baseline: BlockSums, candidate: BlockSums) -> bool:
    """Whether two arms hold the same metric over as many rows, weighing as much, in each block."""
    return (
        baseline.metric == candidate.metric
        and baseline.blocks == candidate.blocks
        and np.array_equal(baseline.rows, candidate.rows)
        and (baseline.weight is None) == (candidate.weight is None)
        and np.allclose(baseline.mass, candidate.mass, rtol=1e-9, atol=0)
    )


def paired_harm(baseline: BlockSums, candidate: BlockSums) -> PairedHarm:
    """Estimate the harm and its standard error from both arms' sums.

    Raises:
        ValueError: The arms are not paired (:func:`are_paired`).
    """
    if not are_paired(baseline, candidate):
        raise ValueError(f"{baseline.metric}: the arms do not hold the same rows of each block")
    metric = metric_named(baseline.metric)
    values = np.asarray([metric.value(baseline)]), np.asarray([metric.value(candidate)])
    harm = float(metric.harm(*values)[0])
    # A block without rows is no block: deleting it changes nothing and would shrink the error.
    filled = baseline.rows > 0
    blocks = int(filled.sum())
    without = metric.harm(
        metric.leave_one_block_out(baseline), metric.leave_one_block_out(candidate)
    )[filled]
    standard_error = float("nan")
    if blocks > 1:
        with np.errstate(invalid="ignore", over="ignore"):
            shifts = without - harm
            standard_error = float(np.sqrt((blocks - 1) / blocks) * np.linalg.norm(shifts))
    return PairedHarm(
        harm=harm,
        standard_error=standard_error,
        baseline=float(values[0][0]),
        candidate=float(values[1][0]),
        blocks=blocks,
        rows=int(baseline.rows.sum()),
        degrees_of_freedom=degrees_of_freedom(baseline.mass[filled]),
    )


def degrees_of_freedom(size: Floats) -> float:
    """Degrees of freedom of the delete-a-block variance of blocks of these sizes.

    Satterthwaite's 2 E[V]²/Var[V] for a mean whose blocks each have one shock of the same variance:
    with shares w = size/Σ size, d = (w/(1 - w))² and M = (I - w1ᵀ) diag(d) (I - 1wᵀ) it is
    tr(M)²/tr(M²), which is G - 1 for equal sizes. The shocks are a working model, after Imbens &
    Kolesár; independent rows would give more degrees of freedom, so this is the careful side.

    Sources: Satterthwaite (1946), "An approximate distribution of estimates of variance
    components", Biometrics Bulletin 2; Bell & McCaffrey (2002), "Bias reduction in standard errors
    for linear regression with multi-stage samples", Survey Methodology 28; Imbens & Kolesár (2016),
    "Robust standard errors in small samples", Review of Economics and Statistics 98; for the
    jackknife Hansen (2025), "Jackknife standard errors for clustered regression", Review of
    Economic Studies.

    Args:
        size: Rows, or weights, of each block, above 0, ``float64[G]``.

    Returns:
        From 1 to G - 1; NaN below two blocks.
    """
    if size.size < 2:
        return float("nan")
    share = size / size.sum()
    # One block that holds nearly all leaves nothing to compare it with: one degree of freedom.
    lever = (share / np.maximum(1 - share, 1e-9)) ** 2
    total, square = lever.sum(), share @ share
    trace = total - 2 * (share @ lever) + total * square
    # M is diag(d) + w cᵀ + c wᵀ; its squared Frobenius norm without forming it.
    half = total * share / 2 - lever
    norm = (
        lever @ lever
        + 4 * ((lever * share) @ half)
        + 2 * square * (half @ half)
        + 2 * (share @ half) ** 2
    )
    return float(np.clip(trace**2 / norm, 1, size.size - 1))


def two_way_harm(baseline: TwoWaySums, candidate: TwoWaySums) -> PairedHarm:
    """Estimate the harm where units recur: rows of one unit are alike, in whatever block they are.

    V = V_block + V_unit - V_cell, each by delete-one jackknife, and never less than the larger of
    the one-way variances, which also keeps it positive; degrees of freedom are the fewer of both
    ways. Where no unit is in two blocks, this is :func:`paired_harm`.

    Source: MacKinnon, Nielsen & Webb (2024), "Jackknife inference with two-way clustering" (arXiv
    2406.08880), of which taking the largest is the rule that never fails.

    Raises:
        ValueError: The arms are not paired (:func:`are_paired`) in blocks, units or cells.
    """
    by_block, by_unit, by_cell = (
        paired_harm(getattr(baseline, way), getattr(candidate, way))
        for way in ("blocks", "units", "cells")
    )
    errors = np.asarray([one.standard_error for one in (by_block, by_unit, by_cell)])
    with np.errstate(over="ignore", invalid="ignore"):
        squares = errors**2
        variance = squares[0] + squares[1] - squares[2]
    # NaN, of any of the three, stays NaN.
    error = float(np.sqrt(np.max([variance, squares[0], squares[1]])))
    return replace(
        by_block,
        standard_error=error,
        degrees_of_freedom=min(by_block.degrees_of_freedom, by_unit.degrees_of_freedom),
    )
