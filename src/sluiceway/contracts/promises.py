"""Recorded answers of a model against what its contract promises of them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from sluiceway.contracts.values import Contract, OutputField, QuantilePromise, ScalePromise
from sluiceway.outcomes import Outcome, worst
from sluiceway.system.values import Reliance

Answers = np.ndarray[Any, np.dtype[Any]]

MIN_ROWS: Final = 100
"""Fewest answered rows on which quantiles and spread are judged at all."""


class PromiseCode(StrEnum):
    """Which promise a finding is about."""

    WRONG_SHAPE = "wrong_shape"
    DTYPE_BROKEN = "dtype_broken"
    NOT_FINITE = "not_finite"
    NULL_NOT_PROMISED = "null_not_promised"
    BELOW_RANGE = "below_range"
    ABOVE_RANGE = "above_range"
    SCALE_BROKEN = "scale_broken"
    QUANTILE_MOVED = "quantile_moved"
    REFERENCE_UNUSABLE = "reference_unusable"
    DEADLINE_MISSED = "deadline_missed"
    TOO_FEW_ROWS = "too_few_rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One promise that recorded answers do not keep, or cannot be shown to keep.

    Attributes:
        field: Output field; None where the whole answer is meant.
        outcome: FAILED for a broken promise, INCONCLUSIVE where there is too little to tell,
            ERROR where the promise itself cannot be judged.
        observed: What was seen, in `unit`, always finite; None where no number says it.
        promised_low: Smallest promised value, in `unit`.
        promised_high: Largest promised value, in `unit`.
        unit: Unit of `observed` and of the promised bounds.
        reference: Reference of a behavioural promise, in `unit`.
        probability: Of the quantile, 0 to 1; None for anything else.
        rows: Number of rows that break the promise, where rows do so one by one.
    """

    code: PromiseCode
    model: str
    field: str | None
    reliance: Reliance
    outcome: Outcome
    observed: float | None
    promised_low: float | None = None
    promised_high: float | None = None
    unit: str = ""
    reference: float | None = None
    probability: float | None = None
    rows: int | None = None


def check_answers(
    contract: Contract, answers: Answers, *, seconds: float, min_rows: int = MIN_ROWS
) -> tuple[Finding, ...]:
    """Compare answers with every promise of a contract.

    Quantiles are linear between order statistics (Hyndman and Fan's type 7); the spread is the
    interquartile range. Missing values take no part in either. Columns of the answer that no
    field names are ignored.

    Args:
        answers: Array of shape (rows,) or (rows, columns); a field is the column at its position.
        seconds: Wall time the model took for all rows.
        min_rows: Fewest rows on which behaviour is judged, at least 2.

    Returns:
        Nothing where every promise is kept; see :func:`outcome_of`.
    """
    found: list[Finding] = []
    model = contract.model
    limit = contract.deadline.total_seconds()
    if not 0 <= seconds <= limit:
        found.append(
            Finding(
                code=PromiseCode.DEADLINE_MISSED,
                model=model,
                field=None,
                reliance=Reliance.OPERATIONAL,
                outcome=Outcome.FAILED,
                observed=_finite(seconds),
                promised_high=limit,
                unit="seconds",
            )
        )
    if answers.ndim not in (1, 2):
        return (
            *found,
            _wrong_shape(model, None, observed=answers.ndim, high=2.0, unit="dimensions"),
        )
    table = answers.reshape(len(answers), -1) if answers.size else answers
    rows = len(answers)
    if rows < min_rows:
        found.append(_too_few(model, None, rows, min_rows))
    if rows == 0:
        return tuple(found)
    for field in contract.output:
        if field.position >= table.shape[1]:
            found.append(
                _wrong_shape(
                    model,
                    field.name,
                    observed=table.shape[1],
                    low=field.position + 1.0,
                    unit="answer columns",
                )
            )
        else:
            found.extend(_check_field(model, field, table[:, field.position], min_rows=min_rows))
    return tuple(found)


