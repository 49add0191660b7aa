"""The four kinds of tables that a loader can name, read a window at a time.

A loader is one of

- ``parquet:PATH``: a file, or a folder of files read in the order of their names;
- ``csv:PATH``: a file with a header line; times in ISO 8601, taken as UTC where they say nothing;
- ``sql:URL#TABLE`` or ``sql:NAME#TABLE``, where NAME is an environment variable that holds the
  URL. A URL with a password is refused in the system file: secrets come from the environment;
- ``python:module:function``: called with a :class:`~sluiceway.ports.Window`, returns a
  frame with (at least) the rows of that window.

``{data}`` in it stands for the folder of prepared tables; a relative path is relative to the
folder of the system file. Files whose event times ascend are read once, in one stream; others are
read again for every window.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from sluiceway.ports import Window

Micros = NDArray[np.int64]
"""Microseconds since 1970 in UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = np.iinfo(np.int64).min
_BATCH_ROWS = 65_536
_BUFFER_BYTES = 65_536
_PER_MICROSECOND = {"s": 1_000_000, "ms": 1_000, "us": 1}
# SQLite compares times as text, and not everybody writes them alike: ask for a day more on either
# side and cut exactly afterwards.
_SQLITE_SLACK = timedelta(days=1)


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
    """

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


def open_table(
    loader: str, event_time: str, *, base: Path, data_folder: Path, window: Window
) -> SourceTable:
    """The table that a loader names.

    Args:
        loader: See the module.
        event_time: Column of its event times.
        base: Folder of the system file.
        data_folder: What ``{data}`` stands for.
        window: Of a ``python:`` table, what to ask for to learn its columns.

    Raises:
        UnreadableTable: The loader leads nowhere.
    """
    kind, _, place = loader.replace("{data}", str(data_folder)).partition(":")
    match kind:
        case "parquet":
            return _ParquetTable(base / place, event_time)
        case "csv":
            return _CsvTable(base / place, event_time)
        case "sql":
            return _SqlTable(place, event_time)
        case "python":
            return _PythonTable(place, event_time, window)
        case _:
            raise UnreadableTable(f"{loader} names no known kind of table")


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


class _StoredTable(SourceTable):
    """A table in files, read in stored order."""

    def __init__(self, event_time: str) -> None:
        super().__init__(event_time)
        self._ordered = False

    @abstractmethod
    def _batches(self, columns: Sequence[str], window: Window) -> Iterator[pa.RecordBatch]:
        """Batches in stored order; those wholly outside the window may be left out."""

    def survey(self, window: Window) -> Survey:
        start, end = bounds(window)
        parts: list[Micros] = []
        missing, ordered, latest = 0, True, NEVER
        for batch in self._batches([self.event_time], window):
            times, nulls = micros_of(batch.column(0), self.event_time)
            missing += nulls
            if len(times):
                ordered = ordered and times[0] >= latest and bool((times[1:] >= times[:-1]).all())
                latest = times[-1]
            parts.append(times[(times >= start) & (times < end)])
        self._ordered = ordered
        return Survey(times=np.concatenate([np.empty(0, np.int64), *parts]), missing=missing)

    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        if self._ordered:
            yield from self._stream(columns, windows)
            return
        for window in windows:
            start, end = bounds(window)
            parts = []
            for batch in self._batches(columns, window):
                times, _ = micros_of(batch.column(self.event_time), self.event_time)
                parts.append(batch.filter(pa.array((times >= start) & (times < end))))
            yield self._joined(parts, columns)

    def _stream(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        whole = Window(start=windows[0].start, end=windows[-1].end)
        batches = self._batches(columns, whole)
        batch = next(batches, None)
        for window in windows:
            start, end = bounds(window)
            parts = []
            while batch is not None:
                times, _ = micros_of(batch.column(self.event_time), self.event_time)
                first, last = (int(place) for place in np.searchsorted(times, [start, end]))
                parts.append(batch.slice(first, last - first))
                if last < len(times):
                    batch = batch.slice(last)
                    break
                batch = next(batches, None)
            yield self._joined(parts, columns)

    def _joined(self, parts: list[pa.RecordBatch], columns: Sequence[str]) -> pa.Table:
        schema = self.schema()
        empty = pa.schema([schema.field(name) for name in columns])
        filled = [part.select(list(columns)) for part in parts if part.num_rows]
        return pa.Table.from_batches(filled, None if filled else empty)


class _ParquetTable(_StoredTable):
    def __init__(self, path: Path, event_time: str) -> None:
        super().__init__(event_time)
        paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not paths:
            raise UnreadableTable(f"{path.name} holds no Parquet file")
        try:
            self._files = [pq.ParquetFile(one, buffer_size=_BUFFER_BYTES) for one in paths]
        except (OSError, pa.ArrowException) as error:
            raise UnreadableTable(f"{path.name} cannot be read: {_said(error)}") from error
        self._name = path.name

    def schema(self) -> pa.Schema:
        return self._files[0].schema_arrow

    def _batches(self, columns: Sequence[str], window: Window) -> Iterator[pa.RecordBatch]:
        for file in self._files:
            groups = [
                group
                for group in range(file.num_row_groups)
                if _may_hold(file.metadata.row_group(group), self.event_time, window)
            ]
            try:
                yield from file.iter_batches(
                    _BATCH_ROWS, row_groups=groups, columns=list(columns), use_threads=False
                )
            except (OSError, KeyError, pa.ArrowException) as error:
                what = f"{self._name} cannot be read: {_said(error)}"
                raise UnreadableTable(what) from error


def _may_hold(group: Any, event_time: str, window: Window) -> bool:
    """Whether a row group's statistics leave it open that rows lie in the window."""
    for place in range(group.num_columns):
        column = group.column(place)
        if column.path_in_schema != event_time:
            continue
        statistics = column.statistics
        if statistics is None or not statistics.has_min_max or statistics.null_count:
            return True
        try:
            least, most = pd.Timestamp(statistics.min), pd.Timestamp(statistics.max)
        except (TypeError, ValueError):
            return True
        if least.tz is None:
            least, most = least.tz_localize("UTC"), most.tz_localize("UTC")
        return bool(least < pd.Timestamp(window.end) and most >= pd.Timestamp(window.start))
    return True


