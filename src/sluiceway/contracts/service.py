"""What is promised of requests, not of answers: how fast, how fresh, and the same every time."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np

from sluiceway.contracts.answered_values import Answers
from sluiceway.contracts.findings import Finding, PromiseCode
from sluiceway.contracts.values import Contract, OutputField
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Reliance

MIN_REQUESTS: Final = 500
"""Fewest requests by which a 99 % quantile is judged: five of them may lie beyond it."""


def check_service(
    contract: Contract,
    *,
    latencies: Sequence[float] | None = None,
    oldest_input: timedelta | None = None,
    min_requests: int = MIN_REQUESTS,
) -> tuple[Finding, ...]:
    """Compare measured requests with the promises of time; what was not measured is not judged.

    Args:
        latencies: Wall time of single requests in seconds. The 99 % quantile is the observed value
            that at most 1 % of them exceed, so that nothing is interpolated into the promise.
        oldest_input: Age of the oldest input that an answer rested on.
        min_requests: Fewest requests by which the quantile is judged.
    """
    found = []
    if latencies is not None and contract.latency_p99 is not None:
        found += _check_latency(contract, latencies, contract.latency_p99, min_requests)
    if oldest_input is not None and contract.freshness is not None:
        age, most = oldest_input.total_seconds(), contract.freshness.total_seconds()
        if not 0 <= age <= most:
            found.append(_missed(PromiseCode.INPUTS_TOO_OLD, contract, age, most))
    return tuple(found)


def _check_latency(
    contract: Contract, latencies: Sequence[float], most: timedelta, min_requests: int
) -> list[Finding]:
    # A time that is no number is no answer in time.
    seconds = np.array([s if s >= 0 else math.inf for s in latencies], dtype=np.float64)
    limit = most.total_seconds()
    late = int(np.sum(seconds > limit))
    # Enough are late already, however many more were asked.
    if late > 0.01 * max(len(seconds), min_requests):
        seen = float(np.quantile(seconds, 0.99, method="higher"))
        return [_missed(PromiseCode.LATENCY_MISSED, contract, seen, limit)]
    if len(seconds) < min_requests:
        return [
            Finding(
                code=PromiseCode.TOO_FEW_ROWS,
                model=contract.model,
                field=None,
                reliance=Reliance.OPERATIONAL,
                outcome=Outcome.INCONCLUSIVE,
                observed=float(len(seconds)),
                promised_low=float(min_requests),
                unit="requests",
            )
        ]
    return []


def _missed(code: PromiseCode, contract: Contract, seen: float, most: float) -> Finding:
    return Finding(
        code=code,
        model=contract.model,
        field=None,
        reliance=Reliance.OPERATIONAL,
        outcome=Outcome.FAILED,
        observed=seen if math.isfinite(seen) else None,
        promised_high=most,
        unit="seconds",
    )


def check_repeated(contract: Contract, first: Answers, again: Answers) -> tuple[Finding, ...]:
    """Compare two answers to the same rows, where equal answers are promised.

    What is missing is equal to what is missing. Nothing is promised, and nothing found, where the
    contract does not say that it is deterministic.

    Args:
        first: Shape (rows,) or (rows, columns).
        again: The second answer to the same rows.
    """
    if not contract.deterministic:
        return ()
    if first.shape != again.shape or not first.size:
        return (_not_repeated(contract.model, None, rows=len(again) if again.ndim else 0),)
    table, other = (answer.reshape(len(answer), -1) for answer in (first, again))
    found = []
    for field in contract.output:
        columns = slice(field.position, field.position + _width(field))
        one, two = table[:, columns], other[:, columns]
        differs, most = _difference(one, two)
        if differs:
            found.append(
                _not_repeated(
                    contract.model, field.name, rows=differs, observed=most, unit=field.unit
                )
            )
    return tuple(found)


def _width(field: OutputField) -> int:
    return field.embedding.dimension if field.embedding else 1


def _difference(one: Answers, two: Answers) -> tuple[int, float | None]:
    """In how many rows they differ, and by how much at the most where numbers say it."""
    if one.dtype.kind not in "fiub" or two.dtype.kind not in "fiub":
        same = [_as_text(a) == _as_text(b) for a, b in zip(one.ravel(), two.ravel(), strict=True)]
        return int(np.sum(~np.array(same, dtype=bool))), None
    first, second = one.astype(np.float64), two.astype(np.float64)
    same_values = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - second)[~same_values]
    most = apart[np.isfinite(apart)].max(initial=0.0)
    rows = int(np.sum(~same_values.all(axis=1)))
    return rows, float(most) if most > 0 else None


def _as_text(value: object) -> str:
    """A single answer as text, missing ones alike."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else repr(value)


def _not_repeated(
    model: str, field: str | None, *, rows: int, observed: float | None = None, unit: str = ""
) -> Finding:
    return Finding(
        code=PromiseCode.NOT_REPEATED,
        model=model,
        field=field,
        reliance=Reliance.BEHAVIOURAL,
        outcome=Outcome.FAILED,
        observed=observed,
        unit=unit,
        rows=rows,
    )
