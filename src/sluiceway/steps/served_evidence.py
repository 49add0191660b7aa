"""How a canary's models are served, from the log of live answers: latency, errors, stand-ins.

Whether a version answers at all does not depend on who receives it, so errors, stand-ins and
missing answers are compared in pairs, the mirrored arm against the other. How fast it is does: rows
that are mirrored wait for company and go in larger passes, so latency is compared between rows that
somebody waited for, each arm with its own, and only between passes of about as many rows.

No label is waited for: a block enters as soon as it has closed, and each gate's own evidence says
which one came last.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.contracts.values import Trigger
from sluiceway.gates import Gate
from sluiceway.graph import upstream
from sluiceway.ports import Window
from sluiceway.rollouts.plan import Plan
from sluiceway.serving.rows import SECONDS, SESSION, STAND_IN, TOGETHER, holds, isolated
from sluiceway.statistics.metrics import UnitKind, metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.sequential import BlockHarm, SequentialState
from sluiceway.statistics.unpaired import unpaired_rows
from sluiceway.steps.missing_answers import MissingAnswers, blocks_between
from sluiceway.steps.pairs import held, pairs_of
from sluiceway.steps.site import Site
from sluiceway.system.values import System

NO_ANSWER: Final = tuple(
    trigger.value for trigger in (Trigger.ERROR, Trigger.TIMEOUT, Trigger.OUT_OF_CONTRACT)
)
"""Why an answer is not the model's own, where that is the fault of the version that was asked."""

_SIZES: Final = 64
"""Classes of passes by their rows, each twice as large as the one before."""


def enter_served(
    site: Site,
    plan: Plan,
    rollout_id: str,
    states: Mapping[str, SequentialState],
    *,
    since: datetime,
    first: str,
    until: datetime,
    since_revision: int = 0,
) -> dict[str, SequentialState]:
    """Each serving gate's evidence after every block that has closed by a moment.

    Args:
        states: Evidence by gate so far; the gates of :attr:`Plan.serving` must be among them.
        since: When the evidence began (UTC).
        first: The first block of all.
        until: Blocks that end later are still open (UTC).
        since_revision: Answers by an older routing table are another candidate's and not read.

    Returns:
        The serving gates' evidence alone; as it was where no further block has closed, or where
        too many of them lack answers.
    """
    system = site.systems.kept(rollout_id)
    known = {gate.name: states[gate.name] for gate in plan.serving}
    due = {gate.name: _due(plan.calendar, known[gate.name], first, until) for gate in plan.serving}
    waiting = [blocks for blocks in due.values() if blocks]
    if not waiting:
        return known
    start = plan.calendar.start(min(blocks[0] for blocks in waiting))
    seen = Window(start=min(since, start), end=plan.calendar.end(max(b[-1] for b in waiting)))
    log = site.predictions.read(seen)
    # Afterwards: what the rows lack is told then.
    missing = MissingAnswers.of(plan.calendar, site.predictions.gaps(seen), seen)
    if missing.fault() is not None:
        return known
    if not log.empty:
        own = (log["rollout_id"] == rollout_id) & (log["routing_revision"] >= since_revision)
        log = log[own]
    harms = (
        {gate.name: () for gate in plan.serving}
        if log.empty
        else _harms(system, plan, log, start, missing.blocks)
    )
    after: dict[str, SequentialState] = {}
    for gate in plan.serving:
        measured = {harm.block: harm for harm in harms[gate.name]}
        state = known[gate.name]
        for block in due[gate.name]:
            state = state.enter(measured.get(block) or _nothing(block))
        after[gate.name] = state
    return after


def _due(calendar: BlockCalendar, state: SequentialState, first: str, until: datetime) -> list[str]:
    """Blocks that have closed and have not entered."""
    last = state.last_block
    begin = first if last is None else calendar.name(calendar.end(last))
    if calendar.end(begin) > until:
        return []
    return [
        one
        for one in blocks_between(calendar, begin, calendar.name(until))
        if calendar.end(one) <= until
    ]


def _nothing(block: str) -> BlockHarm:
    return BlockHarm(block=block, harm=None, baseline=None, candidate=None, rows=0)


def halves_of(
    system: System, gates: Sequence[Gate], rows: pd.DataFrame
) -> dict[str, tuple[BlockHarm, ...]]:
    """What serving gates would say of one release whose answers are counted as two arms'.

    Args:
        gates: On how models are served.
        rows: Rows of the log on the primary path, with ``block``, and with the half that each one
            counts for as ``arm``.
    """
    rows = rows[~rows["unit"].isin(rows.loc[isolated(rows), "unit"])]
    found: dict[str, tuple[BlockHarm, ...]] = {}
    for gate in gates:
        if _is_latency(gate):
            found[gate.name] = _unpaired(system, gate, rows)
        elif _is_logged(gate, rows):
            asked = rows[holds(rows, gate.model)].drop_duplicates("unit")
            found[gate.name] = unpaired_rows(
                metric_named(gate.metric),
                np.zeros(len(asked)),
                _seen(system, gate, asked),
                asked["block"].astype(str),
                asked["routing_revision"],
                asked["arm"] == "candidate",
            )
    return found