class _CsvTable(_StoredTable):
    def __init__(self, path: Path, event_time: str) -> None:
        super().__init__(event_time)
        self._path = path
        with self._open(None) as reader:
            self._schema = reader.schema

    def _open(self, columns: Sequence[str] | None) -> Any:
        options = pyarrow.csv.ConvertOptions(
            include_columns=None if columns is None else list(columns), strings_can_be_null=True
        )
        try:
            return pyarrow.csv.open_csv(self._path, convert_options=options)
        except (OSError, KeyError, pa.ArrowException) as error:
            raise UnreadableTable(f"{self._path.name} cannot be read: {_said(error)}") from error

    def schema(self) -> pa.Schema:
        return self._schema

    def _batches(self, columns: Sequence[str], _window: Window) -> Iterator[pa.RecordBatch]:
        with self._open(columns) as reader:
            try:
                yield from reader
            except pa.ArrowException as error:
                what = f"{self._path.name} cannot be read: {_said(error)}"
                raise UnreadableTable(what) from error


class _SqlTable(SourceTable):
    def __init__(self, place: str, event_time: str) -> None:
        super().__init__(event_time)
        target, hash_sign, table = place.rpartition("#")
        if not hash_sign or not target or not table:
            raise UnreadableTable(f"sql:{place} names no table; write sql:URL#table")
        try:
            if "://" in target:
                url = sa.make_url(target)
                if url.password is not None:
                    what = "has a password in its URL; put the URL into an environment variable"
                    raise UnreadableTable(f"sql:{url}#{table} {what} and name that: sql:NAME#table")
            elif target in os.environ:
                url = sa.make_url(os.environ[target])
            else:
                what = f"sql:{target}#{table}: the environment has no {target} with the URL"
                raise UnreadableTable(what)
            self._engine = sa.create_engine(url, poolclass=sa.NullPool)
            schema, _, name = table.rpartition(".")
            self._table = sa.Table(
                name, sa.MetaData(), schema=schema or None, autoload_with=self._engine
            )
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise UnreadableTable(f"table {table} cannot be read: {_said(error)}") from error
        self._name = table

    def schema(self) -> pa.Schema:
        return pa.schema([(c.name, _arrow_type(c.type)) for c in self._table.columns])

    def survey(self, window: Window) -> Survey:
        event_time = self.event_time
        if not pa.types.is_timestamp(self.schema().field(event_time).type):
            kind = self._table.columns[event_time].type
            raise UnfitColumn(event_time, f"is of type {kind}, a time is needed")
        column = self._table.columns[event_time]
        with self._engine.connect() as connection:
            query = sa.select(sa.func.count()).select_from(self._table).where(column.is_(None))
            missing = int(connection.execute(query).scalar_one())
        times, _ = micros_of(self._window([event_time], window)[0], event_time)
        return Survey(times=times, missing=missing)

    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        return (self._window(columns, window) for window in windows)

    def _window(self, columns: Sequence[str], window: Window) -> pa.Table:
        column = self._table.columns[self.event_time]
        slack = _SQLITE_SLACK if self._engine.dialect.name == "sqlite" else _SQLITE_SLACK * 0
        start, end = window.start - slack, window.end + slack
        if not getattr(column.type, "timezone", False):
            start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
        query = (
            sa.select(*(self._table.columns[name] for name in columns))
            .where(column >= start, column < end)
            .order_by(column)
        )
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            values = zip(*rows, strict=True) if rows else ((),) * len(columns)
            kinds = {name: self.schema().field(name).type for name in columns}
            table = pa.table(
                {
                    name: pa.array(column, type=kinds[name], from_pandas=True)
                    for name, column in zip(columns, values, strict=True)
                }
            )
        except (sa.exc.SQLAlchemyError, pa.ArrowException, ValueError) as error:
            raise UnreadableTable(f"table {self._name} cannot be read: {_said(error)}") from error
        return _cut(table, self.event_time, window)


