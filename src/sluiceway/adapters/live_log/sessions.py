"""Processes that answered: which of them live, and what those that died did not write down."""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from sluiceway.adapters.live_log.counter import SUFFIX, Counted, counted, lives
from sluiceway.adapters.live_log.database import reading, writing
from sluiceway.ports import Gap, GapReason, Window
from sluiceway.serving.rows import micros, moment

_TICK: Final = timedelta(microseconds=1)
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def now_micros() -> int:
    """The time by this machine's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


def boot_id() -> str:
    """Tells one run of the machine from the next; empty where that cannot be told."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One gateway process.

    Attributes:
        session: Its id.
        boot: The run of the machine it belongs to.
        committed: Rows that it has written down, or told to be missing.
        committed_at: When it last did, in microseconds since 1970.
        counter: What its counter says; None where there is none.
        alive: Whether it still runs.
    """

    session: str
    boot: str
    committed: int
    committed_at: int
    counter: Counted | None
    alive: bool

    @property
    def waiting(self) -> int:
        """Rows that were answered and not written down."""
        return max(0, self.counter.issued - self.committed) if self.counter else 0

    @property
    def bounds(self) -> tuple[int, int] | None:
        """Earliest and latest event time of those rows, as far as its counter knows them."""
        return self.counter.bounds(self.committed) if self.counter else None

    def gap(self, now: int) -> Gap | None:
        """What is missing of it; None where nothing is.

        Args:
            now: Latest time at which it can have answered, in microseconds since 1970.
        """
        known = self.bounds
        if not self.alive and (self.counter is None or self.boot != boot_id()):
            # Neither the file nor the last commits need have reached the disk.
            low, high = self.committed_at, now
            if known is not None:
                low, high = min(low, known[0]), max(high, known[1])
            last = self.committed + max(self.waiting, 1) - 1
            return gap_of(self.session, self.committed, last, None, low, high, GapReason.POWER)
        if not self.waiting:
            return None
        low, high = known or (self.committed_at, now)
        reason = GapReason.WAITING if self.alive else GapReason.KILLED
        last = self.committed + self.waiting - 1
        return gap_of(self.session, self.committed, last, self.waiting, low, high, reason)


def gap_of(
    session: str, first: int, last: int, rows: int | None, low: int, high: int, reason: str
) -> Gap:
    """A gap of what the database says."""
    window = Window(start=moment(low), end=moment(high) + _TICK)
    return Gap(
        session=session, first=first, last=last, rows=rows, window=window, reason=GapReason(reason)
    )


def counters_of(log: Path) -> Path:
    """Folder of the counters beside a log's database."""
    return log.parent / "sessions"


def open_sessions(log: Path) -> list[Session]:
    """All sessions that have neither closed nor been settled.

    What lives is asked before what was committed: a process that ends meanwhile is taken for
    alive, and its rows are waited for or told to be missing.
    """
    folder = counters_of(log)
    paths = {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"*{SUFFIX}")}
    alive = {name: lives(path) for name, path in paths.items()}
    counters = {name: counted(path) for name, path in paths.items()}
    with reading(log) as connection:
        rows = [] if connection is None else _rows(connection)
    known = {row[0]: row for row in rows}
    found = []
    for name in sorted({*paths, *(row[0] for row in rows if row[4] is None)}):
        _, boot, committed, committed_at, ended = known.get(name, (name, "", 0, 0, None))
        if ended is not None:
            continue  # its counter is only not removed yet
        counter = counters.get(name)
        if name not in paths:
            # It began after the folder was looked at, or closed since, or its file is lost.
            path = folder / f"{name}{SUFFIX}"
            alive[name], counter = lives(path), counted(path)
            if counter is None and _has_ended(log, name):
                continue
        if name not in known and counter is not None:
            # Killed before it was entered, or the machine stopped: nothing else is known of it.
            boot, committed_at = boot_id() if not counter.issued else "", counter.began
        found.append(
            Session(
                session=name,
                boot=boot,
                committed=committed,
                committed_at=committed_at,
                counter=counter,
                alive=alive[name],
            )
        )
    return found


def _has_ended(log: Path, session: str) -> bool:
    query = "SELECT ended FROM sessions WHERE session = ?"
    with reading(log) as connection:
        row = None if connection is None else connection.execute(query, (session,)).fetchone()
    return row is not None and row[0] is not None


def _rows(connection: sqlite3.Connection) -> list[tuple[str, str, int, int, int | None]]:
    if not has_tables(connection):
        return []
    query = "SELECT session, boot, committed, committed_at, ended FROM sessions"
    return list(connection.execute(query))


def has_tables(connection: sqlite3.Connection) -> bool:
    """Whether the process that makes the database has come so far."""
    query = "SELECT 1 FROM sqlite_master WHERE name = 'answered'"
    return connection.execute(query).fetchone() is not None


def settle(connection: sqlite3.Connection, log: Path) -> list[Gap]:
    """Write down what dead processes did not; the gaps that were found."""
    found = []
    for session in open_sessions(log):
        if session.alive:
            continue
        now = now_micros()
        with writing(connection):
            query = "SELECT ended FROM sessions WHERE session = ?"
            row = connection.execute(query, (session.session,)).fetchone()
            if row is not None and row[0] is not None:
                continue  # somebody else was first
            gap = session.gap(now)
            if gap is not None:
                found.append(gap)
                insert_gaps(connection, [gap], at=now)
            began, committed = session.committed_at, session.committed
            connection.execute(
                "INSERT INTO sessions VALUES (?, 0, ?, ?, ?, ?, ?) "
                "ON CONFLICT (session) DO UPDATE SET ended = excluded.ended",
                (session.session, session.boot, began, committed, began, now),
            )
        (counters_of(log) / f"{session.session}{SUFFIX}").unlink(missing_ok=True)
    return found


def insert_gaps(connection: sqlite3.Connection, gaps: Iterable[Gap], *, at: int) -> None:
    """Add gaps, inside a transaction of the caller's."""
    connection.executemany(
        "INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                g.session,
                g.first,
                g.last,
                g.rows,
                micros(g.window.start),
                micros(g.window.end) - 1,
                g.reason.value,
                at,
            )
            for g in gaps
        ],
    )


def recorded_gaps(connection: sqlite3.Connection) -> Sequence[Gap]:
    """All gaps that were written down."""
    if not has_tables(connection):
        return ()
    query = "SELECT session, first, last, rows, low, high, reason FROM gaps"
    return [gap_of(*row) for row in connection.execute(query)]
