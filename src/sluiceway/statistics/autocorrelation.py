"""How long a block must be for blocks to be nearly independent of each other."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

TIMES = 5
"""A block is at least so many integrated autocorrelation times long."""

_WINDOW = 5.0
_HISTORY_TIMES = 50
_FEWEST = 20


def autocorrelation_time(history: ArrayLike) -> float:
    """Integrated autocorrelation time τ = 1 + 2 Σ ρ(k), in steps of the history.

    The sum ends at the first lag of at least 5 τ, where what is left is noise. Source: Sokal
    (1997), "Monte Carlo methods in statistical mechanics", section 3.

    Args:
        history: Evenly spaced values in order of time, ``[n]``; those that are not finite are
            gaps, and no product is taken across them.

    Returns:
        At least 1; infinite where the history is too short to tell (below 50 τ, or fewer than 20
        values): what was not seen to fade may not fade. 1 for a constant, which varies with
        nothing.
    """
    found = _time_seen(history)
    return found if np.isfinite(history).sum() >= _HISTORY_TIMES * found else math.inf


def _time_seen(history: ArrayLike) -> float:
    """The same as far as the history reaches: where that is short, rather too little."""
    values = np.asarray(history, dtype=np.float64)
    known = np.isfinite(values)
    n = int(known.sum())
    if n < _FEWEST:
        return math.inf
    scale = float(np.abs(values[known]).max())
    centred = np.where(known, values, 0.0) / (scale or 1.0)
    centred = np.where(known, centred - centred[known].mean(), 0.0)
    size = 1 << (2 * values.size - 1).bit_length()
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)[: values.size]
    counts = np.fft.irfft(np.abs(np.fft.rfft(known.astype(float), size)) ** 2, size)[: values.size]
    if products[0] <= 1e-24 * n:
        return 1.0
    # Each lag over its own number of products, so that gaps do not look like independence.
    correlation = (products / np.maximum(np.round(counts), 1)) / (products[0] / n)
    times = 2 * np.cumsum(correlation) - 1
    enough = np.flatnonzero(np.arange(times.size) >= _WINDOW * times)
    if not enough.size:
        return math.inf
    return max(float(times[enough[0]]), 1.0)


def block_length_needed(history: ArrayLike) -> int | None:
    """How many steps of the history one block must hold: 5 integrated autocorrelation times.

    Args:
        history: Harms (or losses) of the shortest blocks there are, in order of time.

    Returns:
        At least 1, whole; None where the history is too short to tell. Independent steps give 5:
        to keep blocks as they are where they are long enough, ask whether the time itself is
        below a fifth of them.
    """
    time = autocorrelation_time(history)
    return None if math.isinf(time) else math.ceil(TIMES * time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How far what happens in one block is carried on into those that follow.

    Attributes:
        time: 2 Σ ρ(k) over the lags k ≥ 1 in blocks: what the integrated autocorrelation time has
            beyond the block itself. 0 for independent blocks; at least this where not `settled`.
        p_value: Of what was seen or more, were the blocks independent.
        settled: Whether the history is long enough to tell the time.
    """

    time: float
    p_value: float
    settled: bool

    def blocks_needed(self, level: float) -> int:
        """How many of these blocks make one that is long enough.

        Args:
            level: How often independent blocks may be taken for dependent ones.
        """
        return max(1, math.ceil(TIMES * self.time)) if self.p_value <= level else 1


def dependence(history: ArrayLike) -> Dependence:
    """Whether blocks depend on those before them, and for how long.

    Blocks are averages over their own length, so τ = 1 is a time that cannot be told from none;
    τ - 1 is what one block tells of the next ones. Where the history is below 50 τ, the window of
    τ closes too early, and the time of the AR(1) process with the same ρ(1), 2ρ/(1 - ρ), is taken
    where it is longer; ρ(1) is corrected for its bias, (1 + 3ρ)/n (Marriott & Pope 1954,
    *Biometrika* 41).

    The test is the lag-one correlation of ranks, normal with mean -1/n and variance 1/n under
    independence (Bartels 1982, *JASA* 77): a few extreme blocks do not decide it.

    Args:
        history: Harms of consecutive blocks in order of time, NaN where nothing was measured.
    """
    values = np.asarray(history, dtype=np.float64)
    known = np.isfinite(values)
    n = int(known.sum())
    if n < _FEWEST:
        return Dependence(time=0.0, p_value=1.0, settled=False)
    seen = _time_seen(values)
    ranks = np.full(values.shape, np.nan)
    ranks[known] = stats.rankdata(values[known])
    p_value = float(stats.norm.sf((_lag_one(ranks) + 1 / n) * math.sqrt(n)))
    if n >= _HISTORY_TIMES * seen:
        return Dependence(time=seen - 1, p_value=p_value, settled=True)
    first = _lag_one(values)
    rho = min(first + (1 + 3 * first) / n, 1 - 1 / n)
    fading = max(0.0, 2 * rho / (1 - rho))
    longest = fading if math.isinf(seen) else max(seen - 1, fading)
    return Dependence(time=longest, p_value=p_value, settled=False)


def _lag_one(values: ArrayLike) -> float:
    """Correlation of each value with the next, no product across a gap; 0 without spread."""
    found = np.asarray(values, dtype=np.float64)
    known = np.isfinite(found)
    scale = float(np.abs(found[known]).max(initial=0.0))
    # To within 1 first, for the squares of huge values are infinite, and of tiny ones zero.
    scaled = np.where(known, found, np.nan) / (scale or 1.0)
    centred = scaled - np.nanmean(scaled)
    products = centred[1:] * centred[:-1]
    square = float(np.nanmean(centred**2))
    if square <= 0 or not np.isfinite(products).any():
        return 0.0
    return float(np.nanmean(products) / square)
