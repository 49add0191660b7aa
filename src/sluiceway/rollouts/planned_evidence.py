"""How much a canary's gates are expected to see, which sets the priors of what counts units.

A prior that expects far more or far fewer units than come still is valid, and sees harm later:
errors of 1 % that become 2 % are seen in .64 of canaries of 3,000 units an arm with the prior of no
plan, in .77 with the plan's.
"""

import numpy as np

from sluiceway.gates import Comparison, Gate
from sluiceway.planning import CanaryPower, RecordedHarms
from sluiceway.planning.schedule import paired_share
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.sequential import Evidence, Method, method_for


def planned_evidence(
    plan: Plan, power: CanaryPower, recorded: RecordedHarms
) -> dict[str, Evidence]:
    """How each gate that counts units reads its evidence, with the prior of its planned sample.

    Args:
        plan: The plan, its gates read as without knowledge of a sample.
        power: What the canary needs to finish.
        recorded: What that was simulated from.

    Returns:
        By gate name; gates of which nothing is known keep what they have and are not in it.
    """
    if power.units_needed is None:
        return {}
    weight = plan.canary.steps[-1].weight
    pairs = round(power.units_needed * paired_share(weight, plan.canary.mirror))
    found: dict[str, Evidence] = {}
    for gate in plan.gates:
        if gate.evidence.method is Method.T_MIXTURE:
            continue
        rate = rate_of(recorded, gate)
        if rate is None:
            continue
        paired = gate.comparison is not Comparison.UNPAIRED
        found[gate.name] = method_for(
            metric_named(gate.metric),
            paired=paired,
            independent_units=True,
            units=pairs if paired else power.units_needed,
            rate=rate,
            candidate_share=weight / 100,
        )
    return found


def rate_of(recorded: RecordedHarms, gate: Gate) -> float | None:
    """What a unit tells of a gate: its share of 0–1 losses, or the mean square of a difference.

    Returns:
        As ``rate`` of :func:`~sluiceway.statistics.sequential.method_for`; None where the record
        does not hold it.
    """
    units = np.asarray(recorded.units, dtype=np.float64)
    if gate.evidence.method is Method.BETTING:
        around = np.asarray(recorded.differences.get(gate.name, ()), dtype=np.float64)
        column = recorded.of(gate) ** 2 + (np.mean(around**2) if around.size else np.nan)
    else:
        column = recorded.losses_of(gate)
    known = np.isfinite(column) & (units > 0)
    return float(np.average(column[known], weights=units[known])) if known.any() else None
