"""Customary limits. Nobody knows how often they are wrong; they act only where a policy says so."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sluiceway.drift.comparing import NumericComparison
from sluiceway.drift.findings import Distance, DriftFinding, DriftPolicy, DriftReason, within
from sluiceway.drift.pairing import Compared
from sluiceway.drift.profiles import Aspect, CategorySummary, Floats, WindowProfile, alike
from sluiceway.outcomes import Outcome

BINS = 10
_LEAST = 1e-4
"""Share that stands for an empty bin, by custom."""


def judge_by_folklore(
    pairs: Sequence[Compared], reference: WindowProfile, current: WindowProfile, policy: DriftPolicy
) -> list[DriftFinding]:
    """Hold each column's population stability index against the limit; null rates are left out."""
    findings = []
    for one in pairs:
        if one.finding.aspect is Aspect.NULLS:
            continue
        if not one.comparable:
            findings.append(one.finding)
            continue
        judged = _judged(one, stability_index(*_shares(one, reference, current)), policy)
        findings.append(judged)
    return findings


def _judged(one: Compared, psi: float, policy: DriftPolicy) -> DriftFinding:
    finding = replace(
        one.finding,
        distance_kind=Distance.PSI,
        distance=psi,
        error=0.0,
        threshold=policy.psi_limit,
    )
    if min(finding.reference.blocks, finding.current.blocks) < policy.min_blocks:
        return replace(finding, reason=DriftReason.TOO_FEW_BLOCKS)
    if policy.psi_limit is not None and psi > policy.psi_limit:
        return replace(finding, outcome=Outcome.FAILED, reason=DriftReason.BEYOND_THRESHOLD)
    return replace(within(replace(finding, threshold=None), policy), threshold=policy.psi_limit)


def stability_index(reference: Floats, current: Floats) -> float:
    """Σ (q − p) log(q/p) over the shares of bins, empty ones held to be 0.0001."""
    p, q = (np.maximum(shares, _LEAST) for shares in (reference, current))
    return float(((q - p) * np.log(q / p)).sum())


def _shares(
    one: Compared, reference: WindowProfile, current: WindowProfile
) -> tuple[Floats, Floats]:
    if isinstance(one.source, NumericComparison):
        return one.source.binned(BINS)
    name, aspect = one.finding.column, one.finding.aspect
    before, now = reference.columns[name].parts[aspect], current.columns[name].parts[aspect]
    assert isinstance(before, CategorySummary)
    assert isinstance(now, CategorySummary)
    first, second = alike(before, now)
    return first.table.sum(axis=0) / first.total, second.table.sum(axis=0) / second.total
