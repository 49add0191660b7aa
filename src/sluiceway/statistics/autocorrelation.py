"""How long a block must be for blocks to be nearly independent of each other."""

import math

import numpy as np
from numpy.typing import ArrayLike

TIMES = 5
"""A block is at least so many integrated autocorrelation times long."""

_WINDOW = 5.0


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
    values = np.asarray(history, dtype=np.float64)
    known = np.isfinite(values)
    n = int(known.sum())
    if n < 20:
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
    found = max(float(times[enough[0]]), 1.0)
    return found if n >= 50 * found else math.inf


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
