"""Metrics as functions of per-block sums: the one shape every error estimate is made from.

A metric never sees more than its sums, so one partition and many give the same answer, a block
can be deleted without looking at a row again, and a slice is one more set of blocks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from sluiceway.statistics import ranks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.intp]


class Domain(StrEnum):
    """Which numbers a label or an answer may be. NaN and infinities never belong."""

    FINITE = "a finite number"
    UNIT = "a number from 0 to 1"
    BINARY = "0 or 1"

    def holds(self, values: Floats) -> NDArray[np.bool_]:
        """Which of ``float64[n]`` belong, ``bool[n]``."""
        belongs: NDArray[np.bool_]
        if self is Domain.UNIT:
            belongs = (values >= 0) & (values <= 1)
        elif self is Domain.BINARY:
            belongs = (values == 0) | (values == 1)
        else:
            belongs = np.isfinite(values)
        return belongs


class UnitKind(StrEnum):
    """What a metric's value is counted in."""

    LABEL = "the label's unit"
    SHARE = "a share from 0 to 1"
    SQUARED_SHARE = "squared probability from 0 to 1"
    NATS = "nats"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockSums:
    """What one arm's rows leave behind for one metric, block by block.

    Attributes:
        metric: Name in :data:`METRICS`.
        blocks: Ids of the G blocks, sorted, each once.
        sums: The metric's sums, ``float64[G, k]``, over rows with a label and no fault.
        rows: Rows counted in ``sums``, ``int64[G]``.
        unlabelled: Rows left out because their label is missing (NaN), ``int64[G]``.
        label_faults: Rows whose label is outside the metric's domain, ``int64[G]``.
        answer_faults: Rows, labelled or not, whose answer is outside its domain, ``int64[G]``.
    """

    metric: str
    blocks: tuple[str, ...]
    sums: Floats
    rows: Ints
    unlabelled: Ints
    label_faults: Ints
    answer_faults: Ints

    def merge(self, other: Self) -> Self:
        """Sums of the rows of both, for additive metrics.

        Raises:
            ValueError: The two hold different metrics, or a rank metric, whose sums need all
                rows at once (:class:`~sluiceway.statistics.accumulating.MetricAccumulator`).
        """
        if self.metric != other.metric:
            raise ValueError(f"sums of {self.metric} and of {other.metric} cannot be merged")
        if not METRICS[self.metric].additive:
            raise ValueError(f"{self.metric} ranks all rows at once: its sums cannot be merged")
        blocks = tuple(sorted({*self.blocks, *other.blocks}))
        place = {block: code for code, block in enumerate(blocks)}
        merged: dict[str, NDArray[np.float64 | np.int64]] = {}
        for name in (field.name for field in fields(self)[2:]):
            first = getattr(self, name)
            total = np.zeros((len(blocks), *first.shape[1:]), dtype=first.dtype)
            for part in (self, other):
                total[[place[block] for block in part.blocks]] += getattr(part, name)
            merged[name] = total
        return type(self)(metric=self.metric, blocks=blocks, **merged)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(ABC):
    """One way to say how good answers are.

    Attributes:
        name: As written in a system file.
        worse: Which way is worse.
        unit_kind: What the value is counted in.
        label_domain: What a label must be; NaN means "no label" and is counted apart.
        answer_domain: What an answer must be.
    """

    name: str
    worse: Literal["higher", "lower"]
    unit_kind: UnitKind
    label_domain: Domain
    answer_domain: Domain

    @property
    @abstractmethod
    def additive(self) -> bool:
        """Whether sums of parts add up to the sums of the whole."""

    def harm(self, baseline: Floats, candidate: Floats) -> Floats:
        """Candidate minus baseline, signed so that positive is worse, in the metric's unit."""
        sign = 1.0 if self.worse == "higher" else -1.0
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(sign * (candidate - baseline), dtype=np.float64)

    def block_sums(
        self, label: Floats, answer: Floats, block: Codes, blocks: Sequence[str]
    ) -> BlockSums:
        """Sum rows by block.

        Args:
            label: ``float64[n]``, NaN where there is none.
            answer: ``float64[n]``.
            block: Code of each row's block, an index into ``blocks``, ``intp[n]``.
            blocks: Ids of the G blocks, sorted, each once.

        Raises:
            ValueError: Lengths differ, a code is outside ``blocks``, or ids are not sorted.
        """
        label, answer = (np.asarray(column, dtype=np.float64) for column in (label, answer))
        block = np.asarray(block, dtype=np.intp)
        if not (label.ndim == 1 and label.shape == answer.shape == block.shape):
            raise ValueError(
                f"{self.name}: label {label.shape}, answer {answer.shape} and block {block.shape} "
                "must be columns of one length"
            )
        ids = tuple(blocks)
        if any(first >= second for first, second in pairwise(ids)):
            raise ValueError(f"{self.name}: block ids must be sorted, each once")
        if block.size and (block.min() < 0 or block.max() >= len(ids)):
            raise ValueError(f"{self.name}: block codes must lie in 0..{len(ids) - 1}")
        unlabelled = np.isnan(label)
        bad_label = ~(self.label_domain.holds(label) | unlabelled)
        bad_answer = ~self.answer_domain.holds(answer)
        out = unlabelled | bad_label | bad_answer

        def count(which: NDArray[np.bool_]) -> Ints:
            if not which.any():
                return np.zeros(len(ids), dtype=np.int64)
            return np.bincount(block[which], minlength=len(ids)).astype(np.int64)

        if out.any():
            kept = ~out
            label, answer, within = label[kept], answer[kept], block[kept]
        else:
            within = block
        return BlockSums(
            metric=self.name,
            blocks=ids,
            sums=self._sums(label, answer, within, len(ids)),
            rows=np.bincount(within, minlength=len(ids)).astype(np.int64),
            unlabelled=count(unlabelled),
            label_faults=count(bad_label),
            answer_faults=count(bad_answer),
        )

    @abstractmethod
    def _sums(self, label: Floats, answer: Floats, block: Codes, blocks: int) -> Floats:
        """Sums of rows known to lie in the domain, ``float64[blocks, k]``."""

    @abstractmethod
    def value(self, sums: BlockSums) -> float:
        """The metric over all rows; NaN where it is undefined (no rows, one class)."""

    @abstractmethod
    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The metric over all rows but one block's, for each block, ``float64[G]``."""

    @abstractmethod
    def per_block(self, sums: BlockSums) -> Floats:
        """The metric over each block's rows alone, ``float64[G]``, NaN where undefined."""

    @abstractmethod
    def defined(self, sums: BlockSums) -> NDArray[np.bool_]:
        """In which blocks :meth:`per_block` has something to measure, ``bool[G]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveMetric(Metric):
    """A function of the mean over rows of one or more terms.

    Attributes:
        terms: ``(label, answer) -> k columns float64[n]``.
        of_means: ``float64[..., k] -> float64[...]``.
    """

    terms: Callable[[Floats, Floats], tuple[Floats, ...]]
    of_means: Callable[[Floats], Floats]

    @property
    def additive(self) -> bool:
        """Always: its sums are plain sums over rows."""
        return True

    def _sums(self, label: Floats, answer: Floats, block: Codes, blocks: int) -> Floats:
        with np.errstate(over="ignore"):
            columns = self.terms(label, answer)
            sums = [np.bincount(block, weights=column, minlength=blocks) for column in columns]
        return np.stack(sums, axis=1)

    def _evaluate(self, sums: Floats, rows: Ints) -> Floats:
        means = np.full(sums.shape, np.nan)
        np.divide(sums, rows[..., None], out=means, where=rows[..., None] > 0)
        with np.errstate(invalid="ignore", over="ignore"):
            values = self.of_means(means)
        # Rows are finite, so NaN can only be an overflow here: it must not look like "no rows".
        return np.where(np.isnan(values) & (rows > 0), np.inf, values)

    def value(self, sums: BlockSums) -> float:
        """The metric over all rows; NaN without rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self._evaluate(sums.sums.sum(axis=0), np.asarray(sums.rows.sum())))

    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The metric over all rows but one block's, ``float64[G]``."""
        with np.errstate(over="ignore", invalid="ignore"):
            rest = sums.sums.sum(axis=0) - sums.sums
        return self._evaluate(rest, sums.rows.sum() - sums.rows)

    def per_block(self, sums: BlockSums) -> Floats:
        """The metric over each block's rows, ``float64[G]``, NaN without rows."""
        return self._evaluate(sums.sums, sums.rows)

    def defined(self, sums: BlockSums) -> NDArray[np.bool_]:
        """Blocks with a row."""
        return sums.rows > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RocAuc(Metric):
    """Probability that a positive row scores above a negative one, ties one half."""

    @property
    def additive(self) -> bool:
        """Never: a row's rank depends on all other rows."""
        return False

    def _sums(self, label: Floats, answer: Floats, block: Codes, blocks: int) -> Floats:
        return ranks.roc_auc_block_sums(label == 1, answer, block, blocks)

    def value(self, sums: BlockSums) -> float:
        """The AUC over all rows; NaN with one class only."""
        return float(ranks.roc_auc(sums.sums.sum(axis=0)))

    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The AUC with each block deleted, ``float64[G]``."""
        return ranks.roc_auc_without_each(sums.sums)

    def per_block(self, sums: BlockSums) -> Floats:
        """The AUC inside each block, ``float64[G]``, NaN with one class only."""
        return ranks.roc_auc_inside_each(sums.sums)

    def defined(self, sums: BlockSums) -> NDArray[np.bool_]:
        """Blocks with both classes."""
        return (sums.sums[:, 3] > 0) & (sums.sums[:, 4] > 0)


# sklearn clips probabilities at the same place, so that one sure error is not infinite.
_EPSILON = float(np.finfo(np.float64).eps)


def _log_loss(label: Floats, answer: Floats) -> tuple[Floats]:
    sure = np.where(label == 1, answer, 1 - answer)
    return (-np.log(np.clip(sure, _EPSILON, 1 - _EPSILON)),)


def _mean(means: Floats) -> Floats:
    return means[..., 0]


def _root(means: Floats) -> Floats:
    return np.asarray(np.sqrt(means[..., 0]))


def _size(means: Floats) -> Floats:
    return np.asarray(np.abs(means[..., 0]))


def _additive(
    name: str,
    kind: UnitKind,
    terms: Callable[[Floats, Floats], tuple[Floats, ...]],
    of_means: Callable[[Floats], Floats] = _mean,
    worse: Literal["higher", "lower"] = "higher",
) -> AdditiveMetric:
    real = kind is UnitKind.LABEL
    return AdditiveMetric(
        name=name,
        worse=worse,
        unit_kind=kind,
        label_domain=Domain.FINITE if real else Domain.BINARY,
        answer_domain=Domain.FINITE if real else Domain.UNIT,
        terms=terms,
        of_means=of_means,
    )


_ALL: tuple[Metric, ...] = (
    # Mean of |answer - label|.
    _additive("mae", UnitKind.LABEL, lambda label, answer: (np.abs(answer - label),)),
    # Root of the mean of (answer - label)².
    _additive("rmse", UnitKind.LABEL, lambda label, answer: ((answer - label) ** 2,), _root),
    # |mean of (answer - label)|: over-answering and under-answering are equally bad.
    _additive("bias", UnitKind.LABEL, lambda label, answer: (answer - label,), _size),
    # Brier (1950): mean of (probability - outcome)², between 0 and 1.
    _additive("brier", UnitKind.SQUARED_SHARE, lambda label, answer: ((answer - label) ** 2,)),
    # Mean of -log of the probability given to what happened.
    _additive("log_loss", UnitKind.NATS, _log_loss),
    # Share of rows where "answer above one half" agrees with the label.
    _additive(
        "accuracy",
        UnitKind.SHARE,
        lambda label, answer: (((answer > 0.5) == (label == 1)).astype(np.float64),),
        worse="lower",
    ),
    RocAuc(
        name="roc_auc",
        worse="lower",
        unit_kind=UnitKind.SHARE,
        label_domain=Domain.BINARY,
        answer_domain=Domain.FINITE,
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Every metric by its name."""
