"""Replaying recorded traffic through both chains, and finding where harm comes from."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sluiceway.attribution import Attribution, Origin, attribute
from sluiceway.blocks import BlockCalendar
from sluiceway.gates import Levels, Verdict, combine, judge_replay
from sluiceway.graph import reachable
from sluiceway.outcomes import Outcome
from sluiceway.planning import RecordedHarms, recorded_harms
from sluiceway.planning.budget import BudgetVerdict
from sluiceway.ports import Predictor, UnknownVersion, UnloadableVersion, Window
from sluiceway.releases import Release
from sluiceway.replay.evaluate import Answers, Arm, Evaluator
from sluiceway.replay.faults import AnswerFaultCode, FaultyAnswers, UnusableHistory
from sluiceway.replay.freezing import BASELINE, CANDIDATE, FreezeTest, freeze_test
from sluiceway.replay.measure import Measurement, measure_all
from sluiceway.replay.partitions import Needs, Partition
from sluiceway.replay.profiles import BlockProfile, FeedFinding, profile_blocks, stuck_or_shifted
from sluiceway.rollouts.actions import Diagnose, ReplayShadow
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import Diagnosed, ShadowMeasured
from sluiceway.rollouts.plan import Plan
from sluiceway.steps.budget import budgets_of, judge_budgets
from sluiceway.steps.members import contracts_of
from sluiceway.steps.promotion import end_if_changed
from sluiceway.steps.recorded import NotRecorded, RecordedAnswers
from sluiceway.steps.site import Site, World
from sluiceway.system.values import System

SHADOW_LOOKS = 2
"""The recorded window may be extended once; both looks share the levels."""


@dataclass(frozen=True, slots=True)
class _Chains:
    """What one replay is about."""

    site: Site
    system: System
    plan: Plan
    baseline: Release
    candidate: Release
    now: datetime

    @classmethod
    def of(cls, site: Site, rollout_id: str, now: datetime) -> "_Chains":
        plan = site.plan(rollout_id)
        baseline = site.journal.release(site.environment, plan.baseline)
        system = site.systems.kept(rollout_id)
        return cls(site, system, plan, baseline, baseline.with_members(plan.members), now)

    @property
    def levels(self) -> Levels:
        plan = self.plan
        return Levels(alpha=plan.alpha, rollback_alpha=plan.alpha, min_blocks=plan.min_blocks)

    def freeze_test(self) -> FreezeTest:
        return freeze_test(self.system, self.baseline, self.candidate, self.plan.radius)


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
    if end_if_changed(site, rollout_id, state, Phase.SHADOW, now=now):
        return
    chains = _Chains.of(site, rollout_id, now)
    window = Window(start=whole_blocks_from(chains.plan.calendar, start), end=end)
    verdicts: tuple[Verdict, ...] = ()
    harms: RecordedHarms | None = None
    budget: tuple[BudgetVerdict, ...] = ()
    attribution, rows, fault, faulty, outcome = None, 0, None, None, Outcome.ERROR
    try:
        budgets = budgets_of(site, chains.plan, now=now)
        measured = _shadow_measured(chains, window, tuple(budgets.arms.values()))
        rows, sums = measured.rows, measured.sums
        verdicts = _verdicts(chains, measured)
        budget = judge_budgets(
            budgets, verdicts, sums, sums[CANDIDATE], chains.levels, looks=SHADOW_LOOKS
        )
        spent = [replace(one.against_best, outcome=one.outcome) for one in budget]
        outcome = combine([*verdicts, *spent])
        if outcome is Outcome.PASSED:
            harms = recorded_harms(chains.plan.gates, sums[BASELINE], sums[CANDIDATE])
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
    chains = _Chains.of(site, rollout_id, now)
    calendar = chains.plan.calendar
    attribution, fault = None, None
    if state.look is None or state.look.watermark is None or state.first_step_at is None:
        fault = "no block of live evidence has been looked at"
    else:
        window = Window(
            start=calendar.next_start(state.first_step_at), end=calendar.end(state.look.watermark)
        )
        try:
            attribution = _live_attribution(chains, window, state.look.verdicts)
        except (UnusableHistory, FaultyAnswers, UnknownVersion, UnloadableVersion) as error:
            fault = _on_one_line(error)
    diagnosed = Diagnosed(attribution=attribution, fault=fault)
    site.tell(rollout_id, diagnosed, after=state.seq, now=now)


def whole_blocks_from(calendar: BlockCalendar, moment: datetime) -> datetime:
    """Start of the block nearest to a moment that was counted back in hours (UTC).

    Where the clocks changed in between, such a moment is an hour off a block's start, and what it
    cuts off would count as a block of one hour or of 23.
    """
    return calendar.start(calendar.name(moment + calendar.length / 2))


def _shadow_measured(chains: _Chains, window: Window, best: tuple[Arm, ...]) -> Measurement:
    """Measure both chains, and the best generations where they can still answer."""
    both = (
        Arm(name=BASELINE, release=chains.baseline),
        Arm(name=CANDIDATE, release=chains.candidate),
    )
    if best:
        try:
            return _measured(chains, (*both, *best), window, "recorded", words="shadow replay")
        except (FaultyAnswers, UnknownVersion, UnloadableVersion):
            pass  # whoever is at fault, both chains alone will tell
    return _measured(chains, both, window, "recorded", words="shadow replay")


def _verdicts(chains: _Chains, measured: Measurement) -> tuple[Verdict, ...]:
    return tuple(
        judge_replay(
            gate,
            measured.sums[BASELINE][gate.name],
            measured.sums[CANDIDATE][gate.name],
            chains.levels,
            len(chains.plan.gates),
            looks=SHADOW_LOOKS,
        )
        for gate in chains.plan.gates
    )


def _outcome_of_faults(error: FaultyAnswers) -> Outcome:
    """The candidate's broken promise is its failure; anything else is nobody's verdict."""
    its_own = all(BASELINE not in fault.arms for fault in error.faults)
    busy = any(fault.code is AnswerFaultCode.DEADLINE_EXCEEDED for fault in error.faults)
    return Outcome.FAILED if its_own and not busy else Outcome.ERROR


def _faulty(chains: _Chains, error: FaultyAnswers) -> Origin | None:
    """The candidate's own model that is at fault, or the only one that feeds those that are."""
    feeders: dict[str, list[str]] = {}
    for edge in chains.system.edges:
        feeders.setdefault(edge.consumer, []).append(edge.producer)
    changed = set(chains.candidate.changed_from(chains.baseline))
    at_fault = {fault.model for fault in error.faults}
    suspects = at_fault & changed or reachable(feeders, at_fault) & changed
    return Origin(kind="model", name=suspects.pop()) if len(suspects) == 1 else None


