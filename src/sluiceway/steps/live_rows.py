"""Reading what both arms answered in some blocks, and what is known of the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from sluiceway.ports import Window
from sluiceway.replay.faults import HistoryFaultCode, UnusableHistory
from sluiceway.replay.partitions import Needs, needs_of_models
from sluiceway.rollouts.plan import Plan
from sluiceway.serving.rows import failed, isolated, merged
from sluiceway.slices import Slice
from sluiceway.steps.evidence_faults import (
    fallback_fault,
    lost_fault,
    ratio_fault,
    unanswered_fault,
    unequal_loss_fault,
)
from sluiceway.steps.inputs import InputMeter
from sluiceway.steps.missing_answers import MissingAnswers
from sluiceway.steps.own_units import NEEDED, own_units, without_pairs
from sluiceway.steps.pairs import held, pairs_of, units_to_pair
from sluiceway.steps.site import Site
from sluiceway.steps.withheld_units import withheld_units


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRows:
    """What the log and the labels say of some blocks.

    Attributes:
        paired: One row a unit that both arms answered, in the first block that saw it: ``block``,
            ``baseline:model.field``, ``candidate:model.field``, ``holds:model`` (whether the unit
            was asked about a gate's model at all), and the labels' columns. A block from which
            answers are missing has no rows.
        own: One row an answer that a consumer received, by units in the first block that saw them
            (:func:`~sluiceway.steps.own_units.own_units`), with the labels' columns.
        candidate_units: Units whose consumer received the candidate's answer.
        champion_units: Units whose consumer received the other arm's answer.
        fault: Why the rows cannot be trusted; None where they can.
        broken: The hard rule that the candidate broke; None where it broke none.
        unmet: Why too many units could not be asked about, which is their clients' affair; None
            where they could.
        notes: What people should know of the rows.
    """

    paired: pd.DataFrame
    own: pd.DataFrame
    candidate_units: int
    champion_units: int
    fault: str | None
    broken: str | None = None
    unmet: str | None = None
    notes: tuple[str, ...] = ()


def mask_of(one: Slice) -> str:
    """The column that says which rows belong to a slice."""
    return f"slice:{one.name}"


def live_rows(
    site: Site,
    plan: Plan,
    rollout_id: str,
    *,
    since: datetime,
    first: str,
    last: str,
    now: datetime,
    slices: Sequence[Slice] = (),
    inputs: InputMeter | None = None,
    since_revision: int = 0,
) -> LiveRows:
    """Read what both arms answered and what is known of the truth.

    Answers are read from `since` on, when the evidence began: they tell which units came before
    (:func:`~sluiceway.statistics.recurring.in_first_block`).

    Evidence that cannot be read, for whatever reason, is a fault and never raised: the rollout
    has to lose its traffic rather than its judge.

    Args:
        since_revision: Answers by an older routing table are another candidate's and not read.
    """
    window = Window(start=plan.calendar.start(first), end=plan.calendar.end(last))
    seen = Window(start=since, end=window.end)
    try:
        log = site.predictions.read(seen)
        # Afterwards: what the rows lack is told then.
        missing = MissingAnswers.of(plan.calendar, site.predictions.gaps(seen), seen)
        if not log.empty:
            log = log[log["routing_revision"] >= since_revision]
        return _read(site, plan, rollout_id, window, log, missing, now, slices, inputs)
    except Exception as error:  # noqa: BLE001 - see above
        said = " ".join(str(error).split()) or type(error).__name__
        fault = f"live evidence cannot be read: {said}"
    return _nothing(plan, slices, fault)


def _read(
    site: Site,
    plan: Plan,
    rollout_id: str,
    window: Window,
    log: pd.DataFrame,
    missing: MissingAnswers,
    now: datetime,
    slices: Sequence[Slice],
    inputs: InputMeter | None,
) -> LiveRows:
    arrived = _arrived(site, plan, rollout_id, window, now, slices, inputs)
    expected = arrived[~arrived["block"].isin(missing.blocks)]
    notes = missing.notes(plan.calendar.name(window.start))
    withheld = withheld_units(log, rollout_id, plan.calendar, window.start)
    notes = (*notes, *withheld.notes)
    if not log.empty:
        log = log[log["rollout_id"] == rollout_id]
    if log.empty:
        fault = missing.fault() or unanswered_fault(expected, withheld.blocks, plan)
        return replace(_nothing(plan, slices, fault, notes), unmet=withheld.beyond_limit(0))
    rows = log.assign(
        block=plan.calendar.names(pd.DatetimeIndex(log["event_time"])), fallback=failed(log)
    )
    # What an edge that is cut makes of both arms says nothing of the release without the cut.
    cut = rows["unit"].isin(rows.loc[isolated(rows), "unit"])
    if units := rows.loc[cut & (rows["event_time"] >= window.start), "unit"].nunique():
        notes = (*notes, f"{units:,} units are no evidence: an edge on their way was isolated")
    paired = pairs_of(rows[~cut], plan.answer_gates, window.start, missing.blocks)
    paired = paired.join(arrived.drop(columns="block"))
    own = own_units(rows[~cut], missing.blocks)
    own = own[own["event_time"] >= window.start].join(arrived.drop(columns="block"), on="unit")
    for model, blocks in without_pairs(plan.answer_gates, paired, own).items():
        what = f"no pair of {model}'s answers, so each arm's own units are compared"
        notes = (*notes, *(f"{block}: {what}" for block in blocks))
    compared = (gate.model for gate in plan.answer_gates)
    asked = units_to_pair(rows[~cut], compared, missing.blocks)
    # A unit that was answered again counts once, by what was in force last.
    log = merged(rows, ["unit", "arm", "block"])
    now_seen = log[log["event_time"] >= window.start]
    on_candidate = (now_seen["path"] == "primary") & (now_seen["arm"] == "candidate")
    on_champion = (now_seen["path"] == "primary") & (now_seen["arm"] != "candidate")
    seen = now_seen["path"] == "primary"
    if not plan.canary.unpaired_without_pairs:
        seen = now_seen["paired"].astype(bool)
    answered = frozenset(now_seen.loc[seen, "block"])
    return LiveRows(
        paired=paired,
        own=own,
        candidate_units=int(on_candidate.sum()),
        champion_units=int(on_champion.sum()),
        fault=missing.fault()
        or unanswered_fault(expected, answered | withheld.blocks, plan)
        or lost_fault(asked, window.start)
        or unequal_loss_fault(asked, plan.calendar)
        or ratio_fault(log[log["path"] == "primary"], missing.blocks),
        # Of every row there is: a candidate whose failures cost rows must not hide behind that.
        broken=fallback_fault(now_seen[now_seen["arm"] == "candidate"]),
        unmet=withheld.beyond_limit(now_seen["unit"].nunique()),
        notes=notes,
    )


def _nothing(
    plan: Plan, slices: Sequence[Slice], fault: str | None, notes: tuple[str, ...] = ()
) -> LiveRows:
    """No evidence, in the columns that evidence has."""
    fields = [f"{gate.model}.{gate.field}" for gate in plan.answer_gates]
    arms = [f"{arm}:{name}" for name in fields for arm in ("baseline", "candidate")]
    labels = {gate.label for gate in plan.gates if gate.label}
    asked = {held(gate.model) for gate in plan.gates}
    known = [*labels, *map(mask_of, slices)]
    return LiveRows(
        paired=pd.DataFrame(columns=[*dict.fromkeys(arms), *asked, "block", *known]),
        own=pd.DataFrame(columns=[*NEEDED, *dict.fromkeys(fields), *known]),
        candidate_units=0,
        champion_units=0,
        fault=fault,
        notes=notes,
    )


def _arrived(
    site: Site,
    plan: Plan,
    rollout_id: str,
    window: Window,
    now: datetime,
    slices: Sequence[Slice],
    inputs: InputMeter | None,
) -> pd.DataFrame:
    """Every unit that a server had to answer: block, slices, and what is known of its labels."""
    system = site.systems.kept(rollout_id)
    labels = sorted({gate.label for gate in plan.gates if gate.label})
    # What the whole system reads, as a server does: a feed that lacks units must not hide them.
    members = [*site.champion().release.members.values(), *plan.members]
    columns = frozenset(column for one in slices for column in one.columns)
    needs = needs_of_models(system, members, labels) | Needs(features=frozenset(), columns=columns)
    record = site.systems.recorded(system)
    none = ["block", *labels, *map(mask_of, slices)]
    if inputs is not None:
        needs |= inputs.needs
    parts = [pd.DataFrame(columns=none, dtype=np.float64)]
    try:
        for part in record.partitions(window, world="live", needs=needs, as_of=now):
            if inputs is not None:
                inputs.add(part)
            # Of the plan's own calendar: the record's blocks may be shorter.
            blocks = plan.calendar.names(pd.DatetimeIndex(part.event_time, tz="UTC"))
            masks = {mask_of(one): one.holds(part.columns) for one in slices}
            known = {"block": blocks, **part.labels, **masks}
            parts.append(pd.DataFrame(known, index=list(map(str, part.units))))
    except UnusableHistory as error:
        if any(fault.code is not HistoryFaultCode.EMPTY_WINDOW for fault in error.faults):
            raise
    return pd.concat(parts[1:] or parts)
