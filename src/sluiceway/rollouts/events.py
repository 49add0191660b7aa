"""Everything that can happen to a rollout, as values; the journal keeps them in order.

A rollout *is* its events: whatever is not written here did not happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from sluiceway.attribution import Attribution, Origin
from sluiceway.canonical import as_json
from sluiceway.contracts.change_kinds import Change
from sluiceway.contracts.clearing import TouchedEdge
from sluiceway.contracts.promises import Finding
from sluiceway.contracts.versions import VersionFinding
from sluiceway.drift import DriftReport
from sluiceway.features import FeatureAudit
from sluiceway.gates import Verdict
from sluiceway.journal import Draft, Event
from sluiceway.outcomes import Outcome
from sluiceway.planning import CanaryPower, RecordedHarms
from sluiceway.planning.budget import BudgetVerdict
from sluiceway.releases import Member
from sluiceway.rights import (
    Acknowledgement,
    Announcement,
    NeededApproval,
    RemovalFinding,
    ReplacementTest,
)
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.inputs import InputsSeen, KeptProfile, ReferenceInputs
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.sequential import SequentialState
from sluiceway.system.timing import Shortfall
from sluiceway.system.values import Ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """Somebody wants these versions live; the nodes they touch are reserved from here on.

    Attributes:
        members: ``model@version`` of each.
        reserves: Names of every node in the blast radius.
        system_digest: The system file it is judged by.
    """

    members: tuple[str, ...]
    reserves: tuple[str, ...]
    system_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """The rollout stands in the queue behind another one."""

    behind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan was made; it does not change any more."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCheck:
    """What one candidate version came to against its contract.

    Attributes:
        changes: How its contract differs from the champion's.
        version_findings: What is wrong with its contract's number.
        broken_edges: Names of the edges that rely on what is broken.
        findings: What its recorded answers broke.
        fault: Why its answers could not be had; None where they could.
        rows: Recorded rows it answered.
        seconds: Wall time of answering them.
        removals: Why fields that it promises no longer may not go yet.
        agreed_edges: Names of edges that it breaks with their owners' acknowledgement.
        ignored: What counted on the day of the check, though it breaks an edge.
        member_changes: What else changed since the champion's version, which no contract shows.
        touched: How each edge stands that one of the changes touches; empty in older journals.
        shortfalls: Needs of consumers, however far down, that its times keep from being kept.
    """

    model: str
    version: str
    outcome: Outcome
    changes: tuple[Change, ...]
    version_findings: tuple[VersionFinding, ...]
    broken_edges: tuple[str, ...]
    findings: tuple[Finding, ...]
    fault: str | None
    rows: int
    seconds: float
    sentence: str
    removals: tuple[RemovalFinding, ...] = ()
    agreed_edges: tuple[str, ...] = ()
    ignored: tuple[Ignore, ...] = ()
    member_changes: tuple[Change, ...] = ()
    touched: tuple[TouchedEdge, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractsChecked:
    """Every candidate version was held against its contract.

    Attributes:
        approvals: Who must approve, now that the changes are known; None where it did not pass,
            and in journals older than decision rights.
    """

    outcome: Outcome
    checks: tuple[ContractCheck, ...]
    approvals: tuple[NeededApproval, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowMeasured:
    """Recorded traffic was replayed through the champion and the candidate chain.

    Attributes:
        start: Begin of the window asked for (UTC); whole blocks nearest to it were replayed.
        end: Its end, exclusive.
        rows: Recorded units that were replayed.
        fault: Why there is no evidence; None where there is.
        attribution: Where harm enters and how it travels; None where there is none.
        faulty: The changed model that gave no usable answer, or made another give none; None where
            none did or where it cannot be told which.
        harms: Harm in each block by gate, which canaries are planned from; None where there is no
            evidence, and in journals older than planning.
        budget: By gate, the harm since the best generation, where that does not serve.
        slices: A guard for each slice, declared or found; these are judged in the canary too.
        inputs: What the inputs of its window looked like; None where nobody looks for drift.
    """

    outcome: Outcome
    start: datetime
    end: datetime
    rows: int
    verdicts: tuple[Verdict, ...]
    attribution: Attribution | None
    fault: str | None
    seconds: float
    faulty: Origin | None = None
    harms: RecordedHarms | None = None
    budget: tuple[BudgetVerdict, ...] = ()
    slices: tuple[Verdict, ...] = ()
    inputs: ReferenceInputs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlanned:
    """What the canary needs to finish was simulated from shadow's harms, before it begins."""

    power: CanaryPower


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineLengthened:
    """The canary could not have finished by its deadline, and is given more time.

    Attributes:
        before: The policy's deadline, from the first step.
        after: The deadline that is in force instead.
    """

    before: timedelta
    after: timedelta
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested:
    """Nothing live is touched before these have said yes.

    Attributes:
        owners: Everybody who is asked.
        needed: What they are asked for, and why; empty in journals older than decision rights.
    """

    owners: tuple[str, ...]
    needed: tuple[NeededApproval, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """An approval was given; the event's actor gave it.

    Attributes:
        owners: In whose name; empty in journals older than decision rights, for all.
    """

    reason: str
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRefused:
    """An approval was refused; the event's actor refused it.

    Attributes:
        owners: In whose name; empty in journals older than decision rights.
    """

    reason: str
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntered:
    """The candidate is to answer this share of the units.

    Attributes:
        step: Index into the plan's canary steps.
        weight: Percent of units.
    """

    step: int
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficStopped:
    """The candidate is to answer nobody, because the evidence could not be read."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """All closed, mature blocks up to the watermark have entered the evidence, each once.

    Attributes:
        watermark: Name of the last block that has entered; None while none has.
        states: Sequential evidence by gate after this look.
        slices: The slices' verdicts.
        log_e: Natural logarithm of the family's weighted mean e-value against the candidate, over
            gates and slices.
        candidate_units: Units that the candidate answered in these blocks.
        champion_units: Units that the champion answered in these blocks.
        fault: Why a block could not be read, or with FAILED the hard rule that the candidate
            broke; None where neither is so.
        inputs: What the live inputs looked like; None where nobody looks for drift.
    """

    outcome: Outcome
    watermark: str | None
    states: Mapping[str, SequentialState]
    verdicts: tuple[Verdict, ...]
    log_e: float
    candidate_units: int
    champion_units: int
    fault: str | None
    slices: tuple[Verdict, ...] = ()
    inputs: InputsSeen | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFound:
    """The live inputs have drifted away from shadow's: its evidence is stale from here on.

    Attributes:
        watermark: The last live block that was compared.
        reference: Profile of the window that they were compared with.
        live: Profiles of the live blocks, together.
        report: Every column with its distance, threshold and outcome.
    """

    watermark: str
    reference: KeptProfile
    live: tuple[KeptProfile, ...]
    report: DriftReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A person wants no further step for now."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The hold is over."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRequested:
    """A person wants the rollout stopped and all traffic back at the champion."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """The champion pointer moved to the candidate release, in this event's transaction.

    Attributes:
        release: Content hash of what serves from here on.
        previous_release: Content hash of what served before.
    """

    release: str
    previous_release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackDecided:
    """The candidate is to lose its traffic, or the champion pointer to move back."""

    code: ReasonCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionRestored:
    """The champion pointer moved back, in this event's transaction."""

    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """Where the live harm came from; None and a fault where that could not be found out."""

    attribution: Attribution | None
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBackPlanned:
    """What of a release that failed goes back was worked out: only the origin, where that fits.

    Attributes:
        back: Models that go back, sorted.
        stays: The versions that may stay; empty where the whole release goes back.
        release: Content hash of what is to serve then, on top of the champion of that moment;
            None where the whole release goes back.
        reason: In words, with why more goes back than what is bad.
    """

    back: tuple[str, ...]
    stays: tuple[Member, ...]
    release: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartServed:
    """The champion pointer moved to what may stay of a release, in this event's transaction.

    Attributes:
        release: Content hash of what serves from here on.
    """

    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened:
    """People are told.

    Attributes:
        title: One line.
        owners: Who is told.
    """

    title: str
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """Serving and registry were *observed* to be as the events up to `seq` want them.

    Attributes:
        seq: The last event that was taken into account.
        revision: Revision of the routing table that was observed.
    """

    seq: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesAudited:
    """What the candidate's features were served as was held against what it was trained with.

    Attributes:
        outcome: PASSED where nothing disagrees; INCONCLUSIVE, where something could not be looked
            for, stops no promotion and is told first.
    """

    outcome: Outcome
    audit: FeatureAudit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The rollout is over.

    Attributes:
        must_go_with: ``model@version`` of what would have to go along; empty where that is not why.
    """

    ending: Ending
    phase: Phase
    code: ReasonCode
    reason: str
    origin: Origin | None = None
    must_go_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What serves already was declared to be the champion, without a rollout."""

    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeprecationAnnounced:
    """An owner is told that a field will go; the message is what this holds."""

    announcement: Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The owner of an edge has agreed to what is coming; the event's actor said so."""

    acknowledgement: Acknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementTested:
    """What is to replace a deprecated field was tested against a reader's contract."""

    test: ReplacementTest


Happening = (
    Requested
    | Waited
    | Planned
    | ContractsChecked
    | ShadowMeasured
    | CanaryPlanned
    | DeadlineLengthened
    | ApprovalRequested
    | Approved
    | ApprovalRefused
    | StepEntered
    | TrafficStopped
    | Looked
    | DriftFound
    | FeaturesAudited
    | Held
    | Resumed
    | AbortRequested
    | Promoted
    | RollbackDecided
    | ChampionRestored
    | Diagnosed
    | WayBackPlanned
    | PartServed
    | IncidentOpened
    | Confirmed
    | Ended
    | Adopted
    | DeprecationAnnounced
    | Acknowledged
    | ReplacementTested
)

_KINDS: dict[str, type[Any]] = {
    "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__)[1:]: kind
    for kind in Happening.__args__
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_ADAPTERS: dict[str, TypeAdapter[Any]] = {n: TypeAdapter(kind) for n, kind in _KINDS.items()}


def draft(happening: Happening, *, at: datetime, actor: str = "sluiceway") -> Draft:
    """Write a happening as an event that is not yet in the journal."""
    kind = _NAMES[type(happening)]
    return Draft(at=at, actor=actor, kind=kind, payload=as_json(_ADAPTERS[kind], happening))


def happening(event: Event) -> Happening:
    """Read what happened from a journalled event.

    Raises:
        KeyError: The event is of a kind that this version of Sluiceway does not know.
        pydantic.ValidationError: Its payload is not of its kind.
    """
    read: Happening = _ADAPTERS[event.kind].validate_python(event.payload)
    return read