def _attributed(chains: _Chains, window: Window, verdicts: Sequence[Verdict]) -> Attribution | None:
    """Where the harm enters; None where an arm of the freeze test alone cannot be answered."""
    test = chains.freeze_test()
    try:
        measured = _measured(chains, test.arms, window, "recorded", words="freeze test")
    except FaultyAnswers as error:
        # Both chains answered, so the verdict stands: a mixture that nobody serves did not.
        if any({BASELINE, CANDIDATE} & set(fault.arms) for fault in error.faults):
            raise
        return None
    return attribute(chains.system, test, verdicts, measured.sums, alpha=chains.plan.alpha)


def _live_attribution(chains: _Chains, window: Window, verdicts: Sequence[Verdict]) -> Attribution:
    test = chains.freeze_test()
    columns = _columns_of_changes(chains, test)
    live: list[BlockProfile] = []
    measured = _measured(
        chains, test.arms, window, "live", words="diagnosis", profiled=columns, into=live
    )
    return attribute(
        chains.system,
        test,
        verdicts,
        measured.sums,
        alpha=chains.plan.alpha,
        suspect_sources=_suspects(chains, columns, live),
    )


def _columns_of_changes(chains: _Chains, test: FreezeTest) -> frozenset[str]:
    """Raw columns that the candidate's features read."""
    features = {feature for node in test.nodes for feature in node.features}
    return frozenset(
        read
        for member in chains.plan.members
        for feature, version in member.features.items()
        if feature in features
        for read in chains.system.features[feature].versions[version].reads
    )


