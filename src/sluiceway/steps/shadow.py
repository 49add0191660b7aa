"""Replaying recorded traffic through both chains, and finding where harm comes from."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sluiceway.attribution import (
    Attribution,
    Origin,
    SourceArm,
    SourceAttribution,
    attribute,
    find_source,
    with_sources,
)
from sluiceway.gates import Verdict, combine, judge_replay
from sluiceway.graph import upstream
from sluiceway.outcomes import Outcome
from sluiceway.planning import RecordedHarms, recorded_harms
from sluiceway.planning.budget import BudgetVerdict
from sluiceway.ports import UnknownVersion, UnloadableVersion, Window
from sluiceway.replay.evaluate import Arm
from sluiceway.replay.faults import AnswerFaultCode, FaultyAnswers, UnusableHistory
from sluiceway.replay.freezing import BASELINE, CANDIDATE
from sluiceway.replay.measure import Measurement
from sluiceway.replay.partitions import Partition, feature_version
from sluiceway.replay.profiles import BlockProfile, FeedFinding, profile_blocks, stuck_or_shifted
from sluiceway.replay.replacing import ReferenceRows, Replaced, replaced
from sluiceway.replay.scattering import ScatterMeter
from sluiceway.replay.slicing import SliceMeasurement, SliceMeter
from sluiceway.rollouts.actions import Diagnose, ReplayShadow
from sluiceway.rollouts.events import Diagnosed, PartReplayed, ShadowMeasured
from sluiceway.rollouts.inputs import ReferenceInputs
from sluiceway.statistics.metrics import BlockSums
from sluiceway.steps.budget import budgets_of, judge_budgets
from sluiceway.steps.inputs import InputMeter, reference_inputs
from sluiceway.steps.known import facts_of, fits_without
from sluiceway.steps.live_record import with_live_only
from sluiceway.steps.promotion import end_if_changed
from sluiceway.steps.recorded import RecordedAnswers
from sluiceway.steps.replayed import (
    Chains,
    answerable,
    measured_by,
    recorded_parts,
    replayed,
    shadow_window,
    whole_blocks_from,
)
from sluiceway.steps.replayed_part import part_replayed
from sluiceway.steps.site import Site, World
from sluiceway.system.values import NodeKind

SHADOW_LOOKS = 2
"""The recorded window may be extended once; both looks share the levels."""


def replay_shadow(
    site: Site, rollout_id: str, *, start: datetime, end: datetime, now: datetime
) -> None:
    """Replay recorded traffic and judge every gate; where one failed, find out why.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: The rollout has moved on since; decide again.
    """
    began = time.perf_counter()
    state = site.state_for(rollout_id, ReplayShadow(start=start, end=end), now=now)
    if end_if_changed(site, rollout_id, state, state.phase, now=now):
        return
    chains = Chains.of(site, rollout_id, now)
    window = Window(start=whole_blocks_from(chains.plan.calendar, start), end=end)
    verdicts: tuple[Verdict, ...] = ()
    slices: tuple[Verdict, ...] = ()
    harms: RecordedHarms | None = None
    budget: tuple[BudgetVerdict, ...] = ()
    inputs: ReferenceInputs | None = None
    attribution, rows, fault, faulty, outcome = None, 0, None, None, Outcome.ERROR
    try:
        budgets = budgets_of(site, chains.plan, now=now)
        meter = SliceMeter(
            chains.plan.shadow_gates,
            chains.system.slices,
            automatic=chains.system.policies.automatic_slices,
            blocks=(window.end - window.start) // chains.plan.calendar.length,
            arms=(BASELINE, CANDIDATE),
            recurring=chains.system.policies.recurring_units,
        )
        # Of all that was proposed, also where a part has gone back: as live inputs are profiled.
        profiled = InputMeter.of(site, rollout_id, state.proposed or chains.plan)
        arms = tuple(budgets.arms.values())
        scatter = ScatterMeter(chains.plan.shadow_gates, (BASELINE, CANDIDATE))
        measured = _shadow_measured(chains, window, arms, meter, profiled, scatter)
        rows, sums = measured.rows, measured.sums
        verdicts, slices = _verdicts(chains, measured, meter.finish())
        budget = judge_budgets(
            budgets,
            verdicts,
            measured.evidence,
            measured.evidence[CANDIDATE],
            chains.levels,
            looks=SHADOW_LOOKS,
        )
        spent = [replace(one.against_best, outcome=one.outcome) for one in budget]
        outcome = combine([*verdicts, *slices, *spent])
        if outcome is Outcome.PASSED:
            harms = recorded_harms(
                chains.plan.shadow_gates, sums[BASELINE], sums[CANDIDATE], scatter.finish()
            )
            harms = with_live_only(site, chains.system, chains.plan, window, harms, now=now)
            inputs = reference_inputs(site, rollout_id, chains.plan, window, profiled, now=now)
        if combine(verdicts) is Outcome.FAILED:
            attribution = _attributed(chains, window, verdicts)
    except UnusableHistory as error:
        fault = f"the recorded rows cannot be used: {_on_one_line(error)}"
    except FaultyAnswers as error:
        fault, outcome = _on_one_line(error), _outcome_of_faults(error)
        faulty = _faulty(chains, error) if outcome is Outcome.FAILED else None
        if faulty is not None and all(found.model != faulty.name for found in error.faults):
            fault += f"; it does answer what the champion's {faulty.name} feeds it"
    except (UnknownVersion, UnloadableVersion) as error:
        fault = f"a version cannot be asked: {_on_one_line(error)}"
    happened = ShadowMeasured(
        outcome=outcome,
        start=start,
        end=end,
        rows=rows,
        verdicts=verdicts,
        attribution=attribution,
        fault=fault,
        faulty=faulty,
        harms=harms,
        budget=budget,
        slices=slices,
        inputs=inputs,
        seconds=time.perf_counter() - began,
    )
    site.tell(rollout_id, happened, after=state.seq, now=now)


def diagnose(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Replay the live rows of a canary that failed, and find where the harm came from.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, Diagnose(), now=now)
    chains = Chains.of(site, rollout_id, now)
    calendar = (state.live_plan or chains.plan).calendar
    attribution, fault = None, None
    if state.replays and state.replays[-1].outcome is Outcome.FAILED:
        attribution = state.replays[-1].attribution  # the harm is shadow's, and so is its origin
    elif state.look is None or state.look.watermark is None or state.first_step_at is None:
        fault = "no block of live evidence has been looked at"
    else:
        window = Window(
            start=calendar.next_start(state.first_step_at), end=calendar.end(state.look.watermark)
        )
        try:
            attribution = _live_attribution(chains, window, _replayable(state.look.verdicts))
        except (UnusableHistory, FaultyAnswers, UnknownVersion, UnloadableVersion) as error:
            fault = _on_one_line(error)
    happened: list[Diagnosed | PartReplayed] = [Diagnosed(attribution=attribution, fault=fault)]
    broke = state.halted_member
    if broke is not None and len(chains.plan.members) > 1:
        happened.append(part_replayed(chains, broke))
    site.tell(rollout_id, *happened, after=state.seq, now=now)


def _shadow_measured(
    chains: Chains,
    window: Window,
    best: tuple[Arm, ...],
    meter: SliceMeter,
    inputs: InputMeter | None,
    scatter: ScatterMeter,
) -> Measurement:
    """Measure both chains, and the best generations where they can still answer."""
    both = (
        Arm(name=BASELINE, release=chains.baseline),
        Arm(name=CANDIDATE, release=chains.candidate),
    )

    def measured(arms: Sequence[Arm]) -> Measurement:
        return measured_by(
            chains,
            arms,
            window,
            "recorded",
            words="shadow replay",
            slices=meter,
            recurring=chains.system.policies.recurring_units,
            inputs=inputs,
            scatter=scatter,
        )

    if best:
        try:
            return measured((*both, *best))
        except (FaultyAnswers, UnknownVersion, UnloadableVersion):
            meter.clear()  # whoever is at fault, both chains alone will tell
            scatter.clear()
            if inputs is not None:
                inputs.clear()
    return measured(both)


def _verdicts(
    chains: Chains, measured: Measurement, slices: Sequence[SliceMeasurement]
) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
    """Verdicts of the plan's gates and of the slices; each half has half of the rollback level."""
    gates = [
        (gate, measured.evidence[BASELINE][gate.name], measured.evidence[CANDIDATE][gate.name])
        for gate in chains.plan.shadow_gates
    ]
    parts = [(one.gate, one.baseline, one.candidate) for one in slices]
    halves = 2 if parts else 1
    judged = [
        tuple(
            judge_replay(
                gate, before, after, chains.levels, halves * len(family), looks=SHADOW_LOOKS
            )
            for gate, before, after in family
        )
        for family in (gates, parts)
    ]
    return judged[0], judged[1]


