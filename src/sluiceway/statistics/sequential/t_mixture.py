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


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialHarm(Entered):
    """All that one gate has seen in a canary, by blocks. Starts as ``SequentialHarm()``.

    Where losses are 0 or 1, blocks may all look alike by luck alone, and their spread says
    nothing. So the counts of pairs, exact where rows are independent, cap the evidence of the
    blocks: it is never more than either says. Unpaired events without any spread are no evidence.

    Attributes:
        squares: Sum of squared deviations of block harms from ``mean``, in the unit squared.
        c2: Prior precision of the effect size (:data:`~sluiceway.statistics.evalues.DEFAULT_C2`).
        pairs: Pairs whose losses are 0 or 1; 0 where the metric has no such losses.
        better: Those that only the baseline lost.
        worse: Those that only the candidate lost.
        zero_one: Whether losses are 0 or 1, as far as blocks have said so.
    """

    method: Literal["t_mixture"] = "t_mixture"
    squares: float = 0.0
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
        changes |= means_after(self, block, 1 / changes["n"])
        # Welford (1962): no cancellation, whatever the unit or the offset.
        squares = (block.harm - self.mean) * (block.harm - changes["mean"])
        changes["squares"] = self.squares + squares
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

    def log_e_harm(self, margin: float) -> float:
        """Log e-value against "the harm is at most ``margin``"."""
        log_e = log_t_mixture(self.n, self.mean - margin, self.spread, self.c2)
        if not self.zero_one:
            return log_e
        return min(log_e, self._counted(self.worse, self.better, margin))

    def log_e_safety(self, margin: float) -> float:
        """Log e-value against "the harm is at least ``margin``"."""
        log_e = log_t_mixture(self.n, margin - self.mean, self.spread, self.c2)
        if not self.zero_one:
            return log_e
        return min(log_e, self._counted(self.better, self.worse, -margin))

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
        low, high = self.mean - ratio * self.spread, self.mean + ratio * self.spread
        if not self.zero_one:
            return low, high
        if not self.pairs:
            return (None, None) if self.squares == 0 else (low, high)
        counted = count_bounds(self.pairs, self.worse, self.better, alpha, DEFAULT_EXPECTED)
        return (
            None if counted[0] is None else min(low, counted[0]),
            None if counted[1] is None else max(high, counted[1]),
        )
