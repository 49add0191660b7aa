"""With a long history: today's window ranked among windows of history."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sluiceway.drift.findings import DriftFinding, DriftPolicy, DriftReason, within
from sluiceway.drift.pairing import Compared, Key, distances
from sluiceway.drift.profiles import WindowProfile
from sluiceway.outcomes import Outcome


def usable_history(
    reference: WindowProfile, current: WindowProfile, history: Sequence[WindowProfile]
) -> list[WindowProfile]:
    """Windows as long as the current one that share no block with it, the reference, or each other.

    Length is counted in blocks: a shorter window is noisier, and a window inside the reference is
    nearer to it than any new one can be.
    """
    taken = {*reference.blocks, *current.blocks}
    usable = []
    for window in history:
        if len(window.blocks) == len(current.blocks) and not taken & {*window.blocks}:
            usable.append(window)
            taken |= {*window.blocks}
    return usable


def judge_by_history(
    pairs: Sequence[Compared],
    reference: WindowProfile,
    history: Sequence[WindowProfile],
    policy: DriftPolicy,
) -> tuple[list[DriftFinding], int, float | None]:
    """Judge by the largest scaled distance over all columns, among the windows of history.

    Each distance is divided by its median over history and today together: so all m + 1 windows
    are treated alike, and where they are exchangeable the rank of today's largest is uniform:
    p = (1 + #{history ≥ today})/(m + 1) is valid exactly (Vovk, Gammerman & Shafer 2005). The same
    quantile of the largest holds every single column, family-wise.

    Returns:
        Findings, comparisons that share the level, p value of the window.
    """
    past = [distances(reference, window) for window in history]
    findings = [one.finding for one in pairs if not one.comparable]
    rankable: list[DriftFinding] = []
    for one in pairs:
        if one.comparable and all(_key(one.finding) in window for window in past):
            rankable.append(one.finding)
        elif one.comparable:
            findings.append(replace(one.finding, reason=DriftReason.NO_HISTORY))
    if not rankable:
        return findings, 0, None
    table = np.asarray([[window[_key(one)] for one in rankable] for window in past])
    now = np.asarray([one.distance for one in rankable], dtype=np.float64)
    scales = np.maximum(np.median(np.vstack((table, now)), axis=0), policy.least_scale)
    largest = np.sort((table / scales).max(axis=1))
    rank = math.floor(policy.alpha * (len(history) + 1) + 1e-9)
    limit = largest[len(largest) - rank]
    scores = now / scales
    for finding, score, scale in zip(rankable, scores, scales, strict=True):
        beaten = int((largest >= score).sum())
        judged = replace(
            finding,
            threshold=float(limit * scale),
            p_value=(1 + beaten) / (len(history) + 1),
        )
        findings.append(
            replace(judged, outcome=Outcome.FAILED, reason=DriftReason.BEYOND_THRESHOLD)
            if score > limit
            else within(judged, policy)
        )
    whole = (1 + int((largest >= scores.max()).sum())) / (len(history) + 1)
    return findings, len(rankable), whole


def _key(finding: DriftFinding) -> Key:
    return finding.column, finding.aspect
