"""How the answers of one field behave as a whole: their spread and their quantiles."""

import math
from collections.abc import Iterator

import numpy as np

from sluiceway.contracts.answered_values import Answers
from sluiceway.contracts.findings import Finding, PromiseCode
from sluiceway.contracts.values import OutputField, QuantilePromise, ScalePromise
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Reliance


def check_behaviour(model: str, field: OutputField, finite: Answers) -> Iterator[Finding]:
    """Compare answers with what is promised of their distribution.

    Quantiles are linear between order statistics (Hyndman and Fan's type 7); the spread is the
    interquartile range.

    Args:
        finite: Every answer that is a number, shape (n,), n at least 2.
    """
    promise = field.promise
    if promise is None:
        return
    if promise.scale is not None:
        yield from _check_scale(model, field, promise.scale, finite)
    if promise.quantiles is not None:
        yield from _check_quantiles(model, field, promise.quantiles, finite)


def _check_scale(
    model: str, field: OutputField, promise: ScalePromise, finite: Answers
) -> Iterator[Finding]:
    low, high = promise.low * promise.reference, promise.high * promise.reference
    spread = _quantile(finite, 0.75) - _quantile(finite, 0.25)
    # A reference of 0 says nothing about scale: every ratio to it would do, or none.
    usable = math.isfinite(low) and math.isfinite(high) and promise.reference > 0
    if usable and low <= spread <= high:
        return
    yield Finding(
        code=PromiseCode.SCALE_BROKEN if usable else PromiseCode.REFERENCE_UNUSABLE,
        model=model,
        field=field.name,
        reliance=Reliance.BEHAVIOURAL,
        outcome=Outcome.FAILED if usable else Outcome.ERROR,
        observed=_finite(spread),
        promised_low=_finite(low),
        promised_high=_finite(high),
        unit=field.unit,
        reference=_finite(promise.reference),
    )


def _check_quantiles(
    model: str, field: OutputField, promise: QuantilePromise, finite: Answers
) -> Iterator[Finding]:
    for probability, reference in sorted(promise.reference.items()):
        low, high = reference - promise.tolerance, reference + promise.tolerance
        usable = (
            0 <= probability <= 1 and math.isfinite(low) and math.isfinite(high) and low <= high
        )
        seen = _quantile(finite, probability) if usable else math.nan
        if usable and low <= seen <= high:
            continue
        yield Finding(
            code=PromiseCode.QUANTILE_MOVED if usable else PromiseCode.REFERENCE_UNUSABLE,
            model=model,
            field=field.name,
            reliance=Reliance.BEHAVIOURAL,
            outcome=Outcome.FAILED if usable else Outcome.ERROR,
            observed=_finite(seen),
            promised_low=_finite(low),
            promised_high=_finite(high),
            unit=field.unit,
            reference=_finite(reference),
            probability=_finite(probability),
        )


def _quantile(finite: Answers, probability: float) -> float:
    # Between huge values the interpolation overflows; infinity or NaN then keeps no promise.
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.quantile(finite, probability))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