def _outcome_of_faults(error: FaultyAnswers) -> Outcome:
    """The candidate's broken promise is its failure; anything else is nobody's verdict."""
    its_own = all(BASELINE not in fault.arms for fault in error.faults)
    busy = any(fault.code is AnswerFaultCode.DEADLINE_EXCEEDED for fault in error.faults)
    return Outcome.FAILED if its_own and not busy else Outcome.ERROR


def _faulty(chains: Chains, error: FaultyAnswers) -> Origin | None:
    """The candidate's own model that is at fault, or the only one that feeds those that are."""
    changed = set(chains.candidate.changed_from(chains.baseline))
    at_fault = {fault.model for fault in error.faults}
    suspects = at_fault & changed or set(upstream(chains.system, at_fault)) & changed
    return Origin(kind="model", name=suspects.pop()) if len(suspects) == 1 else None


def _attributed(chains: Chains, window: Window, verdicts: Sequence[Verdict]) -> Attribution:
    """Where the harm enters; arms that alone cannot be answered are left out and said to be."""
    test = chains.freeze_test()
    measured = answerable(
        test.arms,
        lambda arms: measured_by(chains, arms, window, "recorded", words="freeze test"),
    )
    return attribute(
        chains.system,
        test,
        verdicts,
        measured.sums,
        alpha=chains.plan.alpha,
        compatible=_compatible(chains),
    )