def outcome_of(findings: Iterable[Finding]) -> Outcome:
    """What all findings of one finished check come to; a check that found nothing is PASSED."""
    found = tuple(findings)
    return worst(finding.outcome for finding in found) if found else Outcome.PASSED


def sentence(finding: Finding) -> str:
    """A finding in words, with what was seen, what was promised, and the unit."""
    subject = finding.model if finding.field is None else f"{finding.model}.{finding.field}"
    return f"{subject}: {_said(finding)}"


def _said(finding: Finding) -> str:
    seen = _amount(finding.observed, finding.unit)
    rows = "" if finding.rows is None else f" in {_count(finding.rows)}"
    bounds = _bounds(finding)
    match finding.code:
        case PromiseCode.WRONG_SHAPE:
            return f"has {seen}, promised {bounds}"
        case PromiseCode.DTYPE_BROKEN:
            return f"is not of the promised type {finding.unit}{rows}"
        case PromiseCode.NOT_FINITE:
            return f"is infinite{rows}"
        case PromiseCode.NULL_NOT_PROMISED:
            return f"is missing{rows}, promised never"
        case PromiseCode.BELOW_RANGE:
            return f"falls to {seen}{rows}, promised {bounds}"
        case PromiseCode.ABOVE_RANGE:
            return f"rises to {seen}{rows}, promised {bounds}"
        case PromiseCode.SCALE_BROKEN:
            return _scale_said(finding, seen)
        case PromiseCode.QUANTILE_MOVED:
            reference = _amount(finding.reference, finding.unit)
            share = _share(finding.probability)
            return f"{share} quantile {seen}, reference {reference}, promised {bounds}"
        case PromiseCode.REFERENCE_UNUSABLE:
            share = _share(finding.probability)
            what = "interquartile range" if finding.probability is None else f"{share} quantile"
            return f"the promised {what} has no usable reference, so nothing can be judged by it"
        case PromiseCode.DEADLINE_MISSED:
            return f"took {seen}, promised {bounds}"
        case PromiseCode.TOO_FEW_ROWS:
            return f"{seen} cannot show a promise kept, needed {bounds}"


def _scale_said(finding: Finding, seen: str) -> str:
    reference = finding.reference
    if finding.observed is None or not reference:
        return f"interquartile range {seen}, promised {_bounds(finding)}"
    low, high = (
        "" if bound is None else f"{bound / reference:.3g}"
        for bound in (finding.promised_low, finding.promised_high)
    )
    return (
        f"interquartile range {seen} is {finding.observed / reference:.2g} × the reference "
        f"{_amount(reference, finding.unit)}, promised {low} to {high} ×"
    )


def _check_field(
    model: str, field: OutputField, column: Answers, *, min_rows: int
) -> Iterator[Finding]:
    values, strangers = _as_numbers(field, column)
    if strangers:
        yield Finding(
            code=PromiseCode.DTYPE_BROKEN,
            model=model,
            field=field.name,
            reliance=Reliance.COLUMNAR,
            outcome=Outcome.FAILED,
            observed=float(strangers),
            unit=field.dtype,
            rows=strangers,
        )
        return
    yield from _check_values(model, field, values)
    finite = values[np.isfinite(values)]
    promise = field.promise
    needed = 1 if promise is None else max(min_rows, 2)
    if len(finite) < needed:
        # The whole answer's own finding already says that there are too few rows.
        if len(column) >= min_rows:
            yield _too_few(model, field.name, len(finite), needed)
        return
    if promise is None or field.dtype == "string":
        return
    if promise.scale is not None:
        yield from _check_scale(model, field, promise.scale, finite)
    if promise.quantiles is not None:
        yield from _check_quantiles(model, field, promise.quantiles, finite)


