"""Pairs of 0–1 losses with independent units: the exact method, whose state is three counts.

A pair's difference d is +1 (only the candidate lost), -1 (only the baseline) or 0. Against "the
mean of d is at most δ" one bets a fraction λ in (0, 1) on (d - δ)/(1 + |δ|), which is never below
-1. At δ = 0, with p = (1 + λ)/2 and a Beta(a, a) prior on p above ½, the mixture over λ is the
one-sided beta mixture in closed form; at other margins the same prior is a fixed grid.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from sluiceway.statistics.evalues import log_beta_mixture
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
    prior_precision,
)

_LARGEST_BET = 0.99


def log_e_worse(pairs: int, worse: int, better: int, margin: float, expected: float) -> float:
    """Log e-value against "worse minus better pairs are at most ``margin`` of all".

    Args:
        pairs: All pairs, those that agree included.
        worse: Pairs that speak for harm.
        better: Pairs that speak against it.
        margin: Tolerated harm, a share; nothing is evidence against 1 or more.
        expected: Differing pairs that the plan expects, which sets the prior.
    """
    if margin == 0:
        half = (prior_precision(expected) - 1) / 2
        return log_beta_mixture(worse, better, half, half)
    if margin >= 1 or pairs == 0:
        return 0.0
    if margin <= -1:
        margin = -1.0
    fraction, log_weights = grid(expected, _LARGEST_BET)
    scale = 1 + abs(margin)
    wealth = (
        worse * np.log1p(fraction * ((1 - margin) / scale))
        + better * np.log1p(fraction * ((-1 - margin) / scale))
        + (pairs - worse - better) * np.log1p(fraction * (-margin / scale))
    )
    return mixed(wealth, log_weights)


def count_bounds(pairs: int, worse: int, better: int, alpha: float, expected: float) -> Interval:
    """The margins that neither harm nor safety excludes at level ``alpha`` each."""
    if pairs == 0:
        return None, None
    return bounds(
        lambda margin: log_e_worse(pairs, worse, better, margin, expected),
        lambda margin: log_e_worse(pairs, better, worse, -margin, expected),
        alpha,
        (worse - better) / pairs,
        1.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordantPairs(Entered):
    """What pairs with independent units have shown, each pair counting once.

    Attributes:
        pairs: Pairs counted.
        better: Those that only the baseline lost.
        worse: Those that only the candidate lost.
        expected: Differing pairs the plan expects, fixed before the first look.
    """

    method: Literal["beta_mixture"] = "beta_mixture"
    pairs: int = 0
    better: int = 0
    worse: int = 0
    expected: float = DEFAULT_EXPECTED

    def enter(self, block: BlockHarm) -> Self:
        """The state after one more closed block; without its counts all its rows are faults.

        Raises:
            BlockEnteredTwiceError: The block counts already, or is not after the last that does.
        """
        changes, measured = after_block(self, block)
        if not measured:
            return replace(self, **changes)
        better, worse, rows = block.better, block.worse, block.rows
        if better is None or worse is None or min(better, worse) < 0 or better + worse > rows:
            return replace(self, **faulty(changes, block))
        pairs = self.pairs + rows
        changes |= means_after(self, block, rows / pairs)
        changes |= {"better": self.better + better, "worse": self.worse + worse}
        changes |= {"pairs": pairs, "mean": (changes["worse"] - changes["better"]) / pairs}
        return replace(self, **changes)

    @property
    def standard_error(self) -> float | None:
        """Standard error of ``mean``, for people only; None below two pairs."""
        if self.pairs < 2:
            return None
        second = (self.worse + self.better) / self.pairs
        return float(np.sqrt(max(second - self.mean**2, 0.0) / (self.pairs - 1)))

    def log_e_harm(self, margin: float) -> float:
        """Log e-value against "the harm is at most ``margin``"."""
        return log_e_worse(self.pairs, self.worse, self.better, margin, self.expected)

    def log_e_safety(self, margin: float) -> float:
        """Log e-value against "the harm is at least ``margin``"."""
        return log_e_worse(self.pairs, self.better, self.worse, -margin, self.expected)

    def confidence_sequence(self, alpha: float) -> Interval:
        """Two-sided 1 - 2·``alpha`` interval of the harm, valid at all looks together."""
        return count_bounds(self.pairs, self.worse, self.better, alpha, self.expected)
