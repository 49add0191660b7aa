"""What happens while a candidate answers some of the units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sluiceway.drift import DriftReport
from sluiceway.features import FeatureAudit
from sluiceway.gates import CrossCheck, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member
from sluiceway.rollouts.endings import ReasonCode
from sluiceway.rollouts.inputs import InputsSeen, KeptProfile
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.sequential import SequentialState


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
        fault: Why a block could not be read, with FAILED the hard rule that the candidate broke,
            with INCONCLUSIVE what keeps it from being PASSED beside the verdicts (units that could
            not be asked for, estimates that contradict each other); None where none is so.
        inputs: What the live inputs looked like; None where nobody looks for drift.
        notes: What people should know of these blocks, such as answers that the log lacks.
        cross_checks: The unpaired estimate of each paired gate after this look, by gate.
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
    notes: tuple[str, ...] = ()
    cross_checks: Mapping[str, CrossCheck] = field(default_factory=dict)


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
class FeaturesAudited:
    """What the candidate's features were served as was held against what it was trained with.

    Attributes:
        outcome: PASSED where nothing disagrees; INCONCLUSIVE, where something could not be looked
            for, stops no promotion and is told first.
    """

    outcome: Outcome
    audit: FeatureAudit


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
class CandidateHalted:
    """A gateway took the candidate's traffic away at once, for a hard rule that it broke.

    Attributes:
        code: The rule: ``breaker_open`` or ``contract_broken``.
        model: Whose version broke it.
        version: The version.
        broken: Recent rows to which it gave no usable answer.
        rows: Recent rows that it was asked.
        instance: Name of the gateway that saw it first.
        revision: Revision of the routing table that it followed.
    """

    code: ReasonCode
    reason: str
    model: str
    version: str
    broken: int
    rows: int
    instance: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryNarrowed:
    """What may stay of the release goes on by itself, from the first step, on fresh evidence.

    Attributes:
        plan: The same rollout's plan for what stays.
        back: The versions that went back.
        weight: Percent of units that what stays is to answer at the first step.
        reason: Why the others went back.
    """

    plan: Plan
    back: tuple[Member, ...]
    weight: int
    reason: str
