"""What a shadow replay leaves for planning: every gate's harm in every block."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sluiceway.gates import Comparison, Gate
from sluiceway.statistics.metrics import BlockSums
from sluiceway.statistics.sequential import BlockHarm, Method, block_harms

Floats = NDArray[np.float64]

ORDER_STATISTICS = 32
"""Differences that stand for all pairs of a gate whose evidence is bets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHarms:
    """What one record says of the harms of a canary, G blocks by gates, each in its metric's unit.

    Attributes:
        blocks: Ids of the G blocks, sorted.
        units: Rows of each block, labelled or not.
        harms: By gate name, candidate minus baseline inside each block, positive is worse; None
            where the block had nothing to measure.
        losses: By gate whose losses are 0 or 1: the share of a block's pairs whose loss differs;
            of a gate in ``halves`` the share of its units with loss 1. None as in ``harms``.
        differences: By gate whose evidence is bets on pairs: order statistics of how far a pair's
            difference lies from its block's harm, in the metric's unit, over all blocks.
        halves: Names of the gates whose harms are of two halves of the units, as two arms of equal
            weight have them; those of all others are of pairs.
    """

    blocks: tuple[str, ...]
    units: tuple[int, ...]
    harms: Mapping[str, tuple[float | None, ...]]
    losses: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    differences: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    halves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = (*self.harms.values(), *self.losses.values())
        lengths = {len(self.units), *map(len, columns)}
        if not lengths <= {len(self.blocks)}:
            raise ValueError(f"{len(self.blocks)} blocks have columns of the lengths {lengths}")

    @property
    def usual_units(self) -> int:
        """Paired rows of the median block."""
        return int(np.median(self.units)) if self.units else 0

    def of(self, gate: Gate) -> Floats:
        """One gate's harms, ``float64[G]``, NaN where nothing was measured."""
        return self._column(self.harms, gate)

    def losses_of(self, gate: Gate) -> Floats:
        """One gate's share of 0–1 losses, ``float64[G]``; NaN where it has none or none are kept.

        See ``losses``.
        """
        return self._column(self.losses, gate)

    def _column(self, columns: Mapping[str, tuple[float | None, ...]], gate: Gate) -> Floats:
        column = columns.get(gate.name, (None,) * len(self.blocks))
        return np.asarray([math.nan if h is None else h for h in column], dtype=np.float64)

    def with_live(
        self, gates: Sequence[Gate], live: Mapping[str, Iterable[BlockHarm]], fewest: int
    ) -> "RecordedHarms":
        """The same record with what one answering arm's own two halves said of further gates.

        Blocks in which they said nothing are given those in which they did, in turn: a log that
        begins in the middle of the record is no gap. Gates that were measured in fewer blocks than
        ``fewest`` stay out. Of paired gates the halves of n/2 units stand for n pairs of two arms
        that fail independently of each other, which differ with half the variance.

        Args:
            gates: Gates of the plan.
            live: By gate name, the harm between the halves in each block.
            fewest: Measured blocks that a gate needs.
        """
        if not self.blocks:
            return self
        harms, losses = dict(self.harms), dict(self.losses)
        added = []
        for gate in gates:
            halves = {one.block: one for one in live.get(gate.name, ()) if one.harm is not None}
            if len(halves) < max(fewest, 2):
                continue
            spare = cycle([halves[block] for block in sorted(halves)])
            column = [halves[b] if b in halves else next(spare) for b in self.blocks]
            is_paired = gate.comparison is not Comparison.UNPAIRED
            scale = 1 / math.sqrt(2) if is_paired else 1.0
            # Of one arm with itself: what its halves differ by on the whole is chance.
            mean = math.fsum(one.harm or 0.0 for one in halves.values()) / len(halves)
            harms[gate.name] = tuple(scale * ((one.harm or 0.0) - mean) for one in column)
            shares = [_events_share(one) for one in column]
            if None not in shares:
                losses[gate.name] = tuple(
                    2 * p * (1 - p) if is_paired else p for p in shares if p is not None
                )
            if not is_paired:
                added.append(gate.name)
        return replace(self, harms=harms, losses=losses, halves=(*self.halves, *added))


def _events_share(halves: BlockHarm) -> float | None:
    """Share of all units of a block with loss 1; None where losses are not 0 or 1."""
    if not halves.strata:
        return None
    units = sum(one.baseline_units + one.candidate_units for one in halves.strata)
    return sum(one.baseline_events + one.candidate_events for one in halves.strata) / units


