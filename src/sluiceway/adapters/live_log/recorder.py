"""Writing answers down behind them: a queue, one thread, a few commits a second."""

import logging
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import orjson

from sluiceway.adapters.live_log.counter import EARLIEST, LATEST, Counter
from sluiceway.adapters.live_log.database import LogUnavailable, connect_to_log, writing
from sluiceway.adapters.live_log.sessions import (
    boot_id,
    counters_of,
    gap_of,
    insert_gaps,
    now_micros,
    settle,
)
from sluiceway.adapters.live_log.units import unit_key
from sluiceway.ports import Gap, GapReason
from sluiceway.serving.keeping import Keeping
from sluiceway.serving.rows import Entry, micros, packed
from sluiceway.serving.values import ArmAnswers, Asked, Question
from sluiceway.serving.values import Path as AnswerPath

INTERVAL: Final = 0.2
"""Seconds between two commits: an answer is readable soon, and a kill loses little."""

QUEUE_ROWS: Final = 100_000
"""Rows that may wait; more are counted as lost instead."""

_TOGETHER: Final = 1_000
"""Entries of a segment."""
_YIELD: Final = 4
"""Entries packed before answering gets the interpreter."""
_MINUTE: Final = 60_000_000
_MOST_GAPS: Final = 1_000
"""Gaps of one commit; more of them become one."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderCounts:
    """How a recorder does.

    Attributes:
        issued: Rows that were answered.
        committed: Rows of them that are written down, or told to be missing.
        waiting: Rows that wait to be written down.
        lost: Rows that were not written down, and told.
        behind: Seconds since everything was written down last; 0 while nothing waits.
        fault: Why the last commit failed; None where it did not.
    """

    issued: int
    committed: int
    waiting: int
    lost: int
    behind: float
    fault: str | None


@dataclass(slots=True, kw_only=True)
class _Lost:
    """Rows that could not be queued, with event times close to each other."""

    first: int
    last: int
    rows: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What is committed at once: all rows up to a number, written or told."""

    entries: list[tuple[int, int, Sequence[Asked], ArmAnswers]]
    lost: list[_Lost]
    rows: int
    upto: int


