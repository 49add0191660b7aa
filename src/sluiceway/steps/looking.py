"""One look at live evidence: closed, mature blocks enter, each exactly once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from sluiceway.blocks import BlockCalendar
from sluiceway.gates import (
    Comparison,
    CrossCheck,
    Gate,
    Levels,
    Verdict,
    combine,
    contradictions,
    judge_canary,
    render_contradiction,
)
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.rollouts.actions import Look
from sluiceway.rollouts.events import Looked
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.sequential import BlockHarm, SequentialState
from sluiceway.steps.cross_checking import cross_checked
from sluiceway.steps.drifting import inputs_seen
from sluiceway.steps.inputs import InputMeter
from sluiceway.steps.live_rows import LiveRows, live_rows, mask_of
from sluiceway.steps.missing_answers import blocks_between
from sluiceway.steps.own_units import harms_of_own_units, without_pairs
from sluiceway.steps.pairs import held
from sluiceway.steps.served_evidence import enter_served
from sluiceway.steps.site import Site


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
    checks = dict(state.look.cross_checks) if state.look else {}
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
            rows = replace(rows, fault=f"how it is served cannot be read: {_said(error)}")
    if rows.fault is None:
        try:
            after, checks = _after(plan, state, states, checks, rows, first=first, last=last)
            states = served | after  # both or neither: a block enters once
        except Exception as error:  # noqa: BLE001 - as in `live_rows`
            rows = replace(rows, fault=f"live evidence cannot be measured: {_said(error)}")
    judgement = judge_canary(
        [(gate, states[gate.name]) for gate in gates],
        Levels(alpha=plan.alpha, rollback_alpha=plan.alpha, min_blocks=plan.min_blocks),
    )
    contradicted = _contradicted(plan, checks)
    outcome, held = _outcome(judgement.verdicts, rows, contradicted)
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
        fault=rows.fault or rows.broken or held,
        inputs=seen,
        notes=(*rows.notes, *contradicted),
        cross_checks=checks,
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


def _contradicted(plan: Plan, checks: Mapping[str, CrossCheck]) -> tuple[str, ...]:
    """What to say of gates whose paired and unpaired estimates contradict each other."""
    gates = {gate.name: gate for gate in plan.answer_gates}
    known = {name: check for name, check in checks.items() if name in gates}
    return tuple(render_contradiction(gates[name], known[name]) for name in contradictions(known))


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _outcome(
    verdicts: tuple[Verdict, ...], rows: LiveRows, contradicted: tuple[str, ...]
) -> tuple[Outcome, str | None]:
    """What a look comes to; with INCONCLUSIVE what keeps it from being PASSED beside verdicts."""
    if rows.broken is not None:
        return Outcome.FAILED, None  # a hard rule needs no statistics
    outcome, held = combine(verdicts), None
    # Who sends such rows would be refused once it is promoted; and of two estimates that
    # contradict each other one is not what it is taken for.
    if outcome is Outcome.PASSED and (rows.unmet is not None or contradicted):
        outcome, held = Outcome.INCONCLUSIVE, "; ".join(contradicted)
    if outcome is Outcome.INCONCLUSIVE:
        held = rows.unmet or held
    if rows.fault is None or any(v.outcome is Outcome.FAILED for v in verdicts):
        return outcome, held
    return Outcome.ERROR, None


def _after(
    plan: Plan,
    state: RolloutState,
    states: Mapping[str, SequentialState],
    checks: Mapping[str, CrossCheck],
    rows: LiveRows,
    *,
    first: str,
    last: str,
) -> tuple[dict[str, SequentialState], dict[str, CrossCheck]]:
    """Evidence on answers, and its cross-checks, after all blocks from `first` to `last`."""
    gates = (*plan.answer_gates, *state.slice_gates)
    return (
        entered(plan.calendar, gates, states, rows, first=first, last=last),
        cross_checked(plan.calendar, plan.answer_gates, checks, rows, first=first, last=last),
    )


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
    own = rows.own if gate.slice is None else rows.own[rows.own[mask_of(gate.slice)].eq(True)]
    if gate.comparison is Comparison.UNPAIRED:
        return harms_of_own_units(gate, own)
    paired = rows.paired[rows.paired[held(gate.model)].eq(True)]
    if gate.slice is not None:
        paired = paired[paired[mask_of(gate.slice)].eq(True)]
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
