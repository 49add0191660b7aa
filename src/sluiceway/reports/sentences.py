"""One plain sentence for everything that can happen to a rollout."""

import math
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import assert_never

from sluiceway.drift import render_short
from sluiceway.durations import render_duration
from sluiceway.gates import Role, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.planning import CanaryPower, Fit, render_block_length, render_power
from sluiceway.reports.figures import count, day, duration, joined, spoken
from sluiceway.rights import Acknowledgement, proof_sentence, waits_for
from sluiceway.rollouts.events import (
    AbortRequested,
    Acknowledged,
    Adopted,
    AliasesMoved,
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    ApproverEnrolled,
    ApproverRemoved,
    CanaryNarrowed,
    CanaryPlanned,
    CandidateHalted,
    ChampionRestored,
    CodeTried,
    Confirmed,
    ContractsChecked,
    ContractTested,
    DeadlineLengthened,
    DeprecationAnnounced,
    Diagnosed,
    DriftFound,
    EdgesIsolated,
    EdgesRestored,
    Ended,
    FeaturesAudited,
    FlagsDeclared,
    FlagSet,
    FlagUnset,
    Happening,
    Held,
    IncidentOpened,
    Looked,
    Notified,
    PartReplayed,
    PartServed,
    Planned,
    Promoted,
    RegistrationHeard,
    ReplacementTested,
    Requested,
    Resumed,
    RollbackDecided,
    RoutingMoved,
    ShadowMeasured,
    StepEntered,
    TrafficStopped,
    VersionDeleted,
    Waited,
    WayBackPlanned,
)
from sluiceway.rollouts.inputs import InputsSeen
from sluiceway.rollouts.reasons import audit_reason, drift_reason

_FITS = {
    Fit.IN_TIME: "it fits its deadline",
    Fit.LENGTHENED: "it needs a later deadline",
    Fit.REFUSED: "it cannot finish",
}


def sentence(happening: Happening) -> str:
    """Say what happened, as plain text on one line."""
    return " ".join(_said(happening).split())


def _canary_planned(power: CanaryPower) -> str:
    said = f"Canary planned, {_FITS[power.fit]}: {render_power(power)}"
    if power.blocks is None or power.blocks.is_longer:
        return said  # the numbers of longer blocks say why they are
    return f"{said}; {render_block_length(power.blocks)}"


def _said(happening: Happening) -> str:
    match happening:
        case Requested():
            return _requested(happening)
        case Waited():
            return f"Waits behind {happening.behind}, which touches the same nodes"
        case Planned():
            return _planned(happening)
        case ContractsChecked():
            return _contracts_checked(happening)
        case ShadowMeasured():
            return _shadow_measured(happening)
        case CanaryPlanned():
            return _canary_planned(happening.power)
        case DeadlineLengthened():
            before, after = (render_duration(d) for d in (happening.before, happening.after))
            return f"The canary's deadline was moved from {before} to {after} after its first step"
        case ApprovalRequested():
            return _approval_requested(happening)
        case Approved():
            said = f"Approved{_for(happening.owners)}{_because(happening.reason)}"
            return said + _proven(happening.proven)
        case ApprovalRefused():
            said = f"Approval was refused{_for(happening.owners)}{_because(happening.reason)}"
            return said + _proven(happening.proven)
        case StepEntered():
            step = f"Canary step {happening.step + 1}"
            return f"{step}: the candidate is to answer {happening.weight} % of the units"
        case DriftFound():
            return f"Shadow evidence stale: {drift_reason(happening)}"
        case FeaturesAudited():
            return _features_audited(happening)
        case TrafficStopped():
            return f"The candidate lost its traffic{_because(happening.reason)}"
        case Looked():
            return _looked(happening)
        case Held():
            return f"Held{_because(happening.reason)}"
        case Resumed():
            return f"Resumed{_because(happening.reason)}"
        case AbortRequested():
            return f"A stop was asked for{_because(happening.reason)}"
        case CandidateHalted():
            return f"{happening.instance} halted the candidate{_because(happening.reason)}"
        case CanaryNarrowed():
            return _canary_narrowed(happening)
        case _:
            return _decided(happening)


_Decided = (
    Promoted | RollbackDecided | ChampionRestored | Diagnosed | IncidentOpened | Confirmed
) | (
    (WayBackPlanned | PartReplayed | PartServed | Ended | Adopted)
    | (DeprecationAnnounced | Acknowledged | ReplacementTested | ContractTested)
    | (EdgesIsolated | EdgesRestored | FlagsDeclared | FlagSet | FlagUnset)
    | (CodeTried | ApproverEnrolled | ApproverRemoved)
    | (Notified | RegistrationHeard | AliasesMoved | RoutingMoved | VersionDeleted)
)


