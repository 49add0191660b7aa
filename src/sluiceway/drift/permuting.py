"""Without a long history: whole blocks permuted between the windows."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import false_discovery_control

from sluiceway.drift.findings import Distance, DriftFinding, DriftPolicy, DriftReason, within
from sluiceway.drift.pairing import Compared
from sluiceway.drift.profiles import Floats
from sluiceway.outcomes import Outcome

_AT_ONCE = 4096
"""Permutations computed together, which bounds the memory."""


def judge_by_blocks(
    pairs: Sequence[Compared], blocks: Sequence[str], reference_blocks: int, policy: DriftPolicy
) -> tuple[list[DriftFinding], int, int, float | None]:
    """Judge all that can be compared by permuting whole blocks.

    Under "both windows are blocks of one source" every split of the blocks is as likely as
    today's, so p = (1 + #{permuted ≥ today})/(B + 1) is valid whatever is dependent inside a block
    (Phipson & Smyth 2010). Benjamini–Hochberg over all comparisons.

    Args:
        blocks: Names of all blocks, reference first; they also seed the permutations, so that the
            same windows always get the same answer.
        reference_blocks: How many of them are the reference's.

    Returns:
        Findings, comparisons tested, permutations, smallest adjusted p value.
    """
    enough = [
        one.comparable
        and min(one.finding.reference.blocks, one.finding.current.blocks) >= policy.min_blocks
        for one in pairs
    ]
    tested = [one for one, kept in zip(pairs, enough, strict=True) if kept]
    findings = [_untested(one, policy) for one, kept in zip(pairs, enough, strict=True) if not kept]
    if not tested:
        return findings, 0, 0, None
    # The smallest p value must be able to survive the correction, twice over.
    draws = max(policy.permutations, math.ceil(2 * len(tested) / policy.alpha) - 1)
    contrasts = [one.contrast() for one in tested]
    today = np.asarray([one.today for one in contrasts])
    permuted = np.empty((len(tested), draws))
    rng = np.random.default_rng(list(hashlib.sha256("\n".join(blocks).encode()).digest()))
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        current = _splits(rng, size, len(blocks), len(blocks) - reference_blocks)
        for place, contrast in enumerate(contrasts):
            permuted[place, start : start + size] = contrast.distances(current)
    # Sums in another order differ in their last digits; equal splits must count as equal.
    reached = (permuted >= today[:, None] * (1 - 1e-9)).sum(axis=1)
    p_values = (1 + reached) / (draws + 1)
    adjusted = false_discovery_control(p_values, method="bh")
    named = int((adjusted <= policy.alpha).sum())
    for place, one in enumerate(tested):
        rejected = bool(adjusted[place] <= policy.alpha)
        cut = policy.alpha * (named if rejected else named + 1) / len(tested)
        worth = [round(rows) for rows in contrasts[place].effective_rows()]
        finding = replace(
            one.finding,
            reference=replace(one.finding.reference, effective_rows=worth[0]),
            current=replace(one.finding.current, effective_rows=worth[1]),
            p_value=float(p_values[place]),
            threshold=max(_floor(one.finding, policy), _critical(permuted[place], cut)),
        )
        findings.append(_judged(finding, rejected, policy))
    return findings, len(tested), draws, float(adjusted.min())


def _judged(finding: DriftFinding, rejected: bool, policy: DriftPolicy) -> DriftFinding:
    assert finding.distance is not None
    # A summary that may have hidden it does not excuse it.
    if finding.distance + finding.error < _floor(finding, policy):
        return within(finding, policy)
    if rejected:
        return replace(finding, outcome=Outcome.FAILED, reason=DriftReason.BEYOND_THRESHOLD)
    return replace(finding, reason=DriftReason.NOT_DISTINGUISHED)


def _untested(one: Compared, policy: DriftPolicy) -> DriftFinding:
    if not one.comparable:
        return one.finding
    return replace(
        one.finding, reason=DriftReason.TOO_FEW_BLOCKS, threshold=_floor(one.finding, policy)
    )


def _floor(finding: DriftFinding, policy: DriftPolicy) -> float:
    return policy.null_floor if finding.distance_kind is Distance.NULL_RATE else policy.floor


def _critical(permuted: Floats, level: float) -> float:
    """The least distance whose p value is at most the level, about."""
    allowed = math.floor(level * (len(permuted) + 1) + 1e-9)
    return float(np.sort(permuted)[len(permuted) - max(allowed, 1)])


def _splits(rng: np.random.Generator, draws: int, blocks: int, current: int) -> Floats:
    """Random 0–1 rows with so many ones, ``float64[draws, blocks]``."""
    order = np.argsort(rng.random((draws, blocks)), axis=1)
    chosen = np.zeros((draws, blocks))
    np.put_along_axis(chosen, order[:, :current], 1.0, axis=1)
    return chosen