def recorded_harms(
    gates: Sequence[Gate],
    baseline: Mapping[str, BlockSums],
    candidate: Mapping[str, BlockSums],
    live: Mapping[str, Sequence[BlockHarm]] | None = None,
) -> RecordedHarms:
    """Take every gate's block harms out of a replay's sums.

    Args:
        gates: The plan's gates that a replay judges.
        baseline: The champion's sums by gate name.
        candidate: The candidate's sums by gate name, over the same rows.
        live: By name of the gates whose live block harms are made otherwise than the replay's,
            those: pairs of 0–1 losses with their counts, pairs that are bet on with their
            differences, and for unpaired gates the halves.

    Raises:
        ValueError: The arms of a gate do not hold the same rows.
    """
    live = live or {}
    found = {g.name: block_harms(baseline[g.name], candidate[g.name]) for g in gates}
    blocks = tuple(sorted({one.block for column in found.values() for one in column}))
    by_block = {name: {one.block: one for one in column} for name, column in found.items()}
    units = [
        max(one.rows + one.unlabelled for column in by_block.values() if (one := column.get(b)))
        for b in blocks
    ]
    halves = tuple(g.name for g in gates if g.comparison is Comparison.UNPAIRED and g.name in live)
    by_block |= {name: {one.block: one for one in live[name]} for name in halves}
    losses: dict[str, tuple[float | None, ...]] = {}
    for name, column in live.items():
        share = _baseline_share if name in halves else _differing_share
        known = {one.block: share(one) for one in column}
        if any(one is not None for one in known.values()):
            losses[name] = tuple(known.get(block) for block in blocks)
    return RecordedHarms(
        blocks=blocks,
        units=tuple(units),
        harms={
            name: tuple(column[b].harm if b in column else None for b in blocks)
            for name, column in by_block.items()
        },
        losses=losses,
        differences={
            gate.name: kept
            for gate in gates
            if gate.evidence.method is Method.BETTING
            and (kept := _order_statistics(live.get(gate.name, ())))
        },
        halves=halves,
    )


def _order_statistics(pairs: Sequence[BlockHarm]) -> tuple[float, ...]:
    """Differences of pairs around their block's harm, scaled to their own standard deviation.

    The middles of equal shares are a little closer together than what they stand for.
    """
    parts = [
        one.differences[np.isfinite(one.differences)] - one.harm
        for one in pairs
        if one.differences is not None and one.harm is not None
    ]
    around = np.concatenate([np.empty(0), *parts])
    if around.size < 2:
        return ()
    kept = np.quantile(around, (np.arange(ORDER_STATISTICS) + 0.5) / ORDER_STATISTICS)
    kept -= kept.mean()
    spread, own = float(around.std()), float(kept.std())
    if spread > 0 and own < spread / 2:  # nearly all pairs are alike: what differs is at the ends
        kept[:] = 0.0
        kept[[0, -1]] = np.asarray([-1.0, 1.0]) * math.sqrt(ORDER_STATISTICS / 2)
        own = 1.0
    return tuple((kept * (spread / own if own else 0.0)).tolist())


def _differing_share(pairs: BlockHarm) -> float | None:
    """Share of a block's pairs that only one arm lost; None where losses are not 0 or 1."""
    if pairs.better is None or pairs.worse is None or not pairs.rows:
        return None
    return (pairs.better + pairs.worse) / pairs.rows


def _baseline_share(halves: BlockHarm) -> float | None:
    """Share of the baseline's own units of a block with loss 1; None where losses are not such."""
    if not halves.strata:
        return None
    units = sum(one.baseline_units for one in halves.strata)
    return sum(one.baseline_events for one in halves.strata) / units


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
        losses: The 0–1 losses of each recorded block (:attr:`RecordedHarms.losses`),
            ``float64[G]``, NaN without any.
        differences: How pairs lie around their block's harm (:attr:`RecordedHarms.differences`),
            ``float64[K]``; empty without any.
    """

    harm: float
    spread: float
    deviations: Floats
    measured: int
    losses: Floats
    differences: Floats


def expected_of(recorded: RecordedHarms, gate: Gate, alpha: float) -> Expected:
    """What one gate's recorded block harms let a plan expect.

    Args:
        recorded: What was recorded of it.
        gate: The gate.
        alpha: Level of the one-sided t bound that may say "better than harmless".
    """
    harms, losses = recorded.of(gate), recorded.losses_of(gate)
    differences = np.asarray(recorded.differences.get(gate.name, ()), dtype=np.float64)
    kept = harms[np.isfinite(harms)]
    measured = int(kept.size)
    nothing = np.full(harms.shape, np.nan)
    if measured < 2:
        return Expected(
            harm=0.0,
            spread=0.0,
            deviations=nothing,
            measured=measured,
            losses=losses,
            differences=differences,
        )
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
        losses=losses,
        differences=differences,
    )