class _Segment:
    """Entries that become one row of the database."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._first = -1
        self._rows = 0
        self._low, self._high = LATEST, EARLIEST

    def add(self, entry: Entry, content: bytes) -> None:
        if self._first < 0:
            self._first = entry["seq"]
        self._rows += len(entry["unit"])
        time = entry["time"]
        one = isinstance(time, int)
        self._low = min(self._low, time if one else min(time))
        self._high = max(self._high, time if one else max(time))
        self.parts.append(content)

    def columns(self) -> tuple[int, int, int, int, bytes]:
        """First number, rows, earliest and latest event time, and the entries as JSON."""
        body = b"[" + b",".join(self.parts) + b"]"
        return self._first, self._rows, self._low, self._high, body


class LiveRecorder:
    """Implements :class:`sluiceway.serving.ports.Recorder`.

    Args:
        log: The database; gateway processes share it.
        keeping: What of the questions may be written down.
        queue_rows: Rows that may wait.
        interval: Seconds between two commits.

    Raises:
        LogUnavailable: The database or the counter cannot be made: losses could not be known.
    """

    def __init__(
        self,
        log: Path,
        keeping: Keeping,
        *,
        queue_rows: int = QUEUE_ROWS,
        interval: float = INTERVAL,
    ) -> None:
        self.session = uuid.uuid4().hex
        self._keeping = keeping
        self._limit = queue_rows
        self._interval = interval
        self._connection = connect_to_log(log)
        began = now_micros()
        try:
            settle(self._connection, log)
            self._counter = Counter(counters_of(log), self.session, began=began)
            with writing(self._connection):
                self._connection.execute(
                    "INSERT INTO sessions VALUES (?, ?, ?, ?, 0, ?, NULL)",
                    (self.session, os.getpid(), boot_id(), began, began),
                )
        except (OSError, sqlite3.Error) as error:
            self._connection.close()
            raise LogUnavailable(f"{log} cannot be written to: {error}") from error
        self._lock = threading.Lock()
        self._entries: list[tuple[int, int, Sequence[Asked], ArmAnswers]] = []
        self._lost: dict[int, _Lost] = {}
        self._waiting = 0
        self._batch: _Batch | None = None
        self._packed: list[tuple[int, int, int, int, bytes]] = []
        self._units: dict[int, int] = {}
        self._gaps: list[Gap] = []
        self._committed = 0
        self._lost_rows = 0
        self._settled_at = time.monotonic()
        self._fault: str | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._closed = False
        self._writer = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._writer.start()

    def record(self, question: Question, answers: ArmAnswers) -> None:
        """Take one arm's answers to a question; what cannot be taken is counted as lost.

        After :meth:`close` nothing is taken and nobody is told: whoever closes has stopped
        answering.
        """
        self.record_together((Asked(question, answers.rows),), answers)

    def record_together(self, asked: Sequence[Asked], answers: ArmAnswers) -> None:
        """Take one arm's answers to rows of several questions; as with :meth:`record`."""
        rows = len(answers.rows)
        if not rows:
            return
        at = time.time_ns() // 1000
        try:
            low, high = _bounds(asked)
        except Exception:  # noqa: BLE001 - whatever it is, the answer goes out and is counted
            low = high = at
            taken = False
        else:
            taken = True
        with self._lock:
            if self._closed:
                self._lost_rows += rows  # there is no counter any more
                return
            first = self._counter.issue(rows, low, high)
            if not taken or self._waiting + rows > self._limit:
                self._lose(first, rows, low, high)
                return
            self._waiting += rows
            self._entries.append((first, at, asked, answers))

    def _lose(self, first: int, rows: int, low: int, high: int) -> None:
        """Remember rows that are not queued; those of one minute are one gap."""
        self._lost_rows += rows
        minute = low // _MINUTE
        if minute not in self._lost and len(self._lost) >= _MOST_GAPS:
            minute = next(iter(self._lost))
        known = self._lost.get(minute)
        if known is None:
            last = first + rows - 1
            self._lost[minute] = _Lost(first=first, last=last, rows=rows, low=low, high=high)
            return
        known.last = first + rows - 1
        known.rows += rows
        known.low, known.high = min(known.low, low), max(known.high, high)

    def counts(self) -> RecorderCounts:
        """How it does."""
        with self._lock:
            issued = self._committed if self._closed else self._counter.issued
            behind = time.monotonic() - self._settled_at if issued > self._committed else 0.0
            return RecorderCounts(
                issued=issued,
                committed=self._committed,
                waiting=self._waiting,
                lost=self._lost_rows,
                behind=behind,
                fault=self._fault,
            )

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all that is recorded now is written down; False where it takes longer."""
        with self._lock:
            wanted = self._counter.issued
        deadline = time.monotonic() + timeout
        while self._committed < wanted and time.monotonic() < deadline:
            self._wake.set()
            time.sleep(0.005)
        return self._committed >= wanted

    def close(self) -> None:
        """Write down what waits and end; what cannot be written is left to be told later."""
        if self._stopping:
            return
        self._stopping = True
        self._wake.set()
        self._writer.join()
        with self._lock:
            complete = self._committed == self._counter.issued
            self._closed = True
        if complete:
            query = "UPDATE sessions SET ended = ? WHERE session = ?"
            try:
                with writing(self._connection):
                    self._connection.execute(query, (now_micros(), self.session))
                self._connection.execute("PRAGMA wal_checkpoint(FULL)")
            except sqlite3.Error:
                complete = False  # the next process tells that nothing of it is missing
        self._counter.close(remove=complete)
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self) -> None:
        while True:
            stopping = self._stopping
            failed = self._fault
            try:
                while self._commit_some():
                    pass
                self._fault = None
            except Exception as error:  # noqa: BLE001 - the thread must outlive a full disk
                self._fault = f"{type(error).__name__}: {error}"
            if self._fault is not None and self._fault != failed:
                _LOG.error("the prediction log cannot be written: %s", self._fault)
            if stopping:
                return
            self._wake.wait(self._interval)
            self._wake.clear()

    def _commit_some(self) -> bool:
        """Write down what waits; False where nothing does. A failed batch is tried again whole."""
        if self._batch is None:
            self._batch = self._taken()
            if self._batch is None:
                return False
            self._pack(self._batch)
        batch, at = self._batch, now_micros()
        with writing(self._connection):
            self._connection.executemany(
                "INSERT INTO segments (session, first, rows, low, high, at, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(self.session, *one[:4], at, one[4]) for one in self._packed],
            )
            self._connection.executemany(
                "INSERT OR IGNORE INTO answered VALUES (?, ?, ?)",
                [(unit, time, at) for unit, time in self._units.items()],
            )
            insert_gaps(self._connection, self._gaps, at=at)
            self._connection.execute(
                "UPDATE sessions SET committed = ?, committed_at = ? WHERE session = ?",
                (batch.upto, at, self.session),
            )
        with self._lock:
            self._counter.settle()
            self._waiting -= batch.rows
            self._committed = batch.upto
            self._batch = None
            self._settled_at = time.monotonic()
        return True

    def _taken(self) -> _Batch | None:
        with self._lock:
            if not self._entries and not self._lost:
                self._settled_at = time.monotonic()
                return None
            entries, self._entries = self._entries, []
            lost, self._lost = self._lost, {}
            self._counter.turn()
            upto = self._counter.issued
        rows = sum(len(answers.rows) for _, _, _, answers in entries)
        return _Batch(entries=entries, lost=list(lost.values()), rows=rows, upto=upto)

    def _pack(self, batch: _Batch) -> None:
        """Turn a batch into what is committed: segments, units and gaps."""
        self._packed, self._units = [], {}
        self._gaps = [self._gap(one, GapReason.DROPPED) for one in batch.lost]
        segment = _Segment()
        for number, one in enumerate(batch.entries, start=1):
            self._add(segment, *one)
            if len(segment.parts) >= _TOGETHER:
                self._packed.append(segment.columns())
                segment = _Segment()
            if not number % _YIELD:
                time.sleep(0)  # answering goes first
        if segment.parts:
            self._packed.append(segment.columns())

    def _add(
        self, segment: "_Segment", first: int, at: int, asked: Sequence[Asked], answers: ArmAnswers
    ) -> None:
        """Add one entry and note its units, or its rows as a gap where it cannot be written."""
        try:
            entry = packed(asked, answers, seq=first, at=at, keeping=self._keeping)
            segment.add(entry, orjson.dumps(entry))
        except Exception as error:  # noqa: BLE001 - one bad entry must not hold up the others
            _LOG.error("answers cannot be logged: %s", error)
            rows = len(answers.rows)
            try:
                low, high = _bounds(asked)
            except Exception:  # noqa: BLE001 - they were good when it was queued
                low = high = at
            lost = _Lost(first=first, last=first + rows - 1, rows=rows, low=low, high=high)
            self._gaps.append(self._gap(lost, GapReason.UNWRITABLE))
            self._lost_rows += rows
            return
        if entry["path"] == AnswerPath.PRIMARY:
            units, times = entry["unit"], entry["time"]
            if isinstance(times, int):
                times = [times] * len(units)
            for unit, moment in zip(units, times, strict=True):
                self._units.setdefault(unit_key(unit), moment)

    def _gap(self, lost: _Lost, reason: GapReason) -> Gap:
        low, high = max(lost.low, EARLIEST), min(lost.high, LATEST)
        return gap_of(self.session, lost.first, lost.last, lost.rows, low, high, reason)


def _bounds(asked: Sequence[Asked]) -> tuple[int, int]:
    """Earliest and latest event time of the answered rows."""
    bounds = [_bounds_of(one) for one in asked]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _bounds_of(asked: Asked) -> tuple[int, int]:
    question, times, rows = asked.question, asked.question.event_time, len(asked.rows)
    if times is None:
        received = micros(question.received)
        return received, received
    ticks = times.astype("M8[us]", copy=False).view(np.int64)
    if rows != len(ticks):
        ticks = ticks[asked.rows]
    low = int(ticks[0]) if rows == 1 else int(ticks.min())
    high = low if rows == 1 else int(ticks.max())
    if low < EARLIEST or high > LATEST:
        raise ValueError("an event time is missing, or lies beyond all calendars")
    return low, high
