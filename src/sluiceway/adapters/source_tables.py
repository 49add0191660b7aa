"""What every table that a loader names can do: show its columns and be read a window at a time.

:mod:`sluiceway.adapters.loaders` opens one; the kinds are in ``stored_tables`` (Parquet, CSV),
``sql_tables`` and ``python_tables``.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluiceway.ports import Window

Micros = NDArray[np.int64]
"""Microseconds since 1970 in UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = np.iinfo(np.int64).min
_PER_MICROSECOND = {"s": 1_000_000, "ms": 1_000, "us": 1}


class UnreadableTable(Exception):
    """A table is not there or cannot be read; the text says why."""


class UnfitColumn(Exception):
    """A column holds something else than it should; the text says what.

    Attributes:
        column: Its name.
    """

    def __init__(self, column: str, what: str) -> None:
        self.column = column
        super().__init__(what)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survey:
    """When a table's rows happened.

    Attributes:
        times: Event times inside the window, in stored order.
        missing: Rows without event time.
    """

    times: Micros
    missing: int


class SourceTable(ABC):
    """A table that a loader names.

    Attributes:
        event_time: Its column of event times.
        checked: Whether its values were held against what features declare when they came, so
            that what is missing in some rows is no fault of a feed.
    """

    checked = False

    def __init__(self, event_time: str) -> None:
        self.event_time = event_time

    @abstractmethod
    def schema(self) -> pa.Schema:
        """Names and types of its columns.

        Raises:
            UnreadableTable: It is not there.
        """

    @abstractmethod
    def survey(self, window: Window) -> Survey | None:
        """Look at the event times; None where that would mean reading everything.

        Raises:
            UnfitColumn: The column of event times holds no times.
        """

    @abstractmethod
    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        """Read one table of rows for each of consecutive, ascending windows.

        Args:
            columns: Names to read, that of event times among them.
            windows: Each begins where the one before ended.

        Raises:
            UnreadableTable: It cannot be read any more.
        """


def micros_of(array: pa.Array | pa.ChunkedArray, name: str) -> tuple[Micros, int]:
    """Times as microseconds since 1970 in UTC, and how many are missing (they become the least).

    Raises:
        UnfitColumn: They are no times.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(array.type):
        raise UnfitColumn(name, f"holds {array.type}, a time is needed")
    missing = array.null_count
    raw = array.view(pa.int64())
    if missing:
        raw = raw.fill_null(NEVER)
    ticks = raw.to_numpy(zero_copy_only=False)
    unit = array.type.unit
    micros = ticks // 1000 if unit == "ns" else ticks * _PER_MICROSECOND[unit]
    if missing:
        micros = np.where(ticks == NEVER, NEVER, micros)
    return micros, missing


def bounds(window: Window) -> tuple[int, int]:
    """Start and end in microseconds since 1970, end excluded."""
    tick = timedelta(microseconds=1)
    return (window.start - _EPOCH) // tick, (window.end - _EPOCH) // tick


def cut_to(table: pa.Table, event_time: str, window: Window) -> pa.Table:
    """The table's rows that happened inside the window."""
    start, end = bounds(window)
    times, _ = micros_of(table.column(event_time), event_time)
    inside = (times >= start) & (times < end)
    return table if inside.all() else table.filter(pa.array(inside))


def in_one_line(error: BaseException) -> str:
    """What a library's error says, short enough for a message of ours."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
