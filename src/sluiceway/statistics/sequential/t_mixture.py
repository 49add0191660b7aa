"""One gate's evidence over closed blocks: small, serialisable, valid at every look.

The observation is the harm of one closed, mature block, entered once. Two e-processes are read
from the same three numbers (blocks, mean, squared deviations): *harm* against "the harm is at
most the margin", *safety* against "the harm is at least the margin". Their inversion over the
margin is the confidence sequence, so a margin can be looked at afterwards without new evidence.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from sluiceway.errors import SluicewayError
from sluiceway.statistics.evalues import DEFAULT_C2, critical_ratio, log_t_mixture
from sluiceway.statistics.jackknife import are_paired
from sluiceway.statistics.metrics import BlockSums, metric_named

# Beyond this a squared deviation could overflow; no metric in a sane unit comes near.
_LARGEST = 1e150


class BlockEnteredTwiceError(SluicewayError):
    """A block whose evidence already counts was offered again.

    Attributes:
        block: Its id.
    """

    def __init__(self, block: str) -> None:
        self.block = block
        super().__init__(f"block {block} was entered before: a block counts once, when closed")


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
    """

    block: str
    harm: float | None
    baseline: float | None
    candidate: float | None
    rows: int
    unlabelled: int = 0
    faulty_rows: int = 0


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
    sound = np.isfinite(harms) & (np.abs(harms) <= _LARGEST)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialHarm:
    """All that one gate has seen in a canary. Starts as ``SequentialHarm()``.

    Attributes:
        n: Blocks measured.
        mean: Mean of the block harms, each block counting once, in the metric's unit.
        squares: Sum of squared deviations from ``mean``, in the unit squared.
        mean_baseline: Mean over blocks of the baseline's metric.
        mean_candidate: Mean over blocks of the candidate's metric.
        rows: Labelled rows in all blocks entered.
        unlabelled: Rows whose label never came.
        faulty_rows: Rows with a fault (:class:`BlockHarm`).
        unmeasured: Blocks entered that had nothing to measure.
        blocks: Ids of all blocks entered, in order of entry.
    """

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    mean_baseline: float = 0.0
    mean_candidate: float = 0.0
    rows: int = 0
    unlabelled: int = 0
    faulty_rows: int = 0
    unmeasured: int = 0
    blocks: tuple[str, ...] = ()

    def enter(self, block: BlockHarm) -> Self:
        """The state after one more closed block.

        Raises:
            BlockEnteredTwiceError: The block counts already.
        """
        if block.block in self.blocks:
            raise BlockEnteredTwiceError(block.block)
        counted = replace(
            self,
            rows=self.rows + block.rows,
            unlabelled=self.unlabelled + block.unlabelled,
            faulty_rows=self.faulty_rows + block.faulty_rows,
            blocks=(*self.blocks, block.block),
        )
        if block.harm is None:
            return replace(counted, unmeasured=self.unmeasured + 1)
        values = (block.harm, block.baseline or 0.0, block.candidate or 0.0)
        if not all(math.isfinite(value) and abs(value) <= _LARGEST for value in values):
            # Never let it into the sums: NaN would poison every later look.
            return replace(counted, faulty_rows=counted.faulty_rows + max(block.rows, 1))
        n = self.n + 1
        # Welford (1962): no cancellation, whatever the unit or the offset.
        step = block.harm - self.mean
        mean = self.mean + step / n
        return replace(
            counted,
            n=n,
            mean=mean,
            squares=self.squares + step * (block.harm - mean),
            mean_baseline=self.mean_baseline + (values[1] - self.mean_baseline) / n,
            mean_candidate=self.mean_candidate + (values[2] - self.mean_candidate) / n,
        )

    @property
    def spread(self) -> float:
        """Root mean squared deviation of the block harms (divisor n), in the metric's unit."""
        return math.sqrt(self.squares / self.n) if self.n else 0.0

    @property
    def standard_error(self) -> float | None:
        """Standard error of ``mean``, for people only; None below two blocks."""
        return self.spread / math.sqrt(self.n - 1) if self.n > 1 else None

    def log_e_harm(self, margin: float, c2: float = DEFAULT_C2) -> float:
        """Log e-value against "the harm is at most ``margin``"."""
        return log_t_mixture(self.n, self.mean - margin, self.spread, c2)

    def log_e_safety(self, margin: float, c2: float = DEFAULT_C2) -> float:
        """Log e-value against "the harm is at least ``margin``"."""
        return log_t_mixture(self.n, margin - self.mean, self.spread, c2)

    def confidence_sequence(
        self, alpha: float, c2: float = DEFAULT_C2
    ) -> tuple[float | None, float | None]:
        """Two-sided 1 - 2·``alpha`` interval of the harm, valid at all looks together.

        Holds the margins that neither e-process has excluded at this look. Each bound alone is
        one-sided at 1 - ``alpha``. None while unbounded.
        """
        ratio = critical_ratio(self.n, alpha, c2)
        if ratio is None:
            return None, None
        return self.mean - ratio * self.spread, self.mean + ratio * self.spread
