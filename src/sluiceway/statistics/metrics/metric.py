"""What every metric can do: sum rows by block, and give its value with any block deleted."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from sluiceway.statistics.metrics.sums import BlockSums, Codes, Domain, Floats, Ints, Mask, UnitKind

LARGEST_WEIGHT = 1e100
"""Of a row: what pairs of rows weigh is a product, and very many of those must be a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows known to lie in a metric's domain.

    Attributes:
        label: ``float64[n]``, or ``float64[n, outputs]``; zeros where the metric needs none.
        answer: ``float64[n]``, or ``float64[n, columns]``.
        reference: The baseline's answers to the same rows, shaped as ``answer``; the answers
            themselves for the baseline.
    """

    label: Floats
    answer: Floats
    reference: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(ABC):
    """One way to say how good answers are.

    Attributes:
        name: As written in a system file, parameters included.
        worse: Which way is worse.
        unit_kind: What the value is counted in.
        label_domain: What a label must be; NaN means "no label" and is counted apart.
        answer_domain: What an answer must be.
        of_answers: Whether it looks at a model's answers, not at how requests went.
        needs_label: Whether it compares with the truth.
        paired: Whether it compares with the baseline's answer to the same row.
        columns: Columns of an answer: more than one for class probabilities.
        classes: How many classes there are, where labels, or answers too, are codes of classes: a
            code beyond is a fault; None where there are no codes.
        outputs: Whether labels and answers may have several columns: the metric is then the mean
            over columns of the metric of each.
    """

    name: str
    worse: Literal["higher", "lower"]
    unit_kind: UnitKind
    label_domain: Domain
    answer_domain: Domain
    of_answers: bool = True
    needs_label: bool = True
    paired: bool = False
    columns: int = 1
    classes: int | None = None
    outputs: bool = False

    @property
    @abstractmethod
    def additive(self) -> bool:
        """Whether sums of parts add up to the sums of the whole."""

    @property
    def weighable(self) -> bool:
        """Whether rows may have weights."""
        return self.additive

    @property
    def best_is_no_change(self) -> bool:
        """Whether its harm can never be above 0: compared with the baseline, lower is no worse."""
        return self.paired and self.worse == "lower"

    @property
    def loss_range(self) -> tuple[float, float] | None:
        """Smallest and largest loss of a row; None where there is no such loss or bound."""
        return None

    def row_losses(
        self, label: Floats, answer: Floats, reference: Floats | None = None
    ) -> Floats | None:
        """Where the metric is a mean over rows of one number, that number, higher is worse.

        Args:
            label: ``float64[n]`` in the domain.
            answer: ``float64[n]`` in the domain.
            reference: The baseline's answers, for paired metrics.

        Returns:
            ``float64[n]``, None where the metric is no such mean.
        """
        del label, answer, reference
        return None

    def harm(self, baseline: Floats, candidate: Floats) -> Floats:
        """Candidate minus baseline, signed so that positive is worse, in the metric's unit."""
        sign = 1.0 if self.worse == "higher" else -1.0
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(sign * (candidate - baseline), dtype=np.float64)

    def block_sums(
        self,
        label: Floats,
        answer: Floats,
        block: Codes,
        blocks: Sequence[str],
        *,
        reference: Floats | None = None,
        weight: Floats | None = None,
    ) -> BlockSums:
        """Sum rows by block.

        Args:
            label: ``float64[n]``, NaN where there is none; not looked at where none is needed.
            answer: ``float64[n]``; ``float64[n, columns]`` for class probabilities.
            block: Code of each row's block, an index into ``blocks``, ``intp[n]``.
            blocks: Ids of the G blocks, sorted, each once.
            reference: The baseline's answers, for paired metrics; None for the baseline itself.
            weight: How much each row counts, ``float64[n]``, from 0 to :data:`LARGEST_WEIGHT`. A
                row of weight 0 is no row.

        Raises:
            ValueError: Shapes differ, a code is outside ``blocks``, ids are not sorted, a weight is
                none, or the metric takes no weights.
        """
        ids = tuple(blocks)
        label, answer, reference, block = self._shaped(label, answer, reference, block, ids)
        weight = self.checked_weight(weight, len(block))
        gone = np.isnan(label)
        unlabelled: Mask = gone if gone.ndim == 1 else np.asarray(gone.any(axis=1))
        bad_label = ~(self.takes_label(label) | unlabelled)
        bad_answer = ~self.takes_answer(answer)
        if reference is not answer:
            bad_answer |= ~self.takes_answer(reference)
        out = unlabelled | bad_label | bad_answer
        weightless = np.zeros(len(block), dtype=bool) if weight is None else weight == 0

        def count(which: Mask) -> Ints:
            which = which & ~weightless
            if not which.any():
                return np.zeros(len(ids), dtype=np.int64)
            return np.bincount(block[which], minlength=len(ids)).astype(np.int64)

        counted = {
            "unlabelled": count(unlabelled),
            "label_faults": count(bad_label),
            "answer_faults": count(bad_answer),
        }
        out |= weightless
        same = reference is answer
        if out.any():
            kept = ~out
            label, answer, block = label[kept], answer[kept], block[kept]
            reference = answer if same else reference[kept]
            weight = None if weight is None else weight[kept]
        rows = Rows(label=label, answer=answer, reference=reference)
        return BlockSums(
            metric=self.name,
            blocks=ids,
            sums=self._sums(rows, block, len(ids), weight),
            rows=np.bincount(block, minlength=len(ids)).astype(np.int64),
            weight=None if weight is None else summed(block, weight, len(ids)),
            additive=self.additive,
            **counted,
        )

    def _shaped(
        self,
        label: Floats,
        answer: Floats,
        reference: Floats | None,
        block: Codes,
        ids: tuple[str, ...],
    ) -> tuple[Floats, Floats, Floats, Codes]:
        answer = np.asarray(answer, dtype=np.float64)
        block = np.asarray(block, dtype=np.intp)
        label = (
            np.asarray(label, dtype=np.float64)
            if self.needs_label
            else np.zeros(len(answer), dtype=np.float64)
        )
        given = answer if reference is None else np.asarray(reference, dtype=np.float64)
        wide = label.ndim == 2 and label.shape[1] > 0 and self.outputs
        expected = (*block.shape, self.columns) if self.columns > 1 else block.shape
        fits = answer.shape == (label.shape if wide else expected)
        if not (block.ndim == 1 and label.shape[:1] == block.shape and fits):
            raise ValueError(
                f"{self.name}: label {label.shape}, answer {answer.shape} and block {block.shape} "
                "must be columns of one length"
            )
        if given.shape != answer.shape:
            raise ValueError(
                f"{self.name}: reference {given.shape} must be shaped as answer {answer.shape}"
            )
        if label.ndim > 1 and not wide:
            raise ValueError(f"{self.name}: takes one label a row, not {label.shape[1:]}")
        if any(first >= second for first, second in pairwise(ids)):
            raise ValueError(f"{self.name}: block ids must be sorted, each once")
        if block.size and (block.min() < 0 or block.max() >= len(ids)):
            raise ValueError(f"{self.name}: block codes must lie in 0..{len(ids) - 1}")
        return label, answer, given, block

    def checked_weight(self, weight: Floats | None, rows: int) -> Floats | None:
        """Weights as they are summed, ``float64[rows]``; None where each row counts once.

        Raises:
            ValueError: The metric takes none, or a weight is none.
        """
        if weight is None:
            return None
        if not self.weighable:
            raise ValueError(f"{self.name} takes no weights")
        weight = np.asarray(weight, dtype=np.float64)
        if weight.shape != (rows,):
            raise ValueError(f"{self.name}: weights of shape {weight.shape} for {rows} rows")
        if not ((weight >= 0) & (weight <= LARGEST_WEIGHT)).all():
            raise ValueError(f"{self.name}: weights must be from 0 to {LARGEST_WEIGHT:g}")
        return weight

    def _holds(self, domain: Domain, values: Floats) -> Mask:
        belongs = domain.holds(values)
        if domain is Domain.CODE and self.classes is not None:
            belongs &= values < self.classes
        return belongs

    def takes_label(self, label: Floats) -> Mask:
        """Which labels it can use, ``bool[n]``: NaN, which is no label, is not among them.

        Args:
            label: ``float64[n]``, or ``float64[n, outputs]``.
        """
        return self._holds(self.label_domain, label)

    def takes_answer(self, answer: Floats) -> Mask:
        """Which answers it can use, ``bool[n]``.

        Args:
            answer: ``float64[n]``, or ``float64[n, columns]``.
        """
        belongs = self._holds(self.answer_domain, answer)
        if self.columns > 1:
            with np.errstate(invalid="ignore", over="ignore"):
                belongs &= np.abs(answer.sum(axis=1) - 1) <= 1e-6
        return belongs

    @abstractmethod
    def _sums(self, rows: Rows, block: Codes, blocks: int, weight: Floats | None) -> Floats:
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

    def defined(self, sums: BlockSums) -> Mask:
        """In which blocks :meth:`per_block` has something to measure, ``bool[G]``."""
        return np.asarray((sums.rows > 0) & ~np.isnan(self.per_block(sums)))


def written(number: float) -> str:
    """A parameter as it stands in a metric's name: short, and read back as the same number."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def of_classes(name: str, classes: int) -> str:
    """A metric's name with how many classes its probabilities are of; two are not said.

    Raises:
        ValueError: There are fewer than two.
    """
    if classes < 2:
        raise ValueError(f"classes {classes} must be at least 2")
    return name if classes == 2 else f"{name}(classes={classes})"


def summed(block: Codes, values: Floats, blocks: int) -> Floats:
    """Sums by block, ``float64[blocks]``; of no rows too, where numpy would give integers."""
    return np.bincount(block, weights=values, minlength=blocks).astype(np.float64, copy=False)
