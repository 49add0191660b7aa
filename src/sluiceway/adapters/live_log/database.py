"""The SQLite database that all gateway processes of an environment write their answers to.

A *segment* is what one process committed at once: some entries (:mod:`sluiceway.serving.rows`) as
JSON. Times are microseconds since 1970 in UTC.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sluiceway.errors import SluicewayError

PATIENCE: Final = 10.0
"""Seconds to wait for another process's commit."""

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS sessions (
    session TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    boot TEXT NOT NULL,
    began INTEGER NOT NULL,
    committed INTEGER NOT NULL,   -- rows below this number are in segments, Parquet files or gaps
    committed_at INTEGER NOT NULL,
    ended INTEGER                 -- when it closed, or was found to be dead
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL,
    first INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    low INTEGER NOT NULL,         -- earliest event time
    high INTEGER NOT NULL,        -- latest event time
    at INTEGER NOT NULL,          -- when it was committed
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS segments_in_order ON segments (session, first);
CREATE TABLE IF NOT EXISTS gaps (
    session TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    rows INTEGER,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS answered (
    unit INTEGER PRIMARY KEY,     -- the first 8 bytes of the unit's BLAKE2b
    event_time INTEGER NOT NULL,  -- of the first answer that somebody received
    at INTEGER NOT NULL
);
"""


class LogUnavailable(SluicewayError):
    """The database of live answers cannot be used."""


def connect(path: Path, *, full: bool = False) -> sqlite3.Connection:
    """Open the database, or make it.

    Args:
        full: Whether a commit also outlives a loss of power.

    Raises:
        LogUnavailable: It cannot be opened or made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise LogUnavailable(f"{path} cannot be used: {error}") from error
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
    except sqlite3.Error as error:
        connection.close()
        raise LogUnavailable(f"{path} cannot be used: {error}") from error
    return connection


def connect_to_log(path: Path) -> sqlite3.Connection:
    """Open the log of live answers, with all its tables.

    Raises:
        LogUnavailable: It cannot be opened or made.
    """
    connection = connect(path)
    try:
        connection.executescript(_TABLES)
    except sqlite3.Error as error:
        connection.close()
        raise LogUnavailable(f"{path} cannot be used: {error}") from error
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """One unchanging view of a database; None where there is none yet.

    It is opened for writing, because reading what a killed process left needs that; nothing is
    written.

    Raises:
        LogUnavailable: It cannot be read.
    """
    if not path.exists():
        yield None
        return
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None
        )
        try:
            connection.execute("PRAGMA query_only=1")
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LogUnavailable(f"{path} cannot be read: {error}") from error


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """All of a block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
