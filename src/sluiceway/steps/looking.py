"""One look at live evidence: closed, mature blocks enter, each exactly once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.gates import Comparison, Gate, Levels, Verdict, combine, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.replay.faults import HistoryFaultCode, UnusableHistory
from sluiceway.replay.partitions import Needs, needs_of_models
from sluiceway.rollouts.actions import Look
from sluiceway.rollouts.events import Looked
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.serving.rows import failed, isolated, merged
from sluiceway.slices import Slice
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.recurring import in_first_block
from sluiceway.statistics.sample_ratio import Assigned, broken_ratio
from sluiceway.statistics.sequential import BlockHarm, SequentialState
from sluiceway.steps.drifting import inputs_seen
from sluiceway.steps.inputs import InputMeter
from sluiceway.steps.missing_answers import MissingAnswers, blocks_between
from sluiceway.steps.own_units import NEEDED, harms_of_own_units, own_units, without_pairs
from sluiceway.steps.pairs import held, pairs_of
from sluiceway.steps.served_evidence import enter_served
from sluiceway.steps.site import Site
from sluiceway.steps.withheld_units import withheld_units

LOST_PAIRS_LIMIT = 0.01
"""Share of paired units that one arm may have lost before the evidence counts as broken."""

FALLBACK_LIMIT = 0.01
"""Share of the candidate's units that may have received safe defaults in one look."""

SAMPLE_RATIO_LEVEL = 1e-3
"""Probability that a sound router is ever called broken, over all looks and revisions."""

SILENT_LEVEL = 1e-4
"""Probability below which a mirror that drew no unit of a block is not chance."""


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


def look(site: Site, rollout_id: str, *, first: str, last: str, now: datetime) -> None:
    """Enter the blocks from `first` to `last` into the evidence and judge every gate.

    Evidence and watermark are one event, so a crash in between counts nothing twice.

    Raises:
        JournalConflict: Somebody else looked; read again.
    """
    state = site.state_for(rollout_id, Look(first=first, last=last), now=now)
    plan = state.live_plan
    assert plan is not None
    assert state.plan is not None
    states = dict(state.look.states) if state.look else {}
    before = state.look.watermark if state.look else None
    gates = (*plan.gates, *state.slice_gates)
    for gate in gates:
        states.setdefault(gate.name, gate.evidence.begin(gate.margin))
    began = state.first_step_at or state.promoted_at
    assert began is not None
    since = min(plan.calendar.next_start(began), plan.calendar.start(first))
    slices = tuple(dict.fromkeys(gate.slice for gate in state.slice_gates if gate.slice))
    proposed = state.proposed or state.plan
    meter = InputMeter.of(site, rollout_id, proposed)  # as before, where a part has gone back
    rows = live_rows(
        site,
        plan,
        rollout_id,
        since=since,
        first=first,
        last=last,
        now=now,
        slices=slices,
        inputs=meter,
        since_revision=state.since_revision,
    )
    served = states
    if rows.fault is None and plan.serving:
        try:
            served = states | _served(site, plan, state, rollout_id, states, since, first, now)
        except Exception as error:  # noqa: BLE001 - as in `live_rows`
            said = " ".join(str(error).split()) or type(error).__name__
            rows = replace(rows, fault=f"how it is served cannot be read: {said}")
    if rows.fault is None:
        of_answers = (*plan.answer_gates, *state.slice_gates)
        states = served | entered(plan.calendar, of_answers, states, rows, first=first, last=last)
    judgement = judge_canary(
        [(gate, states[gate.name]) for gate in gates],
        Levels(alpha=plan.alpha, rollback_alpha=plan.alpha, min_blocks=plan.min_blocks),
    )
    outcome = combine(judgement.verdicts)
    outcome = _with_faults(outcome, rows, judgement.verdicts)
    seen, drift = None, None
    window = Window(start=plan.calendar.start(first), end=plan.calendar.end(last))
    # Where live evidence says that the candidate has to go, what shadow's was worth is idle.
    if meter is not None and rows.fault is None and outcome is not Outcome.FAILED:
        seen, drift = inputs_seen(
            site, rollout_id, state, proposed, meter, window, watermark=last, now=now
        )
    looked = Looked(
        outcome=outcome,
        # Blocks that could not be read stay in front of the watermark, to be read again.
        watermark=last if rows.fault is None else before,
        states=states,
        verdicts=judgement.verdicts[: len(plan.gates)],
        slices=judgement.verdicts[len(plan.gates) :],
        log_e=judgement.family_log_e,
        candidate_units=rows.candidate_units,
        champion_units=rows.champion_units,
        fault=rows.fault
        or rows.broken
        or (rows.unmet if outcome is Outcome.INCONCLUSIVE else None),
        inputs=seen,
        notes=rows.notes,
    )
    # One transaction: drift is told once, with the look that has seen it.
    site.tell(rollout_id, *(one for one in (looked, drift) if one), after=state.seq, now=now)


