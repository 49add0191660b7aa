"""Arms that answered different units, compared inside strata and only then combined.

A stratum is one routing revision inside one block: there, who answers is drawn with one weight and
both arms meet the same time of day. Pooling over a ramp would compare the candidate's late units
with the baseline's early ones.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import BlockSums, Metric, metric_named
from sluiceway.statistics.sequential.closed import (
    LARGEST,
    ArmLabels,
    BlockHarm,
    Stratum,
    has_zero_one_losses,
)


def stratum_name(block: str, revision: int) -> str:
    """The id under which sums of a stratum are collected, in the place of a block's."""
    return f"{block}/{revision:09d}"


def unpaired_rows(
    metric: Metric,
    label: ArrayLike,
    answer: ArrayLike,
    block: ArrayLike,
    revision: ArrayLike,
    on_candidate: ArrayLike,
) -> tuple[BlockHarm, ...]:
    """The harm inside each block of rows that one arm each answered.

    Args:
        metric: What is measured.
        label: ``[n]``, NaN where there is none.
        answer: What the row's arm answered, ``[n]``.
        block: ``[n]`` ids.
        revision: Routing revision under which the row was answered, ``[n]``.
        on_candidate: Whether the candidate answered it, ``bool[n]``.

    Raises:
        ValueError: The metric compares two answers to one row.
    """
    if metric.paired:
        raise ValueError(f"{metric.name} compares two answers to one row; here there is one")
    columns = [np.asarray(column, dtype=np.float64) for column in (label, answer)]
    blocks, codes = np.unique(np.asarray(block).astype(str), return_inverse=True)
    revisions, turns = np.unique(np.asarray(revision, dtype=np.int64), return_inverse=True)
    pairs, strata = np.unique(codes * max(revisions.size, 1) + turns, return_inverse=True)
    names = np.asarray(
        [
            stratum_name(str(blocks[pair // revisions.size]), int(revisions[pair % revisions.size]))
            for pair in pairs
        ],
        dtype=object,
    )
    chosen = np.asarray(on_candidate, dtype=np.bool_)
    sums = []
    for rows in (~chosen, chosen):
        accumulator = MetricAccumulator(metric)
        accumulator.add(columns[0][rows], columns[1][rows], names[strata[rows]])
        sums.append(accumulator.finish())
    return unpaired_block_harms(*sums)


def unpaired_block_harms(baseline: BlockSums, candidate: BlockSums) -> tuple[BlockHarm, ...]:
    """The harm inside each block of arms that answered different units.

    Differences of strata are combined with weights n_b n_c/(n_b + n_c) over labelled rows, which
    is what their precision would be at equal variances and does not depend on outcomes. A stratum
    in which either arm measured nothing compares nothing.

    Args:
        baseline: Sums whose blocks are strata, named by :func:`stratum_name`.
        candidate: The same of the other arm; strata may differ.

    Returns:
        One a block, in order; with events where losses are 0 or 1.

    Raises:
        ValueError: The arms hold different metrics.
    """
    if baseline.metric != candidate.metric:
        raise ValueError(f"{baseline.metric} and {candidate.metric} cannot be compared")
    metric = metric_named(baseline.metric)
    by_block: dict[str, list[str]] = {}
    for name in sorted({*baseline.blocks, *candidate.blocks}):
        by_block.setdefault(name.rpartition("/")[0], []).append(name)
    arms = [_Strata(metric, sums) for sums in (baseline, candidate)]
    return tuple(_combined(metric, block, names, *arms) for block, names in by_block.items())


class _Strata:
    """One arm's numbers by stratum."""

    def __init__(self, metric: Metric, sums: BlockSums) -> None:
        self.place: Mapping[str, int] = {name: code for code, name in enumerate(sums.blocks)}
        self.value = metric.per_block(sums)
        self.defined = metric.defined(sums)
        self.rows = sums.rows
        self.unlabelled = sums.unlabelled
        self.faults = sums.label_faults + sums.answer_faults

    def total(self, counts: np.ndarray, names: Sequence[str]) -> int:
        return int(sum(counts[self.place[name]] for name in names if name in self.place))

    def measured(self, name: str) -> int | None:
        code = self.place.get(name)
        return code if code is not None and self.defined[code] else None


def _combined(
    metric: Metric, block: str, names: Sequence[str], before: _Strata, after: _Strata
) -> BlockHarm:
    both = [
        (b, c)
        for b, c in ((before.measured(name), after.measured(name)) for name in names)
        if b is not None and c is not None
    ]
    faults = before.total(before.faults, names) + after.total(after.faults, names)
    harm = values = None
    if both:
        b, c = (np.asarray(codes, dtype=np.intp) for codes in zip(*both, strict=True))
        rows = before.rows[b].astype(np.float64), after.rows[c].astype(np.float64)
        weights = rows[0] * rows[1] / (rows[0] + rows[1])
        with np.errstate(invalid="ignore", over="ignore"):
            harms = metric.harm(before.value[b], after.value[c])
            values = [
                float(np.average(one, weights=weights))
                for one in (harms, before.value[b], after.value[c])
            ]
        if not np.isfinite(values).all() or abs(values[0]) > LARGEST:
            faults, values = max(faults, 1), None
        else:
            harm = values[0]
    zero_one = has_zero_one_losses(metric)
    return BlockHarm(
        block=block,
        harm=harm,
        baseline=None if values is None else values[1],
        candidate=None if values is None else values[2],
        rows=before.total(before.rows, names) + after.total(after.rows, names),
        unlabelled=before.total(before.unlabelled, names) + after.total(after.unlabelled, names),
        faulty_rows=faults,
        arms=ArmLabels(
            baseline=before.total(before.rows, names),
            candidate=after.total(after.rows, names),
            baseline_missing=before.total(before.unlabelled, names),
            candidate_missing=after.total(after.unlabelled, names),
        ),
        strata=tuple(_stratum(metric, before, b, after, c) for b, c in both) if zero_one else None,
    )


def _stratum(metric: Metric, before: _Strata, b: int, after: _Strata, c: int) -> Stratum:
    units = int(before.rows[b]), int(after.rows[c])
    # The mean of 0–1 losses times the units is a whole number, up to rounding.
    losses = [
        value if metric.worse == "higher" else 1 - value
        for value in (float(before.value[b]), float(after.value[c]))
    ]
    return Stratum(
        baseline_units=units[0],
        candidate_units=units[1],
        baseline_events=round(losses[0] * units[0]),
        candidate_events=round(losses[1] * units[1]),
    )
