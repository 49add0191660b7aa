"""E-values: the evidence of one gate, and of a family of gates together.

An e-value is a non-negative number whose mean is at most 1 when nothing is wrong, so that it
reaches 1/α with probability at most α. Everything here is in natural logarithms, because good
evidence overflows. Sources: Vovk & Wang (2021), "E-values: calibration, combination and
applications", Annals of Statistics 49; Hartog & Lei (2025), "Family-wise error rate control with
e-values" (e-Holm, by closed testing).
"""

import math
from collections.abc import Sequence
from functools import lru_cache

from scipy import optimize, special

DEFAULT_C2 = 1.0
"""Prior precision of the effect size (mean harm in block standard deviations), a pure number.

1 puts the effect's prior scale at one block standard deviation. The smallest effect that crosses
α = .05 is then the best possible at 10 blocks, 4 % above it at 30 and 8 % above it at 60; at
α/20 it is the best at 20 blocks. Fixed before the first look, never re-chosen.
"""

_LOG_2 = math.log(2)
# Below this probability `stdtr` loses digits to underflow, and the tail expansion is exact
# to about 1e-6.
_TINY = 1e-280


def log_t_mixture(n: int, mean: float, spread: float, c2: float = DEFAULT_C2) -> float:
    """Log e-value of the one-sided t-mixture against "the mean is at most 0".

    Effect size mean/σ half-normal with standard deviation 1/c, σ under the right Haar prior dσ/σ.
    With S = Σx, V = Σx², A = V - S²/(n + c²) and the Student t distribution function F with n
    degrees of freedom::

        log E = log 2 + ½ log(c²/(n + c²)) - (n/2) log(A/V) + log F(S √(n/((n + c²) A)))

    Sources: Wang & Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means
    with unknown variance" (arXiv 2310.03722); Pérez-Ortiz, Lardy, de Heide & Grünwald (2024),
    "E-statistics, group invariance and anytime-valid testing", Annals of Statistics 52; the
    one-sided closed form is derived in ``docs/gates.md``.

    Args:
        n: Observations so far.
        mean: Their mean, in any unit.
        spread: Root of their mean squared deviation from ``mean`` (divisor n), same unit.
        c2: Prior precision c² of the effect size, above 0.

    Returns:
        A finite number; 0 (no evidence) without observations or when all of them are 0.
    """
    size = max(abs(mean), spread)
    if n == 0 or size == 0:
        return 0.0
    # Only mean : spread counts, so scaling first makes it safe and unit-free.
    mean, spread = mean / size, spread / size
    total_squares = n * (mean * mean + spread * spread)
    # A and V - A as sums of positive terms: nothing cancels.
    unexplained = n * spread * spread + n * mean * mean * (c2 / (n + c2))
    explained = n * mean * mean * (n / (n + c2)) / total_squares
    # Whichever form keeps the digits: 1 - explained = unexplained/total_squares.
    small = explained < 0.5
    log_ratio = math.log1p(-explained) if small else math.log(unexplained / total_squares)
    t = n * mean * math.sqrt(n / ((n + c2) * unexplained))
    return _LOG_2 + 0.5 * math.log(c2 / (n + c2)) - 0.5 * n * log_ratio + _log_t_cdf(t, n)


def _log_t_cdf(t: float, n: int) -> float:
    """Log of the Student t distribution function with n degrees of freedom."""
    below = float(special.stdtr(n, t))
    if below > _TINY:
        return math.log(below)
    # Far tail, x = -t large: F(t) ≈ f(t) (n + x²)/(n x) / (1 + 1/x²), by parts twice.
    log_density = (
        float(special.gammaln((n + 1) / 2) - special.gammaln(n / 2))
        - 0.5 * math.log(n * math.pi)
        - 0.5 * (n + 1) * math.log1p(t * t / n)
    )
    return log_density + math.log((n + t * t) / (n * -t)) - math.log1p(1 / (t * t))


@lru_cache(maxsize=4096)
def critical_ratio(n: int, alpha: float, c2: float = DEFAULT_C2) -> float | None:
    """The mean : spread at which :func:`log_t_mixture` reaches log(1/``alpha``).

    Returns:
        A positive pure number, or None where no observations of this number suffice.
    """
    wanted = -math.log(alpha)
    if n == 0 or log_t_mixture(n, 1.0, 0.0, c2) <= wanted:
        return None
    high = 1.0
    while log_t_mixture(n, high, 1.0, c2) < wanted:
        high *= 2
        if high > 1e12:  # the limit is reached only within rounding
            return None
    root = optimize.brentq(
        lambda ratio: log_t_mixture(n, ratio, 1.0, c2) - wanted, 0.0, high, xtol=1e-13, rtol=1e-13
    )
    return float(root)


def log_weighted_mean(log_e: Sequence[float], weights: Sequence[float]) -> float:
    """Log of the weighted mean e-value of a family; 0 (no evidence) for the empty family.

    Args:
        log_e: Natural logarithms of the e-values.
        weights: Relative weights above 0, fixed before the first look; they need not sum to 1.
    """
    if not log_e:
        return 0.0
    return float(special.logsumexp(log_e, b=weights)) - math.log(math.fsum(weights))


def e_holm(log_e: Sequence[float], weights: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Name the members of a family that are to blame, with family-wise error at most ``alpha``.

    Closed testing: a member is named when every group that contains it has a weighted mean
    e-value of at least 1/α. The worst group holds the member and everything below 1/α, so one
    pass is enough.

    Returns:
        Positions in ``log_e``, in order.
    """
    # Beyond exp(700) the rest of the family cannot matter: it can take off at most Σw/α.
    surplus = [
        weight * (math.exp(min(one, 700.0)) - 1 / alpha)
        for one, weight in zip(log_e, weights, strict=True)
    ]
    against = math.fsum(min(0.0, one) for one in surplus)
    # `against` counts a member's own shortfall too, but then it is not named anyway.
    return tuple(place for place, one in enumerate(surplus) if one >= 0 and one + against >= 0)
