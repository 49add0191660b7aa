"""A table of units, answered by the same routing, versions and log as live requests."""

import asyncio
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from sluiceway.errors import BadInput, Fault, SluicewayError
from sluiceway.gateway.engine import Engine
from sluiceway.gateway.flags import Flags
from sluiceway.gateway.other_paths import FlaggedPaths
from sluiceway.gateway.reporting import HaltReporter
from sluiceway.gateway.residents import Residents, residents_of
from sluiceway.gateway.watching import HardRule
from sluiceway.ports import Progress
from sluiceway.serving.breaker import BreakerState
from sluiceway.serving.refusals import Refused
from sluiceway.serving.served import Version
from sluiceway.serving.values import Question, Reply, Values
from sluiceway.settings import Settings
from sluiceway.wiring import opened, recorder

EVENT_TIME: Final = "event_time"
"""The column that says when each row's event was; without it, it is now."""
_ROWS: Final = 1_000
"""Rows of one question."""
_LOADS_WITHIN: Final = 300.0
"""Seconds in which everything that serves must be loaded."""
_LOOK_AGAIN: Final = 0.05


class NotScored(SluicewayError):
    """A table was not scored, or its answers could not be written down."""


def score(
    settings: Settings, rows: pd.DataFrame, model: str, *, consumer: str | None = None
) -> pd.DataFrame:
    """Answer every row of a table, and log the answers like live ones.

    Args:
        rows: One row a unit, with the system's unit column, and what the model's chain reads:
            features by name, or the source columns they are made of.
        model: Whose answers are wanted.
        consumer: Who reads them; None where that is nobody declared.

    Returns:
        A row for each, in their order: the unit, the model's fields, ``arm``, ``rollout_id``,
        ``generation``, ``release`` and ``stand_ins`` (names of models or features whose value was
        not their own, apart by commas).

    Raises:
        BadInput: A column is missing or not what it has to be; nothing was answered of that part.
        NotScored: The versions could not be loaded, or the answers not written down.
    """
    return asyncio.run(_score(settings, rows, model, consumer))


async def _score(
    settings: Settings, rows: pd.DataFrame, model: str, consumer: str | None
) -> pd.DataFrame:
    instance = f"{socket.gethostname()}-{os.getpid()}-batch"
    async with AsyncExitStack() as stack:
        site = stack.enter_context(opened(settings))
        system = site.systems.current()
        units = _units(rows, system.unit)
        writing = stack.enter_context(recorder(settings, system))
        reporter = HaltReporter(partial(opened, settings), instance=instance)
        stack.enter_context(closing(reporter))
        engine = Engine(writing, _Reporting(reporter))
        residents = residents_of(
            site,
            settings,
            publish=engine.serve,
            drained=engine.drained,
            instance=instance,
            other_paths=FlaggedPaths(site, Flags()),
        )
        await stack.enter_async_context(residents)
        await _loaded(residents)
        answered = []
        batch = uuid.uuid4().hex[:12]
        for place, part in enumerate(_parts(rows)):
            question = Question(
                model=model,
                columns={str(name): _values(column) for name, column in part.items()},
                units=units[place * _ROWS : place * _ROWS + len(part)],
                request_id=f"batch-{batch}-{place}",
                received=datetime.now(UTC),
                event_time=_event_time(part),
                consumer=consumer,
            )
            try:
                answered.append(_as_frame(await engine.answer(question), system.unit))
            except Refused as error:
                raise BadInput(_faults(error, place * _ROWS)) from error
            _tell(site.progress, place * _ROWS + len(part), len(rows))
        if not (await engine.settled() and await asyncio.to_thread(writing.flush, 60.0)):
            raise NotScored("the answers are not all written down; the log of the day tells why")
        await engine.end()
    if not answered:
        return pd.DataFrame(columns=[system.unit])
    return pd.concat(answered, ignore_index=True)


class _Reporting:
    """Hard rules go to the journal; nobody counts the rest of a batch."""

    def __init__(self, reporter: HaltReporter) -> None:
        self._reporter = reporter

    def halted(self, rule: HardRule) -> None:
        self._reporter.report(rule)

    def breaker_moved(self, _version: Version, _state: BreakerState) -> None:
        """Stand-ins show it in every row."""

    def mirror_dropped(self, _rows: int) -> None:
        """Such rows are no pairs."""


async def _loaded(residents: Residents) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + _LOADS_WITHIN
    while not (residents.is_ready and residents.state.revision):
        if loop.time() > until:
            state = residents.state
            why = state.alarm or "; ".join(state.faults.values()) or "they are still being loaded"
            raise NotScored(f"what serves is not there after {_LOADS_WITHIN:g} s: {why}")
        await asyncio.sleep(_LOOK_AGAIN)


def _units(rows: pd.DataFrame, unit: str) -> tuple[str, ...]:
    if unit not in rows.columns:
        what = f"there is no column {unit}, which names the unit of each row"
        raise BadInput([Fault(where="rows", what=what)])
    units = rows[unit]
    empty = units.isna() | (units.astype(str) == "")
    if empty.any():
        first = int(np.flatnonzero(empty)[0])
        what = f"is missing in {int(empty.sum())} rows, the first is {first}"
        raise BadInput([Fault(where=f"rows: {unit}", what=what)])
    return tuple(units.astype(str))


def _parts(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(rows), _ROWS):
        yield rows.iloc[start : start + _ROWS]


def _values(column: pd.Series) -> Values:
    """A column as questions have it."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(None)
    if column.dtype.kind in "biuf":
        return np.asarray(column, dtype=np.float64)
    if column.dtype.kind == "M":
        return np.asarray(column, dtype="datetime64[us]")
    return np.asarray(column.astype(object).where(column.notna(), None), dtype=object)


def _event_time(part: pd.DataFrame) -> Values | None:
    if EVENT_TIME not in part.columns:
        return None
    times = part[EVENT_TIME]
    if not isinstance(times.dtype, pd.DatetimeTZDtype) or times.isna().any():
        what = "must be a time with a timezone in every row"
        raise BadInput([Fault(where=f"rows: {EVENT_TIME}", what=what)])
    return _values(times)


def _as_frame(reply: Reply, unit: str) -> pd.DataFrame:
    question = reply.question
    prefix = f"{question.model}."
    parts = []
    for arm in reply.arms:
        fields = {
            name.removeprefix(prefix): list(values)
            for name, values in arm.fields.items()
            if name.startswith(prefix)
        }
        names = [
            ",".join(name for name, reasons in arm.stand_ins.items() if reasons[place])
            for place in range(len(arm.rows))
        ]
        part = pd.DataFrame(
            {
                unit: [question.units[row] for row in arm.rows.tolist()],
                **fields,
                "arm": arm.arm.value,
                "rollout_id": arm.rollout_id,
                "generation": arm.generation,
                "release": arm.release,
                "stand_ins": names,
            },
            index=arm.rows,
        )
        parts.append(part)
    return pd.concat(parts).sort_index()


def _faults(refused: Refused, first: int) -> list[Fault]:
    """What is wrong, with rows counted from the table's first."""
    faults = [
        Fault(
            where=f"rows: {one.field}",
            what=f"{one.what} ({one.count} rows, the first is {first + one.rows[0]})"
            if one.rows
            else one.what,
        )
        for one in refused.faults
    ]
    return faults or [Fault(where="rows", what=refused.what)]


def _tell(progress: Progress, done: int, total: int) -> None:
    progress("scoring", done, total)
