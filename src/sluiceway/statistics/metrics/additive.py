"""Metrics that are a function of weighted means over rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sluiceway.statistics.metrics.metric import Metric, Rows, summed
from sluiceway.statistics.metrics.sums import BlockSums, Codes, Floats, Mask


@dataclass(frozen=True, slots=True)
class Term:
    """One number a row.

    Attributes:
        name: Equal for equal terms, parameters included; what several metrics need is computed
            once.
        of: Gives ``float64[n]``, or ``float64[n, outputs]``.
    """

    name: str
    of: Callable[[Rows], Floats]

    def values(self, rows: Rows) -> Floats:
        """The term of each row, ``float64[n]``, or ``float64[n, outputs]``."""
        return self.of(rows)


Table = tuple[tuple[tuple[float, float], tuple[float, float]], ...]


@dataclass(frozen=True, slots=True)
class DecisionTerm:
    """One number a row that depends on label, decision and the baseline's decision only.

    A decision is "the answer is above the threshold".

    Attributes:
        table: The number by label, decision and the baseline's decision, each 0 or 1.
    """

    name: str
    threshold: float
    table: Table

    def values(self, rows: Rows) -> Floats:
        """The term of each row, ``float64[n]``."""
        decided = (rows.answer > self.threshold).astype(np.intp)
        before = (
            decided
            if rows.reference is rows.answer
            else (rows.reference > self.threshold).astype(np.intp)
        )
        code = 4 * rows.label.astype(np.intp) + 2 * decided + before
        return np.asarray(np.asarray(self.table, dtype=np.float64).ravel()[code])


def mean(means: Floats) -> Floats:
    """The one mean itself."""
    return means[..., 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditiveMetric(Metric):
    """A function of the mean over rows of one or more terms.

    With several outputs, the mean over outputs of that function of each (sklearn's
    ``uniform_average``): sums are then those of the first output's terms, of the second's, ….

    Attributes:
        terms: What is averaged.
        of_means: ``float64[..., k] -> float64[...]``, NaN where it is undefined.
        row_range: Smallest and largest value of the one term, where `of_means` is :func:`mean`.
    """

    terms: tuple[Term | DecisionTerm, ...]
    of_means: Callable[[Floats], Floats] = mean
    row_range: tuple[float, float] | None = None

    @property
    def additive(self) -> bool:
        """Always: its sums are plain sums over rows."""
        return True

    @property
    def loss_range(self) -> tuple[float, float] | None:
        """Bounds of :meth:`row_losses`."""
        if self.row_range is None or self.worse == "higher":
            return self.row_range
        low, high = self.row_range
        return 0.0, high - low

    def row_losses(
        self, label: Floats, answer: Floats, reference: Floats | None = None
    ) -> Floats | None:
        """The one term of each row, turned so that higher is worse; None with several terms.

        Where lower is worse, how far the row stays below the best possible.
        """
        if self.of_means is not mean:
            return None
        if self.worse == "lower" and self.row_range is None:
            return None
        rows = Rows(
            label=label if self.needs_label else np.zeros(len(answer)),
            answer=answer,
            reference=answer if reference is None else reference,
        )
        with np.errstate(over="ignore", invalid="ignore"):
            values = self.terms[0].values(rows)
            values = values if values.ndim == 1 else values.mean(axis=1)
        if self.worse == "higher":
            return values
        assert self.row_range is not None
        return np.asarray(self.row_range[1] - values)

    def _sums(self, rows: Rows, block: Codes, blocks: int, weight: Floats | None) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            found = [term.values(rows) for term in self.terms]
            columns = found if found[0].ndim == 1 else _by_output(found)
            if weight is not None:
                columns = [column * weight for column in columns]
            sums = [summed(block, column, blocks) for column in columns]
        return np.stack(sums, axis=1)

    def _evaluate(self, sums: Floats, mass: Floats) -> Floats:
        means = np.full(sums.shape, np.nan)
        there = mass > 0
        np.divide(sums, mass[..., None], out=means, where=there[..., None])
        overflown = there & ~np.isfinite(means).all(axis=-1)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            values = np.asarray(self._of_outputs(means), dtype=np.float64)
        # Rows are finite, so this can only be an overflow: it must not look like "no rows".
        return np.where(overflown, np.inf, values)

    def _of_outputs(self, means: Floats) -> Floats:
        outputs = means.shape[-1] // len(self.terms)
        if outputs == 1:
            return self.of_means(means)
        each = self.of_means(means.reshape(*means.shape[:-1], outputs, len(self.terms)))
        return np.asarray(each.mean(axis=-1))

    def value(self, sums: BlockSums) -> float:
        """The metric over all rows; NaN without rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self._evaluate(sums.sums.sum(axis=0), np.asarray(sums.mass.sum())))

    def leave_one_block_out(self, sums: BlockSums) -> Floats:
        """The metric over all rows but one block's, ``float64[G]``."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._evaluate(_of_all_others(sums.sums), _of_all_others(sums.mass))

    def per_block(self, sums: BlockSums) -> Floats:
        """The metric over each block's rows, ``float64[G]``, NaN without rows."""
        return self._evaluate(sums.sums, sums.mass)

    def defined(self, sums: BlockSums) -> Mask:
        """Blocks in which its means, and what is made of them, exist."""
        return np.asarray((sums.rows > 0) & ~np.isnan(self.per_block(sums)))


def _by_output(terms: list[Floats]) -> list[Floats]:
    """Columns of ``float64[n, outputs]``, the terms of one output together."""
    return [term[:, output] for output in range(terms[0].shape[1]) for term in terms]


def _of_all_others(of_each: Floats) -> Floats:
    """The sum over all blocks but one, for each, ``float64[G, ...]``.

    Of those before and those after, not the whole less the one: one block of huge numbers would
    leave only rounding of all the others.
    """
    others = np.zeros_like(of_each)
    others[1:] = np.cumsum(of_each[:-1], axis=0)
    others[:-1] += np.cumsum(of_each[:0:-1], axis=0)[::-1]
    return others