def _decided(happening: _Decided) -> str:
    match happening:
        case Promoted():
            before = happening.previous_release[:12]
            return f"Promoted: release {happening.release[:12]} replaced {before}, all at once"
        case RollbackDecided():
            return f"Rollback was decided{_because(happening.reason)}"
        case ChampionRestored():
            return f"The champion was put back: release {happening.release[:12]} serves again"
        case Diagnosed():
            return _diagnosed(happening)
        case WayBackPlanned():
            return f"The way back: {happening.reason}"
        case PartReplayed():
            stays = joined(member.name for member in happening.stays)
            said = happening.fault or outcomes_said(happening.verdicts)
            return f"Replay of {stays} alone: {spoken(happening.outcome)}: {said}"
        case PartServed():
            return f"Release {happening.release[:12]} serves: what may stay, without what is bad"
        case IncidentOpened():
            return f"Incident opened for {joined(happening.owners)}: {happening.title}"
        case Confirmed():
            seen = f"routing revision {happening.revision}"
            return (
                f"Serving and registry were observed to be as event {happening.seq} wants ({seen})"
            )
        case Ended():
            end = f"Ended {spoken(happening.ending)} in {spoken(happening.phase)}"
            return f"{end}{_because(happening.reason)}"
        case Adopted():
            return f"Release {happening.release[:12]}, which served already, was made the champion"
        case DeprecationAnnounced():
            told = happening.announcement
            return f"Told {told.owner} ({told.contact}): {told.text}"
        case Acknowledged():
            return _acknowledged(happening.acknowledgement)
        case ReplacementTested():
            test = happening.test
            what = f"{test.replacement} in the place of what {test.edge} reads"
            return f"Tested {what}: {spoken(test.outcome)}{_because(test.ran)}"
        case ContractTested():
            return _contract_tested(happening)
        case _:
            return _beside(happening)


def _contract_tested(tested: ContractTested) -> str:
    names = {member.model: member.name for member in tested.members}
    own = f"{names[tested.model]} {spoken(tested.outcome)}{_because(tested.broken)}"
    readers = [
        f"{names[one.model]} on all that it promises {spoken(one.outcome)}{_because(one.broken)}"
        for one in tested.readers
    ]
    return "; ".join([f"Contract test on {tested.rows:,} recorded rows: {own}", *readers])


_Beside = (
    EdgesIsolated
    | EdgesRestored
    | FlagsDeclared
    | FlagSet
    | FlagUnset
    | CodeTried
    | ApproverEnrolled
    | ApproverRemoved
    | Notified
    | RegistrationHeard
    | AliasesMoved
    | RoutingMoved
    | VersionDeleted
)


def _beside(happening: _Beside) -> str:
    """What happens beside all rollouts."""
    match happening:
        case EdgesIsolated():
            return f"Isolated {joined(happening.edges)}{_because(happening.reason)}"
        case EdgesRestored():
            return f"Restored {joined(happening.edges)}{_because(happening.reason)}"
        case FlagsDeclared():
            names = ", ".join(flag.name for flag in happening.flags) or "none"
            return f"Flags of the system file: {names}"
        case FlagSet():
            taken = f"{happening.variant} of {happening.flag}"
            return f"Everybody takes {taken}{_because(happening.reason)}"
        case FlagUnset():
            return f"The rules of {happening.flag} hold again{_because(happening.reason)}"
        case CodeTried():
            return f"A one-time code was given: {proof_sentence(happening.tried)}"
        case ApproverEnrolled():
            new = "a new key, and the codes of the old one end" if happening.replaced else "a key"
            return f"{happening.approver} was given {new}, kept in {happening.kept_in}"
        case ApproverRemoved():
            return f"The key of {happening.approver} was taken away from {happening.kept_in}"
        case Notified(attempt=told):
            what = f"{told.tier} by {told.channel}{_because(told.fault or '')}: {told.title}"
            return f"Notice {told.came_to}: {what}"
        case RegistrationHeard(registration=new):
            return f"{new.model}@{new.version} was registered"
        case AliasesMoved():
            moved = f"Aliases of {happening.model} were moved by hand to {_aliases(happening.seen)}"
            stays = "they stay so" if happening.accepted else "they go back"
            return f"{moved}; the journal wants {_aliases(happening.wanted)}; {stays}"
        case RoutingMoved():
            return f"What gateways read was changed by hand, and goes back: {happening.what}"
        case VersionDeleted():
            gone = f"{happening.model}@{happening.version} ({joined(happening.aliases)})"
            return f"{gone} was deleted in the registry; what gateways have of it goes on"
    assert_never(happening)


def _aliases(aliases: Mapping[str, str]) -> str:
    return joined(f"{alias} = {version}" for alias, version in aliases.items()) or "none"


def _canary_narrowed(happening: CanaryNarrowed) -> str:
    back = joined(member.name for member in happening.back)
    stays = joined(member.name for member in happening.plan.members)
    goes = "goes" if len(happening.plan.members) == 1 else "go"
    anew = f"on fresh evidence, at {happening.weight} % of the units"
    return f"{stays} {goes} on without {back}, {anew}{_because(happening.reason)}"


def _approval_requested(happening: ApprovalRequested) -> str:
    asked = f"Asked {joined(happening.owners)} for approval"
    return f"{asked}: {waits_for(happening.needed)}" if happening.needed else asked


def _for(owners: tuple[str, ...]) -> str:
    return f" for {joined(owners)}" if owners else ""


