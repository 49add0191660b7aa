"""The log as its readers see it: Parquet files and the newest rows, each row once."""

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson
import pandas as pd
import pyarrow as pa

from sluiceway.adapters.live_log.counter import EARLIEST, LATEST
from sluiceway.adapters.live_log.database import LogUnavailable, connect_to_log, reading
from sluiceway.adapters.live_log.sessions import (
    Session,
    has_tables,
    now_micros,
    open_sessions,
    recorded_gaps,
)
from sluiceway.adapters.live_log.units import add_answered, unit_key
from sluiceway.adapters.prediction_log import (
    OF_CALLERS,
    DamagedLog,
    ParquetPredictionLog,
    callers_of,
    meet,
    rows_of,
    sorted_gaps,
    table_of,
)
from sluiceway.lineage import Callers
from sluiceway.ports import Gap, Window
from sluiceway.serving.rows import SEQ, SESSION, frame_of, micros, moment

_TRIES: Final = 10
"""Times a reader looks again when a file vanished under it."""
_PATIENCE: Final = 3.0
_PAUSE: Final = 0.05
_KEYS: Final = 500
"""Units that one query asks for."""
_ALWAYS: Final = Window(start=moment(EARLIEST), end=moment(LATEST))


class LivePredictionLog:
    """Implements :class:`sluiceway.ports.PredictionLog`: what gateways log, and batches.

    Args:
        folder: Of the Parquet files.
        database: Of what gateways have logged lately; need not be there.
        patience: Seconds to wait for what living gateways have answered and not written down yet.
    """

    def __init__(self, folder: Path, database: Path, *, patience: float = _PATIENCE) -> None:
        self._files = ParquetPredictionLog(folder)
        self._database = database
        self._patience = patience

    def write(self, batch_id: str, rows: pd.DataFrame) -> None:
        """Add a batch; the same id again replaces it. Its units count as answered.

        Raises:
            BadInput: The id is empty or too long, or the rows have no usable ``event_time``.
            LogUnavailable: The database cannot be used.
            OSError: The disk is full or may not be written to.
        """
        self._files.write(batch_id, rows)
        if "unit" not in rows or not len(rows):
            return
        times = pd.DatetimeIndex(rows["event_time"]).tz_convert("UTC").tz_localize(None)
        ticks = times.as_unit("us").asi8.tolist()
        connection = connect_to_log(self._database)
        try:
            units = zip(rows["unit"].astype(str), ticks, strict=True)
            add_answered(connection, units, at=now_micros())
        except sqlite3.Error as error:
            raise LogUnavailable(f"{self._database} cannot be written to: {error}") from error
        finally:
            connection.close()

    def read(self, window: Window) -> pd.DataFrame:
        """All rows whose event time lies in the window, by event time.

        What living gateways have answered and not written down is waited for, a few seconds.

        Raises:
            DamagedLog: A finished file, or the database, cannot be read.
        """
        return self._rows(window)

    def callers(self, window: Window) -> Callers:
        """Who asked for what in the window.

        Raises:
            DamagedLog: A finished file, or the database, cannot be read.
        """
        return callers_of(self._rows(window, (*OF_CALLERS, SESSION, SEQ)))

    def gaps(self, window: Window) -> Sequence[Gap]:
        """What is known to be missing from the window.

        Raises:
            DamagedLog: The database cannot be read.
        """
        try:
            # What was only just answered is no gap, but on its way.
            stuck = self._unsettled(window)
            sessions = [
                one.gap(now_micros())
                for one in open_sessions(self._database)
                if not one.alive or one.session in stuck
            ]
            # Afterwards, so that what is settled meanwhile is told once or twice, never not.
            with reading(self._database) as connection:
                known = [] if connection is None else list(recorded_gaps(connection))
        except LogUnavailable as error:
            raise DamagedLog(str(error)) from error
        found = [gap for gap in (*known, *sessions) if gap is not None]
        distinct = {(gap.session, gap.first, gap.last, gap.reason): gap for gap in found}
        return sorted_gaps(gap for gap in distinct.values() if meet(gap.window, window))

    def settled(self, window: Window) -> bool:
        """Wait until all that was answered in a window by now is written down, or told.

        Returns:
            Whether it is; False where a living gateway takes longer than one has patience.
        """
        return not self._unsettled(window)

    def _unsettled(self, window: Window) -> frozenset[str]:
        """Wait for what was answered in a window by now; who has still not written it down."""
        deadline = time.monotonic() + self._patience
        awaited = {one.session: one.counter.issued for one in self._waiting(window) if one.counter}
        while awaited and time.monotonic() < deadline:
            time.sleep(_PAUSE)
            now = {one.session: one for one in open_sessions(self._database) if one.alive}
            awaited = {
                name: issued
                for name, issued in awaited.items()
                if name in now and now[name].committed < issued
            }
        return frozenset(awaited)

    def answered(self, units: Collection[str], *, wait: bool = True) -> dict[str, int]:
        """When the events of units were to which something was answered; others are not in it.

        Args:
            units: As they are kept.
            wait: Whether to wait for what living gateways have not written down yet, where a unit
                is not found.

        Returns:
            Event time of the unit's first answer, in microseconds since 1970.

        Raises:
            DamagedLog: The database cannot be read.
        """
        try:
            found = self._answered(units)
            if wait and len(found) < len(units):
                self.settled(_ALWAYS)
                found |= self._answered([unit for unit in units if unit not in found])
        except LogUnavailable as error:
            raise DamagedLog(str(error)) from error
        return found

    def _answered(self, units: Collection[str]) -> dict[str, int]:
        keys = {unit_key(unit): unit for unit in units}
        found: dict[str, int] = {}
        with reading(self._database) as connection:
            if connection is None or not has_tables(connection):
                return found
            for some in batched(keys, _KEYS):
                marks = ",".join("?" * len(some))
                query = f"SELECT unit, event_time FROM answered WHERE unit IN ({marks})"
                for key, time in connection.execute(query, some):
                    found[keys[key]] = time
        return found

    def _waiting(self, window: Window) -> list[Session]:
        found = []
        for one in open_sessions(self._database):
            bounds = one.bounds
            if not one.alive or not one.waiting:
                continue
            if bounds is None or (
                moment(bounds[0]) < window.end and window.start <= moment(bounds[1])
            ):
                found.append(one)
        return found

    def _rows(self, window: Window, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
        try:
            self.settled(window)
        except LogUnavailable as error:
            raise DamagedLog(str(error)) from error
        for _ in range(_TRIES):
            # A batch may be written again under other dates while its old file is being read.
            with suppress(FileNotFoundError):
                # The newest first: what moves into a file meanwhile is seen twice and not never.
                tail = self._tail(window, columns)
                batches = self._files.tables(window, columns)
                return _once(rows_of(batches | tail, window), tail)
        raise DamagedLog(f"{self._database.parent}: files of the log vanish while they are read")

    def _tail(self, window: Window, columns: tuple[str, ...] | None) -> dict[str, pa.Table]:
        """The segments that meet the window, a table for each session."""
        query = (
            "SELECT session, body FROM segments WHERE high >= ? AND low < ? ORDER BY session, first"
        )
        entries: dict[str, list[dict[str, object]]] = {}
        try:
            with reading(self._database) as connection:
                if connection is None or not has_tables(connection):
                    return {}
                bounds = (micros(window.start), micros(window.end))
                for session, body in connection.execute(query, bounds):
                    entries.setdefault(session, []).extend(orjson.loads(body))
        except (LogUnavailable, sqlite3.Error, orjson.JSONDecodeError) as error:
            raise DamagedLog(f"{self._database}: cannot be read: {error}") from error
        tables = {}
        for session, found in entries.items():
            table = table_of(session, frame_of(found, session))
            if columns is not None:
                table = table.select([name for name in table.column_names if name in columns])
            tables[f"{_TAIL}{session}"] = table
        return tables


def batched(keys: Iterable[int], size: int) -> Iterator[list[int]]:
    """Keys in lists of at most so many."""
    some = list(keys)
    return (some[start : start + size] for start in range(0, len(some), size))


_TAIL: Final = "~"
"""Before a session's id, where a quoted batch id has none: sorts behind all batches."""


def _once(rows: pd.DataFrame, tail: dict[str, pa.Table]) -> pd.DataFrame:
    """Rows without those that are in a file and among the newest too."""
    if not tail or SESSION not in rows:
        return rows
    sessions = {name.removeprefix(_TAIL) for name in tail}
    again = rows[SESSION].isin(sessions) & rows.duplicated([SESSION, SEQ])
    return rows[~again].reset_index(drop=True) if again.any() else rows