def _compatible(chains: Chains) -> Callable[[tuple[str, ...]], bool]:
    """Whether the contracts allow what would be left after taking changes back."""
    facts = facts_of(chains.site, chains.system, chains.candidate.members.values(), now=chains.now)
    return fits_without(facts, chains.baseline, chains.candidate)


def _live_attribution(chains: Chains, window: Window, verdicts: Sequence[Verdict]) -> Attribution:
    test = chains.freeze_test()
    columns = _columns_read(chains)
    live: list[BlockProfile] = []

    def measured(arms: Sequence[Arm]) -> Measurement:
        live.clear()
        return measured_by(
            chains, arms, window, "live", words="diagnosis", profiled=columns, into=live
        )

    sums = answerable(test.arms, measured).sums
    suspects = _suspects(chains, columns, live)
    found = attribute(
        chains.system,
        test,
        verdicts,
        sums,
        alpha=chains.plan.alpha,
        suspect_sources=suspects,
        compatible=_compatible(chains),
    )
    by_source = found.origin is not None and found.origin.kind == NodeKind.SOURCE.value
    if not found.harmed or by_source or not suspects:
        return found
    # These changes were harmless on recorded rows. Where a feed is conspicuous now, ask whether
    # they would be harmless still if it were in order.
    sources = _replaced_sources(chains, window, columns, suspects)
    return found if sources is None else with_sources(found, sources, suspects)


def _replayable(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """Those whose harm can be seen in a replay; what only live answers show leaves no trace."""
    return tuple(one for one in verdicts if one.gate.in_shadow)


def _replaced_sources(
    chains: Chains, window: Window, columns: frozenset[str], suspects: Collection[str]
) -> SourceAttribution | None:
    """What replacing the values of suspect sources shows; None where a chain cannot bear them."""
    past = shadow_window(chains)
    reference = ReferenceRows.of(recorded_parts(chains, past, columns), columns)
    arms = (
        Arm(name=BASELINE, release=chains.baseline),
        Arm(name=CANDIDATE, release=chains.candidate),
    )

    def measured(some: Replaced) -> SourceArm:
        def given(part: Partition) -> Partition:
            return replaced(part, some, reference)

        def sums(window: Window, world: World) -> Mapping[str, Mapping[str, BlockSums]]:
            # Answers from the log were given to the feed as it came, so none is used.
            nothing = RecordedAnswers.none()
            return replayed(
                chains, arms, window, world, nothing, "sources replaced", (), None, given
            ).sums

        live = sums(window, "live")
        recorded = sums(past, "recorded")[CANDIDATE]
        return SourceArm(
            replaced=some, live=live[CANDIDATE], recorded=recorded, beside=live[BASELINE]
        )

    try:
        return find_source(
            chains.plan.shadow_gates,
            sorted(suspects),
            measured,
            differing=suspects,
            alpha=chains.plan.alpha,
        )
    except (FaultyAnswers, UnusableHistory):
        return None


def _columns_read(chains: Chains) -> frozenset[str]:
    """Raw columns that some model reads in either release."""
    return frozenset(
        read
        for release in (chains.baseline, chains.candidate)
        for member in release.members.values()
        for edge in chains.system.models[member.model].inputs
        if edge.field is None
        for read in chains.system.features[edge.producer]
        .versions[feature_version(chains.system, member, edge.producer)]
        .reads
    )


def _suspects(
    chains: Chains, columns: frozenset[str], live: Sequence[BlockProfile]
) -> dict[str, tuple[FeedFinding, ...]]:
    if not columns:
        return {}
    reference = [
        profile
        for part in recorded_parts(chains, shadow_window(chains), columns)
        for profile in profile_blocks(part, columns)
    ]
    return dict(stuck_or_shifted(live, reference))


def _on_one_line(error: Exception) -> str:
    return str(error).replace("\n", "; ")
