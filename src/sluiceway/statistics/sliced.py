"""Many metrics over many slices of the same rows, for the price of a few passes.

Every additive metric is made of terms, one number a row, and several metrics share terms. So each
term is computed once and summed once, by the finest cells that any slice or block needs; slices
are then sums of cells. What depends on label and decisions only is not even summed: there are eight
kinds of such rows, and counting them by cell gives every decision metric of both arms at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluiceway.statistics.metrics import AdditiveMetric, BlockSums, Domain, Floats, Rows
from sluiceway.statistics.metrics.additive import DecisionTerm, Term

MOST_CELLS = 1 << 13
"""Cells of one pass at the most, unless one variable alone has more: their sums stay in a
processor's cache, which makes a second pass cheaper than one over many cells."""

ALL_ROWS = ""
"""The name under which the sums of all rows are given."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """One way to cut the rows.

    Attributes:
        names: Names of the levels.
        codes: Level of each row, an index into `names`, ``intp[n]``; -1 for a row in none.
    """

    names: tuple[str, ...]
    codes: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedSums:
    """Both arms' sums of one metric over one slice."""

    baseline: BlockSums
    candidate: BlockSums


def sliced_sums(
    metrics: Sequence[AdditiveMetric],
    label: Floats,
    baseline: Floats,
    candidate: Floats,
    block: NDArray[np.intp],
    blocks: Sequence[str],
    variables: Mapping[str, Levels],
) -> dict[tuple[str, str], PairedSums]:
    """Sum both arms' rows by block, in all and for each level of each variable.

    Args:
        metrics: What is measured; all over one field and one label.
        label: ``float64[n]``, NaN where there is none.
        baseline: The champion's answers, ``float64[n]``.
        candidate: The candidate's answers to the same rows, ``float64[n]``.
        block: Code of each row's block, ``intp[n]``.
        blocks: Ids of the G blocks, sorted, each once.
        variables: Ways to cut the rows, by name.

    Returns:
        Sums by (metric name, slice name); a slice is named ``variable=level``,
        :data:`ALL_ROWS` is all rows. A slice without rows in a block has zeros there.

    Rows that a metric's domain does not hold are counted as faults by the metric itself
    (:meth:`~sluiceway.statistics.metrics.metric.Metric.block_sums`); with any such row the short
    way is not taken, so that a fault is never summed.
    """
    sums: dict[tuple[str, str], PairedSums] = {}
    columns = _Domains(label, baseline, candidate)
    clean = [one for one in metrics if columns.are_clean_for(one)]
    ids = tuple(blocks)
    for some in _passes(variables, len(ids)):
        counter = _Counter(label, baseline, candidate, block, len(ids), some)
        for name, axis, level in _marginals(some):
            rows = counter.rows(axis, level)
            for metric in clean:
                if (metric.name, name) not in sums:
                    sums[metric.name, name] = PairedSums(
                        baseline=_block_sums(
                            metric, ids, counter.sums(metric, 0, axis, level), rows
                        ),
                        candidate=_block_sums(
                            metric, ids, counter.sums(metric, 1, axis, level), rows
                        ),
                    )
    for metric in metrics:
        if metric not in clean:
            sums |= _one_by_one(metric, label, baseline, candidate, block, ids, variables)
    return sums


class _Domains:
    """Which domains hold all of the columns, each asked once."""

    def __init__(self, label: Floats, *answers: Floats) -> None:
        self._label, self._answers = label, answers
        self._holds: dict[tuple[str, Domain], bool] = {}

    def are_clean_for(self, metric: AdditiveMetric) -> bool:
        """Whether no row is a fault or without a label, so that the short way may be taken."""
        if metric.classes is not None or any(one.ndim > 1 for one in (self._label, *self._answers)):
            return False
        labelled = not metric.needs_label or self._all("label", metric.label_domain)
        return labelled and self._all("answers", metric.answer_domain)

    def _all(self, which: str, domain: Domain) -> bool:
        if (which, domain) not in self._holds:
            columns = (self._label,) if which == "label" else self._answers
            self._holds[which, domain] = all(domain.holds_all(one) for one in columns)
        return self._holds[which, domain]


def _passes(variables: Mapping[str, Levels], blocks: int) -> list[dict[str, Levels]]:
    """Variables that are cut together: as many as leave the cells in a processor's cache."""
    passes: list[dict[str, Levels]] = [{}]
    cells = blocks
    for name, one in variables.items():
        cells *= len(one.names) + 1
        if passes[-1] and cells > MOST_CELLS:
            passes.append({})
            cells = blocks * (len(one.names) + 1)
        passes[-1][name] = one
    return passes


