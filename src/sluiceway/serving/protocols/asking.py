"""A question from a table and what the request said beside it: who asks, about whom, when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sluiceway.serving.protocols.tables import EXACT, Table, arrays_of, fault_at, refuse
from sluiceway.serving.refusals import InputFault, RefusalCode, Refused
from sluiceway.serving.values import ArmName, Question

EVENT_TIME: Final = "event_time"
"""The column, and the fault's field, of the time a row's event was."""

REQUEST: Final = "request"
"""The unit of a system whose units are the requests themselves: no row ever comes back."""

CLOCK_ERROR: Final = timedelta(minutes=5)
"""How far a client's clock may be ahead of ours."""

LONGEST_UNIT: Final = 256
"""Characters of a unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says beside its body.

    Attributes:
        model: Whose answer is wanted.
        version: The one version that is to answer; None leaves it to the routing.
        request_id: Of the request.
        received: When it came (UTC).
        unit: Unit of its one row, said in a header; None where it was not.
        event_time: Time of its rows' events, said in a header; None where it was not.
        consumer: Who asks; None where that was not said.
        forced: The arm that a tester asked for.
    """

    model: str
    version: str | None
    request_id: str
    received: datetime
    unit: str | None = None
    event_time: str | None = None
    consumer: str | None = None
    forced: ArmName | None = None


def question_of(
    table: Table,
    asked: Asked,
    *,
    unit: str,
    features: frozenset[str],
    texts: frozenset[str] = frozenset(),
) -> Question:
    """The question that a table is, once everything about it was read.

    Args:
        unit: The system's unit: a column, or :data:`REQUEST`.
        features: Names of features; a unit or time column that is one of them stays a column.
        texts: Names of columns that hold texts.

    Raises:
        Refused: A row has no unit, a time is none or lies ahead, or columns are not readable.
    """
    units = _units(table, asked, unit)
    columns = dict(table.columns)
    times = _event_times(columns, asked, table.rows)
    for name in (unit, EVENT_TIME):
        if name in columns and name not in features:
            del columns[name]
    return Question(
        model=asked.model,
        version=asked.version,
        columns=arrays_of(columns, texts),
        units=units,
        request_id=asked.request_id,
        received=asked.received,
        event_time=times,
        consumer=asked.consumer,
        forced=asked.forced,
    )


def is_sticky(unit: str) -> bool:
    """Whether the same row comes back to the same arm when it is asked about again."""
    return unit != REQUEST


def _units(table: Table, asked: Asked, unit: str) -> tuple[str, ...]:
    if unit == REQUEST:
        if asked.unit is not None:
            what = "every request is its own unit here; leave X-Sluiceway-Unit out"
            raise Refused(RefusalCode.MALFORMED, what)
        if table.rows == 1:
            return (asked.request_id,)
        return tuple(f"{asked.request_id}/{row}" for row in range(table.rows))
    values = table.columns.get(unit)
    if asked.unit is not None:
        if values is not None:
            what = f"the unit is said twice, in the column {unit} and in a header"
            raise Refused(RefusalCode.UNIT_MISSING, what)
        if table.rows != 1:
            what = f"a unit in a header speaks of one row, and there are {table.rows}"
            raise Refused(RefusalCode.UNIT_MISSING, f"{what}; put them in the column {unit}")
        values = (asked.unit,)
    if values is None:
        what = f"no unit: put it in the column {unit}, or in the header X-Sluiceway-Unit"
        fault = InputFault(field=unit, rule="missing_column", what=what)
        raise Refused(RefusalCode.UNIT_MISSING, what, faults=[fault])
    read = [_unit(value) for value in values]
    strange = [row for row, value in enumerate(read) if value is None]
    if strange:
        what = f"a text of 1 to {LONGEST_UNIT} characters, or a whole number up to 2^53, is right"
        fault = fault_at(unit, "unit", strange, what)
        words = f"{len(strange)} of {table.rows} rows have no unit in {unit}: {what}"
        raise Refused(RefusalCode.UNIT_MISSING, words, faults=[fault])
    return tuple(value for value in read if value is not None)


def _unit(value: Any) -> str | None:
    """A unit's text; 12, 12.0 and "12" are the same unit."""
    kind = type(value)
    if kind is list and len(value) == 1:
        return _unit(value[0])
    if kind is str:
        return value if 0 < len(value) <= LONGEST_UNIT and not value.isspace() else None
    if kind is int:
        return str(value) if -EXACT <= value <= EXACT else None
    if kind is float:
        return str(int(value)) if value.is_integer() and -EXACT <= value <= EXACT else None
    return None


def _event_times(
    columns: dict[str, Sequence[Any]], asked: Asked, rows: int
) -> NDArray[np.datetime64] | None:
    values = columns.get(EVENT_TIME)
    if values is None:
        if asked.event_time is None:
            return None
        values = (asked.event_time,) * rows
    elif asked.event_time is not None:
        what = f"the event time is said twice, in the column {EVENT_TIME} and in a header"
        raise Refused(RefusalCode.MALFORMED, what)
    read = [_microseconds(value) for value in values]
    strange = [row for row, value in enumerate(read) if value is None]
    what = "an ISO 8601 time with its offset, or whole microseconds since 1970 (UTC), is right"
    if strange:
        refuse([fault_at(EVENT_TIME, "dtype", strange, what)])
    latest = _since_1970(asked.received + CLOCK_ERROR)
    early = [row for row, value in enumerate(read) if value is not None and value < _EARLIEST]
    if early:
        refuse([fault_at(EVENT_TIME, "range", early, "lies before the year 1900")])
    ahead = [row for row, value in enumerate(read) if value is not None and value > latest]
    if ahead:
        limit = f"{int(CLOCK_ERROR.total_seconds() // 60)} minutes"
        what = f"lies more than {limit} ahead of the gateway's clock, {asked.received.isoformat()}"
        refuse([fault_at(EVENT_TIME, "range", ahead, what)])
    return np.array(read, dtype=np.int64).astype("datetime64[us]")


def _microseconds(value: Any) -> int | None:
    kind = type(value)
    if kind is list and len(value) == 1:
        return _microseconds(value[0])
    if kind is float and value.is_integer():
        value, kind = int(value), int
    if kind is int:
        return int(value) if -EXACT <= value <= EXACT else None
    if kind is not str:
        return None
    text = value.strip()
    if text.isascii() and text.removeprefix("-").isdigit() and len(text) > 8:
        return _microseconds(int(text)) if len(text) <= 17 else None
    try:
        time = datetime.fromisoformat(text)
        return None if time.tzinfo is None else _since_1970(time)
    except (ValueError, OverflowError):
        return None


def _since_1970(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = _since_1970(datetime(1900, 1, 1, tzinfo=UTC))
