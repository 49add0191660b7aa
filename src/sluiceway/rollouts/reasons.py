"""Why a rollout does what it does, as a code for programs and a sentence for people."""

from collections.abc import Iterable
from datetime import timedelta

from sluiceway.attribution import Origin, is_harmed
from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.contracts.promises import sentence
from sluiceway.contracts.versions import version_sentence
from sluiceway.drift import render_short
from sluiceway.features import sentence as feature_sentence
from sluiceway.gates import Role, Verdict, render
from sluiceway.outcomes import Outcome, worst
from sluiceway.planning.budget import BudgetVerdict, render_budget
from sluiceway.rights import removal_sentence
from sluiceway.rollouts.endings import ReasonCode
from sluiceway.rollouts.events import (
    ContractCheck,
    ContractsChecked,
    DriftFound,
    FeaturesAudited,
    Looked,
    ShadowMeasured,
)
from sluiceway.system.values import Ignore

Told = tuple[ReasonCode, str, Origin | None]


def contract_reason(checked: ContractsChecked) -> Told:
    """What the contract checks came to, told by the worst of them."""
    if not checked.checks:
        return ReasonCode.CONTRACT_UNCHECKABLE, "no candidate version could be checked", None
    check = max(checked.checks, key=lambda c: c.outcome.severity)
    origin = Origin(kind="model", name=check.model)
    name = f"{check.model}@{check.version}"
    if check.outcome is Outcome.PASSED:
        return ReasonCode.ALL_GATES_PASSED, "every contract is kept", None
    said = check.sentence if check.sentence.startswith(name) else f"{name}: {check.sentence}"
    return _contract_code(check), said, origin


def _contract_code(check: ContractCheck) -> ReasonCode:
    if check.outcome is Outcome.ERROR:
        return ReasonCode.CONTRACT_UNCHECKABLE
    if check.outcome is Outcome.INCONCLUSIVE:
        return ReasonCode.CONTRACT_UNDECIDED
    if check.shortfalls and not (check.findings or check.broken_edges or check.fault):
        return ReasonCode.TIMES_NOT_KEPT
    if any(found.outcome is Outcome.FAILED for found in check.removals) and not check.findings:
        return ReasonCode.REMOVAL_REFUSED
    if check.broken_edges and not check.findings:
        return ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS
    return ReasonCode.PROMISE_BROKEN


def contract_sentence(check: ContractCheck) -> str:
    """What one version broke, and for whom."""
    late = [f"{short.edge} needs: {short.sentence}" for short in check.shortfalls]
    if check.fault is not None:
        return "; ".join([check.fault, *late])
    broken = [sentence(found) for found in check.findings]
    broken += [version_sentence(found) for found in check.version_findings]
    broken += [change_sentence(change) for change in check.changes if change.breaks]
    broken += [removal_sentence(found) for found in check.removals]
    broken += late
    relied = f"; relied on by {', '.join(check.broken_edges)}" if check.broken_edges else ""
    relied += "".join(f"; {_ignored(one)}" for one in check.ignored)
    return ("; ".join(broken) or "keeps its contract") + relied


def _ignored(one: Ignore) -> str:
    return (
        f"ignored on {one.producer} → {one.consumer} by {one.owner} until {one.expires} "
        f"({one.reason})"
    )


def audit_reason(audited: FeaturesAudited) -> str:
    """What the feature audit found, the worst first."""
    found = sorted(audited.audit.findings, key=lambda one: -one.outcome.severity)
    return "; ".join(map(feature_sentence, found)) or "every feature is served as it was trained"


def shadow_reason(measured: ShadowMeasured) -> Told:
    """What a shadow replay came to."""
    origin = measured.attribution.origin if measured.attribution else None
    if measured.fault is not None and measured.outcome is Outcome.FAILED:
        return ReasonCode.PROMISE_BROKEN, measured.fault, measured.faulty
    if measured.fault is not None:
        return ReasonCode.SHADOW_ERRORED, measured.fault, origin
    code = {
        Outcome.PASSED: ReasonCode.ALL_GATES_PASSED,
        Outcome.FAILED: ReasonCode.HARM_IN_SHADOW,
        Outcome.INCONCLUSIVE: ReasonCode.SHADOW_INCONCLUSIVE,
        Outcome.ERROR: ReasonCode.SHADOW_ERRORED,
    }[measured.outcome]
    spent = tuple(b for b in measured.budget if b.outcome is measured.outcome)
    judged = (*measured.verdicts, *measured.slices)
    failed = any(v.outcome is Outcome.FAILED for v in judged)
    if measured.outcome is Outcome.FAILED and not failed and spent:
        return ReasonCode.BUDGET_SPENT, budget_sentence(spent), None
    reason = _with_budget(measured, spent)
    if measured.outcome is Outcome.FAILED:
        also = [v for v in measured.verdicts if is_harmed(v) and v.outcome is not Outcome.FAILED]
        reason += "".join(f"; clearly worse too: {render(v)}" for v in also)
    if measured.attribution is not None and measured.outcome is Outcome.FAILED:
        reason += f". {measured.attribution.sentence}"
    return code, reason, origin