def _as_numbers(field: OutputField, column: Answers) -> tuple[Answers, int]:
    """Values as float64 with NaN for missing, and the number of rows of another type.

    A model answers with one array, so whole numbers and booleans may come as floats.
    Of strings only the missing ones matter: they come back as NaN, others as 0.
    """
    if field.dtype == "string":
        if column.dtype.kind == "U":
            return np.zeros(len(column)), 0
        missing = np.array([_is_missing(value) for value in column])
        text = np.array([isinstance(value, str) for value in column])
        return np.where(missing, np.nan, 0.0), int(np.sum(~text & ~missing))
    if column.dtype.kind == "O":
        number = np.array([_is_missing(v) or _is_number(v) for v in column])
        if not number.all():
            return np.full(len(column), np.nan), int(np.sum(~number))
        column = np.array([np.nan if _is_missing(value) else float(value) for value in column])
    if column.dtype.kind not in "fiub":
        return np.full(len(column), np.nan), len(column)
    values = column.astype(np.float64)
    known = np.isfinite(values)
    if field.dtype == "long":
        return values, int(np.sum(known & (values != np.trunc(values))))
    if field.dtype == "boolean":
        return values, int(np.sum(known & (values != 0) & (values != 1)))
    return values, 0


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating, np.bool_))


def _check_values(model: str, field: OutputField, values: Answers) -> Iterator[Finding]:
    """Missing, infinite and out of range, each told once with the number of rows."""
    unit = field.unit
    infinite = int(np.sum(np.isinf(values)))
    if infinite:
        yield _of_rows(model, PromiseCode.NOT_FINITE, field, infinite, float(infinite), "rows")
    missing = int(np.sum(np.isnan(values)))
    if missing and not field.nullable:
        yield _of_rows(model, PromiseCode.NULL_NOT_PROMISED, field, missing, float(missing), "rows")
    finite = values[np.isfinite(values)]
    if field.dtype == "string" or not len(finite):
        return
    if field.low is not None:
        below = int(np.sum(~(finite >= field.low)))
        if below:
            yield _of_rows(model, PromiseCode.BELOW_RANGE, field, below, float(finite.min()), unit)
    if field.high is not None:
        above = int(np.sum(~(finite <= field.high)))
        if above:
            yield _of_rows(model, PromiseCode.ABOVE_RANGE, field, above, float(finite.max()), unit)


def _of_rows(
    model: str, code: PromiseCode, field: OutputField, rows: int, observed: float, unit: str
) -> Finding:
    in_range = code in (PromiseCode.BELOW_RANGE, PromiseCode.ABOVE_RANGE)
    return Finding(
        code=code,
        model=model,
        field=field.name,
        reliance=Reliance.NUMERIC,
        outcome=Outcome.FAILED,
        observed=observed,
        promised_low=field.low if in_range else None,
        promised_high=field.high if in_range else None,
        unit=unit,
        rows=rows,
    )


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


def _wrong_shape(
    model: str,
    field: str | None,
    *,
    observed: int,
    low: float | None = None,
    high: float | None = None,
    unit: str,
) -> Finding:
    return Finding(
        code=PromiseCode.WRONG_SHAPE,
        model=model,
        field=field,
        reliance=Reliance.COLUMNAR,
        outcome=Outcome.FAILED,
        observed=float(observed),
        promised_low=low,
        promised_high=high,
        unit=unit,
    )


def _too_few(model: str, field: str | None, rows: int, needed: int) -> Finding:
    return Finding(
        code=PromiseCode.TOO_FEW_ROWS,
        model=model,
        field=field,
        reliance=Reliance.BEHAVIOURAL,
        outcome=Outcome.INCONCLUSIVE,
        observed=float(rows),
        promised_low=float(needed),
        unit="rows" if field is None else "rows with a value",
    )


def _quantile(finite: Answers, probability: float) -> float:
    # Between huge values the interpolation overflows; infinity or NaN then keeps no promise.
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.quantile(finite, probability))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "no number"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def _bounds(finding: Finding) -> str:
    low, high, unit = finding.promised_low, finding.promised_high, finding.unit
    if low is not None and high is not None:
        return f"{_amount(low, '')} to {_amount(high, unit)}"
    if low is not None:
        return f"at least {_amount(low, unit)}"
    return f"at most {_amount(high, unit)}"


def _share(probability: float | None) -> str:
    return "no" if probability is None else f"{probability * 100:g} %"


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
