"""What a gate says: an outcome, the typed reason, and every number the reason rests on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from sluiceway.gates.declared import Gate, Levels, Role
from sluiceway.outcomes import Outcome, worst
from sluiceway.statistics.sequential import ArmLabels


class Reason(StrEnum):
    """Why a verdict is what it is. Text is rendered from it, never parsed."""

    WITHIN_MARGIN = "within_margin"
    """PASSED: the upper bound of the harm is below the margin."""
    HARM_BEYOND_MARGIN = "harm_beyond_margin"
    """FAILED: the harm is above the margin at the rollback level."""
    FAMILY_HARM = "family_harm"
    """FAILED: all gates together reach the rollback level, and this one has the most evidence."""
    MARGIN_NOT_EXCLUDED = "margin_not_excluded"
    """INCONCLUSIVE: harm at the margin is still possible."""
    TOO_FEW_BLOCKS = "too_few_blocks"
    """INCONCLUSIVE: fewer blocks than a verdict needs."""
    NO_EVIDENCE = "no_evidence"
    """INCONCLUSIVE: not one labelled row."""
    LABELS_MISSING = "labels_missing"
    """INCONCLUSIVE: too large a share of rows has no label."""
    LABELS_UNEQUAL = "labels_unequal"
    """INCONCLUSIVE: one arm's own units lack more of their labels than the other's."""
    METRIC_UNDEFINED = "metric_undefined"
    """INCONCLUSIVE: the metric or its error cannot be computed (one class, for example)."""
    SHADOW_STALE = "shadow_stale"
    """INCONCLUSIVE: the inputs have drifted away from those that it was judged on."""
    LABELS_OUT_OF_DOMAIN = "labels_out_of_domain"
    """ERROR: labels are not what the metric needs."""
    ANSWERS_OUT_OF_DOMAIN = "answers_out_of_domain"
    """ERROR: answers are NaN, infinite or outside the metric's range."""
    FAULTY_ROWS = "faulty_rows"
    """ERROR: labels or answers of blocks seen in the canary are outside the metric's domain."""
    BASELINE_SILENT = "baseline_silent"
    """ERROR: the baseline gave no usable answer to these rows."""
    NOT_PAIRED = "not_paired"
    """ERROR: the arms do not hold the same rows."""
    WRONG_METRIC = "wrong_metric"
    """ERROR: the evidence is of another metric than the gate's."""
    NOT_FINITE = "not_finite"
    """ERROR: the metric overflows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmEstimate:
    """How much worse the candidate is, in the metric's unit; positive is worse.

    Attributes:
        harm: Candidate minus baseline.
        standard_error: Of ``harm``; None where it cannot be told.
        low: Lower end of the two-sided 1 - 2α interval; None while unbounded.
        high: Its upper end, which is also the one-sided 1 - α upper bound.
        baseline: The metric for the baseline.
        candidate: The metric for the candidate.
        rows: Labelled rows.
        blocks: Blocks measured.
        method: How the error was found, in words.
    """

    harm: float
    standard_error: float | None
    low: float | None
    high: float | None
    baseline: float
    candidate: float
    rows: int
    blocks: int
    method: str

    @property
    def upper(self) -> float | None:
        """One-sided 1 - α upper bound; None while unbounded."""
        return self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One gate's answer to one look at evidence.

    Attributes:
        gate: What was asked.
        outcome: The answer.
        reason: Why.
        estimate: The harm; None where it could not be computed.
        alpha: Promotion level used, one-sided, after sharing it among looks.
        rollback_alpha: Rollback level this gate was held against, after sharing it among gates
            and looks (replay) or for the whole family over all looks (canary).
        family_size: Gates that share the rollback level.
        rollback_low: Lower bound at the rollback level (replay), in the metric's unit.
        log_e_harm: Log e-value for harm beyond the margin (canary).
        log_e_safety: Log e-value for harm below the margin (canary).
        rows: Labelled rows seen.
        unlabelled: Rows whose label is missing.
        faulty_rows: Rows outside the metric's domain; where answers are, those of both arms added.
        blocks: Blocks measured.
        unmeasured: Blocks seen that had nothing to measure (canary).
        blocks_needed: Fewest blocks for PASSED.
        faulty_arm: ``baseline``, ``candidate`` or ``both``; None without fault.
        drifted: Inputs that have drifted since it was judged.
        arms: Labels by arm, where arms were unpaired.
    """

    gate: Gate
    outcome: Outcome
    reason: Reason
    estimate: HarmEstimate | None
    alpha: float
    rollback_alpha: float
    family_size: int
    rollback_low: float | None = None
    log_e_harm: float | None = None
    log_e_safety: float | None = None
    rows: int = 0
    unlabelled: int = 0
    faulty_rows: int = 0
    blocks: int = 0
    unmeasured: int = 0
    blocks_needed: int = 0
    faulty_arm: str | None = None
    drifted: tuple[str, ...] = ()
    arms: ArmLabels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryJudgement:
    """One look at a canary: each gate's verdict and the family's evidence for a rollback.

    Attributes:
        verdicts: One per gate, in the order given.
        family_log_e: Log of the weighted mean e-value for harm over all gates.
        crossed: Whether it has reached 1/``rollback_alpha``: roll back.
        blamed: Names of the FAILED gates, worst first; empty unless ``crossed``.
        levels: The levels used.
    """

    verdicts: tuple[Verdict, ...]
    family_log_e: float
    crossed: bool
    blamed: tuple[str, ...]
    levels: Levels


def made_stale(verdicts: Iterable[Verdict], drifted: tuple[str, ...]) -> tuple[Verdict, ...]:
    """What is left of verdicts whose inputs have drifted: nothing can be told from them any more.

    FAILED and ERROR stay: stale evidence is no excuse.

    Args:
        drifted: Names of the inputs.
    """
    left = (Outcome.PASSED, Outcome.INCONCLUSIVE)
    return tuple(
        replace(one, outcome=Outcome.INCONCLUSIVE, reason=Reason.SHADOW_STALE, drifted=drifted)
        if one.outcome in left
        else one
        for one in verdicts
    )


def combine(verdicts: Iterable[Verdict]) -> Outcome:
    """The outcome of all gates together.

    Required gates all count; guards count only where they FAILED or are in ERROR. Without a
    required gate the outcome is at best INCONCLUSIVE.
    """
    counted = list(verdicts)
    required = worst(one.outcome for one in counted if one.gate.role is Role.REQUIRED)
    stopping = [
        one.outcome
        for one in counted
        if one.gate.role is Role.GUARD and one.outcome in (Outcome.FAILED, Outcome.ERROR)
    ]
    return worst([required, *stopping])
