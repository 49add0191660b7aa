"""The SQLite database of posted labels: what came first stays, and what contradicts it is kept."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sluiceway.adapters.live_log.database import LogUnavailable, connect, reading, writing
from sluiceway.serving.labels import Conflict, LabelsTaken
from sluiceway.serving.rows import micros

LABELS: Final = "labels.db"
"""Its name beside the log's database."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS labels (
    unit TEXT NOT NULL,
    source TEXT NOT NULL,
    label TEXT NOT NULL,
    value REAL NOT NULL,
    known_at INTEGER NOT NULL,
    event_time INTEGER NOT NULL,
    posted_at INTEGER NOT NULL,
    late INTEGER NOT NULL,
    PRIMARY KEY (unit, source, label)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS labels_in_time ON labels (source, event_time);
CREATE TABLE IF NOT EXISTS conflicts (
    unit TEXT NOT NULL,
    source TEXT NOT NULL,
    label TEXT NOT NULL,
    value REAL NOT NULL,
    known_at INTEGER NOT NULL,
    event_time INTEGER NOT NULL,
    posted_at INTEGER NOT NULL,
    kept REAL NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """A label of a unit that was answered; times in microseconds since 1970.

    Attributes:
        mature_at: From when on it is late.
    """

    unit: str
    source: str
    column: str
    value: float
    known_at: int
    event_time: int
    mature_at: int


class LabelStore:
    """Posted labels of one environment; many processes may post.

    Args:
        path: The database; made when first posted to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def post(
        self, rows: Sequence[LabelRow], *, unknown: Iterable[str] = (), now: datetime
    ) -> LabelsTaken:
        """Keep labels, in one transaction that has reached the disk when this returns.

        Args:
            unknown: Units that are not among them, for the answer.

        Raises:
            LogUnavailable: The database cannot be used; nothing was kept.
        """
        at = micros(now)
        accepted = duplicate = late = 0
        conflicts: list[Conflict] = []
        try:
            with closing(connect(self._path, full=True)) as connection:
                connection.executescript(_TABLES)
                with writing(connection):
                    for row in rows:
                        is_late = max(row.known_at, at) > row.mature_at
                        kept = _kept(connection, row)
                        if kept is None:
                            _insert(connection, row, at, late=is_late)
                            accepted += 1
                            late += is_late
                        elif kept == (row.value, row.event_time):
                            duplicate += 1
                        else:
                            conflicts.append(_aside(connection, row, at, kept[0]))
        except sqlite3.Error as error:
            raise LogUnavailable(f"{self._path} cannot be written to: {error}") from error
        return LabelsTaken(
            accepted=accepted,
            duplicate=duplicate,
            conflicts=tuple(conflicts),
            late=late,
            unknown=tuple(dict.fromkeys(unknown)),
        )

    def conflicts(self) -> tuple[Conflict, ...]:
        """Every label that contradicts the kept one, in the order in which they came.

        Raises:
            LogUnavailable: The database cannot be read.
        """
        query = "SELECT unit, source || '.' || label, kept, value FROM conflicts ORDER BY rowid"
        found = self._all(query)
        return tuple(Conflict(unit=u, label=n, kept=k, posted=v) for u, n, k, v in found)

    def counts(self) -> tuple[int, int, int]:
        """How many labels are kept, how many of them came late, how many were contradicted.

        Raises:
            LogUnavailable: The database cannot be read.
        """
        query = (
            "SELECT (SELECT COUNT(*) FROM labels), (SELECT COALESCE(SUM(late), 0) FROM labels), "
            "(SELECT COUNT(*) FROM conflicts)"
        )
        found = self._all(query)
        kept, late, contradicted = found[0] if found else (0, 0, 0)
        return kept, late, contradicted

    def _all(self, query: str) -> list[Any]:
        with reading(self._path) as connection:
            if connection is None or not has_labels(connection):
                return []
            return connection.execute(query).fetchall()

    def forget(self, before: datetime) -> int:
        """Remove what was posted before a time; how many labels that were.

        Raises:
            LogUnavailable: The database cannot be used.
        """
        if not self._path.exists():
            return 0
        try:
            with closing(connect(self._path)) as connection:
                connection.executescript(_TABLES)
                with writing(connection):
                    at = (micros(before),)
                    connection.execute("DELETE FROM conflicts WHERE posted_at < ?", at)
                    query = "DELETE FROM labels WHERE posted_at < ?"
                    return connection.execute(query, at).rowcount
        except sqlite3.Error as error:
            raise LogUnavailable(f"{self._path} cannot be written to: {error}") from error


def has_labels(connection: sqlite3.Connection) -> bool:
    """Whether the process that makes the database has come so far."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'conflicts'"
    return connection.execute(query).fetchone() is not None


def _kept(connection: sqlite3.Connection, row: LabelRow) -> tuple[float, int] | None:
    """Value and event time of the label that is kept; None where there is none.

    A source has one row a unit, so another event time of another of its labels is a conflict too.
    """
    query = "SELECT label, value, event_time FROM labels WHERE unit = ? AND source = ?"
    found = connection.execute(query, (row.unit, row.source)).fetchall()
    for label, value, event_time in found:
        if label == row.column:
            return value, event_time
    for _, value, event_time in found:
        if event_time != row.event_time:
            return value, event_time
    return None


def _insert(connection: sqlite3.Connection, row: LabelRow, at: int, *, late: bool) -> None:
    connection.execute(
        "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (row.unit, row.source, row.column, row.value, row.known_at, row.event_time, at, late),
    )


def _aside(connection: sqlite3.Connection, row: LabelRow, at: int, kept: float) -> Conflict:
    """Keep a contradiction aside, once however often it is posted."""
    again = (
        "SELECT 1 FROM conflicts WHERE unit = ? AND source = ? AND label = ? AND value = ? "
        "AND event_time = ?"
    )
    which = (row.unit, row.source, row.column, row.value, row.event_time)
    if connection.execute(again, which).fetchone() is None:
        connection.execute(
            "INSERT INTO conflicts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*which[:4], row.known_at, row.event_time, at, kept),
        )
    label = f"{row.source}.{row.column}"
    return Conflict(unit=row.unit, label=label, kept=kept, posted=row.value)
