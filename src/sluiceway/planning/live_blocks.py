"""What one block of a canary would say, from what one block of the record said.

A record is of pairs of every unit, or of two halves of the units. A canary has fewer pairs, or arms
of unequal weight. All of a block's scatter is taken to be row noise, which grows as one over the
root of the rows: the part that belongs to the day would not, so a plan errs on the side of more
blocks.
"""

import math

import numpy as np

from sluiceway.gates import Comparison, Gate
from sluiceway.planning.harms import Expected, Floats
from sluiceway.planning.schedule import paired_share
from sluiceway.statistics.sequential import (
    BlockHarm,
    Method,
    SequentialHarm,
    SequentialState,
    Stratum,
)


def begin(gate: Gate, recorded: Expected) -> SequentialState:
    """A gate's state before the first block, as a rollout begins it.

    Methods that count units need counts or pairs' differences: where the record has none, as in
    old journals, the gate is planned by its block harms.
    """
    method = gate.evidence.method
    counted = method in (Method.BETA_MIXTURE, Method.CONDITIONAL_EVENTS)
    if counted and not np.isfinite(recorded.losses).any():
        return SequentialHarm()
    if method is Method.BETTING and not recorded.differences.size:
        return SequentialHarm()
    return gate.evidence.begin(gate.margin)


def growth(gate: Gate, weight: int, mirror: int) -> float | None:
    """How many times as far a block's harm scatters in a canary as in the record.

    Args:
        gate: Paired or unpaired.
        weight: Percent of units that the candidate answers.
        mirror: Percent of the champion's units that the candidate answers too.

    Returns:
        None where nothing can be compared: no pairs, or one arm without units of its own.
    """
    if gate.comparison is not Comparison.UNPAIRED:
        share = paired_share(weight, mirror)
        return 1 / math.sqrt(share) if share > 0 else None
    share = weight / 100
    # Means over n·share and n·(1 - share) units, against means over two halves of n.
    return 0.5 / math.sqrt(share * (1 - share)) if 0 < share < 1 else None


def live_block(
    gate: Gate,
    block: str,
    harm: float,
    loss: float,
    differences: Floats,
    *,
    units: int,
    weight: int,
    mirror: int,
) -> BlockHarm:
    """One closed block of a canary, as the gate's state takes it.

    Args:
        gate: The gate.
        block: The block's id.
        harm: Its harm, in the metric's unit; NaN where it has nothing to measure.
        loss: Share of its pairs whose 0–1 loss differs, or of its units with loss 1 where the
            gate is unpaired; NaN where losses are not 0 or 1.
        differences: How pairs lie around their block's harm (:attr:`RecordedHarms.differences`).
        units: Units of the block, answered by either arm.
        weight: Percent of them that the candidate answers.
        mirror: Percent of the champion's units that the candidate answers too.
    """
    unpaired = gate.comparison is Comparison.UNPAIRED
    rows = max(1, round(units if unpaired else units * paired_share(weight, mirror)))
    if not math.isfinite(harm):
        return BlockHarm(block=block, harm=None, baseline=None, candidate=None, rows=0)
    better = worse = strata = pairs = times = None
    if gate.evidence.method is Method.BETTING and differences.size:
        pairs = np.clip(harm + differences, -gate.evidence.reach, gate.evidence.reach)
        harm, times = float(pairs.mean()), np.full(pairs.size, rows / pairs.size)
    if math.isfinite(loss) and unpaired:
        strata = (_stratum(harm, loss, rows, weight / 100),)
    elif math.isfinite(loss):
        differing = max(loss, min(abs(harm), 1.0))
        worse = min(rows, max(0, round(rows * (differing + harm) / 2)))
        better = min(rows - worse, max(0, round(rows * (differing - harm) / 2)))
    return BlockHarm(
        block=block,
        harm=harm,
        baseline=0.0,
        candidate=harm,
        rows=rows,
        better=better,
        worse=worse,
        strata=strata,
        differences=pairs,
        times=times,
    )


def _stratum(harm: float, loss: float, units: int, share: float) -> Stratum:
    """Events of two arms that differ by ``harm`` and have the rate ``loss`` together."""
    candidate = min(max(round(units * share), 1), max(units - 1, 1))
    baseline = max(units - candidate, 1)
    return Stratum(
        baseline_units=baseline,
        candidate_units=candidate,
        baseline_events=_events(loss - harm * share, baseline),
        candidate_events=_events(loss + harm * (1 - share), candidate),
    )


def _events(rate: float, units: int) -> int:
    return round(min(max(rate, 0.0), 1.0) * units)
