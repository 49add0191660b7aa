"""The paired harm of a metric with its error, for one fixed sample.

Delete-a-block jackknife, the cluster-robust variance CV3:
se² = (G - 1)/G · Σ_g (h₍₋g₎ - h)², with t(G - 1) quantiles.
Source: MacKinnon, Nielsen & Webb (2023), "Fast and reliable jackknife and bootstrap methods for
cluster-robust inference", Journal of Applied Econometrics 38.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sluiceway.statistics.metrics import BlockSums, metric_named


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
    """

    harm: float
    standard_error: float
    baseline: float
    candidate: float
    blocks: int
    rows: int

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
        return float(stats.t.isf(alpha, self.blocks - 1)) * self.standard_error


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
    )