def _harms(
    system: System, plan: Plan, log: pd.DataFrame, start: datetime, incomplete: frozenset[str]
) -> dict[str, tuple[BlockHarm, ...]]:
    rows = log.assign(block=plan.calendar.names(pd.DatetimeIndex(log["event_time"])))
    rows = rows[~rows["unit"].isin(rows.loc[isolated(rows), "unit"])]
    timed = [gate for gate in plan.serving if _is_latency(gate)]
    paired = [gate for gate in plan.serving if not _is_latency(gate) and _is_logged(gate, rows)]
    found: dict[str, tuple[BlockHarm, ...]] = {gate.name: () for gate in plan.serving}
    if paired:
        found |= _paired(system, paired, rows, start, incomplete)
    kept = rows[(rows["event_time"] >= start) & ~rows["block"].isin(incomplete)]
    kept = kept[kept["path"] == "primary"]
    found |= {gate.name: _unpaired(system, gate, kept) for gate in timed}
    return found


def _is_logged(gate: Gate, rows: pd.DataFrame) -> bool:
    """Whether the log has the field that a gate looks at: of one that it lacks nothing is known."""
    return not gate.field or f"{gate.model}.{gate.field}" in rows


def _is_latency(gate: Gate) -> bool:
    return metric_named(gate.metric).unit_kind is UnitKind.MILLISECONDS


def _paired(
    system: System,
    gates: Sequence[Gate],
    rows: pd.DataFrame,
    start: datetime,
    incomplete: frozenset[str],
) -> Iterator[tuple[str, tuple[BlockHarm, ...]]]:
    """What both arms did with each unit, at the first block that saw it."""
    # No field has a name like these.
    read = [replace(gate, field=f"({gate.metric})") for gate in gates]
    seen = {
        f"{one.model}.{one.field}": _seen(system, gate, rows)
        for one, gate in zip(read, gates, strict=True)
    }
    pairs = pairs_of(rows.assign(**seen), read, start, incomplete)
    for gate in read:
        asked = pairs[pairs[held(gate.model)].eq(True)]
        column = f"{gate.model}.{gate.field}"
        before, after = asked[f"baseline:{column}"], asked[f"candidate:{column}"]
        yield (
            gate.name,
            paired_block_harms(
                metric_named(gate.metric),
                np.zeros(len(asked)),
                before,
                after,
                asked["block"].astype(str),
            ),
        )


def _seen(system: System, gate: Gate, rows: pd.DataFrame) -> np.ndarray:
    """What a gate looks at in each row of a log, as its metric takes it."""
    match gate.metric:
        case "error_rate":
            return _stands_in(rows, [gate.model]).astype(np.float64)
        case "fallback_rate":
            return _stands_in(rows, upstream(system, [gate.model])).astype(np.float64)
    return np.where(rows[f"{gate.model}.{gate.field}"].isna(), np.nan, 0.0)


def _stands_in(rows: pd.DataFrame, models: Sequence[str]) -> np.ndarray:
    """Rows in which something stands in for one of these models, for want of a usable answer."""
    found = np.zeros(len(rows), dtype=bool)
    for model in models:
        if (column := f"{STAND_IN}{model}") in rows:
            found |= rows[column].isin(NO_ANSWER).to_numpy()
    # Rows that no gateway wrote do not say which model it was.
    unsaid = rows[SESSION].isna().to_numpy() if SESSION in rows else np.ones(len(rows), dtype=bool)
    return found | (unsaid & rows["fallback"].eq(True).to_numpy())


def _unpaired(system: System, gate: Gate, rows: pd.DataFrame) -> tuple[BlockHarm, ...]:
    """Latency of the answers that somebody waited for, arm by arm.

    A question counts once for each arm that answered it, however many rows it had.
    """
    own = f"{SECONDS}{gate.model}"
    if own not in rows:
        return ()
    asked = rows[holds(rows, gate.model) & rows[own].notna()]
    asked = asked.drop_duplicates(["request_id", "arm"])
    if asked.empty:
        return ()
    on_the_way = [f"{SECONDS}{model}" for model in upstream(system, [gate.model])]
    took = asked.reindex(columns=on_the_way).sum(axis=1)
    together = asked[TOGETHER].fillna(0).clip(lower=1) if TOGETHER in asked else 1
    size = np.floor(np.log2(np.broadcast_to(together, len(asked)))).astype(np.int64)
    return unpaired_rows(
        metric_named(gate.metric),
        np.zeros(len(asked)),
        took * 1e3,
        asked["block"].astype(str),
        asked["routing_revision"].astype(np.int64) * _SIZES + size,
        asked["arm"] == "candidate",
    )