def _suspects(
    chains: _Chains, columns: frozenset[str], live: Sequence[BlockProfile]
) -> dict[str, tuple[FeedFinding, ...]]:
    if not columns:
        return {}
    plan = chains.plan
    start = whole_blocks_from(plan.calendar, plan.shadow_end - plan.shadow_window)
    window = Window(start=start, end=plan.shadow_end)
    needs = Needs(features=frozenset(), columns=columns)
    reference = [
        profile
        for part in chains.site.systems.recorded(chains.system).partitions(
            window, world="recorded", needs=needs, as_of=chains.now
        )
        for profile in profile_blocks(part, columns)
    ]
    return dict(stuck_or_shifted(live, reference))


def _measured(
    chains: _Chains,
    arms: Sequence[Arm],
    window: Window,
    world: World,
    *,
    words: str,
    profiled: Collection[str] = (),
    into: list[BlockProfile] | None = None,
) -> Measurement:
    """Measure every gate for every arm.

    Answers outside the blast radius are not made again where the log has every unit's.
    """
    recorded = RecordedAnswers.of(chains.site, chains.system, chains.plan, window)
    try:
        return _replayed(chains, arms, window, world, recorded, words, profiled, into)
    except NotRecorded:
        pass
    except FaultyAnswers as error:
        if any(fault.version != "recorded" for fault in error.faults):
            raise
    if into is not None:
        into.clear()
    nothing = RecordedAnswers.none()
    return _replayed(chains, arms, window, world, nothing, words, profiled, into)


def _replayed(
    chains: _Chains,
    arms: Sequence[Arm],
    window: Window,
    world: World,
    recorded: RecordedAnswers,
    words: str,
    profiled: Collection[str],
    into: list[BlockProfile] | None,
) -> Measurement:
    site, system, plan = chains.site, chains.system, chains.plan
    evaluator = Evaluator(
        system,
        arms,
        baseline=BASELINE,
        predictors=_predictors(chains, arms),
        transformations=site.systems.transformations(system),
        only=plan.radius.models,
        recorded_fields=recorded.fields,
        contracts=contracts_of(site, system, chains.baseline, chains.candidate),
    )
    blocks = (window.end - window.start) // plan.calendar.length
    seen = 0

    def watch(part: Partition, _answers: Answers) -> None:
        nonlocal seen
        seen += len(part.block_names)
        site.progress(words, min(seen, blocks), blocks)
        if into is not None:
            into.extend(profile_blocks(part, profiled))

    parts = site.systems.recorded(system).partitions(
        window,
        world=world,
        needs=evaluator.needs(labels={g.label for g in plan.gates}, columns=profiled),
        as_of=chains.now,
    )
    return measure_all(
        plan.gates, evaluator, parts, on_partition=watch, recorded_of=recorded.of_units
    )


def _predictors(chains: _Chains, arms: Sequence[Arm]) -> dict[tuple[str, str], Predictor]:
    """Every version that an arm may need, loaded only where its files are what was verified."""
    members = {(m.model, m.version): m for arm in arms for m in arm.release.members.values()}
    return {
        key: chains.site.registry.load(*key, artifact_sha256=member.artifact_sha256)
        for key, member in members.items()
    }


def _on_one_line(error: Exception) -> str:
    return str(error).replace("\n", "; ")
