"""What a draft promises of how answers behave: spread and quantiles, as far as the record moves."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from sluiceway.contracts.promises import MIN_ROWS, Answers
from sluiceway.contracts.regions import Column
from sluiceway.contracts.rounding import nice, short
from sluiceway.contracts.values import BehaviouralPromise, QuantilePromise, ScalePromise

PROBABILITIES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles that are promised."""
SLACK: Final = 2.0
"""How much more of what parts of the record differed by is allowed to the whole."""
_PARTS: Final = 12
"""Most parts that the record is cut into to see how much answers differ over time."""

Path = tuple[str, ...]


def promise_of(
    values: Answers, blocks: Column, said: str, at: Path, reasons: dict[Path, str]
) -> BehaviouralPromise | None:
    """Draft what is promised of one field; None where there are too few answers to say.

    Args:
        values: Answers in the order of time, NaN where one is missing.
        blocks: Name of each row's block.
        said: In words, which rows these are.
        at: The field's path in the file.
        reasons: Where each number comes from; they are added here.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < MIN_ROWS:
        return None
    whole = np.quantile(finite, PROBABILITIES)
    spread = float(whole[3] - whole[1])
    parts = _parts(values, blocks)
    apart = [np.quantile(part, PROBABILITIES) for part in parts]
    at = (*at, "promise")
    scale = _scale(spread, [float(one[3] - one[1]) for one in apart], at, reasons)
    moved = max((float(np.abs(one - whole).max()) for one in apart), default=0.0)
    least = max(0.1 * spread, 0.01 * float(np.abs(whole).max()), 1e-6)
    tolerance = nice(max(SLACK * moved, least))
    reasons[*at, "quantiles", "tolerance"] = (
        f"{len(parts)} parts of the record differ by up to {moved:.3g}; {SLACK:g} times that, "
        "rounded up"
        if SLACK * moved >= least
        else "no part of the record shows more than a tenth of the spread; that, rounded up"
    )
    reasons[*at, "quantiles", "reference"] = "of these answers"
    return BehaviouralPromise(
        measured_on=said,
        scale=scale,
        quantiles=QuantilePromise(
            reference={p: short(float(v)) for p, v in zip(PROBABILITIES, whole, strict=True)},
            tolerance=tolerance,
        ),
    )


def _scale(
    spread: float, apart: Sequence[float], at: Path, reasons: dict[Path, str]
) -> ScalePromise | None:
    """None where half of all answers are equal: every ratio to nothing would do."""
    reference = short(spread)
    if not reference > 0:
        return None
    ratios = [one / spread for one in apart] or [1.0]
    low, high = min(1.0, *ratios) / SLACK, max(1.0, *ratios) * SLACK
    low = max(float(f"{math.floor(low * 100) / 100:.2f}"), 0.01)
    reasons[*at, "scale", "reference"] = "interquartile range of these answers"
    reasons[*at, "scale", "ratio"] = (
        f"{len(apart)} parts of the record lie from {min(ratios):.2f} to {max(ratios):.2f}; "
        f"{SLACK:g} times further each way"
    )
    return ScalePromise(
        reference=reference, low=low, high=float(f"{math.ceil(high * 100) / 100:.2f}")
    )


def _parts(values: Answers, blocks: Column) -> list[Answers]:
    """Consecutive whole blocks, in at most twelve parts of at least a hundred finite answers."""
    _, starts = np.unique(blocks, return_index=True)
    wanted = max(MIN_ROWS, -(-len(values) // _PARTS))
    parts: list[Answers] = []
    begin = 0
    for end in [*np.sort(starts)[1:], len(values)]:
        if end - begin >= wanted:
            finite = values[begin:end]
            finite = finite[np.isfinite(finite)]
            begin = int(end)
            if len(finite) >= MIN_ROWS:
                parts.append(finite)
    return parts
