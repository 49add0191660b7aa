"""0–1 losses of *unpaired* arms with independent units, compared inside strata.

A stratum is one routing revision inside one block. Given its units and its events, the candidate's
share of the events is hypergeometric where both arms have one rate, and stochastically smaller
where the candidate's is lower. So exp(θx)/M(θ), M the hypergeometric moment generating function,
has mean at most 1 for every θ > 0: Fisher's exact test as a bet. For many events M is replaced by
the binomial's, which is never smaller: Hoeffding (1963), "Probability inequalities for sums of
bounded random variables", JASA 58, theorem 4. The e-value is the mean over a fixed grid of log
odds ratios θ, with -θ for safety.

That tests margin 0 only. For any other margin, and for the interval, the difference of rates is
bounded by empirical Bernstein: for one unit's loss y with mean μ and a guess ŷ made before,
exp(λ(y - μ) - ψ(λ)(y - ŷ)²) has mean at most 1 (Howard et al. 2021, theorem 4, after Fan et al.).
Units of one arm share λ in proportion to 1/units, so that a stratum's difference weighs by
n_b n_c/(n_b + n_c).
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sluiceway.statistics.sequential.closed import BlockHarm, Stratum
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

_LARGEST_TILT = 3.0
_LARGEST_BET = 0.95
_EXACT_UP_TO = 5_000


def log_moments(
    events: int, candidate: int, units: int, tilt: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log of E exp(θx), x the candidate's events under equal rates, for each θ of ``float64[k]``.

    Args:
        events: Events of both arms.
        candidate: Units of the candidate.
        units: Units of both arms.
    """
    if events > _EXACT_UP_TO:
        share = candidate / units
        return np.asarray(events * np.log1p(share * np.expm1(tilt)))
    x = np.arange(max(0, events - (units - candidate)), min(events, candidate) + 1)
    log_chance = _log_choose(candidate, x) + _log_choose(units - candidate, events - x)
    tilted = np.multiply.outer(np.append(tilt, 0.0), x) + log_chance
    largest = tilted.max(axis=1)
    sums = largest + np.log(np.exp(tilted - largest[:, None]).sum(axis=1))
    return np.asarray(sums[:-1] - sums[-1])  # tilt 0 holds the sum of all chances


def _log_choose(n: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedEvents(Entered):
    """What events of unpaired arms have shown, each unit counting once.

    Attributes:
        units: Units of both arms in strata that have both.
        events: Their events.
        weight: Sum of n_b n_c/(n_b + n_c) over strata; ``mean`` weighs by it.
        log_harm: Log wealth of each tilt θ for harm; empty before the first stratum.
        log_safety: Log wealth of each tilt -θ.
        penalty: Empirical-Bernstein penalty of each λ.
        expected: Σ m π(1 - π) the plan expects, m events of both arms, π the candidate's share.
        rate: Share of units with an event that shadow saw, the first guess ŷ.
    """

    method: Literal["conditional_events"] = "conditional_events"
    units: int = 0
    events: int = 0
    weight: float = 0.0
    log_harm: tuple[float, ...] = ()
    log_safety: tuple[float, ...] = ()
    penalty: tuple[float, ...] = ()
    expected: float = DEFAULT_EXPECTED
    rate: float = 0.5

    def enter(self, block: BlockHarm) -> Self:
        """The state after one more closed block; without strata all its rows are faults.

        Raises:
            BlockEnteredTwiceError: The block counts already, or is not after the last that does.
        """
        changes, measured = after_block(self, block)
        if not measured:
            return replace(self, **changes)
        if block.strata is None or not all(one.possible for one in block.strata):
            return replace(self, **faulty(changes, block))
        both = [one for one in block.strata if one.baseline_units and one.candidate_units]
        added = sum(map(_weight, both))
        if not both:
            changes.pop("n")
            return replace(self, **changes, unmeasured=self.unmeasured + 1)
        weight = self.weight + added
        changes |= means_after(self, block, added / weight)
        tilt, _ = grid(self.expected, _LARGEST_TILT)
        fraction, _ = grid(self.expected, _LARGEST_BET)
        both_ways = np.concatenate([tilt, -tilt])
        won = np.zeros_like(both_ways)
        penalty, difference, units, events = np.zeros_like(fraction), 0.0, 0, 0
        guess = (self.rate + self.events) / (1 + self.units)
        for one in both:
            seen = one.baseline_events + one.candidate_events
            total = one.baseline_units + one.candidate_units
            won += both_ways * one.candidate_events
            won -= log_moments(seen, one.candidate_units, total, both_ways)
            penalty += _penalty(one, guess, fraction)
            difference += _weight(one) * _difference(one)
            units, events = units + total, events + seen
        moved = (difference / added - self.mean) * (added / weight)
        return replace(
            self,
            **changes
            | {
                "mean": self.mean + moved,
                "weight": weight,
                "units": self.units + units,
                "events": self.events + events,
                "log_harm": tuple((won[: tilt.size] + (self.log_harm or 0.0)).tolist()),
                "log_safety": tuple((won[tilt.size :] + (self.log_safety or 0.0)).tolist()),
                "penalty": tuple((penalty + (self.penalty or 0.0)).tolist()),
            },
        )

    @property
    def standard_error(self) -> float | None:
        """Standard error of ``mean`` under equal rates, for people only."""
        if not self.weight:
            return None
        rate = self.events / self.units
        return math.sqrt(rate * (1 - rate) / self.weight)

    def log_e_harm(self, margin: float) -> float:
        """Log e-value against "the harm is at most ``margin``", exact at margin 0."""
        if margin == 0:
            return self._won(self.log_harm)
        return self._bounded(self.mean, margin)

    def log_e_safety(self, margin: float) -> float:
        """Log e-value against "the harm is at least ``margin``", exact at margin 0."""
        if margin == 0:
            return self._won(self.log_safety)
        return self._bounded(-self.mean, -margin)

    def _won(self, log_wealth: tuple[float, ...]) -> float:
        if not log_wealth:
            return 0.0
        return mixed(np.asarray(log_wealth), grid(self.expected, _LARGEST_TILT)[1])

    def _bounded(self, mean: float, margin: float) -> float:
        if not self.penalty:
            return 0.0
        fraction, log_weights = grid(self.expected, _LARGEST_BET)
        gain = fraction * (self.weight * (mean - margin))
        return mixed(gain - np.asarray(self.penalty), log_weights)

    def confidence_sequence(self, alpha: float) -> Interval:
        """Two-sided 1 - 2·``alpha`` interval of the difference of rates, valid at all looks.

        At margin 0 the exact test is sharper: it may exclude a 0 that the interval still holds.
        """
        if not self.penalty:
            return None, None
        return bounds(
            lambda margin: self._bounded(self.mean, margin),
            lambda margin: self._bounded(-self.mean, -margin),
            alpha,
            self.mean,
            1.0,
        )


def _weight(one: Stratum) -> float:
    return one.baseline_units * one.candidate_units / (one.baseline_units + one.candidate_units)


def _difference(one: Stratum) -> float:
    return one.candidate_events / one.candidate_units - one.baseline_events / one.baseline_units


def _penalty(one: Stratum, guess: float, fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    weight, total = _weight(one), np.zeros_like(fraction)
    for units, events in (
        (one.baseline_units, one.baseline_events),
        (one.candidate_units, one.candidate_events),
    ):
        squares = events * (1 - guess) ** 2 + (units - events) * guess**2
        total += punished(fraction * (weight / units)) * squares
    return total
