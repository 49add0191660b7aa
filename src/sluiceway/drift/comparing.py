"""Two profiles of one column side by side: their distance, and what permuting blocks does to it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluiceway.drift.profiles import (
    CategorySummary,
    Floats,
    Ints,
    NumericSummary,
    alike,
)

GRID = 128
"""Quantiles of the pooled sample at which permuted distribution functions are compared."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockContrast:
    """A distance as a function of which blocks are "current".

    With c_g counts of block g (below each grid point, or of each category), n_g its rows, T and N
    their totals and S the current blocks, everything here is
    F_S − F_rest = N/(n(N − n)) · Σ_{g∈S} (c_g − n_g T/N) with n = Σ_{g∈S} n_g.
    So all permutations of whole blocks are one product of matrices.

    Attributes:
        centred: c_g − n_g T/N, reference blocks first, ``float64[G, M]``; for Cramér's V each
            column divided by √T.
        sizes: n_g, ``float64[G]``.
        reference_blocks: How many of the G blocks are the reference's.
        euclidean: V (root of the sum of squares over columns) or D (largest absolute value).
        share: T/N in the column that is nearest one half, where error is greatest.
        steepest: Which column that is.
    """

    centred: Floats
    sizes: Floats
    reference_blocks: int
    euclidean: bool
    share: float
    steepest: int

    def distances(self, current: Floats) -> Floats:
        """Distance for each row of a 0–1 matrix of blocks, ``float64[B, G] -> float64[B]``.

        A side without rows is as far as can be: it never makes today look rare.
        """
        sums = current @ self.centred
        n = current @ self.sizes
        whole = self.sizes.sum()
        empty = (n <= 0) | (n >= whole)
        spread = np.where(empty, 1.0, n * (whole - n))
        if self.euclidean:
            found = np.sqrt(whole / spread * np.einsum("bm,bm->b", sums, sums))
        else:
            found = whole / spread * np.maximum(sums.max(axis=1), -sums.min(axis=1))
        return np.where(empty, np.inf, np.maximum(found, 0.0))

    @property
    def today(self) -> float:
        """The distance of the blocks as they are."""
        current = np.zeros((1, len(self.sizes)))
        current[0, self.reference_blocks :] = 1
        return float(self.distances(current)[0])

    def effective_rows(self) -> tuple[float, float]:
        """Independent rows that would make the share as uncertain as its blocks do, each side.

        p(1 − p) over the variance of the share between blocks (with G − 1), at most the rows
        there are: Kish's effective sample size.
        """
        scale = np.sqrt(self.share * self.sizes.sum()) if self.euclidean else 1.0
        deviations = self.centred[:, self.steepest] * scale
        sides = slice(None, self.reference_blocks), slice(self.reference_blocks, None)
        first, second = (self._effective(deviations[s], self.sizes[s]) for s in sides)
        return first, second

    def _effective(self, deviations: Floats, sizes: Floats) -> float:
        there = sizes > 0
        n, blocks = float(sizes.sum()), int(there.sum())
        if blocks < 2:
            return 0.0
        rest = deviations - sizes * deviations.sum() / n
        variance = blocks / (blocks - 1) * float((rest**2).sum()) / n**2
        independent = self.share * (1 - self.share)
        return min(n, independent / variance) if variance > 0 else n


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumericComparison:
    """Two numeric summaries, merged once.

    Attributes:
        distance: Kolmogorov–Smirnov D between the summaries.
        error: Most that D of the rows themselves can differ from it.
        wasserstein: Area between the two distribution functions, in the column's unit; None where
            it overflows.
        ends: Pooled kept values, ascending, ``float64[P]``.
        owners: Block of each, reference blocks first, ``int64[P]``.
        weights: Values each kept one of a block stands for, ``float64[G]``.
        sizes: Finite values of each block, ``float64[G]``.
        reference_blocks: How many of the G blocks are the reference's.
    """

    distance: float
    error: float
    wasserstein: float | None
    ends: Floats
    owners: Ints
    weights: Floats
    sizes: Floats
    reference_blocks: int

    @property
    def constant(self) -> bool:
        """Whether both windows hold one and the same value only."""
        return bool(self.ends[0] == self.ends[-1])

    def quartiles(self) -> Floats:
        """Quartiles of the reference, in the column's unit, ``float64[3]``."""
        return self._quantiles(self.owners < self.reference_blocks, np.array([0.25, 0.5, 0.75]))

    def current_median(self) -> float:
        """Median of the current window, in the column's unit."""
        return float(self._quantiles(self.owners >= self.reference_blocks, np.array([0.5]))[0])

    def binned(self, bins: int) -> tuple[Floats, Floats]:
        """Shares of both windows between the reference's quantiles, ``float64[bins]`` each."""
        before = self.owners < self.reference_blocks
        edges = self._quantiles(before, np.arange(1, bins) / bins)
        place = np.searchsorted(edges, self.ends, side="left")
        weights = self.weights[self.owners]
        first, second = (
            np.bincount(place[side], weights=weights[side], minlength=bins)
            for side in (before, ~before)
        )
        return first / first.sum(), second / second.sum()

    def _quantiles(self, side: NDArray[np.bool_], shares: Floats) -> Floats:
        places = np.flatnonzero(side)
        reached = np.cumsum(self.weights[self.owners[places]])
        found = np.searchsorted(reached, shares * reached[-1] * (1 - 1e-12))
        return np.asarray(self.ends[places[np.minimum(found, len(places) - 1)]])

    def contrast(self) -> BlockContrast:
        """Counts of each block below the pooled sample's quantiles."""
        pooled, blocks = len(self.ends), len(self.sizes)
        wanted = self.ends[(np.arange(1, GRID + 1) * pooled) // GRID - 1]
        lasts = np.unique(np.searchsorted(self.ends, wanted, side="right"))
        bins = np.repeat(np.arange(len(lasts)), np.diff(lasts, prepend=0))
        counts = np.bincount(self.owners * len(lasts) + bins, minlength=blocks * len(lasts))
        below = counts.reshape(blocks, len(lasts)).cumsum(axis=1) * self.weights[:, None]
        return centred(below, self.sizes, self.reference_blocks)


def compare_numbers(reference: NumericSummary, current: NumericSummary) -> NumericComparison:
    """Compare two summaries, each with at least one finite value."""
    points = np.concatenate((reference.points, current.points))
    weights = np.concatenate((reference.weights, current.weights))
    values = np.concatenate((reference.kept, current.kept))
    order = np.argsort(values)
    ends = values[order]
    owners = np.repeat(np.arange(len(points)), points)[order]
    sizes = np.concatenate((reference.counts, current.counts)).astype(np.float64)
    signed = weights.copy()
    signed[: len(reference.points)] /= -reference.total
    signed[len(reference.points) :] /= current.total
    apart = np.abs(np.cumsum(signed[owners]))
    with np.errstate(over="ignore"):
        steps = np.diff(ends)
    # Between equal values there is no place to look at.
    distance = float(apart[:-1][steps > 0].max(initial=0.0))
    with np.errstate(over="ignore", invalid="ignore"):
        area = float(apart[:-1] @ steps)
    return NumericComparison(
        distance=min(distance, 1.0),
        error=reference.rank_error + current.rank_error,
        wasserstein=area if np.isfinite(area) else None,
        ends=ends,
        owners=owners,
        weights=weights,
        sizes=sizes,
        reference_blocks=len(reference.points),
    )


def compare_categories(reference: CategorySummary, current: CategorySummary) -> BlockContrast:
    """Cramér's V of window by category, as a contrast of blocks.

    V² = χ²/N for a table of two rows, and χ² = Σ_c N² (a_c − nT_c/N)²/(T_c n (N − n)).
    """
    first, second = alike(reference, current)
    table = np.concatenate((first.table, second.table)).astype(np.float64)
    return centred(table, table.sum(axis=1), len(first.table), euclidean=True)


def compare_rates(reference: tuple[Ints, Ints], current: tuple[Ints, Ints]) -> BlockContrast:
    """Difference of two rates, each given as (cases, rows) of its blocks."""
    cases, rows = (
        np.concatenate(both).astype(np.float64) for both in zip(reference, current, strict=True)
    )
    return centred(cases[:, None], rows, len(reference[0]))


def centred(
    counts: Floats, sizes: NDArray[np.float64], reference_blocks: int, *, euclidean: bool = False
) -> BlockContrast:
    """The contrast of these counts."""
    totals, whole = counts.sum(axis=0), sizes.sum()
    shares = totals / whole if whole else totals
    deviations = counts - np.multiply.outer(sizes, shares)
    if euclidean:
        deviations = np.divide(deviations, np.sqrt(totals), where=totals > 0, out=deviations)
    steepest = int(np.argmin(np.abs(shares - 0.5)))
    return BlockContrast(
        centred=deviations,
        sizes=sizes,
        reference_blocks=reference_blocks,
        euclidean=euclidean,
        share=float(shares[steepest]),
        steepest=steepest,
    )
