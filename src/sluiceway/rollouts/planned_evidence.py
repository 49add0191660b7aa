"""How much a canary's gates are expected to see, which sets the priors of what counts units.

A prior that expects far more or far fewer units than come still is valid, and sees harm later:
errors of 1 % that become 2 % are seen in .64 of canaries of 3,000 units an arm with the prior of no
plan, in .77 with the plan's.
"""

from collections.abc import Iterable

import numpy as np

from sluiceway.gates import Comparison, Gate, Verdict
from sluiceway.planning import CanaryPower, RecordedHarms
from sluiceway.planning.schedule import paired_share
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.sequential import Evidence, Method, method_for


def planned_evidence(
    plan: Plan, power: CanaryPower, recorded: RecordedHarms, verdicts: Iterable[Verdict]
) -> dict[str, Evidence]:
    """How each gate that counts units reads its evidence, with the prior of its planned sample.

    Args:
        plan: The plan, its gates read as without knowledge of a sample.
        power: What the canary needs to finish.
        recorded: What the shadow replay measured, every unit paired.
        verdicts: What it said of each gate.

    Returns:
        By gate name; gates of which nothing is known keep what they have and are not in it.
    """
    if power.units_needed is None:
        return {}
    weight = plan.canary.steps[-1].weight
    pairs = round(power.units_needed * paired_share(weight, plan.canary.mirror))
    rates = {one.gate.name: _share_that_lost(one) for one in verdicts}
    found: dict[str, Evidence] = {}
    for gate in plan.gates:
        if gate.evidence.method is Method.T_MIXTURE or not gate.in_shadow:
            continue
        paired = gate.comparison is Comparison.PAIRED
        rate = mean_square(recorded, gate) if paired else rates.get(gate.name)
        if rate is None:
            continue
        found[gate.name] = method_for(
            metric_named(gate.metric),
            paired=paired,
            independent_units=True,
            units=pairs if paired else power.units_needed,
            rate=rate,
            candidate_share=weight / 100,
        )
    return found


def mean_square(recorded: RecordedHarms, gate: Gate) -> float | None:
    """Mean square of a pair's difference, in the metric's unit squared, from its blocks' harms.

    Of independent pairs a block's mean of n differences has the variance (mean square - mean²)/n.

    Returns:
        None with fewer than two measured blocks.
    """
    harms, units = recorded.of(gate), np.asarray(recorded.units, dtype=np.float64)
    known = np.isfinite(harms) & (units > 0)
    blocks = int(known.sum())
    if blocks < 2:
        return None
    harms, units = harms[known], units[known]
    mean = float(np.average(harms, weights=units))
    return float((units * (harms - mean) ** 2).sum() / (blocks - 1) + mean**2)


def _share_that_lost(verdict: Verdict) -> float | None:
    """Share of the baseline's units with loss 1, of metrics whose losses are 0 or 1."""
    if verdict.estimate is None:
        return None
    value = verdict.estimate.baseline
    lost = value if metric_named(verdict.gate.metric).worse == "higher" else 1 - value
    return min(max(lost, 0.0), 1.0)