def _served(
    site: Site,
    plan: Plan,
    state: RolloutState,
    rollout_id: str,
    states: Mapping[str, SequentialState],
    since: datetime,
    first: str,
    now: datetime,
) -> dict[str, SequentialState]:
    """How the models are served in all blocks that have closed by now, labelled or not."""
    watched = state.promoted_at
    until = now if watched is None else min(now, watched + plan.watch.window)
    return enter_served(
        site,
        plan,
        rollout_id,
        states,
        since=since,
        first=first,
        until=until,
        since_revision=state.since_revision,
    )


def _with_faults(outcome: Outcome, rows: LiveRows, verdicts: tuple[Verdict, ...]) -> Outcome:
    if rows.broken is not None:
        return Outcome.FAILED  # a hard rule needs no statistics
    if rows.unmet is not None and outcome is Outcome.PASSED:
        outcome = Outcome.INCONCLUSIVE  # who sends such rows would be refused once it is promoted
    if rows.fault is None or any(v.outcome is Outcome.FAILED for v in verdicts):
        return outcome
    return Outcome.ERROR


def entered(
    calendar: BlockCalendar,
    gates: Sequence[Gate],
    states: Mapping[str, SequentialState],
    rows: LiveRows,
    *,
    first: str,
    last: str,
) -> dict[str, SequentialState]:
    """Each gate's evidence after all blocks from `first` to `last`; an empty one counts as such."""
    lacking = without_pairs(gates, rows.paired, rows.own)
    after: dict[str, SequentialState] = {}
    for gate in gates:
        measured = _measured(gate, rows, lacking.get(gate.model, ()))
        sequence = states[gate.name]
        for block in blocks_between(calendar, first, last):
            empty = BlockHarm(block=block, harm=None, baseline=None, candidate=None, rows=0)
            sequence = sequence.enter(measured.get(block, empty))
        after[gate.name] = sequence
    return after


def _measured(gate: Gate, rows: LiveRows, lacking: Sequence[str]) -> dict[str, BlockHarm]:
    """One gate's harm in each block that has something to measure.

    Args:
        lacking: Blocks without any pair, where those may be read by the arms' own units.
    """
    own = rows.own if gate.slice is None else rows.own[rows.own[_mask(gate.slice)].eq(True)]
    if gate.comparison is Comparison.UNPAIRED:
        return harms_of_own_units(gate, own)
    paired = rows.paired[rows.paired[held(gate.model)].eq(True)]
    if gate.slice is not None:
        paired = paired[paired[_mask(gate.slice)].eq(True)]
    harms = paired_block_harms(
        metric_named(gate.metric),
        paired[gate.label] if gate.label else np.zeros(len(paired)),
        paired[f"baseline:{gate.model}.{gate.field}"],
        paired[f"candidate:{gate.model}.{gate.field}"],
        paired["block"].astype(str),
    )
    found = {harm.block: harm for harm in harms}
    if gate.comparison is Comparison.PAIRED_ELSE_UNPAIRED and lacking:
        found |= harms_of_own_units(gate, own[own["block"].isin(list(lacking))])
    return found


def _mask(one: Slice) -> str:
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
        fault = missing.fault() or _unanswered_fault(expected, withheld.blocks, plan)
        return replace(_nothing(plan, slices, fault, notes), unmet=withheld.beyond_limit(0))
    rows = log.assign(
        block=plan.calendar.names(pd.DatetimeIndex(log["event_time"])), fallback=failed(log)
    )
    # What an edge that is cut makes of both arms says nothing of the release without the cut.
    cut = rows["unit"].isin(rows.loc[isolated(rows), "unit"])
    if units := rows.loc[cut & (rows["event_time"] >= window.start), "unit"].nunique():
        notes = (*notes, f"{units:,} units are no evidence: an edge on their way was isolated")
    paired, lost = pairs_of(rows[~cut], plan.answer_gates, window.start, missing.blocks)
    paired = paired.join(arrived.drop(columns="block"))
    own = own_units(rows[~cut], missing.blocks)
    own = own[own["event_time"] >= window.start].join(arrived.drop(columns="block"), on="unit")
    for model, blocks in without_pairs(plan.answer_gates, paired, own).items():
        what = f"no pair of {model}'s answers, so each arm's own units are compared"
        notes = (*notes, *(f"{block}: {what}" for block in blocks))
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
        or _unanswered_fault(expected, answered | withheld.blocks, plan)
        or _lost_fault(lost, len(paired))
        or _ratio_fault(log[log["path"] == "primary"], missing.blocks),
        # Of every row there is: a candidate whose failures cost rows must not hide behind that.
        broken=_fallback_fault(now_seen[now_seen["arm"] == "candidate"]),
        unmet=withheld.beyond_limit(now_seen["unit"].nunique()),
        notes=notes,
    )


