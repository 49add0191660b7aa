"""Recorded answers of a model against what its contract promises of them."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from sluiceway.contracts.answered_behaviour import check_behaviour
from sluiceway.contracts.answered_values import Answers, as_numbers, check_values
from sluiceway.contracts.findings import Finding, PromiseCode, outcome_of, sentence
from sluiceway.contracts.values import Contract, OutputField
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Reliance

__all__ = [
    "MIN_ROWS",
    "Answers",
    "Finding",
    "PromiseCode",
    "check_answers",
    "outcome_of",
    "sentence",
]

MIN_ROWS: Final = 100
"""Fewest answered rows on which quantiles and spread are judged at all."""


def check_answers(
    contract: Contract, answers: Answers, *, seconds: float, min_rows: int = MIN_ROWS
) -> tuple[Finding, ...]:
    """Compare answers with every promise of a contract that answers can show.

    Missing values take no part in spread and quantiles. Columns of the answer that no field names
    are ignored.

    Args:
        answers: Array of shape (rows,) or (rows, columns); a field is the column at its position,
            a vector as many columns from there as it has dimensions.
        seconds: Wall time the model took for all rows.
        min_rows: Fewest rows on which behaviour is judged, at least 2.

    Returns:
        Nothing where every promise is kept; see :func:`~sluiceway.contracts.findings.outcome_of`.
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
                observed=float(seconds) if math.isfinite(seconds) else None,
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
        end = field.position + (field.embedding.dimension if field.embedding else 1)
        if end > table.shape[1]:
            found.append(
                _wrong_shape(
                    model,
                    field.name,
                    observed=table.shape[1],
                    low=float(end),
                    unit="answer columns",
                )
            )
        else:
            columns = table[:, field.position : end]
            column = columns if field.embedding else columns[:, 0]
            found.extend(_check_field(model, field, column, min_rows=min_rows))
    return tuple(found)


def _check_field(
    model: str, field: OutputField, column: Answers, *, min_rows: int
) -> Iterator[Finding]:
    values, strangers = as_numbers(field, column)
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
    yield from check_values(model, field, column, values)
    finite = values[np.isfinite(values)]
    promise = field.promise
    needed = 1 if promise is None else max(min_rows, 2)
    if len(finite) < needed:
        # The whole answer's own finding already says that there are too few rows.
        if len(column) >= min_rows:
            yield _too_few(model, field.name, len(finite), needed)
    elif field.dtype != "string" and field.embedding is None:
        yield from check_behaviour(model, field, finite)


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
