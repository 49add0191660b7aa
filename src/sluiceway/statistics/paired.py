"""Rows that both arms answered, turned into what each block says."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import Floats, Mask, Metric
from sluiceway.statistics.sequential import BlockHarm, block_harms, with_differences


def paired_block_harms(
    metric: Metric, label: ArrayLike, baseline: ArrayLike, candidate: ArrayLike, block: ArrayLike
) -> tuple[BlockHarm, ...]:
    """The harm inside each block, with what each pair says where the metric is a mean over rows.

    Args:
        metric: What is measured.
        label: ``[n]``, or ``[n, outputs]``, NaN where there is none.
        baseline: The baseline's answers, ``[n]``, or ``[n, columns]``.
        candidate: The candidate's answers to the same rows, shaped alike.
        block: ``[n]`` ids.

    Returns:
        One a block, in the order of block ids.
    """
    labels, before, after = (
        np.asarray(column, dtype=np.float64) for column in (label, baseline, candidate)
    )
    names = np.asarray(block)
    faulty = ~metric.takes_answer(before) | ~metric.takes_answer(after)
    sums = []
    for answers in (before, after):
        accumulator = MetricAccumulator(metric)
        # A pair that one arm spoilt is spoilt: what is left are the same rows in both arms.
        kept = _without(answers, faulty)
        reference = _without(before, faulty) if metric.paired else None
        accumulator.add(labels, kept, names, reference=reference)
        sums.append(accumulator.finish())
    harms = block_harms(*sums)
    place = {harm.block: code for code, harm in enumerate(harms)}
    found, known = np.unique(names.astype(str), return_inverse=True)
    codes = np.asarray([place[name] for name in found], dtype=np.intp)[known]
    if metric.needs_label:
        gone = np.isnan(labels)
        unlabelled = gone if gone.ndim == 1 else gone.any(axis=1)
        faulty |= ~(metric.takes_label(labels) | unlabelled)
    rows = np.bincount(codes[faulty], minlength=len(harms))
    counted = [
        replace(harm, faulty_rows=int(rows[g]) or min(harm.faulty_rows, 1))
        for g, harm in enumerate(harms)
    ]
    differences = _differences(metric, labels, before, after)
    if differences is None:
        return tuple(counted)
    return with_differences(metric, counted, differences, codes)


def _without(answers: Floats, faulty: Mask) -> Floats:
    kept = answers.copy()
    kept[faulty] = np.nan
    return kept


def _differences(metric: Metric, label: Floats, before: Floats, after: Floats) -> Floats | None:
    """Each pair's loss under the candidate minus under the baseline; NaN where one is unusable."""
    usable = metric.takes_answer(before) & metric.takes_answer(after)
    if metric.needs_label:
        usable &= metric.takes_label(label)
    losses = [
        metric.row_losses(label[usable], one[usable], before[usable]) for one in (before, after)
    ]
    if losses[0] is None or losses[1] is None:
        return None
    found = np.full(len(usable), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        found[usable] = losses[1] - losses[0]
    return found
