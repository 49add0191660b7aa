"""Minimum detectable harm: what a sample could have seen, or could have passed.

A verdict says what was seen; this says how far the sample could see. Of a fixed sample of G blocks
with standard error s, harm h is FAILED where the lower bound at the rollback level exceeds the
margin δ, which has the probability P(T > t) with T noncentral t(G - 1) around (h - δ)/s and t the
critical value (Cohen 1988, "Statistical power analysis for the behavioral sciences", chapter 2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, stats

from sluiceway.gates import Gate, HarmEstimate, Levels, Verdict, judge_canary
from sluiceway.statistics.sequential import SequentialState

PROBABILITY = 0.8
"""With which a harm counts as detectable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """How far one gate's sample could see, in the metric's unit.

    Attributes:
        blocks: Blocks of the sample.
        harm: The harm that it stops with ``probability``; None where no harm is.
        margin: The smallest margin that it could have passed; None where none. Of a planned
            sample: the one that it passes with ``probability``.
        probability: Of both.
    """

    blocks: int
    harm: float | None
    margin: float | None
    probability: float = PROBABILITY


def detectable_in_replay(verdict: Verdict) -> Detectable | None:
    """What a shadow replay could have seen; None where it estimated nothing."""
    estimate = verdict.estimate
    if estimate is None or estimate.standard_error is None or verdict.blocks < 2:
        return None
    free = verdict.blocks - 1
    harm = verdict.gate.margin
    if estimate.standard_error > 0:
        critical = float(stats.t.isf(verdict.rollback_alpha, free))
        shift = optimize.brentq(
            lambda far: float(stats.nct.sf(critical, free, far)) - PROBABILITY,
            0.0,
            3 * critical + 10,
        )
        harm += float(shift) * estimate.standard_error
    return Detectable(blocks=verdict.blocks, harm=harm, margin=_margin(estimate))


def detectable_in_canary(
    gate: Gate, state: SequentialState, levels: Levels, family: Sequence[Gate]
) -> Detectable | None:
    """What a canary could have seen at its last look; None before its first block.

    The gate alone must carry the family: its e-value has to reach Σw/(w·α). A look before the
    last may have seen the same harm, so the true figure is a little smaller.

    Args:
        gate: The gate.
        state: What it has seen.
        levels: Levels of the plan.
        family: All gates of the plan.
    """
    low = estimate_at(gate, state, levels, rollback_share(gate, levels, family))
    estimate = estimate_at(gate, state, levels, levels.alpha)
    if low is None or estimate is None:
        return None
    harm = None
    if low.low is not None and low.standard_error is not None:
        luck = float(stats.norm.ppf(PROBABILITY)) * low.standard_error
        harm = gate.margin + (low.harm - low.low) + luck
    return Detectable(blocks=estimate.blocks, harm=harm, margin=_margin(estimate))


def detectable_by(
    gate: Gate,
    states: Sequence[SequentialState],
    levels: Levels,
    family: Sequence[Gate],
    harm: float,
) -> Detectable:
    """What samples of this size can see, from simulated ones whose true harm is known.

    The harm that is stopped is found by moving the samples: bounds move with them.

    Args:
        gate: The gate.
        states: What it has seen at the end of each simulated sample, at least one.
        levels: Levels of the plan.
        family: All gates of the plan.
        harm: The true harm of all of them.
    """
    share = rollback_share(gate, levels, family)
    lows = [estimate_at(gate, state, levels, share) for state in states]
    highs = [estimate_at(gate, state, levels, levels.alpha) for state in states]
    below = [math.inf if e is None or e.low is None else harm - e.low for e in lows]
    above = [math.inf if e is None or e.high is None else e.high for e in highs]
    far, near = (float(np.quantile(v, PROBABILITY, method="higher")) for v in (below, above))
    return Detectable(
        blocks=max(state.n for state in states),
        harm=gate.margin + far if math.isfinite(far) else None,
        margin=max(0.0, near) if math.isfinite(near) else None,
    )


def rollback_share(gate: Gate, levels: Levels, family: Sequence[Gate]) -> float:
    """The level at which one gate alone makes the family's mean e-value cross."""
    return levels.rollback_alpha * gate.weight / math.fsum(one.weight for one in family)


def estimate_at(
    gate: Gate, state: SequentialState, levels: Levels, alpha: float
) -> HarmEstimate | None:
    """The judge's estimate with its interval at another level."""
    judged = judge_canary([(gate, state)], replace(levels, alpha=alpha))
    return judged.verdicts[0].estimate


def _margin(estimate: HarmEstimate) -> float | None:
    return None if estimate.high is None else max(0.0, estimate.high)
