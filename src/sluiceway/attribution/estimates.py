"""Differences between counterfactual arms, with errors that respect blocks.

Every estimate here is a linear combination of one metric's values in several arms. Arms over the
same rows are deleted block by block together (the paired jackknife CV3 of
:mod:`sluiceway.statistics.jackknife`, of which a pair is the case +1, -1); those over different
rows are independent, so their variances add, with the degrees of freedom of Welch (1947),
*Biometrika* 34, and Satterthwaite (1946), *Biometrics Bulletin* 2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sluiceway.attribution.values import Effect
from sluiceway.statistics.metrics import BlockSums, metric_named

UNKNOWN = Effect(harm=None, low=None, high=None)


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """One metric over the rows of one or more arms, and the same without each block in turn.

    Attributes:
        value: Signed so that higher is worse, in the metric's unit; NaN where undefined.
        without: ``float64[G]`` over the blocks that have rows.
    """

    value: float
    without: NDArray[np.float64]

    @staticmethod
    def of(sums: BlockSums) -> "Replicates":
        """From one arm's sums."""
        metric = metric_named(sums.metric)
        nothing = np.zeros(1)
        value = metric.harm(nothing, np.asarray([metric.value(sums)]))[0]
        # A block without rows is no block: deleting it changes nothing.
        left = metric.leave_one_block_out(sums)[sums.rows > 0]
        return Replicates(float(value), metric.harm(np.zeros(len(left)), left))

    @staticmethod
    def sum_of(parts: Sequence[tuple[float, "Replicates"]]) -> "Replicates":
        """A weighted sum of arms over the same rows."""
        with np.errstate(invalid="ignore", over="ignore"):
            value = sum(weight * one.value for weight, one in parts)
            without = sum(weight * one.without for weight, one in parts)
        return Replicates(float(value), np.asarray(without, dtype=np.float64))

    @property
    def variance(self) -> float:
        """CV3: (G - 1)/G · Σ (without - value)²; NaN with fewer than two blocks."""
        blocks = len(self.without)
        if blocks < 2:
            return math.nan
        with np.errstate(invalid="ignore", over="ignore"):
            return float((blocks - 1) / blocks * np.sum((self.without - self.value) ** 2))


def effect(paired: Replicates, alpha: float) -> Effect:
    """What arms over the same rows differ by; ends are None with fewer than two blocks."""
    return _effect(paired.value, paired.variance, len(paired.without) - 1, alpha)


def difference(live: Replicates, reference: Replicates, alpha: float) -> Effect:
    """What arms over different, independent rows differ by: live - reference."""
    parts = [(one.variance, len(one.without) - 1) for one in (live, reference)]
    variance = sum(part for part, _ in parts)
    freedom: float = min(free for _, free in parts)
    if freedom > 0 and math.isfinite(variance) and variance > 0:
        freedom = variance**2 / sum(part**2 / free for part, free in parts)
    return _effect(live.value - reference.value, variance, freedom, alpha)


def _effect(harm: float, variance: float, freedom: float, alpha: float) -> Effect:
    if not math.isfinite(harm):
        return UNKNOWN
    if freedom <= 0 or not math.isfinite(variance):
        return Effect(harm=harm, low=None, high=None)
    half = _quantile(alpha, freedom) * math.sqrt(variance)
    return Effect(harm=harm, low=harm - half, high=harm + half)


@lru_cache(maxsize=4096)
def _quantile(alpha: float, freedom: float) -> float:
    return float(stats.t.isf(alpha, freedom))


class Contrasts:
    """Differences between arms over the same rows; each arm is looked at once.

    Attributes:
        alpha: Level of each one-sided bound.
    """

    def __init__(self, sums: Mapping[str, Mapping[str, BlockSums]], alpha: float) -> None:
        self.alpha = alpha
        self._sums = sums
        self._seen: dict[tuple[str, str], Replicates] = {}
        self._rows: dict[str, tuple[str, BlockSums]] = {}

    def answered(self, arm: str) -> bool:
        """Whether the arm gave answers that could be measured."""
        return arm in self._sums

    def between(self, better: str, worse: str, gate: str, alpha: float | None = None) -> Effect:
        """Harm of one arm over another; unknown where one of them was not answered.

        Raises:
            KeyError: An answered arm has no sums of the gate.
            ValueError: The arms do not hold the same rows.
        """
        return self.combined({better: -1.0, worse: 1.0} if better != worse else {}, gate, alpha)

    def combined(
        self, weights: Mapping[str, float], gate: str, alpha: float | None = None
    ) -> Effect:
        """A weighted sum of arms, which is 0 without any."""
        if not weights:
            return Effect(harm=0.0, low=0.0, high=0.0)
        if not all(self.answered(arm) for arm in weights):
            return UNKNOWN
        parts = [(weight, self._replicates(arm, gate)) for arm, weight in weights.items()]
        return effect(Replicates.sum_of(parts), self.alpha if alpha is None else alpha)

    def _replicates(self, arm: str, gate: str) -> Replicates:
        key = (arm, gate)
        if key not in self._seen:
            sums = self._sums[arm][gate]
            first, like = self._rows.setdefault(gate, (arm, sums))
            same = sums.metric == like.metric and sums.blocks == like.blocks
            if not (same and np.array_equal(sums.rows, like.rows)):
                raise ValueError(f"{gate}: {first} and {arm} did not answer the same rows")
            self._seen[key] = Replicates.of(sums)
        return self._seen[key]