def _proven(proven: bool) -> str:
    return " (by one-time code)" if proven else ""


def _acknowledged(said: Acknowledgement) -> str:
    if said.deprecation is not None:
        what = f"that {said.deprecation.field} goes from {said.deprecation.remove_after} on"
    else:
        what = f"the breaking changes of {said.version}"
    until = f", until {said.until}" if said.until else ""
    return f"{said.owner} acknowledged {what}, for {said.edge}{until}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _requested(happening: Requested) -> str:
    wanted = joined(happening.members)
    return f"{wanted} asked for; reserved: {', '.join(happening.reserves) or 'nothing'}"


def _planned(happening: Planned) -> str:
    plan = happening.plan
    required = sum(gate.role is Role.REQUIRED for gate in plan.gates)
    gates = f"{count(len(plan.gates), 'gate')} ({required} required)"
    base = f"against generation {plan.baseline}"
    return f"Plan fixed: {gates} over {joined(plan.radius.models)}, {base}, α = {plan.alpha:g}"


def _contracts_checked(happening: ContractsChecked) -> str:
    if not happening.checks:
        return f"Contracts {spoken(happening.outcome)}: no candidate version could be checked"
    said = [f"{one.model}@{one.version} {one.sentence}" for one in happening.checks]
    return f"Contracts {spoken(happening.outcome)}: {'; '.join(said)}"


def _shadow_measured(happening: ShadowMeasured) -> str:
    # The window's end is exclusive: people name the last day that is in it.
    last = max(happening.start, happening.end - timedelta(seconds=1))
    window = f"{day(happening.start)} to {day(last)}"
    replayed = f"Shadow {spoken(happening.outcome)}: {count(happening.rows, 'row')} of {window}"
    if happening.fault is not None:
        return f"{replayed}: {happening.fault}"
    took = duration(timedelta(seconds=happening.seconds))
    return f"{replayed} replayed in {took}; {outcomes_said(happening.verdicts)}"


def _features_audited(happening: FeaturesAudited) -> str:
    compared = sum(one.parity is not None for one in happening.audit.features)
    features = count(len(happening.audit.features), "feature reading")
    said = f"Features audited, {spoken(happening.outcome)}: {features}, {compared} of them by value"
    return f"{said}; {audit_reason(happening)}"


def _looked(happening: Looked) -> str:
    upto = f" up to {happening.watermark}" if happening.watermark else ""
    said = f"Look at live evidence{upto}: {spoken(happening.outcome)}"
    if happening.fault is not None:
        return f"{said}: {happening.fault}"
    units = f"{happening.candidate_units:,} units by the candidate"
    units += f", {happening.champion_units:,} by the champion"
    said += f"; {outcomes_said(happening.verdicts)}; {units}{_family(happening)}"
    return "; ".join([f"{said}{inputs_said(happening.inputs)}", *happening.notes])


def inputs_said(seen: InputsSeen | None) -> str:
    """What a look saw of the live inputs, to go after a semicolon; empty where nobody looked."""
    if seen is None:
        return ""
    if seen.fault is not None:
        return f"; inputs not compared with shadow's: {seen.fault}"
    compared = seen.compared
    if compared is None:
        if seen.next_at is None:
            return ""
        return f"; inputs compared with shadow's at {seen.next_at:,} blocks, {seen.blocks:,} so far"
    said = f"{count(compared.blocks, compared.block)} of inputs against shadow's"
    said = f"; {said} {compared.reference_blocks:,}: {spoken(compared.outcome)}"
    return said if compared.nearest is None else f"{said}, {render_short(compared.nearest)}"


def _family(look: Looked) -> str:
    if not look.verdicts:
        return ""
    level = 1 / look.verdicts[0].rollback_alpha
    return f"; evidence for harm e = {e_value(look.log_e)} ({level:g} rolls back)"


def e_value(log_e: float) -> str:
    """An e-value from its natural logarithm, also where it would overflow."""
    if -7 < log_e < 14:
        return f"{math.exp(log_e):,.3g}" if log_e < 7 else f"{math.exp(log_e):,.0f}"
    return f"10^{log_e / math.log(10):.1f}"


def outcomes_said(verdicts: Iterable[Verdict]) -> str:
    """How many gates came to what: ``2 failed (arr_delay.mae, …), 3 passed``.

    What went wrong is named, and what is open where it is little.
    """
    counted = tuple(verdicts)
    parts = []
    for outcome in sorted(Outcome, key=lambda one: -one.severity):
        names = [v.gate.name for v in counted if v.outcome is outcome]
        if names:
            told = outcome in (Outcome.FAILED, Outcome.ERROR)
            told = told or (outcome is Outcome.INCONCLUSIVE and len(names) <= 2)
            named = f" ({', '.join(names)})" if told else ""
            parts.append(f"{len(names)} {spoken(outcome)}{named}")
    return ", ".join(parts) if parts else "no gate was judged"


def _diagnosed(happening: Diagnosed) -> str:
    if happening.attribution is None:
        return f"Diagnosis could not be made{_because(happening.fault or '')}"
    return f"Diagnosis: {happening.attribution.sentence}"
