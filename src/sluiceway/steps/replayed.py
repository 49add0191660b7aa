"""Both chains of a rollout over one window: read, answered by any arms, measured."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluiceway.blocks import BlockCalendar
from sluiceway.gates import Levels
from sluiceway.ports import Predictor, Window
from sluiceway.releases import Release
from sluiceway.replay.evaluate import Answers, Arm, Evaluator
from sluiceway.replay.faults import FaultyAnswers
from sluiceway.replay.freezing import BASELINE, CANDIDATE, FreezeTest, freeze_test
from sluiceway.replay.measure import Measurement, measure_all
from sluiceway.replay.partitions import Needs, Partition
from sluiceway.replay.profiles import BlockProfile, profile_blocks
from sluiceway.replay.scattering import ScatterMeter
from sluiceway.replay.slicing import SliceMeter
from sluiceway.rollouts.plan import Plan
from sluiceway.steps.inputs import InputMeter
from sluiceway.steps.members import contracts_of
from sluiceway.steps.recorded import NotRecorded, RecordedAnswers
from sluiceway.steps.site import Site, World
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True)
class Chains:
    """What one replay is about."""

    site: Site
    system: System
    plan: Plan
    baseline: Release
    candidate: Release
    now: datetime

    @classmethod
    def of(cls, site: Site, rollout_id: str, now: datetime) -> "Chains":
        """What a rollout compares, as it was planned."""
        plan = site.plan(rollout_id)
        baseline = site.journal.release(site.environment, plan.baseline)
        system = site.systems.kept(rollout_id)
        return cls(site, system, plan, baseline, baseline.with_members(plan.members), now)

    @property
    def levels(self) -> Levels:
        """Levels of the plan."""
        plan = self.plan
        return Levels(alpha=plan.alpha, rollback_alpha=plan.alpha, min_blocks=plan.min_blocks)

    def freeze_test(self) -> FreezeTest:
        """The counterfactual arms between the two releases."""
        return freeze_test(self.system, self.baseline, self.candidate, self.plan.radius)


def whole_blocks_from(calendar: BlockCalendar, moment: datetime) -> datetime:
    """Start of the block nearest to a moment that was counted back in hours (UTC).

    Where the clocks changed in between, such a moment is an hour off a block's start, and what it
    cuts off would count as a block of one hour or of 23.
    """
    return calendar.start(calendar.name(moment + calendar.length / 2))


def shadow_window(chains: Chains) -> Window:
    """Recorded rows that the plan compares on."""
    plan = chains.plan
    start = whole_blocks_from(plan.calendar, plan.shadow_end - plan.shadow_window)
    return Window(start=start, end=plan.shadow_end)


def recorded_parts(chains: Chains, window: Window, columns: frozenset[str]) -> Iterable[Partition]:
    """Partitions of the record that hold these raw columns."""
    return chains.site.systems.recorded(chains.system).partitions(
        window,
        world="recorded",
        needs=Needs(features=frozenset(), columns=columns),
        as_of=chains.now,
    )


def answerable(
    arms: Sequence[Arm], measured: Callable[[Sequence[Arm]], Measurement]
) -> Measurement:
    """Measure without the mixtures that nobody could serve.

    Raises:
        FaultyAnswers: The baseline or the candidate itself gave no usable answer.
    """
    left = list(arms)
    while True:
        try:
            return measured(left)
        except FaultyAnswers as error:
            # Both chains answered, so the verdict stands: a mixture did not.
            faulty = {name for fault in error.faults for name in fault.arms}
            if not faulty or faulty & {BASELINE, CANDIDATE}:
                raise
            left = [arm for arm in left if arm.name not in faulty]


def measured_by(
    chains: Chains,
    arms: Sequence[Arm],
    window: Window,
    world: World,
    *,
    words: str,
    profiled: Collection[str] = (),
    into: list[BlockProfile] | None = None,
    slices: SliceMeter | None = None,
    recurring: str | None = None,
    inputs: InputMeter | None = None,
    scatter: ScatterMeter | None = None,
) -> Measurement:
    """Measure every gate for every arm.

    Answers outside the blast radius are not made again where the log has every unit's.
    """
    recorded = RecordedAnswers.of(chains.site, chains.system, chains.plan, window)
    try:
        return replayed(
            chains,
            arms,
            window,
            world,
            recorded,
            words,
            profiled,
            into,
            slices=slices,
            recurring=recurring,
            inputs=inputs,
            scatter=scatter,
        )
    except NotRecorded:
        pass
    except FaultyAnswers as error:
        if any(fault.version != "recorded" for fault in error.faults):
            raise
    if into is not None:
        into.clear()
    for meter in (slices, inputs, scatter):
        if meter is not None:
            meter.clear()
    nothing = RecordedAnswers.none()
    return replayed(
        chains,
        arms,
        window,
        world,
        nothing,
        words,
        profiled,
        into,
        slices=slices,
        recurring=recurring,
        inputs=inputs,
        scatter=scatter,
    )


def replayed(
    chains: Chains,
    arms: Sequence[Arm],
    window: Window,
    world: World,
    recorded: RecordedAnswers,
    words: str,
    profiled: Collection[str],
    into: list[BlockProfile] | None,
    given: Callable[[Partition], Partition] | None = None,
    slices: SliceMeter | None = None,
    recurring: str | None = None,
    inputs: InputMeter | None = None,
    scatter: ScatterMeter | None = None,
) -> Measurement:
    """Measure every gate for every arm, with the recorded answers given.

    Args:
        words: What is going on, for those who watch.
        profiled: Raw columns to profile, into the list `into`.
        given: Makes of each partition the one that is answered.
        slices: Measures the slices of what is answered.
        recurring: Raw column that says whom a row is about, for two-way errors.
        inputs: Profiles the features of what is answered.
        scatter: Keeps what the harms of a canary would be made of.
    """
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

    def watch(part: Partition, answers: Answers) -> None:
        nonlocal seen
        seen += len(part.block_names)
        site.progress(words, min(seen, blocks), blocks)
        if into is not None:
            into.extend(profile_blocks(part, profiled))
        if slices is not None:
            slices.add(part, answers)
        if inputs is not None:
            inputs.add(part)
        if scatter is not None:
            scatter.add(part, answers)

    parts = site.systems.recorded(system).partitions(
        window,
        world=world,
        needs=evaluator.needs(
            labels={g.label for g in plan.shadow_gates if g.label},
            columns={
                *profiled,
                *(slices.columns if slices else ()),
                *([recurring] if recurring else ()),
                *(inputs.needs.columns if inputs else ()),
            },
        ),
        as_of=chains.now,
    )
    if given is not None:
        parts = map(given, parts)
    return measure_all(
        plan.shadow_gates,
        evaluator,
        parts,
        on_partition=watch,
        recorded_of=recorded.of_units,
        recurring=recurring,
    )


def _predictors(chains: Chains, arms: Sequence[Arm]) -> dict[tuple[str, str], Predictor]:
    """Every version that an arm may need, loaded only where its files are what was verified."""
    members = {(m.model, m.version): m for arm in arms for m in arm.release.members.values()}
    return {
        key: chains.site.registry.load(*key, artifact_sha256=member.artifact_sha256)
        for key, member in members.items()
    }
