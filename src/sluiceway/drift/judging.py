"""The one question: has the current window drifted from its reference?"""

from collections.abc import Sequence
from dataclasses import replace

from sluiceway.drift.calibrating import judge_by_history, usable_history
from sluiceway.drift.findings import (
    DriftFinding,
    DriftPolicy,
    DriftReason,
    DriftReport,
    Method,
    in_order,
)
from sluiceway.drift.folklore import judge_by_folklore
from sluiceway.drift.pairing import Compared, compared
from sluiceway.drift.permuting import judge_by_blocks
from sluiceway.drift.profiles import Aspect, WindowProfile
from sluiceway.outcomes import Outcome


def drift_report(
    reference: WindowProfile,
    current: WindowProfile,
    history: Sequence[WindowProfile] = (),
    policy: DriftPolicy | None = None,
) -> DriftReport:
    """Compare a window with its reference, each column by itself and all under one level.

    The policy decides how thresholds are found, from what there is: with enough quiet windows of
    history (:attr:`DriftPolicy.min_history`) by their ranks, else by permuting whole blocks.

    Args:
        reference: What is held to be normal, such as shadow's window.
        current: What is looked at, as live rows; shares no block with the reference.
        history: Quiet windows of the same length and season, outside the reference.
        policy: Levels and floors; the default ones if None.

    Returns:
        A report; never raises for what the profiles contain.
    """
    policy = policy or DriftPolicy()
    usable = usable_history(reference, current, history)
    report = DriftReport(
        findings=(),
        method=Method.BLOCKS,
        policy=policy,
        block=current.block,
        reference_blocks=_ends(reference),
        current_blocks=_ends(current),
        history=len(usable),
        history_left_out=len(history) - len(usable),
    )
    pairs = list(compared(reference, current))
    shared = tuple(sorted({*reference.blocks} & {*current.blocks}))
    if shared:
        return replace(report, findings=tuple(_not_two(one, shared) for one in pairs))
    if policy.psi_limit is not None:
        findings = judge_by_folklore(pairs, reference, current, policy)
        return replace(report, findings=in_order(findings), method=Method.FOLKLORE)
    if len(usable) >= policy.min_history:
        findings, tests, p_value = judge_by_history(pairs, reference, usable, policy)
        return replace(
            report,
            findings=in_order(_worth_telling(findings)),
            method=Method.HISTORY,
            tests=tests,
            p_value=p_value,
        )
    findings, tests, draws, p_value = judge_by_blocks(
        [one for one in pairs if not _both_whole(one)],
        (*reference.blocks, *current.blocks),
        len(reference.blocks),
        policy,
    )
    return replace(
        report, findings=in_order(findings), tests=tests, permutations=draws, p_value=p_value
    )


def _both_whole(one: Compared) -> bool:
    """Nothing is missing on either side: there is no null rate to speak of."""
    finding = one.finding
    whole = finding.reference.typical == 0 == finding.current.typical
    return finding.aspect is Aspect.NULLS and whole


def _worth_telling(findings: Sequence[DriftFinding]) -> list[DriftFinding]:
    return [one for one in findings if not _both_whole(Compared(finding=one))]


def _not_two(one: Compared, shared: tuple[str, ...]) -> DriftFinding:
    return replace(
        one.finding,
        outcome=Outcome.ERROR,
        reason=DriftReason.BLOCK_IN_BOTH_WINDOWS,
        distance=None,
        what=shared[:3],
    )


def _ends(window: WindowProfile) -> tuple[str, ...]:
    return (window.blocks[0], window.blocks[-1]) if window.blocks else ()
