"""Betting on the differences of independent pairs whose range is known.

Against "the mean difference is at most δ" one bets a fixed fraction λ in (0, 1) of all wealth on
(d - δ)/(1 + δ), against "at least δ" on (δ - d)/(1 + δ), after scaling d to [-1, 1]; the e-value is
the mean wealth over a grid of fractions. Source: Waudby-Smith & Ramdas (2024), "Estimating means of
bounded random variables by betting", JRSS B 86.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from sluiceway.statistics.sequential.closed import BlockHarm
from sluiceway.statistics.sequential.entered import (
    Entered,
    Interval,
    after_block,
    faulty,
    means_after,
)
from sluiceway.statistics.sequential.priors import (
    DEFAULT_EXPECTED,
    bounds,
    grid,
    mixed,
    punished,
)

_LARGEST_BET = 0.95
_ROUNDING = 1e-9


def _are_all(block: BlockHarm) -> bool:
    """Whether the differences are those of all pairs of the block."""
    assert block.differences is not None
    if block.times is None:
        return block.differences.size == block.rows
    same = block.times.shape == block.differences.shape and bool((block.times >= 0).all())
    return same and math.isclose(float(block.times.sum()), block.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class BettingHarm(Entered):
    """What bets at one margin have won, each pair counting once.

    Bets need the margin while they are made. For any other margin, and so for the interval, a
    lower bound of what they would have won is read from two sums (:func:`~sluiceway.statistics.
    sequential.priors.punished`). It lies below the wealth on every path, therefore the interval
    may hold the margin's own verdict too: together they are wrong no more often than the bets.

    Attributes:
        margin: Tolerated harm in the metric's unit, fixed before the first look.
        reach: The largest difference two answers to one row can make, in the metric's unit.
        pairs: Pairs counted.
        square_sum: Sum of squared differences, in units of ``reach`` squared.
        log_harm: Log wealth of each bet on harm, in the order of the grid; empty before the
            first pair.
        log_safety: Log wealth of each bet on safety.
        expected: Sum of squared differences the plan expects, in units of ``reach`` squared.
    """

    method: Literal["betting"] = "betting"
    margin: float
    reach: float
    pairs: int = 0
    square_sum: float = 0.0
    log_harm: tuple[float, ...] = ()
    log_safety: tuple[float, ...] = ()
    expected: float = DEFAULT_EXPECTED

    def enter(self, block: BlockHarm) -> Self:
        """The state after one more closed block; out of range, all its rows are faults.

        Raises:
            BlockEnteredTwiceError: The block counts already, or is not after the last that does.
        """
        changes, measured = after_block(self, block)
        if not measured:
            return replace(self, **changes)
        if block.differences is None or not _are_all(block):
            return replace(self, **faulty(changes, block))
        scaled = block.differences / self.reach
        if not (np.abs(scaled) <= 1 + _ROUNDING).all():  # NaN is not within either
            return replace(self, **faulty(changes, block))
        scaled = np.clip(scaled, -1.0, 1.0)
        pairs = self.pairs + block.rows
        changes |= means_after(self, block, block.rows / pairs)
        moved = float(np.average(scaled, weights=block.times)) * self.reach - self.mean
        changes["mean"] = float(self.mean + moved * (block.rows / pairs))
        changes["pairs"] = pairs
        times = 1.0 if block.times is None else block.times
        changes["square_sum"] = self.square_sum + float((scaled * times) @ scaled)
        fraction, _ = grid(self.expected, _LARGEST_BET)
        margin = self.margin / self.reach
        gain = (scaled - margin) / (1 + abs(margin))
        for name, side in (("log_harm", gain), ("log_safety", -gain)):
            won = (np.log1p(np.outer(fraction, side)) * times).sum(axis=1)
            changes[name] = tuple((won + (getattr(self, name) or 0.0)).tolist())
        return replace(self, **changes)

    @property
    def standard_error(self) -> float | None:
        """Standard error of ``mean``, for people only; None below two pairs."""
        if self.pairs < 2:
            return None
        variance = self.square_sum / self.pairs - (self.mean / self.reach) ** 2
        return self.reach * math.sqrt(max(variance, 0.0) / (self.pairs - 1))

    def log_e_harm(self, margin: float) -> float:
        """Log e-value against "the harm is at most ``margin``"."""
        if margin == self.margin:
            return self._won(self.log_harm)
        return self._bounded(self.mean, margin)

    def log_e_safety(self, margin: float) -> float:
        """Log e-value against "the harm is at least ``margin``"."""
        if margin == self.margin:
            return self._won(self.log_safety)
        return self._bounded(-self.mean, -margin)

    def _won(self, log_wealth: tuple[float, ...]) -> float:
        if not log_wealth:
            return 0.0
        return mixed(np.asarray(log_wealth), grid(self.expected, _LARGEST_BET)[1])

    def _bounded(self, mean: float, margin: float) -> float:
        """A lower bound of what bets at another margin would have won."""
        mean, margin = mean / self.reach, margin / self.reach
        if self.pairs == 0 or margin >= 1:
            return 0.0
        margin = max(margin, -1.0)
        scale = 1 + abs(margin)
        total = self.pairs * (mean - margin) / scale
        second = self.square_sum + self.pairs * margin * (margin - 2 * mean)
        squares = max(second, 0.0) / scale**2
        fraction, log_weights = grid(self.expected, _LARGEST_BET)
        return mixed(fraction * total - punished(fraction) * squares, log_weights)

    def confidence_sequence(self, alpha: float) -> Interval:
        """Two-sided 1 - 2·``alpha`` interval of the harm, valid at all looks together."""
        if self.pairs == 0:
            return None, None
        low, high = bounds(
            lambda margin: self._bounded(self.mean, margin),
            lambda margin: self._bounded(-self.mean, -margin),
            alpha,
            self.mean,
            self.reach,
        )
        if self._won(self.log_harm) >= -math.log(alpha):
            low = self.margin if low is None else max(low, self.margin)
        if self._won(self.log_safety) >= -math.log(alpha):
            high = self.margin if high is None else min(high, self.margin)
        return low, high
