"""What happens to a rollout before anybody live is touched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluiceway.attribution import Attribution, Origin
from sluiceway.contracts.change_kinds import Change
from sluiceway.contracts.clearing import TouchedEdge
from sluiceway.contracts.promises import Finding
from sluiceway.contracts.versions import VersionFinding
from sluiceway.gates import Verdict
from sluiceway.outcomes import Outcome
from sluiceway.planning import CanaryPower, RecordedHarms
from sluiceway.planning.budget import BudgetVerdict
from sluiceway.rights import (
    NeededApproval,
    RemovalFinding,
)
from sluiceway.rollouts.inputs import ReferenceInputs
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.sequential import Evidence
from sluiceway.system.timing import Shortfall
from sluiceway.system.values import Ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """Somebody wants these versions live; the nodes they touch are reserved from here on.

    Attributes:
        members: ``model@version`` of each.
        reserves: Names of every node in the blast radius.
        system_digest: The system file it is judged by.
        replayed: Whether it was asked for as of another time than the clock's; then no schedule
            brings it on, which would judge it by the clock.
    """

    members: tuple[str, ...]
    reserves: tuple[str, ...]
    system_digest: str
    replayed: bool = False


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
    """What the canary needs to finish was simulated from shadow's harms, before it begins.

    Attributes:
        evidence: How gates that count units read live evidence, with the prior of the planned
            sample, by gate name; those that are not in it read it as the rollout's plan says.
    """

    power: CanaryPower
    evidence: Mapping[str, Evidence] = field(default_factory=dict)


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
        expires: When no answer is a no (UTC); None where it is waited for as long as it takes.
    """

    owners: tuple[str, ...]
    needed: tuple[NeededApproval, ...] = ()
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """An approval was given; the event's actor gave it.

    Attributes:
        owners: In whose name; empty in journals older than decision rights, for all.
        proven: Whether a one-time code proved who it was.
    """

    reason: str
    owners: tuple[str, ...] = ()
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRefused:
    """An approval was refused; the event's actor refused it.

    Attributes:
        owners: In whose name; empty in journals older than decision rights.
        proven: Whether a one-time code proved who it was.
    """

    reason: str
    owners: tuple[str, ...] = ()
    proven: bool = False
