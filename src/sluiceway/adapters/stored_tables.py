"""Tables in Parquet and CSV files, read in stored order.

Files whose event times ascend are read once, in one stream; others are read again for every
window.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sluiceway.adapters.source_tables import (
    NEVER,
    Micros,
    SourceTable,
    Survey,
    UnreadableTable,
    bounds,
    in_one_line,
    micros_of,
)
from sluiceway.ports import Window

_BATCH_ROWS = 65_536
_BUFFER_BYTES = 65_536


class StoredTable(SourceTable):
    """A table in files, read in stored order."""

    def __init__(self, event_time: str) -> None:
        super().__init__(event_time)
        self._ordered = False

    @abstractmethod
    def _batches(self, columns: Sequence[str], window: Window) -> Iterator[pa.RecordBatch]:
        """Batches in stored order; those wholly outside the window may be left out."""

    def survey(self, window: Window) -> Survey:
        """See :class:`SourceTable`."""
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
        """See :class:`SourceTable`."""
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


class ParquetTable(StoredTable):
    """A Parquet file, or a folder of them in the order of their names."""

    def __init__(self, path: Path, event_time: str) -> None:
        super().__init__(event_time)
        paths = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
        if not paths:
            raise UnreadableTable(f"{path.name} holds no Parquet file")
        try:
            self._files = [pq.ParquetFile(one, buffer_size=_BUFFER_BYTES) for one in paths]
        except (OSError, pa.ArrowException) as error:
            raise UnreadableTable(f"{path.name} cannot be read: {in_one_line(error)}") from error
        self._name = path.name

    def schema(self) -> pa.Schema:
        """See :class:`SourceTable`."""
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
                what = f"{self._name} cannot be read: {in_one_line(error)}"
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


class CsvTable(StoredTable):
    """A CSV file with a header line."""

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
            raise UnreadableTable(
                f"{self._path.name} cannot be read: {in_one_line(error)}"
            ) from error

    def schema(self) -> pa.Schema:
        """See :class:`SourceTable`."""
        return self._schema

    def _batches(self, columns: Sequence[str], _window: Window) -> Iterator[pa.RecordBatch]:
        with self._open(columns) as reader:
            try:
                yield from reader
            except pa.ArrowException as error:
                what = f"{self._path.name} cannot be read: {in_one_line(error)}"
                raise UnreadableTable(what) from error