def _unanswered_fault(arrived: pd.DataFrame, answered: frozenset[str], plan: Plan) -> str | None:
    """Blocks in which units arrived and nothing that counts was logged: nobody serves, or logs.

    So few units may have arrived that the mirror drew none of them; that is no fault.
    """
    units_of = arrived["block"].value_counts()
    by_chance = (1 - plan.canary.mirror / 100) ** units_of
    silent = sorted(set(units_of.index[by_chance < SILENT_LEVEL]) - answered)
    if not silent:
        return None
    units = int(arrived["block"].isin(silent).sum())
    nothing = "no answer" if plan.canary.unpaired_without_pairs else "no pair of answers"
    return f"{units:,} units arrived in {', '.join(silent)} and {nothing} was logged"


def _nothing(
    plan: Plan, slices: Sequence[Slice], fault: str | None, notes: tuple[str, ...] = ()
) -> LiveRows:
    """No evidence, in the columns that evidence has."""
    fields = [f"{gate.model}.{gate.field}" for gate in plan.answer_gates]
    arms = [f"{arm}:{name}" for name in fields for arm in ("baseline", "candidate")]
    labels = {gate.label for gate in plan.gates if gate.label}
    asked = {held(gate.model) for gate in plan.gates}
    known = [*labels, *map(_mask, slices)]
    return LiveRows(
        paired=pd.DataFrame(columns=[*dict.fromkeys(arms), *asked, "block", *known]),
        own=pd.DataFrame(columns=[*NEEDED, *dict.fromkeys(fields), *known]),
        candidate_units=0,
        champion_units=0,
        fault=fault,
        notes=notes,
    )


def _lost_fault(lost: int, paired: int) -> str | None:
    if lost <= LOST_PAIRS_LIMIT * (lost + paired):
        return None
    share = 100 * lost / (lost + paired)
    return f"{lost:,} of {lost + paired:,} pairs lost one arm's answer ({share:.1f} %, limit 1 %)"


def _fallback_fault(answers: pd.DataFrame) -> str | None:
    """Defaults that happen to fit would otherwise hide a candidate that never answers."""
    lost = int(answers["fallback"].sum())
    if lost <= FALLBACK_LIMIT * len(answers):
        return None
    share = f"{lost:,} of {len(answers):,} units ({100 * lost / len(answers):.1f} %, limit 1 %)"
    return f"the candidate gave no usable answer to {share}; safe defaults took its place"


def _ratio_fault(primary: pd.DataFrame, incomplete: frozenset[str]) -> str | None:
    """Whether newly assigned units were shared out as logged, since the evidence began."""
    first = primary[in_first_block(primary["unit"], primary["block"])]
    first = first[~first["block"].isin(incomplete)]
    on_candidate = (first["arm"] == "candidate").groupby(
        [first["routing_revision"], first["weight"]]
    )
    counts = on_candidate.agg(["sum", "size"]).reset_index()
    assigned = [
        Assigned(revision=int(revision), weight=float(weight), candidate=int(x), units=int(n))
        for revision, weight, x, n in counts.itertuples(index=False)
    ]
    broken = broken_ratio(assigned, SAMPLE_RATIO_LEVEL)
    if broken is None:
        return None
    share = 100 * broken.candidate / broken.units
    seen = f"{broken.candidate:,} of {broken.units:,} new units ({share:.1f} %)"
    where = f"at weight {broken.weight:g} % (routing revision {broken.revision}; beta mixture, "
    where += f"level {SAMPLE_RATIO_LEVEL:g} over all looks and revisions)"
    return f"sample ratio broken: the candidate answered {seen} {where}"


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
    none = ["block", *labels, *map(_mask, slices)]
    if inputs is not None:
        needs |= inputs.needs
    parts = [pd.DataFrame(columns=none, dtype=np.float64)]
    try:
        for part in record.partitions(window, world="live", needs=needs, as_of=now):
            if inputs is not None:
                inputs.add(part)
            # Of the plan's own calendar: the record's blocks may be shorter.
            blocks = plan.calendar.names(pd.DatetimeIndex(part.event_time, tz="UTC"))
            masks = {_mask(one): one.holds(part.columns) for one in slices}
            known = {"block": blocks, **part.labels, **masks}
            parts.append(pd.DataFrame(known, index=list(map(str, part.units))))
    except UnusableHistory as error:
        if any(fault.code is not HistoryFaultCode.EMPTY_WINDOW for fault in error.faults):
            raise
    return pd.concat(parts[1:] or parts)