def _arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType:
    match kind:
        case sa.DateTime():
            return pa.timestamp("us", tz="UTC" if kind.timezone else None)
        case sa.Date():
            return pa.date32()
        case sa.Boolean():
            return pa.bool_()
        case sa.Integer():
            return pa.int64()
        case sa.Numeric():
            return pa.float64()
        case _:
            return pa.string()


class _PythonTable(SourceTable):
    def __init__(self, place: str, event_time: str, window: Window) -> None:
        super().__init__(event_time)
        module, _, name = place.partition(":")
        try:
            self._function = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UnreadableTable(f"python:{place} cannot be found: {_said(error)}") from error
        self._name = name
        # The columns show only in an answer; an hour's worth of rows is a cheap one.
        first_hour = Window(start=window.start, end=window.start + timedelta(hours=1))
        self._schema = self._call(first_hour).schema

    def _call(self, window: Window) -> pa.Table:
        try:
            frame = self._function(window)
            return pa.Table.from_pandas(frame, preserve_index=False)
        except Exception as error:  # a person's code may raise anything
            raise UnreadableTable(f"python:{self._name}: {_said(error)}") from error

    def schema(self) -> pa.Schema:
        return self._schema

    def survey(self, _window: Window) -> None:
        return None

    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        for window in windows:
            table = self._call(window)
            if lost := [name for name in columns if name not in table.column_names]:
                raise UnreadableTable(f"python:{self._name} gave no {', '.join(lost)}")
            yield _cut(table.select(list(columns)), self.event_time, window)


def _cut(table: pa.Table, event_time: str, window: Window) -> pa.Table:
    start, end = bounds(window)
    times, _ = micros_of(table.column(event_time), event_time)
    inside = (times >= start) & (times < end)
    return table if inside.all() else table.filter(pa.array(inside))


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