def _with_budget(measured: ShadowMeasured, spent: tuple[BudgetVerdict, ...]) -> str:
    """The gates that made the outcome what it is, by themselves or by what was spent before."""
    judged = (*measured.verdicts, *measured.slices)
    by_itself = verdicts_sentence(judged, measured.outcome)
    if measured.outcome is Outcome.PASSED or not spent:
        return by_itself
    named = any(v.outcome is measured.outcome for v in judged)
    return "; ".join([*([by_itself] if named else []), budget_sentence(spent)])


def budget_sentence(verdicts: Iterable[BudgetVerdict]) -> str:
    """What was spent since the best generation, gate by gate."""
    return "; ".join(map(render_budget, verdicts))


def verdicts_sentence(verdicts: Iterable[Verdict], outcome: Outcome) -> str:
    """The gates that made the outcome what it is; all required ones where they passed."""
    counted = tuple(verdicts)
    deciding = [
        render(v)
        for v in counted
        if v.outcome is outcome and (v.gate.role is Role.REQUIRED or outcome is not Outcome.PASSED)
    ]
    return "; ".join(deciding) if deciding else "no gate has any evidence"


def harm_reason(look: Looked) -> str:
    """Which gates failed, with their numbers, and the hard rule that was broken."""
    judged = (*look.verdicts, *look.slices)
    failed = any(v.outcome is Outcome.FAILED for v in judged)
    told = [verdicts_sentence(judged, Outcome.FAILED)] if failed or not look.fault else []
    return "; ".join([*told, look.fault] if look.fault else told)


def look_reason(look: Looked | None) -> str:
    """What the latest look at live evidence came to."""
    if look is None:
        return "no block of live evidence has been looked at"
    return look.fault or verdicts_sentence((*look.verdicts, *look.slices), look.outcome)


def deadline_reason(look: Looked | None, deadline: timedelta) -> str:
    """What was still open when the canary's time was over."""
    open_gates = [
        render(v)
        for v in (look.verdicts if look else ())
        if v.gate.role is Role.REQUIRED and v.outcome is not Outcome.PASSED
    ]
    seen = "; ".join(open_gates) if open_gates else look_reason(look)
    return f"not every required gate passed within {deadline.days} days: {seen}"


_MOST_NAMED = 3
"""Inputs that a sentence about drift names with their numbers."""


def drift_reason(found: DriftFound) -> str:
    """Which inputs drifted, how far, and on what that rests."""
    drifted = found.report.drifted
    named = ", ".join(map(render_short, drifted[:_MOST_NAMED]))
    more = f" and {len(drifted) - _MOST_NAMED} more" if len(drifted) > _MOST_NAMED else ""
    live, block = sum(one.blocks for one in found.live), found.report.block
    return (
        f"drift in {named}{more}, over {live:,} {block}{'' if live == 1 else 's'} up to "
        f"{found.watermark} against {found.reference.blocks:,} of shadow's"
    )


def stale_reason(found: DriftFound, replayed: ShadowMeasured | None, replays: int) -> str:
    """Why a canary holds whose shadow evidence is stale.

    Args:
        replayed: The newest replay that the drift has led to, which did not pass; None where no
            replay is left.
        replays: How many the policy allows.
    """
    drift = f"shadow evidence stale: {drift_reason(found)}"
    if replayed is None:
        times = f"{replays} replay{'' if replays == 1 else 's'}"
        return f"{drift}; the {times} that the policy allows because of drift are spent"
    return f"{drift}; its replay was {replayed.outcome.value}: {shadow_reason(replayed)[1]}"


def outcome_of(checks: Iterable[ContractCheck]) -> Outcome:
    """All contract checks together."""
    return worst(check.outcome for check in checks)
