"""What a look for drift says: an outcome for each thing compared, and every number it rests on."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from sluiceway.drift.profiles import Aspect
from sluiceway.errors import BadInput, Fault
from sluiceway.outcomes import Outcome, worst


class Method(StrEnum):
    """How a threshold was found."""

    HISTORY = "history"
    """Conformal on the largest distance over columns, among windows of history."""
    BLOCKS = "blocks"
    """Whole blocks permuted between the windows, with a false discovery rate and a floor."""
    FOLKLORE = "folklore"
    """A customary limit, by policy only: no error rate is known for it."""


class Distance(StrEnum):
    """What is measured between two windows."""

    KS = "ks"
    """Kolmogorov–Smirnov D: largest difference of the distribution functions, 0 to 1."""
    CRAMERS_V = "cramers_v"
    """Cramér's V of window by category, 0 to 1."""
    NULL_RATE = "null_rate"
    """Absolute difference of the shares of missing values, 0 to 1."""
    PSI = "psi"
    """Population stability index over ten quantiles, or over categories; folklore."""


class DriftReason(StrEnum):
    """Why a finding is what it is. Text is rendered from it, never parsed."""

    WITHIN_THRESHOLD = "within_threshold"
    """PASSED: below what history, or the floor, allows."""
    BEYOND_THRESHOLD = "beyond_threshold"
    """FAILED: beyond the threshold at the policy's level."""
    NOT_DISTINGUISHED = "not_distinguished"
    """INCONCLUSIVE: the distance reaches the floor and chance explains it."""
    TOO_FEW_BLOCKS = "too_few_blocks"
    """INCONCLUSIVE: fewer blocks on a side than permuting them needs."""
    BLIND = "blind"
    """INCONCLUSIVE: below a threshold so high that hardly any change would have reached it."""
    NO_ROWS = "no_rows"
    """INCONCLUSIVE: a window is empty."""
    NO_VALUES = "no_values"
    """INCONCLUSIVE: every value of a window is missing."""
    NO_HISTORY = "no_history"
    """INCONCLUSIVE: not every window of history has this column to compare."""
    CONSTANT = "constant"
    """INCONCLUSIVE: one and the same value everywhere; nothing could be seen."""
    UNSEEN_CATEGORIES = "unseen_categories"
    """INCONCLUSIVE: close enough, but with categories the reference never had."""
    INFINITE_VALUES = "infinite_values"
    """ERROR: a window holds infinite values."""
    MIXED_TYPES = "mixed_types"
    """ERROR: a window mixes numbers, text or times in one column."""
    KIND_CHANGED = "kind_changed"
    """ERROR: numbers on one side, text or times on the other."""
    COLUMN_MISSING = "column_missing"
    """ERROR: the current window lacks a column of the reference."""
    BLOCK_IN_BOTH_WINDOWS = "block_in_both_windows"
    """ERROR: the windows share blocks, so they are no two samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """How often a quiet system may be called drifted, and what is too small to matter.

    Attributes:
        alpha: With history, the probability that a quiet window names any column. Without, the
            false discovery rate, which for a quiet window is the same probability.
        floor: Least D or V that is called drift where there is no history.
        null_floor: Least difference of null rates that is, a share.
        min_blocks: Fewest blocks a side where blocks are permuted.
        permutations: Fewest permutations; more are drawn for many columns.
        least_scale: Where history hardly ever differs, distances are divided by this instead of
            their median: less than this is nothing, in a column that never moves.
        blind: A threshold of D, V or a null rate from here on passes nothing: the windows are too
            small, or too unlike each other, to see a change.
        psi_limit: A customary limit such as 0.2; if given, it decides instead of any test.
    """

    alpha: float = 0.05
    floor: float = 0.05
    null_floor: float = 0.02
    min_blocks: int = 10
    permutations: int = 999
    least_scale: float = 0.002
    blind: float = 0.3
    psi_limit: float | None = None

    def __post_init__(self) -> None:
        rules = {
            "alpha": (0 < self.alpha < 0.5, "between 0 and 0.5"),
            "floor": (0 <= self.floor < 1, "from 0 to below 1"),
            "null_floor": (0 <= self.null_floor < 1, "from 0 to below 1"),
            "min_blocks": (self.min_blocks >= 2, "at least 2"),
            "permutations": (self.permutations >= 99, "at least 99"),
            "least_scale": (0 < self.least_scale < 1, "between 0 and 1"),
            "blind": (0 < self.blind <= 1, "above 0, at most 1"),
            "psi_limit": (
                self.psi_limit is None or (math.isfinite(self.psi_limit) and self.psi_limit > 0),
                "finite and above 0",
            ),
        }
        faults = [
            Fault(where=f"drift.{name}", what=f"{getattr(self, name)} must be {rule}")
            for name, (kept, rule) in rules.items()
            if not kept
        ]
        if faults:
            raise BadInput(faults)

    @property
    def min_history(self) -> int:
        """Fewest windows of history that can reach the level: ⌈1/α⌉ − 1."""
        return math.ceil(1 / self.alpha - 1e-9) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One window's part in a comparison.

    Attributes:
        rows: Rows compared: those with a value, for null rates all.
        blocks: Blocks with such a row.
        effective_rows: Independent rows that would be as certain as these blocks are; None where
            blocks cannot tell.
        typical: Median of numbers and seconds, share of missing values of null rates; else None.
    """

    rows: int
    blocks: int
    effective_rows: int | None = None
    typical: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFinding:
    """One aspect of one column, current window against reference.

    Attributes:
        column: Its name.
        aspect: What of it.
        outcome: FAILED is drift.
        reason: Why.
        reference: The reference's part.
        current: The current window's part.
        distance_kind: What was measured; None where nothing could be.
        distance: The distance; None likewise.
        error: Most that the distance of the rows themselves can differ from ``distance``, which
            is measured on summaries.
        threshold: What the distance had to exceed, in its own unit.
        p_value: With history adjusted for all columns (family-wise); with blocks the column's own.
        wasserstein_iqr: Area between the distribution functions, in interquartile ranges of the
            reference; None for categories and null rates, and where that range is 0.
        unseen: Categories that the reference never had, most frequent first, at most 10.
        unseen_rows: Rows with any category that the reference never had.
        faulty_rows: Infinite values, over both windows.
        what: Further names the reason needs, such as the kinds or the shared blocks.
    """

    column: str
    aspect: Aspect
    outcome: Outcome
    reason: DriftReason
    reference: Side
    current: Side
    distance_kind: Distance | None = None
    distance: float | None = None
    error: float = 0.0
    threshold: float | None = None
    p_value: float | None = None
    wasserstein_iqr: float | None = None
    unseen: tuple[str, ...] = ()
    unseen_rows: int = 0
    faulty_rows: int = 0
    what: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column, and what of it where that is not its values."""
        return self.column if self.aspect is Aspect.VALUES else f"{self.column} {self.aspect.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """All that was compared in one look.

    Attributes:
        findings: One for each aspect of each column, worst first.
        method: How thresholds were found.
        policy: The policy used.
        block: What one block is called.
        reference_blocks: First and last block of the reference, or nothing.
        current_blocks: The same of the current window.
        tests: Comparisons that share the level.
        permutations: Permutations of blocks (BLOCKS).
        history: Windows of history used (HISTORY), or at hand.
        history_left_out: Windows of history not used: of another length, or sharing blocks.
        p_value: Of the whole window: conformal (HISTORY), or the smallest Benjamini–Hochberg
            adjusted one (BLOCKS); None where nothing was tested.
    """

    findings: tuple[DriftFinding, ...]
    method: Method
    policy: DriftPolicy
    block: str
    reference_blocks: tuple[str, ...]
    current_blocks: tuple[str, ...]
    tests: int = 0
    permutations: int = 0
    history: int = 0
    history_left_out: int = 0
    p_value: float | None = None

    @property
    def outcome(self) -> Outcome:
        """The worst outcome; INCONCLUSIVE where nothing was compared."""
        return worst(one.outcome for one in self.findings)

    @property
    def drifted(self) -> tuple[DriftFinding, ...]:
        """Findings of drift, the farthest beyond its threshold first."""
        return tuple(one for one in self.findings if one.outcome is Outcome.FAILED)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that drifted, each once."""
        return tuple(dict.fromkeys(one.column for one in self.drifted))


def within(finding: DriftFinding, policy: DriftPolicy) -> DriftFinding:
    """A finding below its threshold: PASSED, unless something forbids to say so."""
    if finding.threshold is not None and finding.threshold >= policy.blind:
        return replace(finding, reason=DriftReason.BLIND)
    if finding.unseen:
        return replace(finding, reason=DriftReason.UNSEEN_CATEGORIES)
    return replace(finding, outcome=Outcome.PASSED, reason=DriftReason.WITHIN_THRESHOLD)


def in_order(findings: Iterable[DriftFinding]) -> tuple[DriftFinding, ...]:
    """Worst outcome first, then by distance over threshold, then by name."""

    def place(one: DriftFinding) -> tuple[int, float, str, str]:
        times = (one.distance or 0.0) / one.threshold if one.threshold else one.distance or 0.0
        return -one.outcome.severity, -times, one.column, one.aspect.value

    return tuple(sorted(findings, key=place))
