"""Per-block sums of a quantile: indicators at the quantile of all rows, and the slope there.

A quantile moves, when a block is left out, by what the block holds beyond its share below the
quantile, times the slope dQ/dp = 1/density. Leaving rows out and taking the quantile anew would
step from one row to the next, and its jackknife is inconsistent unless blocks are large (Shao & Wu
1989, "A general theory for jackknife variance estimation", Annals of Statistics 17), so the
influence of each block is linearised: Woodruff (1952), "Confidence intervals for medians and other
position measures", JASA 47. The slope is the difference quotient of Siddiqui (1960) and Bloch &
Gastwirth (1968) over the bandwidth of Hall & Sheather (1988), "On the distribution of a studentized
quantile", Journal of the Royal Statistical Society B 50.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

QUANTILE_SUMS = ("below", "rows", "inside", "quantile", "slope")

FEWEST_BEYOND = 5
"""Rows beyond the quantile, on its smaller side, below which its error is a guess."""


def quantile_block_sums(values: Floats, block: Codes, blocks: int, p: float) -> Floats:
    """Count, for each block, the rows below the quantile of all rows.

    Args:
        values: Finite numbers in any unit, ``float64[n]``.
        block: Code of each row's block, 0 to ``blocks - 1``, ``intp[n]``.
        blocks: Number of blocks, G.
        p: Which quantile, between 0 and 1.

    Returns:
        ``float64[G, 5]`` in the order of :data:`QUANTILE_SUMS`: rows below the quantile, those
        equal to it counting with the share that makes all of them n·p; rows; the quantile of the
        block's own rows; and twice the same number in every block: the quantile of all rows (linear
        interpolation, as ``numpy.quantile``), and its slope, in the unit of ``values``. NaN where
        there are too few rows (:data:`FEWEST_BEYOND` for the slope, one for the others), and for
        the slope where rows around the quantile are all the same.
    """
    if not 0 < p < 1:
        raise ValueError(f"p {p:g} must lie between 0 and 1")
    n = values.size
    sums = np.zeros((blocks, len(QUANTILE_SUMS)))
    sums[:, 2:] = np.nan
    if n == 0:
        return sums
    with np.errstate(over="ignore", invalid="ignore"):
        return _counted(sums, values, block, p)


def _counted(sums: Floats, values: Floats, block: Codes, p: float) -> Floats:
    """Fill in the sums of some rows; what overflows is infinite or NaN, and no error follows."""
    n, blocks = values.size, len(sums)
    order = np.argsort(values)
    rising = values[order]
    middle = _at(rising, p)
    first, last = np.searchsorted(rising, middle, "left"), np.searchsorted(rising, middle, "right")
    inner = block[order].astype(np.uint16) if blocks <= 1 << 16 else block[order]
    counts = np.bincount(inner, minlength=blocks)
    sums[:, 0] = np.bincount(inner[:first], minlength=blocks)
    if last > first:
        # Interpolated quantiles may lie half a row beyond their ties; no share is above 1.
        share = min(max((n * p - first) / (last - first), 0.0), 1.0)
        sums[:, 0] += share * np.bincount(inner[first:last], minlength=blocks)
    sums[:, 1] = counts
    by_block = np.argsort(inner, kind="stable")
    sums[:, 2] = _inside(rising[by_block], counts, p)
    if n * min(p, 1 - p) >= 1:
        sums[:, 3] = middle
    sums[:, 4] = _slope(rising, p)
    return sums


def _at(rising: Floats, p: float) -> float:
    """The quantile of sorted rows, by linear interpolation."""
    place = p * (rising.size - 1)
    low = math.floor(place)
    high = min(low + 1, rising.size - 1)
    return float(rising[low] + (place - low) * (rising[high] - rising[low]))


def _inside(values: Floats, counts: Codes, p: float) -> Floats:
    """The quantile of each block's rows, sorted by block, then value."""
    start = np.cumsum(counts) - counts
    enough = counts * min(p, 1 - p) >= 1
    place = p * np.maximum(counts - 1, 0)
    low = np.floor(place).astype(np.intp)
    at = np.where(enough, start + low, 0)
    after = np.where(enough, start + np.minimum(low + 1, counts - 1), 0)
    found = values[at] + (place - low) * (values[after] - values[at])
    return np.where(enough, found, np.nan)


def bandwidth(n: int, p: float, alpha: float = 0.05) -> float:
    """Hall & Sheather's half-width of the difference quotient, a share of rows.

    n^(-1/3) z^(2/3) (1.5 φ(x)² / (2x² + 1))^(1/3) with z the normal 1 - ``alpha``/2 quantile, and
    x the normal p quantile: what suits normal rows. Kept inside both tails.
    """
    z, x = float(special.ndtri(1 - alpha / 2)), float(special.ndtri(p))
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    width = math.cbrt(z * z * 1.5 * density**2 / (2 * x * x + 1) / n)
    return min(width, 0.9 * p, 0.9 * (1 - p))


def _slope(rising: Floats, p: float) -> float:
    """dQ/dp of sorted rows; NaN with too few rows, or where they are all the same."""
    n = rising.size
    if n * min(p, 1 - p) < FEWEST_BEYOND:
        return float("nan")
    width = bandwidth(n, p)
    rise = _at(rising, p + width) - _at(rising, p - width)
    # Flat means an atom: the quantile has no density there, and its error is not zero.
    return rise / (2 * width) if rise > 0 else float("nan")


def quantile(sums: Floats) -> float:
    """The quantile of all rows behind ``float64[G, 5]``; NaN with too few."""
    return float(sums[0, 3]) if len(sums) else float("nan")


def quantile_without_each(sums: Floats) -> Floats:
    """The quantile with each block left out, linearised, ``float64[G]``; NaN without a slope.

    q + slope · (below_g - p·rows_g)/(rows of all others), p being the share below of all rows.
    """
    if not len(sums):
        return np.empty(0)
    below, rows = sums[:, 0], sums[:, 1]
    p = below.sum() / rows.sum() if rows.any() else np.nan
    left = rows.sum() - rows
    moved = np.full(len(sums), np.nan)
    enough = left * min(p, 1 - p) >= FEWEST_BEYOND
    np.divide(below - p * rows, left, out=moved, where=enough)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(sums[:, 3] + sums[:, 4] * moved)


def quantile_inside_each(sums: Floats) -> Floats:
    """The quantile of each block's own rows, ``float64[G]``; NaN with none beyond it."""
    return np.asarray(sums[:, 2])
