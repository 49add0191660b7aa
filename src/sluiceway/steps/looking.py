"""One look at live evidence: closed, mature blocks enter, each exactly once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from sluiceway.blocks import BlockCalendar
from sluiceway.gates import Levels, Verdict, combine, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.replay.faults import HistoryFaultCode, UnusableHistory
from sluiceway.replay.partitions import needs_of_models
from sluiceway.rollouts.actions import Look
from sluiceway.rollouts.events import Looked
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.sequential import BlockHarm, SequentialHarm, block_harms
from sluiceway.steps.site import Site

LOST_PAIRS_LIMIT = 0.01
"""Share of paired units that one arm may have lost before the evidence counts as broken."""

FALLBACK_LIMIT = 0.01
"""Share of the candidate's units that may have received safe defaults in one look."""

SAMPLE_RATIO_LEVEL = 1e-4
"""Level of each look's sample-ratio test; a chance alarm over 20 looks has probability .002."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRows:
    """What the log and the labels say of some blocks.

    Attributes:
        paired: One row a unit that both arms answered: ``block``, ``baseline:model.field``,
            ``candidate:model.field``, and the labels' columns.
        candidate_units: Units whose consumer received the candidate's answer.
        champion_units: Units whose consumer received the other arm's answer.
        fault: Why the rows cannot be trusted; None where they can.
        broken: The hard rule that the candidate broke; None where it broke none.
    """

    paired: pd.DataFrame
    candidate_units: int
    champion_units: int
    fault: str | None
    broken: str | None = None


def look(site: Site, rollout_id: str, *, first: str, last: str, now: datetime) -> None:
    """Enter the blocks from `first` to `last` into the evidence and judge every gate.

    Evidence and watermark are one event, so a crash in between counts nothing twice.

    Raises:
        JournalConflict: Somebody else looked; read again.
    """
    state = site.state_for(rollout_id, Look(first=first, last=last), now=now)
    assert state.plan is not None
    plan = state.plan
    states = dict(state.look.states) if state.look else {}
    before = state.look.watermark if state.look else None
    for gate in plan.gates:
        states.setdefault(gate.name, SequentialHarm())
    rows = live_rows(site, plan, rollout_id, first=first, last=last, now=now)
    if rows.fault is None:
        states = entered(plan, states, rows.paired, first=first, last=last)
    judgement = judge_canary(
        [(gate, states[gate.name]) for gate in plan.gates],
        Levels(alpha=plan.alpha, rollback_alpha=plan.alpha, min_blocks=plan.min_blocks),
    )
    outcome = combine(judgement.verdicts)
    looked = Looked(
        outcome=_with_faults(outcome, rows, judgement.verdicts),
        # Blocks that could not be read stay in front of the watermark, to be read again.
        watermark=last if rows.fault is None else before,
        states=states,
        verdicts=judgement.verdicts,
        log_e=judgement.family_log_e,
        candidate_units=rows.candidate_units,
        champion_units=rows.champion_units,
        fault=rows.fault or rows.broken,
    )
    site.tell(rollout_id, looked, after=state.seq, now=now)


def _with_faults(outcome: Outcome, rows: LiveRows, verdicts: tuple[Verdict, ...]) -> Outcome:
    if rows.broken is not None:
        return Outcome.FAILED  # a hard rule needs no statistics
    if rows.fault is None or any(v.outcome is Outcome.FAILED for v in verdicts):
        return outcome
    return Outcome.ERROR


def entered(
    plan: Plan,
    states: Mapping[str, SequentialHarm],
    paired: pd.DataFrame,
    *,
    first: str,
    last: str,
) -> dict[str, SequentialHarm]:
    """Each gate's evidence after all blocks from `first` to `last`; an empty one counts as such."""
    after = {}
    for gate in plan.gates:
        sums = []
        for arm in ("baseline", "candidate"):
            accumulator = MetricAccumulator(metric_named(gate.metric))
            answers = paired[f"{arm}:{gate.model}.{gate.field}"].to_numpy(dtype=np.float64)
            labels = paired[gate.label].to_numpy(dtype=np.float64)
            accumulator.add(labels, answers, paired["block"].to_numpy(dtype=object))
            sums.append(accumulator.finish())
        measured = {harm.block: harm for harm in block_harms(*sums)}
        sequence = states[gate.name]
        for block in blocks_between(plan.calendar, first, last):
            empty = BlockHarm(block=block, harm=None, baseline=None, candidate=None, rows=0)
            sequence = sequence.enter(measured.get(block, empty))
        after[gate.name] = sequence
    return after


def blocks_between(calendar: BlockCalendar, first: str, last: str) -> list[str]:
    """Names of the blocks from `first` to `last`, both included."""
    names = [first]
    while names[-1] < last:
        names.append(calendar.name(calendar.end(names[-1])))
    return names


