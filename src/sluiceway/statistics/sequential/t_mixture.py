"""The t-mixture over blocks: the default, because it asks nothing of rows.

The observation is the harm of one closed, mature block, entered once. Two e-processes are read
from the same three numbers (blocks, mean, squared deviations): *harm* against "the harm is at
most the margin", *safety* against "the harm is at least the margin". Their inversion over the
margin is the confidence sequence, so a margin can be looked at afterwards without new evidence.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

from sluiceway.statistics.evalues import DEFAULT_C2, critical_ratio, log_t_mixture
from sluiceway.statistics.sequential.closed import BlockHarm
from sluiceway.statistics.sequential.discordant import (
    count_bounds,
    log_e_worse,
)
from sluiceway.statistics.sequential.entered import Entered, Interval, after_block, means_after
from sluiceway.statistics.sequential.priors import DEFAULT_EXPECTED

_NO_SPREAD = 1e-100
"""Below this a third power underflows."""
_SURE = 1e6
"""Spreads beyond which no skewness matters."""


def unskewed(t: float, skew: float) -> float:
    """A t statistic lowered for skewness against the claim: t + at²/3 + a²t³/27 + a/6, or t.

    Source: Hall (1992), "On the removal of skewness by transformation", JRSS B 54; the cubic rises
    everywhere. Only lowering is taken.

    Args:
        t: √n · mean / spread, positive where it speaks for the claim.
        skew: a, the skewness of what is averaged over √n, at most 0.
    """
    return min(t, t + skew * (t * t / 3 + 1 / 6) + skew * skew * t * t * t / 27)


def skewed(t: float, skew: float) -> float:
    """The t statistic that :func:`unskewed` lowers to this one."""
    shifted = t - skew / 6
    root = math.cbrt(1 + skew * shifted)
    return max(t, 3 * shifted / (root * (root + 1) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialHarm(Entered):
    """All that one gate has seen in a canary, by blocks. Starts as ``SequentialHarm()``.

    Where losses are 0 or 1, blocks may all look alike by luck alone, and their spread says
    nothing. So the counts of pairs, exact where rows are independent, cap the evidence of the
    blocks: it is never more than either says. Unpaired events without any spread are no evidence.

    Blocks that are mostly mild with a rare very bad one make a mean look surer than it is. Where
    they are skewed against what is claimed, the t statistic is lowered first (:func:`unskewed`);
    it is never raised, so the evidence stays below that of the plain t-mixture on every path.

    Attributes:
        squares: Sum of squared deviations of block harms from ``mean``, in the unit squared.
        cubes: Sum of their third powers, in the unit cubed.
        c2: Prior precision of the effect size (:data:`~sluiceway.statistics.evalues.DEFAULT_C2`).
        pairs: Pairs whose losses are 0 or 1; 0 where the metric has no such losses.
        better: Those that only the baseline lost.
        worse: Those that only the candidate lost.
        zero_one: Whether losses are 0 or 1, as far as blocks have said so.
    """

    method: Literal["t_mixture"] = "t_mixture"
    squares: float = 0.0
    cubes: float = 0.0
    c2: float = DEFAULT_C2
    pairs: int = 0
    better: int = 0
    worse: int = 0
    zero_one: bool = False

    def enter(self, block: BlockHarm) -> Self:
        """The state after one more closed block.

        Raises:
            BlockEnteredTwiceError: The block counts already, or is not after the last that does.
        """
        changes, measured = after_block(self, block)
        if not measured or block.harm is None:
            return replace(self, **changes)
        n = changes["n"]
        changes |= means_after(self, block, 1 / n)
        # Welford (1962), Terriberry (2007): no cancellation, whatever the unit or the offset.
        step = block.harm - self.mean
        square, part = step * step * ((n - 1) / n), step / n
        changes["squares"] = self.squares + square
        changes["cubes"] = self.cubes + part * (square * (n - 2) - 3 * self.squares)
        if block.better is not None and block.worse is not None:
            changes["pairs"] = self.pairs + block.rows
            changes["better"] = self.better + block.better
            changes["worse"] = self.worse + block.worse
            changes["zero_one"] = True
        elif block.strata is not None:
            changes["zero_one"] = True
        return replace(self, **changes)

    @property
    def spread(self) -> float:
        """Root mean squared deviation of the block harms (divisor n), in the metric's unit."""
        return math.sqrt(self.squares / self.n) if self.n else 0.0

    @property
    def standard_error(self) -> float | None:
        """Standard error of ``mean``, for people only; None below two blocks."""
        return self.spread / math.sqrt(self.n - 1) if self.n > 1 else None

    @property
    def skewness(self) -> float:
        """Third standardised moment of the block harms, a pure number; 0 without spread."""
        spread = self.spread
        return self.cubes / self.n / spread / spread / spread if spread > _NO_SPREAD else 0.0

    def log_e_harm(self, margin: float) -> float:
        """Log e-value against "the harm is at most ``margin``"."""
        log_e = self._by_blocks(self.mean - margin, self.skewness)
        if not self.zero_one:
            return log_e
        return min(log_e, self._counted(self.worse, self.better, margin))

    def log_e_safety(self, margin: float) -> float:
        """Log e-value against "the harm is at least ``margin``"."""
        log_e = self._by_blocks(margin - self.mean, -self.skewness)
        if not self.zero_one:
            return log_e
        return min(log_e, self._counted(self.better, self.worse, -margin))

    def _by_blocks(self, mean: float, skewness: float) -> float:
        spread = self.spread
        if skewness < 0 and mean < _SURE * spread:
            root = math.sqrt(self.n)
            ratio = unskewed(mean / spread * root, skewness / root) / root
            return log_t_mixture(self.n, ratio, 1.0, self.c2)
        return log_t_mixture(self.n, mean, spread, self.c2)

    def _counted(self, up: int, down: int, margin: float) -> float:
        if self.pairs:
            return log_e_worse(self.pairs, up, down, margin, DEFAULT_EXPECTED)
        return 0.0 if self.squares == 0 else math.inf

    def confidence_sequence(self, alpha: float) -> Interval:
        """Two-sided 1 - 2·``alpha`` interval of the harm, valid at all looks together.

        Holds the margins that neither e-process has excluded at this look. Each bound alone is
        one-sided at 1 - ``alpha``. None while unbounded.
        """
        ratio = critical_ratio(self.n, alpha, self.c2)
        if ratio is None:
            return None, None
        root, skewness = math.sqrt(self.n), self.skewness
        below, above = (
            skewed(ratio * root, min(one, 0.0) / root) / root for one in (skewness, -skewness)
        )
        low, high = self.mean - below * self.spread, self.mean + above * self.spread
        if not self.zero_one:
            return low, high
        if not self.pairs:
            return (None, None) if self.squares == 0 else (low, high)
        counted = count_bounds(self.pairs, self.worse, self.better, alpha, DEFAULT_EXPECTED)
        return (
            None if counted[0] is None else min(low, counted[0]),
            None if counted[1] is None else max(high, counted[1]),
        )
