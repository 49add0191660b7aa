"""Priors of the methods that count units: one rule, fixed before the first look.

All of them bet a fraction λ (or tilt the odds by exp λ) whose best value is harm / variance. The
prior is half-normal with variance 1/ρ, where ρ makes the boundary of a normal mixture smallest at
the information the plan expects: ρ = v / (2 log(1/α) + log(1 + 2 log(1/α))). Source: Howard,
Ramdas, McAuliffe & Sekhon (2021), "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Annals of Statistics 49, and their `confseq`, whose published values the tests hold.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

DEFAULT_EXPECTED = 100.0
"""Information expected where neither plan nor shadow says: 100 pairs that differ."""

TUNED_FOR = 0.05
"""The one-sided level priors are tuned for."""

_NODES = 24

Evidence = Callable[[float], float]
"""Log e-value as a function of the margin."""


def best_precision(expected: float, alpha: float) -> float:
    """The ρ whose two-sided normal mixture is narrowest at variance `expected`.

    For a one-sided mixture ask with 2α.
    """
    level = 2 * math.log(1 / alpha)
    return expected / (level + math.log1p(level))


def prior_precision(expected: float) -> float:
    """Precision of the half-normal prior for an expected information, at least 2."""
    return max(best_precision(expected, 2 * TUNED_FOR), 2.0)


@lru_cache(maxsize=1024)
def grid(expected: float, top: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A fixed grid of bets that carries the prior, and the logs of its weights.

    Geometric, because what crosses has a relative width of about one third wherever it lies.

    Args:
        expected: Information the plan expects, above 0.
        top: No bet is larger.

    Returns:
        Two ``float64[24]``; the weights sum to 1.
    """
    spread = 1 / math.sqrt(prior_precision(expected))
    nodes = np.geomspace(spread / 16, min(4 * spread, top), _NODES)
    density = nodes * np.exp(-0.5 * (nodes / spread) ** 2)
    return nodes, np.log(density / density.sum())


def mixed(log_wealth: NDArray[np.float64], log_weights: NDArray[np.float64]) -> float:
    """Log of the weighted mean of wealths given by their logs."""
    total = log_wealth + log_weights
    largest = float(total.max())
    return largest + math.log(float(np.exp(total - largest).sum()))


def punished(fraction: NDArray[np.float64]) -> NDArray[np.float64]:
    """ψ(λ) = -log(1 - λ) - λ, for which 1 + λx ≥ exp(λx - ψ(λ)x²) wherever x ≥ -1.

    Source: Fan, Grama & Liu (2015), "Exponential inequalities for martingales with
    applications", Electronic Journal of Probability 20, inequality 4.11.
    """
    return np.asarray(-np.log1p(-fraction) - fraction, dtype=np.float64)


def bounds(
    log_e_harm: Evidence, log_e_safety: Evidence, alpha: float, mean: float, reach: float
) -> tuple[float | None, float | None]:
    """The margins inside ±`reach` that neither e-process excludes.

    Args:
        log_e_harm: Log e-value as a function of the margin, falling.
        log_e_safety: The same for safety, rising.
        mean: A margin that neither excludes, or nearly.
    """
    wanted, edge = -math.log(alpha), reach * (1 - 1e-9)
    near = {"xtol": 1e-7 * reach, "rtol": 1e-7}
    centre = min(max(mean, -edge), edge)
    low = high = None
    if log_e_harm(-edge) >= wanted > log_e_harm(centre):
        low = float(optimize.brentq(lambda m: log_e_harm(m) - wanted, -edge, centre, **near))
    if log_e_safety(edge) >= wanted > log_e_safety(centre):
        high = float(optimize.brentq(lambda m: log_e_safety(m) - wanted, centre, edge, **near))
    return low, high