def live_rows(
    site: Site, plan: Plan, rollout_id: str, *, first: str, last: str, now: datetime
) -> LiveRows:
    """Read what both arms answered and what is known of the truth.

    Evidence that cannot be read, for whatever reason, is a fault and never raised: the rollout
    has to lose its traffic rather than its judge.
    """
    window = Window(start=plan.calendar.start(first), end=plan.calendar.end(last))
    try:
        return _read(site, plan, rollout_id, window, now)
    except Exception as error:  # noqa: BLE001 - see above
        said = " ".join(str(error).split()) or type(error).__name__
        fault = f"live evidence cannot be read: {said}"
    return LiveRows(paired=_no_rows(plan), candidate_units=0, champion_units=0, fault=fault)


def _read(site: Site, plan: Plan, rollout_id: str, window: Window, now: datetime) -> LiveRows:
    log = site.predictions.read(window)
    arrived = _arrived(site, plan, rollout_id, window, now)
    if not log.empty:
        log = log[log["rollout_id"] == rollout_id]
    if log.empty:
        fault = _unanswered_fault(arrived, frozenset(), plan)
        return LiveRows(paired=_no_rows(plan), candidate_units=0, champion_units=0, fault=fault)
    # A unit that was answered again counts once, by what was in force last.
    log = log.sort_values("routing_revision", ascending=False).drop_duplicates(["unit", "arm"])
    primary = log[log["path"] == "primary"]
    on_candidate = primary["arm"] == "candidate"
    paired, lost = _pairs(log, plan)
    answered = frozenset(paired["block"])
    return LiveRows(
        paired=paired.join(arrived.drop(columns="block")),
        candidate_units=int(on_candidate.sum()),
        champion_units=int((~on_candidate).sum()),
        fault=_unanswered_fault(arrived, answered, plan)
        or _lost_fault(lost, len(paired))
        or _ratio_fault(primary, on_candidate),
        broken=_fallback_fault(log[log["arm"] == "candidate"]),
    )


def _unanswered_fault(arrived: pd.DataFrame, answered: frozenset[str], plan: Plan) -> str | None:
    """Blocks in which units arrived and no pair was logged: nobody serves, or nobody logs.

    So few units may have arrived that the mirror drew none of them; that is no fault.
    """
    units_of = arrived["block"].value_counts()
    by_chance = (1 - plan.canary.mirror / 100) ** units_of
    silent = sorted(set(units_of.index[by_chance < SAMPLE_RATIO_LEVEL]) - answered)
    if not silent:
        return None
    units = int(arrived["block"].isin(silent).sum())
    return f"{units:,} units arrived in {', '.join(silent)} and no pair of answers was logged"


def _pairs(log: pd.DataFrame, plan: Plan) -> tuple[pd.DataFrame, int]:
    fields = sorted({f"{gate.model}.{gate.field}" for gate in plan.gates})
    wanted = log[log["paired"].astype(bool)].drop_duplicates(["unit", "arm"]).set_index("unit")
    arms = {arm: wanted[wanted["arm"] == arm] for arm in ("baseline", "candidate")}
    paired = (
        arms["baseline"][fields]
        .add_prefix("baseline:")
        .join(arms["candidate"][fields].add_prefix("candidate:"), how="inner")
    )
    times = pd.DatetimeIndex(arms["baseline"].loc[paired.index, "event_time"])
    paired["block"] = plan.calendar.names(times)
    lost = len(arms["baseline"]) + len(arms["candidate"]) - 2 * len(paired)
    return paired, lost


def _no_rows(plan: Plan) -> pd.DataFrame:
    names = [
        f"{arm}:{gate.model}.{gate.field}"
        for gate in plan.gates
        for arm in ("baseline", "candidate")
    ]
    return pd.DataFrame(columns=[*dict.fromkeys(names), "block", *{g.label for g in plan.gates}])


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


def _ratio_fault(primary: pd.DataFrame, on_candidate: "pd.Series[bool]") -> str | None:
    for weight in sorted(primary["weight"].unique()):
        rows = primary[primary["weight"] == weight]
        share = weight / 100
        if not 0 < share < 1:
            continue
        taken = int(on_candidate[rows.index].sum())
        if binomtest(taken, len(rows), share).pvalue < SAMPLE_RATIO_LEVEL:
            seen = f"{taken:,} of {len(rows):,} units ({100 * taken / len(rows):.1f} %)"
            return f"sample ratio broken: the candidate answered {seen} at weight {weight} %"
    return None


def _arrived(
    site: Site, plan: Plan, rollout_id: str, window: Window, now: datetime
) -> pd.DataFrame:
    """Every unit that a server had to answer, with its block and what is known of its labels."""
    system = site.systems.kept(rollout_id)
    labels = sorted({gate.label for gate in plan.gates})
    # What the whole system reads, as a server does: a feed that lacks units must not hide them.
    members = [*site.champion().release.members.values(), *plan.members]
    needs = needs_of_models(system, members, labels)
    record = site.systems.recorded(system)
    parts = [pd.DataFrame(columns=["block", *labels], dtype=np.float64)]
    try:
        parts += [
            pd.DataFrame({"block": part.blocks, **part.labels}, index=list(map(str, part.units)))
            for part in record.partitions(window, world="live", needs=needs, as_of=now)
        ]
    except UnusableHistory as error:
        if any(fault.code is not HistoryFaultCode.EMPTY_WINDOW for fault in error.faults):
            raise
    return pd.concat(parts[1:] or parts)
