"""The answers of one field, value by value: type, missing, finite, range, categories."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sluiceway.contracts.findings import Finding, PromiseCode
from sluiceway.contracts.values import OutputField
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Reliance

Answers = np.ndarray[Any, np.dtype[Any]]


def as_numbers(field: OutputField, column: Answers) -> tuple[Answers, int]:
    """Values as float64 with NaN for missing, and the number of values of another type.

    A model answers with one array, so whole numbers and booleans may come as floats.
    Of texts, the place of the category; where none are listed, only what is missing matters, and
    others are 0. What is none of the categories is infinite.
    """
    if field.dtype == "string":
        return _texts_as_numbers(field, column)
    if column.dtype.kind == "O":
        flat = column.ravel()
        number = np.array([is_missing(v) or _is_number(v) for v in flat], dtype=bool)
        if not number.all():
            return np.full(column.shape, np.nan), int(np.sum(~number))
        numbers = [np.nan if is_missing(value) else float(value) for value in flat]
        column = np.array(numbers, dtype=np.float64).reshape(column.shape)
    if column.dtype.kind not in "fiub":
        return np.full(column.shape, np.nan), column.size
    values = column.astype(np.float64)
    known = np.isfinite(values)
    if field.dtype == "long":
        return values, int(np.sum(known & (values != np.trunc(values))))
    if field.dtype == "boolean":
        return values, int(np.sum(known & (values != 0) & (values != 1)))
    return values, 0


def _texts_as_numbers(field: OutputField, column: Answers) -> tuple[Answers, int]:
    if field.categories is None and column.dtype.kind == "U":
        return np.zeros(len(column)), 0
    missing = np.array([is_missing(value) for value in column], dtype=bool)
    text = np.array([isinstance(value, str) for value in column], dtype=bool)
    strangers = int(np.sum(~text & ~missing))
    if field.categories is None or strangers:
        return np.where(missing, np.nan, 0.0), strangers
    places = {name: float(place) for place, name in enumerate(field.categories)}
    values = [math.nan if gone else places.get(str(v), math.inf)
              for v, gone in zip(column, missing, strict=True)]  # fmt: skip
    return np.array(values, dtype=np.float64), 0


def is_missing(value: object) -> bool:
    """Whether a value of an answer is none."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating, np.bool_))


def check_values(
    model: str, field: OutputField, column: Answers, values: Answers
) -> Iterator[Finding]:
    """Missing, infinite, out of range and unknown, each told once with the number of rows.

    Args:
        column: What the model answered, shape (rows,) or (rows, columns of the vector).
        values: The same as :func:`as_numbers` gives it.
    """
    if field.dtype == "string":
        yield from _check_missing(model, field, values)
        yield from _check_texts(model, field, column, values)
        return
    infinite = _rows(np.isinf(values))
    if infinite:
        yield _of_rows(
            PromiseCode.NOT_FINITE, model, field, infinite, observed=float(infinite), unit="rows"
        )
    yield from _check_missing(model, field, values)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    if field.categories is not None and field.dtype == "long":
        yield from _check_codes(model, field, values)
        return
    low, high = promised_range(field)
    known = np.isfinite(values)
    # Asked so that a bound which is no number is kept by nothing.
    if low is not None and (below := _rows(known & ~(values >= low))):
        yield _out_of_range(PromiseCode.BELOW_RANGE, model, field, below, finite.min())
    if high is not None and (above := _rows(known & ~(values <= high))):
        yield _out_of_range(PromiseCode.ABOVE_RANGE, model, field, above, finite.max())


def promised_range(field: OutputField) -> tuple[float | None, float | None]:
    """The range, which of a probability is never wider than 0 to 1."""
    if field.positive is None:
        return field.low, field.high
    low = 0.0 if field.low is None else max(field.low, 0.0)
    high = 1.0 if field.high is None else min(field.high, 1.0)
    return low, high


def _check_missing(model: str, field: OutputField, values: Answers) -> Iterator[Finding]:
    gone = np.isnan(values)
    whole = gone if gone.ndim == 1 else gone.all(axis=1)
    missing, partly = int(np.sum(whole)), _rows(gone) - int(np.sum(whole))
    for code, rows in (
        (PromiseCode.NULL_NOT_PROMISED, 0 if field.nullable else missing),
        (PromiseCode.PARTLY_MISSING, partly),
    ):
        if rows:
            yield _of_rows(code, model, field, rows, observed=float(rows), unit="rows")


def _check_texts(
    model: str, field: OutputField, column: Answers, values: Answers
) -> Iterator[Finding]:
    unknown = np.isinf(values)
    if unknown.any():
        first = str(column[int(np.argmax(unknown))])
        rows = int(np.sum(unknown))
        yield _of_rows(
            PromiseCode.UNKNOWN_CATEGORY,
            model,
            field,
            rows,
            observed=None,
            seen=first,
            promised=field.categories or (),
        )


def _check_codes(model: str, field: OutputField, values: Answers) -> Iterator[Finding]:
    categories = field.categories or ()
    last = len(categories) - 1
    finite = values[np.isfinite(values)]
    outside = finite[(finite < 0) | (finite > last)]
    if len(outside):
        yield _of_rows(
            PromiseCode.CODE_OUT_OF_RANGE,
            model,
            field,
            len(outside),
            observed=float(outside[int(np.argmax(np.abs(outside)))]),
            promised_low=0.0,
            promised_high=float(last),
            promised=categories,
        )


def _out_of_range(
    code: PromiseCode, model: str, field: OutputField, rows: int, worst: float
) -> Finding:
    low, high = promised_range(field)
    return _of_rows(
        code,
        model,
        field,
        rows,
        observed=float(worst),
        promised_low=low,
        promised_high=high,
        unit=field.unit,
    )


def _rows(marked: Answers) -> int:
    """In how many rows anything is marked."""
    return int(np.sum(marked if marked.ndim == 1 else marked.any(axis=1)))


def _of_rows(
    code: PromiseCode,
    model: str,
    field: OutputField,
    rows: int,
    *,
    observed: float | None,
    promised_low: float | None = None,
    promised_high: float | None = None,
    unit: str = "",
    seen: str | None = None,
    promised: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        code=code,
        model=model,
        field=field.name,
        reliance=Reliance.NUMERIC,
        outcome=Outcome.FAILED,
        observed=observed,
        promised_low=promised_low,
        promised_high=promised_high,
        unit=unit,
        rows=rows,
        seen=seen,
        promised=promised,
    )
