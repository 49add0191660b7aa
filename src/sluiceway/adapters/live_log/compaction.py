"""Moving what is older than some minutes into Parquet files, and forgetting what is too old."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import orjson

from sluiceway.adapters.labels.store import LABELS, LabelStore
from sluiceway.adapters.live_log.database import connect_to_log, reading, writing
from sluiceway.adapters.live_log.sessions import (
    has_tables,
    now_micros,
    open_sessions,
    recorded_gaps,
    settle,
)
from sluiceway.adapters.prediction_log import ParquetPredictionLog
from sluiceway.ports import Gap
from sluiceway.serving.rows import Entry, frame_of, moment

SETTLED: Final = timedelta(minutes=10)
"""Age from which rows may move: what is read often is then read from where it was written."""
_WAITS: Final = timedelta(hours=1)
"""Age until which rows wait for others, so that files are few."""
_ROWS: Final = 200_000
"""Rows of a file; some 100 MB of memory."""
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What moved and what was forgotten.

    Attributes:
        rows: Rows that moved into files.
        files: Files that were written.
        gaps: Gaps of dead processes that were written down.
        forgotten: Files, and segments, that were older than the retention.
        forgotten_labels: Labels that were.
        busy: Whether another process was at it, so that nothing was done.
    """

    rows: int = 0
    files: int = 0
    gaps: int = 0
    forgotten: int = 0
    forgotten_labels: int = 0
    busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """How large the log is, and what it lacks.

    Attributes:
        newest_rows: Rows in the database.
        file_rows: Rows in the Parquet files.
        files: How many files.
        bytes: Of files and database.
        sessions: Living gateway processes.
        waiting: Rows that they have answered and not written down.
        gaps: What is missing.
    """

    newest_rows: int
    file_rows: int
    files: int
    bytes: int
    sessions: int
    waiting: int
    gaps: tuple[Gap, ...]

    @property
    def lost(self) -> int:
        """Rows that are known to be missing; gaps that nobody can count are not in it."""
        return sum(gap.rows or 0 for gap in self.gaps)


def compact(
    folder: Path,
    database: Path,
    *,
    retention: timedelta,
    settled: timedelta = SETTLED,
    waits: timedelta = _WAITS,
) -> Compacted:
    """Move rows into files, settle dead processes, and forget what is older than the retention.

    It may be killed anywhere: a file is renamed into its place before the rows leave the database,
    and carries the number of its first row as its name, so that the next run writes the same file
    again. Readers see each row once all the time.

    Args:
        folder: Of the Parquet files.
        database: Of what gateways have logged lately.
        retention: Age, since they were written, at which rows are forgotten.
        settled: Age from which rows move.
        waits: Age until which fewer rows than a file's fill wait for others.

    Raises:
        LogUnavailable: The database cannot be used.
        OSError: The disk is full or may not be written to; nothing is lost.
    """
    if not database.exists() and not folder.exists():
        return Compacted()
    with closing(connect_to_log(database)) as connection, _alone(database) as alone:
        if not alone:
            return Compacted(busy=True)
        gaps = settle(connection, database)
        rows = files = 0
        files_of = ParquetPredictionLog(folder)
        now = now_micros()
        query = "SELECT DISTINCT session FROM segments ORDER BY session"
        for (session,) in connection.execute(query).fetchall():
            for first, last in _chunks(connection, session, now, settled, waits):
                rows += _move(connection, files_of, session, first, last)
                files += 1
        before = now - retention // _TICK
        return Compacted(
            rows=rows,
            files=files,
            gaps=len(gaps),
            forgotten=_forget(connection, folder, before),
            forgotten_labels=LabelStore(database.with_name(LABELS)).forget(moment(before)),
        )


@contextmanager
def _alone(database: Path) -> Iterator[bool]:
    """Whether nobody else compacts; nobody begins to inside the block."""
    descriptor = os.open(database.with_name("compaction.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _chunks(
    connection: sqlite3.Connection,
    session: str,
    now: int,
    settled: timedelta,
    waits: timedelta,
) -> Iterator[tuple[int, int]]:
    """The first and the last segment for one file each, in order from the session's first."""
    query = "SELECT first, rows, at FROM segments WHERE session = ? AND at <= ? ORDER BY first"
    some: list[int] = []
    rows, oldest = 0, now
    found = connection.execute(query, (session, now - settled // _TICK)).fetchall()
    for first, count, at in found:
        if some and rows + count > _ROWS:
            yield some[0], some[-1]
            some, rows, oldest = [], 0, now
        some.append(first)
        rows, oldest = rows + count, min(oldest, at)
    if some and oldest <= now - waits // _TICK:
        yield some[0], some[-1]


def _move(
    connection: sqlite3.Connection, files: ParquetPredictionLog, session: str, first: int, last: int
) -> int:
    """Move the segments from one number to another; how many rows they have."""
    where = "FROM segments WHERE session = ? AND first BETWEEN ? AND ?"
    place = (session, first, last)
    entries: list[Entry] = []
    for (body,) in connection.execute(f"SELECT body {where} ORDER BY first", place):
        entries.extend(orjson.loads(body))
    rows = frame_of(entries, session)
    files.write(f"{session}-{first:012d}", rows)
    with writing(connection):
        connection.execute(f"DELETE {where}", place)
    return len(rows)


def _forget(connection: sqlite3.Connection, folder: Path, before: int) -> int:
    """Remove what was written before a time, in microseconds since 1970."""
    forgotten = 0
    for place in folder.glob("????-??-??/*.parquet"):
        if place.stat().st_mtime_ns // 1000 < before:
            place.unlink(missing_ok=True)
            forgotten += 1
    with writing(connection):
        for table in ("segments", "gaps", "answered"):
            count = connection.execute(f"DELETE FROM {table} WHERE at < ?", (before,)).rowcount
            forgotten += count if table == "segments" else 0
        connection.execute("DELETE FROM sessions WHERE ended < ?", (before,))
    return forgotten


def log_status(folder: Path, database: Path) -> LogStatus:
    """How large a log is, and what it lacks; nothing is written.

    Raises:
        LogUnavailable: The database cannot be read.
        DamagedLog: A file cannot be read.
    """
    sessions = open_sessions(database)
    now = now_micros()
    gaps = [gap for one in sessions if not one.alive and (gap := one.gap(now)) is not None]
    newest = 0
    with reading(database) as connection:
        if connection is not None and has_tables(connection):
            (newest,) = connection.execute("SELECT COALESCE(SUM(rows), 0) FROM segments").fetchone()
            gaps += recorded_gaps(connection)
    rows, files, size = ParquetPredictionLog(folder).size()
    size += sum(place.stat().st_size for place in database.parent.glob(f"{database.name}*"))
    return LogStatus(
        newest_rows=newest,
        file_rows=rows,
        files=files,
        bytes=size,
        sessions=sum(one.alive for one in sessions),
        waiting=sum(one.waiting for one in sessions if one.alive),
        gaps=tuple(sorted(gaps, key=lambda gap: (gap.window.start, gap.session, gap.first))),
    )
