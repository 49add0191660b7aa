"""Judging one gate on a fixed sample: what a shadow replay ends with."""

import math
from dataclasses import replace

import numpy as np

from sluiceway.gates.declared import Gate, Levels
from sluiceway.gates.verdicts import HarmEstimate, Reason, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.statistics.jackknife import PairedHarm, are_paired, paired_harm, two_way_harm
from sluiceway.statistics.metrics import BlockSums, TwoWaySums

Sums = BlockSums | TwoWaySums
"""One arm's evidence for one gate: two-way where units come back in several blocks."""


def judge_replay(
    gate: Gate,
    baseline: Sums,
    candidate: Sums,
    levels: Levels,
    family_size: int,
    *,
    looks: int = 1,
) -> Verdict:
    """Judge paired answers to the same recorded rows.

    Args:
        gate: What is asked.
        baseline: The champion's sums. Two-way sums are judged by two-way errors, which are never
            smaller than those by blocks alone; of one unit only there is no error, hence no PASSED.
        candidate: The candidate's sums over the same rows.
        levels: Levels of the plan.
        family_size: Gates of the plan, which share the rollback level (Bonferroni).
        looks: Looks the plan allows, such as 2 where an inconclusive window is extended once;
            they share both levels.

    Returns:
        A verdict; never raises for what the evidence contains.
    """
    if family_size < 1 or looks < 1:
        raise ValueError(f"family_size {family_size} and looks {looks} must be at least 1")
    alpha, rollback_alpha = levels.alpha / looks, levels.rollback_alpha / (looks * family_size)
    ways = (baseline, candidate)
    arms = {"baseline": _by_block(baseline), "candidate": _by_block(candidate)}
    open_verdict = Verdict(
        gate=gate,
        outcome=Outcome.INCONCLUSIVE,
        reason=Reason.NO_EVIDENCE,
        estimate=None,
        alpha=alpha,
        rollback_alpha=rollback_alpha,
        family_size=family_size,
        rows=int(min(arm.rows.sum() for arm in arms.values())),
        unlabelled=int(max(arm.unlabelled.sum() for arm in arms.values())),
        blocks=int(min((arm.rows > 0).sum() for arm in arms.values())),
        blocks_needed=levels.min_blocks,
    )

    def error(reason: Reason, faulty_rows: int = 0, arm: str | None = None) -> Verdict:
        return replace(
            open_verdict,
            outcome=Outcome.ERROR,
            reason=reason,
            faulty_rows=faulty_rows,
            faulty_arm=arm,
        )

    if any(arm.metric != gate.metric for arm in arms.values()):
        return error(Reason.WRONG_METRIC)
    for reason, faults in (
        (Reason.ANSWERS_OUT_OF_DOMAIN, {k: int(a.answer_faults.sum()) for k, a in arms.items()}),
        (Reason.LABELS_OUT_OF_DOMAIN, {k: int(a.label_faults.sum()) for k, a in arms.items()}),
    ):
        faulty = [arm for arm, count in faults.items() if count]
        if faulty:
            where = faulty[0] if len(faulty) == 1 else "both"
            # A label is one, whoever answers the row; each arm's answer is its own.
            shared = reason is Reason.LABELS_OUT_OF_DOMAIN
            rows = max(faults.values()) if shared else sum(faults.values())
            return error(reason, rows, where)
    before, after = arms.values()
    same_rows = _are_paired(*ways) and np.array_equal(before.unlabelled, after.unlabelled)
    if not same_rows:
        return error(Reason.NOT_PAIRED)
    if open_verdict.rows == 0:
        return open_verdict

    if isinstance(baseline, TwoWaySums) and isinstance(candidate, TwoWaySums):
        paired, two_way = two_way_harm(baseline, candidate), True
    else:
        paired, two_way = paired_harm(before, after), False
    if any(math.isnan(one) for one in (paired.baseline, paired.candidate)):
        return replace(open_verdict, reason=Reason.METRIC_UNDEFINED)
    if not all(math.isfinite(one) for one in (paired.harm, paired.baseline, paired.candidate)):
        return error(Reason.NOT_FINITE)
    return _judge_estimate(open_verdict, paired, levels, two_way=two_way)


def _by_block(sums: Sums) -> BlockSums:
    return sums.blocks if isinstance(sums, TwoWaySums) else sums


def _are_paired(baseline: Sums, candidate: Sums) -> bool:
    """Whether both arms hold the same rows, of the same units where these are told apart."""
    if isinstance(baseline, TwoWaySums) and isinstance(candidate, TwoWaySums):
        return (
            are_paired(baseline.blocks, candidate.blocks)
            and are_paired(baseline.units, candidate.units)
            and are_paired(baseline.cells, candidate.cells)
        )
    if isinstance(baseline, TwoWaySums) or isinstance(candidate, TwoWaySums):
        return False
    return are_paired(baseline, candidate)


def _judge_estimate(
    open_verdict: Verdict, paired: PairedHarm, levels: Levels, *, two_way: bool
) -> Verdict:
    """The rungs for a finite harm, from "cannot tell" up."""
    estimate, rollback_low = _estimate(open_verdict, paired, two_way=two_way)
    verdict = replace(open_verdict, estimate=estimate, rollback_low=rollback_low)
    margin = verdict.gate.margin

    def says(outcome: Outcome, reason: Reason) -> Verdict:
        return replace(verdict, outcome=outcome, reason=reason)

    # Too few independent blocks: an interval exists, but its error is a guess.
    if paired.blocks < levels.min_blocks:
        return says(Outcome.INCONCLUSIVE, Reason.TOO_FEW_BLOCKS)
    # One block holds a whole class: without it there is no metric, so no error either.
    if estimate.high is None or rollback_low is None:
        return says(Outcome.INCONCLUSIVE, Reason.METRIC_UNDEFINED)
    # Harm is a reason to stop even where labels are missing, so it comes first.
    if rollback_low > margin:
        return says(Outcome.FAILED, Reason.HARM_BEYOND_MARGIN)
    seen = verdict.rows + verdict.unlabelled
    if verdict.unlabelled > levels.unlabelled_limit * seen:
        return says(Outcome.INCONCLUSIVE, Reason.LABELS_MISSING)
    if estimate.high < margin:
        return says(Outcome.PASSED, Reason.WITHIN_MARGIN)
    return says(Outcome.INCONCLUSIVE, Reason.MARGIN_NOT_EXCLUDED)


def _estimate(
    verdict: Verdict, paired: PairedHarm, *, two_way: bool
) -> tuple[HarmEstimate, float | None]:
    def finite(number: float) -> float | None:
        return number if math.isfinite(number) else None

    low, high = finite(paired.lower(verdict.alpha)), finite(paired.upper(verdict.alpha))
    rollback_low = finite(paired.lower(verdict.rollback_alpha))
    estimate = HarmEstimate(
        harm=paired.harm,
        standard_error=finite(paired.standard_error),
        low=low,
        high=high,
        baseline=paired.baseline,
        candidate=paired.candidate,
        rows=paired.rows,
        blocks=paired.blocks,
        method=f"paired delete-a-{verdict.gate.block} jackknife"
        + (", two-way with units that come back" if two_way else ""),
    )
    return estimate, rollback_low