class _Counter:
    """Sums by cell, each term of each arm once, and what they come to for each level."""

    def __init__(
        self,
        label: Floats,
        baseline: Floats,
        candidate: Floats,
        block: NDArray[np.intp],
        blocks: int,
        variables: Mapping[str, Levels],
    ) -> None:
        self._arms = (
            Rows(label=label, answer=baseline, reference=baseline),
            Rows(label=label, answer=candidate, reference=baseline),
        )
        # The last level of each variable is "in none".
        self._shape = (blocks, *(len(one.names) + 1 for one in variables.values()))
        cells = block
        for one, size in zip(variables.values(), self._shape[1:], strict=True):
            codes = one.codes
            if codes.size and codes.min() < 0:
                codes = np.where(codes < 0, size - 1, codes)
            cells = cells * size + codes
        self._cells, self._size = cells, int(np.prod(self._shape))
        self._levels: dict[tuple[str, int, int], Floats] = {}
        self._kinds: dict[float, Floats] = {}
        counts = np.bincount(cells, minlength=self._size)
        self._rows = self._by_level(counts.astype(np.float64))

    def rows(self, axis: int, level: int) -> NDArray[np.int64]:
        """Rows of one level by block, ``int64[G]``."""
        return self._rows[axis][:, level].astype(np.int64)

    def sums(self, metric: AdditiveMetric, arm: int, axis: int, level: int) -> Floats:
        """One arm's sums of one level by block, ``float64[G, k]``."""
        columns = [self._of(term, arm, axis)[:, level] for term in metric.terms]
        return np.stack(columns, axis=1)

    def _of(self, term: Term | DecisionTerm, arm: int, axis: int) -> Floats:
        key = (term.name, arm, axis)
        if key not in self._levels:
            if isinstance(term, DecisionTerm):
                cells = self._decided(term, arm)
            else:
                with np.errstate(over="ignore", invalid="ignore"):
                    values = term.values(self._arms[arm])
                    cells = _summed(self._cells, values, self._size)
            for place, summed in enumerate(self._by_level(cells)):
                self._levels[term.name, arm, place] = summed
        return self._levels[key]

    def _by_level(self, cells: Floats) -> list[Floats]:
        """Sums by block and level: of all rows as one level, then of each variable."""
        cube = cells.reshape(self._shape)
        axes = range(1, cube.ndim)
        every = cube.sum(axis=tuple(axes))[:, None]
        return [every, *(cube.sum(axis=tuple(o for o in axes if o != one)) for one in axes)]

    def _decided(self, term: DecisionTerm, arm: int) -> Floats:
        """From counts of the eight kinds of rows: label, baseline's and candidate's decision."""
        if term.threshold not in self._kinds:
            rows, after = self._arms[0], self._arms[1].answer
            kind = (rows.label == 1).astype(np.intp)
            kind += kind
            kind += rows.answer > term.threshold
            kind += kind
            kind += after > term.threshold
            kind += self._cells * 8
            counts = np.bincount(kind, minlength=self._size * 8)
            self._kinds[term.threshold] = counts.reshape(-1, 8).astype(np.float64)
        table = np.asarray(term.table, dtype=np.float64)  # label, decision, baseline's decision
        numbers = [
            table[y, before if arm == 0 else after, before]
            for y in (0, 1)
            for before in (0, 1)
            for after in (0, 1)
        ]
        return np.asarray(self._kinds[term.threshold] @ np.asarray(numbers))


def _summed(cells: NDArray[np.intp], values: Floats, size: int) -> Floats:
    return np.bincount(cells, weights=values, minlength=size).astype(np.float64, copy=False)


def _marginals(variables: Mapping[str, Levels]) -> list[tuple[str, int, int]]:
    """Slice name, axis of its variable (0 for all rows) and level."""
    found = [(ALL_ROWS, 0, 0)]
    for axis, (variable, levels) in enumerate(variables.items(), start=1):
        found += [(f"{variable}={name}", axis, at) for at, name in enumerate(levels.names)]
    return found


def _block_sums(
    metric: AdditiveMetric, ids: tuple[str, ...], sums: Floats, rows: NDArray[np.int64]
) -> BlockSums:
    none = np.zeros(len(ids), dtype=np.int64)
    return BlockSums(
        metric=metric.name,
        blocks=ids,
        sums=sums,
        rows=rows,
        unlabelled=none,
        label_faults=none,
        answer_faults=none,
    )


def _one_by_one(
    metric: AdditiveMetric,
    label: Floats,
    baseline: Floats,
    candidate: Floats,
    block: NDArray[np.intp],
    ids: tuple[str, ...],
    variables: Mapping[str, Levels],
) -> dict[tuple[str, str], PairedSums]:
    masks = {ALL_ROWS: np.ones(len(block), dtype=bool)}
    for variable, levels in variables.items():
        for at, name in enumerate(levels.names):
            masks[f"{variable}={name}"] = levels.codes == at
    return {
        (metric.name, name): PairedSums(
            baseline=metric.block_sums(label[inside], baseline[inside], block[inside], ids),
            candidate=metric.block_sums(
                label[inside],
                candidate[inside],
                block[inside],
                ids,
                reference=baseline[inside] if metric.paired else None,
            ),
        )
        for name, inside in masks.items()
    }
