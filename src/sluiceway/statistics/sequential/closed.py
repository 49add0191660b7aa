"""What one closed block says, and how it is read from the rows of both arms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sluiceway.statistics.jackknife import are_paired
from sluiceway.statistics.metrics import BlockSums, Codes, Floats, Metric, UnitKind, metric_named

LARGEST = 1e90
"""Beyond this a deviation's third power could overflow; no metric in a sane unit comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Events of two arms that were compared under one routing revision inside one block.

    Attributes:
        baseline_units: Units the baseline answered.
        candidate_units: Units the candidate answered.
        baseline_events: Those of ``baseline_units`` whose loss was 1.
        candidate_events: Those of ``candidate_units`` whose loss was 1.
    """

    baseline_units: int
    candidate_units: int
    baseline_events: int
    candidate_events: int

    @property
    def possible(self) -> bool:
        """Whether no count is negative and no arm has more events than units."""
        return (
            0 <= self.baseline_events <= self.baseline_units
            and 0 <= self.candidate_events <= self.candidate_units
        )


UNEQUAL = 3.3
"""Standard errors beyond which the arms' shares of missing labels differ by more than chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLabels:
    """How many rows of arms that answered different units have a label, and how many have none.

    Attributes:
        baseline: The baseline's labelled rows.
        candidate: The candidate's labelled rows.
        baseline_missing: The baseline's rows whose label never came.
        candidate_missing: The candidate's rows whose label never came.
    """

    baseline: int = 0
    candidate: int = 0
    baseline_missing: int = 0
    candidate_missing: int = 0

    def __add__(self, other: "ArmLabels") -> "ArmLabels":
        return ArmLabels(
            baseline=self.baseline + other.baseline,
            candidate=self.candidate + other.candidate,
            baseline_missing=self.baseline_missing + other.baseline_missing,
            candidate_missing=self.candidate_missing + other.candidate_missing,
        )

    @property
    def shares(self) -> tuple[float, float]:
        """Share of missing labels of the baseline and of the candidate, 0 where it has no rows."""
        counts = (
            (self.baseline_missing, self.baseline),
            (self.candidate_missing, self.candidate),
        )
        first, second = (missing / max(missing + known, 1) for missing, known in counts)
        return first, second

    @property
    def unequal(self) -> bool:
        """Whether one arm lacks more of its labels than chance would have it."""
        rows = self.baseline + self.baseline_missing, self.candidate + self.candidate_missing
        if not all(rows):
            return False
        pooled = (self.baseline_missing + self.candidate_missing) / sum(rows)
        error = math.sqrt(pooled * (1 - pooled) * (1 / rows[0] + 1 / rows[1]))
        return abs(self.shares[1] - self.shares[0]) > UNEQUAL * error


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHarm:
    """What one closed block says.

    Attributes:
        block: Id, such as ``2013-09-01``.
        harm: Candidate minus baseline in the metric's unit, positive is worse; None where the
            block cannot be measured (no labelled row, one class only).
        baseline: The metric for the baseline in this block, None with ``harm``.
        candidate: The metric for the candidate in this block, None with ``harm``.
        rows: Labelled rows.
        unlabelled: Rows whose label never came.
        faulty_rows: Label or answer faults of either arm, plus rows that only one arm has.
        better: Pairs that only the baseline lost, where a loss is 0 or 1; None where losses are
            not 0 or 1, or arms are not paired.
        worse: Pairs that only the candidate lost, None with ``better``.
        differences: Each pair's loss under the candidate minus under the baseline, in the
            metric's unit, ``float64[rows]``; None where the metric is no mean over rows.
        strata: Events of unpaired arms, by routing revision; None where arms are paired or
            losses are not 0 or 1.
        arms: Which of the rows have labels, by arm; None where arms are paired.
        times: How many pairs each of ``differences`` stands for, together ``rows``; None where
            each is one pair.
    """

    block: str
    harm: float | None
    baseline: float | None
    candidate: float | None
    rows: int
    unlabelled: int = 0
    faulty_rows: int = 0
    better: int | None = None
    worse: int | None = None
    differences: Floats | None = field(default=None, compare=False, repr=False)
    strata: tuple[Stratum, ...] | None = None
    arms: ArmLabels | None = None
    times: Floats | None = field(default=None, compare=False, repr=False)


def block_harms(baseline: BlockSums, candidate: BlockSums) -> tuple[BlockHarm, ...]:
    """The harm inside each block of a paired sample, in the order of block ids.

    Raises:
        ValueError: The arms hold different metrics, blocks or rows.
    """
    if not are_paired(baseline, candidate):
        raise ValueError(f"{baseline.metric}: the arms do not hold the same rows of each block")
    metric = metric_named(baseline.metric)
    before, after = metric.per_block(baseline), metric.per_block(candidate)
    harms = metric.harm(before, after)
    measurable = metric.defined(baseline) & metric.defined(candidate)
    sound = np.isfinite(harms) & (np.abs(harms) <= LARGEST)
    faults = sum(arm.label_faults + arm.answer_faults for arm in (baseline, candidate))
    # A block that has something to measure and comes out infinite is a fault, not a gap.
    faults = np.where(measurable & ~sound, np.maximum(faults, 1), faults)
    return tuple(
        BlockHarm(
            block=block,
            harm=float(harms[g]) if measurable[g] and sound[g] else None,
            baseline=float(before[g]) if measurable[g] and sound[g] else None,
            candidate=float(after[g]) if measurable[g] and sound[g] else None,
            rows=int(baseline.rows[g]),
            unlabelled=int(baseline.unlabelled[g]),
            faulty_rows=int(faults[g]),
        )
        for g, block in enumerate(baseline.blocks)
    )


def has_zero_one_losses(metric: Metric) -> bool:
    """Whether the metric is the share of rows that lost, each by 1 or not at all."""
    share = metric.unit_kind is UnitKind.SHARE and not metric.outputs
    return share and metric.loss_range == (0.0, 1.0)


def with_differences(
    metric: Metric, harms: Sequence[BlockHarm], differences: Floats, block: Codes
) -> tuple[BlockHarm, ...]:
    """Paired block harms with what each pair says, for the methods that count units.

    Args:
        harms: One a block, in the order of the codes.
        differences: Loss under the candidate minus loss under the baseline, ``float64[n]``,
            where labels and both answers are in their domain; NaN elsewhere.
        block: Code of each row's block, ``intp[n]``.
    """
    known = np.isfinite(differences)
    order = np.argsort(block[known], kind="stable")
    sorted_rows, codes = differences[known][order], block[known][order]
    ends = np.searchsorted(codes, np.arange(len(harms) + 1))
    zero_one = has_zero_one_losses(metric) and bool(np.isin(sorted_rows, (-1, 0, 1)).all())
    found = []
    for g, harm in enumerate(harms):
        own = sorted_rows[ends[g] : ends[g + 1]]
        counts = (int((own < 0).sum()), int((own > 0).sum())) if zero_one else (None, None)
        found.append(replace(harm, differences=own, better=counts[0], worse=counts[1]))
    return tuple(found)
