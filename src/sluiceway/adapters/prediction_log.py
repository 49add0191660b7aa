"""The log of live answers: immutable Parquet files, or memory."""

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sluiceway.errors import BadInput, Fault, SluicewayError
from sluiceway.lineage import Caller, Callers
from sluiceway.ports import Gap, Window

EVENT_TIME: Final = "event_time"
"""The column that places a row in time; it must have a timezone."""
CONSUMER: Final = "consumer"
"""The column that names who asked; it may be missing, and so may each value."""
ASKED: Final = "asked"
"""The column that names the model whose answer the consumer received; missing where that is."""
PATH: Final = "path"
"""The column that tells what a consumer received (``primary``) from what it did not."""

_TIME: Final = pa.timestamp("us", tz="UTC")
_SEPARATOR: Final = "+"
"""Between batch id and last date in a file name; a quoted id has none of it."""
_TRIES: Final = 10
"""Times a reader looks again when a file vanished under it."""
_LONGEST_NAME: Final = 200
"""Characters of a quoted batch id; file systems take names of 255."""


class DamagedLog(SluicewayError):
    """A finished file of the log cannot be read; what it held is not known to be absent."""


class ParquetPredictionLog:
    """One immutable Parquet file a batch, in a folder named by the date of its first event.

    A file is written under a temporary name, synced and renamed, so a reader sees all of a batch
    or nothing of it, whenever the writer dies. Writing a batch again replaces it in one step where
    its first and last date are the same; else the old file goes first, so that rows may be missing
    for a moment and are never doubled.

    Args:
        folder: Where the files are; made when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, batch_id: str, rows: pd.DataFrame) -> None:
        """Add a batch; the same id again replaces it.

        Raises:
            BadInput: The id is empty or too long, or the rows have no usable ``event_time``.
            OSError: The disk is full or may not be written to; an earlier batch of this id stays.
        """
        name = _file_name(batch_id)
        table = table_of(batch_id, rows)
        earlier = set(self._folder.glob(f"*/{name}{_SEPARATOR}*.parquet"))
        if table.num_rows == 0:
            _remove(earlier)
            return
        first, last = _dates(table)
        place = self._folder / first.isoformat() / f"{name}{_SEPARATOR}{last.isoformat()}.parquet"
        temporary = place.with_name(f".{uuid.uuid4().hex}.tmp")
        _make_folder(place.parent)
        try:
            with temporary.open("wb") as file:
                pq.write_table(table, file)
                file.flush()
                os.fsync(file.fileno())
            _remove(earlier - {place})
            temporary.replace(place)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(place.parent)

    def read(self, window: Window) -> pd.DataFrame:
        """All rows whose event time lies in the window, by event time.

        Batches may have different columns: the answer has all of them, missing where a batch had
        none. Leftovers of a writer that died are not read.

        Raises:
            DamagedLog: A finished file cannot be read.
        """
        for _ in range(_TRIES):
            # A batch may be written again under other dates while its old file is being read.
            with suppress(FileNotFoundError):
                return rows_of(self.tables(window), window)
        raise DamagedLog(f"{self._folder}: its files vanish while they are read")

    def callers(self, window: Window) -> Callers:
        """Who asked for what in the window; only the columns that say so are read.

        Raises:
            DamagedLog: A finished file cannot be read.
        """
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):
                return callers_of(rows_of(self.tables(window, columns=OF_CALLERS), window))
        raise DamagedLog(f"{self._folder}: its files vanish while they are read")

    def gaps(self, window: Window) -> Sequence[Gap]:  # noqa: ARG002 - of the port
        """None: a batch is there whole or not at all, and who writes it is told."""
        return ()

    def tables(self, window: Window, columns: tuple[str, ...] | None = None) -> dict[str, pa.Table]:
        """The batches that meet the window, whole, by their quoted ids.

        Args:
            columns: Read only these, where a batch has them; None reads all.

        Raises:
            DamagedLog: A finished file cannot be read.
            FileNotFoundError: A file vanished meanwhile; look again.
        """
        batches = {}
        for place in self._files(window):
            name = place.name.rpartition(_SEPARATOR)[0]
            try:
                wanted = columns and [n for n in pq.read_schema(place).names if n in columns]
                batches[name] = pq.read_table(place, partitioning=None, columns=wanted)
            except FileNotFoundError:
                raise
            except (OSError, pa.ArrowException) as error:
                raise DamagedLog(f"{place}: cannot be read: {error}") from error
        return batches

    def size(self) -> tuple[int, int, int]:
        """Rows, files and bytes; of each file only the end is read.

        Raises:
            DamagedLog: A finished file cannot be read.
        """
        rows = files = size = 0
        for place in self._folder.glob(f"????-??-??/*{_SEPARATOR}*.parquet"):
            with suppress(FileNotFoundError):
                try:
                    rows += pq.read_metadata(place).num_rows
                except pa.ArrowException as error:
                    raise DamagedLog(f"{place}: cannot be read: {error}") from error
                files, size = files + 1, size + place.stat().st_size
        return rows, files, size

    def _files(self, window: Window) -> list[Path]:
        """Files whose dates, which their names tell, meet the window."""
        first = window.start.astimezone(UTC).date().isoformat()
        last = window.end.astimezone(UTC).date().isoformat()
        return [
            place
            for folder in sorted(self._folder.glob("????-??-??"))
            if folder.name <= last
            for place in sorted(folder.glob(f"*{_SEPARATOR}*.parquet"))
            if place.stem.rpartition(_SEPARATOR)[2] >= first
        ]


class MemoryPredictionLog:
    """The same log for as long as the process lives."""

    def __init__(self) -> None:
        self._batches: dict[str, pa.Table] = {}
        self._gaps: list[Gap] = []

    def write(self, batch_id: str, rows: pd.DataFrame) -> None:
        """Add a batch; the same id again replaces it.

        Raises:
            BadInput: The id is empty or too long, or the rows have no usable ``event_time``.
        """
        name, table = _file_name(batch_id), table_of(batch_id, rows)
        self._batches.pop(name, None)
        if table.num_rows:
            self._batches[name] = table

    def read(self, window: Window) -> pd.DataFrame:
        """All rows whose event time lies in the window, by event time."""
        return rows_of(self._batches, window)

    def callers(self, window: Window) -> Callers:
        """Who asked for what in the window."""
        return callers_of(rows_of(self._batches, window))

    def note(self, gap: Gap) -> None:
        """Remember that answers are missing."""
        self._gaps.append(gap)

    def gaps(self, window: Window) -> Sequence[Gap]:
        """What is known to be missing from the window."""
        return sorted_gaps(gap for gap in self._gaps if meet(gap.window, window))


OF_CALLERS: Final = (EVENT_TIME, PATH, CONSUMER, ASKED)
"""The columns that say who asked for what."""


def meet(one: Window, other: Window) -> bool:
    """Whether two windows have a moment in common."""
    return one.start < other.end and other.start < one.end


def sorted_gaps(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Gaps by session and number."""
    return tuple(sorted(gaps, key=lambda gap: (gap.session, gap.first, gap.last)))


