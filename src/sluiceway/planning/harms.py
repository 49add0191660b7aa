"""What a shadow replay leaves for planning: every gate's harm in every block."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sluiceway.gates import Gate
from sluiceway.statistics.metrics import BlockSums
from sluiceway.statistics.sequential import block_harms

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHarms:
    """The harms of one paired sample, G blocks by gates, each in its metric's unit.

    Attributes:
        blocks: Ids of the G blocks, sorted.
        units: Paired rows of each block, labelled or not.
        harms: By gate name, candidate minus baseline inside each block, positive is worse; None
            where the block had nothing to measure.
    """

    blocks: tuple[str, ...]
    units: tuple[int, ...]
    harms: Mapping[str, tuple[float | None, ...]]

    def __post_init__(self) -> None:
        lengths = {len(self.units), *map(len, self.harms.values())}
        if not lengths <= {len(self.blocks)}:
            raise ValueError(f"{len(self.blocks)} blocks have columns of the lengths {lengths}")

    @property
    def usual_units(self) -> int:
        """Paired rows of the median block."""
        return int(np.median(self.units)) if self.units else 0

    def of(self, gate: Gate) -> Floats:
        """One gate's harms, ``float64[G]``, NaN where nothing was measured."""
        column = self.harms.get(gate.name, (None,) * len(self.blocks))
        return np.asarray([math.nan if h is None else h for h in column], dtype=np.float64)


def recorded_harms(
    gates: Sequence[Gate],
    baseline: Mapping[str, BlockSums],
    candidate: Mapping[str, BlockSums],
) -> RecordedHarms:
    """Take every gate's block harms out of a replay's sums.

    Args:
        gates: The plan's gates.
        baseline: The champion's sums by gate name.
        candidate: The candidate's sums by gate name, over the same rows.

    Raises:
        ValueError: The arms of a gate do not hold the same rows.
    """
    found = {g.name: block_harms(baseline[g.name], candidate[g.name]) for g in gates}
    blocks = tuple(sorted({one.block for column in found.values() for one in column}))
    by_block = {name: {one.block: one for one in column} for name, column in found.items()}
    units = [
        max(one.rows + one.unlabelled for column in by_block.values() if (one := column.get(b)))
        for b in blocks
    ]
    return RecordedHarms(
        blocks=blocks,
        units=tuple(units),
        harms={
            name: tuple(column[b].harm if b in column else None for b in blocks)
            for name, column in by_block.items()
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How a candidate's block harms are expected to be, for one gate.

    Attributes:
        harm: Mean block harm that is planned for, in the metric's unit: 0, or the upper bound of
            what was recorded where that lies below 0.
        spread: Standard deviation of the block harms, divisor G - 1, same unit.
        deviations: What each recorded block adds to ``harm``: its distance from the recorded
            mean times √(G/(G - 1)), ``float64[G]``, NaN where nothing was measured. Their mean
            square is ``spread`` squared.
        measured: Blocks in which it was measured.
    """

    harm: float
    spread: float
    deviations: Floats
    measured: int


def expected_of(harms: Floats, alpha: float) -> Expected:
    """What one gate's recorded block harms let a plan expect.

    Args:
        harms: ``float64[G]``, NaN where nothing was measured.
        alpha: Level of the one-sided t bound that may say "better than harmless".
    """
    kept = harms[np.isfinite(harms)]
    measured = int(kept.size)
    nothing = np.full(harms.shape, np.nan)
    if measured < 2:
        return Expected(harm=0.0, spread=0.0, deviations=nothing, measured=measured)
    mean, spread = float(kept.mean()), float(kept.std(ddof=1))
    # Equal harms leave rounding behind, which is no spread.
    if spread <= 1e-12 * abs(mean):
        spread = 0.0
    upper = mean + float(stats.t.isf(alpha, measured - 1)) * spread / math.sqrt(measured)
    stretch = math.sqrt(measured / (measured - 1)) if spread else 0.0
    return Expected(
        harm=min(0.0, upper),
        spread=spread,
        deviations=(harms - mean) * stretch,
        measured=measured,
    )