def callers_of(rows: pd.DataFrame) -> Callers:
    """Who asked for what, by the columns :data:`OF_CALLERS`."""
    if PATH in rows:
        rows = rows[rows[PATH].isna() | (rows[PATH] == "primary")]
    if not {CONSUMER, ASKED} <= set(rows.columns):
        return Callers(callers=(), rows=len(rows), unnamed=len(rows))
    named = rows.dropna(subset=[CONSUMER, ASKED])
    grouped = named.groupby([ASKED, CONSUMER], sort=True)[EVENT_TIME].agg(["size", "max"])
    return Callers(
        callers=tuple(
            Caller(consumer=consumer, model=model, rows=int(size), last=last.to_pydatetime())
            for (model, consumer), size, last in grouped.itertuples(name=None)
        ),
        rows=len(rows),
        unnamed=len(rows) - len(named),
    )


def table_of(batch_id: str, rows: pd.DataFrame) -> pa.Table:
    """Rows as they are stored.

    Raises:
        BadInput: They have no usable ``event_time``.
    """
    where = f"batch {batch_id}: {EVENT_TIME}"
    if EVENT_TIME not in rows.columns:
        raise BadInput([Fault(where=where, what="there is no such column")])
    times = rows[EVENT_TIME]
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        what = f"is {times.dtype}; it must be a time with a timezone"
        raise BadInput([Fault(where=where, what=what)])
    if times.isna().any():
        raise BadInput([Fault(where=where, what=f"is missing in {int(times.isna().sum())} rows")])
    try:
        return pa.table({str(name): _as_array(column) for name, column in rows.items()})
    except pa.ArrowException as error:
        raise BadInput([Fault(where=f"batch {batch_id}", what=str(error))]) from error


def _as_array(column: pd.Series) -> pa.Array:
    """A column as Arrow has it; without any value it has no type, so it agrees with all."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return pa.array(column.dt.tz_convert(None).dt.as_unit("us").to_numpy(), type=_TIME)
    if isinstance(column.dtype, pd.CategoricalDtype):
        # Stored as what it stands for, so that batches need not share their codes.
        column = column.astype(column.dtype.categories.dtype)
    array = pa.array(column, from_pandas=True)
    return pa.nulls(len(array)) if array.null_count == len(array) else array


def rows_of(batches: Mapping[str, pa.Table], window: Window) -> pd.DataFrame:
    """The rows of batches whose event time lies in the window, by event time.

    Raises:
        DamagedLog: The batches contradict each other.
    """
    if not batches:
        return pd.DataFrame({EVENT_TIME: pd.Series(dtype="datetime64[us, UTC]")})
    tables = [batches[name] for name in sorted(batches)]
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DamagedLog(f"batches contradict each other: {error}") from error
    times = table[EVENT_TIME]
    inside = pc.and_(
        pc.greater_equal(times, pa.scalar(window.start, _TIME)),
        pc.less(times, pa.scalar(window.end, _TIME)),
    )
    rows: pd.DataFrame = table.filter(inside).to_pandas(ignore_metadata=True)
    return rows.sort_values(EVENT_TIME, kind="stable", ignore_index=True)


def _dates(table: pa.Table) -> tuple[date, date]:
    bounds = pc.min_max(table[EVENT_TIME]).as_py()
    first, last = bounds["min"], bounds["max"]
    return first.date(), last.date()


def _file_name(batch_id: str) -> str:
    name = quote(batch_id, safe="")
    if not name or len(name) > _LONGEST_NAME:
        what = f"is no batch id; give 1 to {_LONGEST_NAME} letters, digits, - and _"
        raise BadInput([Fault(where=f"batch {batch_id[:40]!r}", what=what)])
    return name


def _remove(places: Iterable[Path]) -> None:
    for place in places:
        place.unlink(missing_ok=True)
        _sync(place.parent)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Make a rename last: it is the folder's own content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
