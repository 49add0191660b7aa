"""The plan of a rollout: everything that was fixed before the first evidence was looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluiceway.blocks import BlockCalendar
from sluiceway.gates import Comparison, Gate, Levels
from sluiceway.graph import BlastRadius, blast_radius
from sluiceway.planning import BlockLength, RecordedHarms, Schedule, in_blocks
from sluiceway.planning.budget import WINDOW
from sluiceway.releases import Member, Release
from sluiceway.rights import approvals_needed
from sluiceway.statistics.metrics import Metric, UnitKind, metric_named
from sluiceway.statistics.sequential import Evidence, method_for
from sluiceway.system.values import CanaryPolicy, DriftWatch, MetricTarget, System, WatchPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rollout will do, decided once and written into the journal.

    Attributes:
        system_digest: The system file's digest; the rollout keeps the file it began with.
        members: The candidate's own versions.
        baseline: The champion's generation when the rollout began.
        release: Content hash of the candidate release on top of that baseline.
        gates: Gates of every model in the blast radius.
        alpha: Level of each required gate, and of the rollback over all gates and looks.
        min_blocks: Fewest blocks of a passed gate.
        shadow_end: End of the recorded window (UTC); every label before it is mature.
        shadow_window: Length of the recorded window.
        shadow_extension: By how much it grows, once, when it was inconclusive.
        maturity: Event time + maturity is when a row counts.
        approvals: Who must approve before live traffic is touched, as far as that was known before
            the contracts were compared: names of owners and roles.
        budget_window: How long ago a generation may have served to be held against.
        seed: Fixes the draws of every simulation that the rollout is planned with.
        drift: When live inputs make shadow's evidence stale; None where nobody looks.
    """

    rollout_id: str
    system: str
    system_digest: str
    environment: str
    members: tuple[Member, ...]
    baseline: int
    release: str
    radius: BlastRadius
    gates: tuple[Gate, ...]
    alpha: float
    min_blocks: int
    shadow_end: datetime
    shadow_window: timedelta
    shadow_extension: timedelta
    timezone: str
    maturity: timedelta
    canary: CanaryPolicy
    watch: WatchPolicy
    approvals: tuple[str, ...]
    seed: int = 0
    budget_window: timedelta = WINDOW
    drift: DriftWatch | None = None

    @property
    def calendar(self) -> BlockCalendar:
        """How its evidence is cut into blocks."""
        return BlockCalendar(timezone=self.timezone, length=self.canary.block)

    def in_blocks(self, blocks: BlockLength) -> "Plan":
        """The plan with live evidence in blocks of the length that its canary was planned with.

        A watch that could not see one of them end lasts one block.
        """
        if not blocks.is_longer:
            return self
        return replace(
            self,
            gates=tuple(in_blocks(gate, blocks) for gate in self.gates),
            canary=replace(self.canary, block=blocks.length),
            watch=replace(self.watch, window=max(self.watch.window, blocks.length)),
        )

    def reading(self, planned: Mapping[str, Evidence]) -> "Plan":
        """The plan with these ways to read live evidence, by gate name, where they are known."""
        if not planned:
            return self
        gates = (replace(one, evidence=planned.get(one.name, one.evidence)) for one in self.gates)
        return replace(self, gates=tuple(gates))

    def narrowed(self, system: System, members: tuple[Member, ...], baseline: Release) -> "Plan":
        """The plan for what may stay of its release: fewer versions, and the gates they reach.

        Args:
            members: Some of its own.
            baseline: The release of its baseline's generation.
        """
        release = baseline.with_members(members)
        radius = blast_radius(system, release.changed_from(baseline))
        return replace(
            self,
            members=members,
            release=release.content_hash,
            radius=radius,
            gates=tuple(gate for gate in self.gates if gate.model in radius.models),
        )

    @property
    def shadow_gates(self) -> tuple[Gate, ...]:
        """The gates that a replay of recorded rows can judge."""
        return tuple(gate for gate in self.gates if gate.in_shadow)

    def simulated_gates(self, recorded: RecordedHarms) -> tuple[Gate, ...]:
        """The gates of whose harms in a canary a record can say how they scatter."""
        return tuple(
            gate
            for gate in self.gates
            if gate.name in recorded.harms
            and (gate.comparison is not Comparison.UNPAIRED or gate.name in recorded.halves)
        )

    @property
    def answer_gates(self) -> tuple[Gate, ...]:
        """The gates on what models answer."""
        return tuple(gate for gate in self.gates if metric_named(gate.metric).of_answers)

    @property
    def serving(self) -> tuple[Gate, ...]:
        """The gates on how models are served (latency, errors, stand-ins, missing answers)."""
        return tuple(gate for gate in self.gates if not metric_named(gate.metric).of_answers)

    @property
    def levels(self) -> Levels:
        """How often its verdicts may be wrong."""
        return Levels(alpha=self.alpha, rollback_alpha=self.alpha, min_blocks=self.min_blocks)

    @property
    def schedule(self) -> Schedule:
        """How fast its canary gathers evidence."""
        canary = self.canary
        return Schedule(
            weights=tuple(step.weight for step in canary.steps),
            bakes=tuple(step.bake_time for step in canary.steps),
            mirror=canary.mirror,
            block=canary.block,
            maturity=self.maturity,
            deadline=canary.deadline,
            longest=canary.longest,
        )


def make_plan(
    system: System,
    *,
    rollout_id: str,
    environment: str,
    members: tuple[Member, ...],
    champion: Release,
    generation: int,
    now: datetime,
) -> Plan:
    """Fix everything that the rollout's verdicts will depend on.

    Args:
        members: The candidate's versions, at least one of them not the champion's.
        now: When the plan is made (UTC).
    """
    release = champion.with_members(members)
    radius = blast_radius(system, release.changed_from(champion))
    maturity = max(
        (source.labels.maturity for source in system.sources.values() if source.labels),
        default=timedelta(0),
    )
    calendar = BlockCalendar(timezone=system.timezone, length=system.policies.canary.block)
    policies = system.policies
    return Plan(
        rollout_id=rollout_id,
        system=system.name,
        system_digest=system.digest,
        environment=environment,
        members=members,
        baseline=generation,
        release=release.content_hash,
        radius=radius,
        gates=gates_of(system, radius),
        alpha=policies.alpha,
        min_blocks=policies.min_blocks,
        shadow_end=calendar.start(calendar.name(now - maturity)),
        shadow_window=policies.shadow.window,
        shadow_extension=policies.shadow.extension,
        timezone=system.timezone,
        maturity=maturity,
        canary=policies.canary,
        watch=policies.watch,
        approvals=tuple(need.name for need in approvals_needed(system, radius, (), members)),
        budget_window=policies.budget_window,
        drift=policies.drift,
        seed=int(release.content_hash[:8], 16),
    )


def gates_of(system: System, radius: BlastRadius) -> tuple[Gate, ...]:
    """The gates of every model in a blast radius, in the order of the chain."""
    return tuple(
        _gate(system, name, target)
        for name in radius.models
        for target in system.models[name].metrics
    )


def _gate(system: System, model: str, target: MetricTarget) -> Gate:
    metric = metric_named(target.metric)
    if not metric.of_answers:
        return _serving_gate(system, model, target, metric)
    comparison = target.comparison
    independent = system.policies.independent_units
    may_lack = comparison is Comparison.PAIRED and not metric.paired
    if may_lack and system.policies.canary.unpaired_without_pairs:
        comparison = Comparison.PAIRED_ELSE_UNPAIRED
        independent = False  # one method has to read blocks with pairs and blocks without
    source = system.sources.get(target.label.partition(".")[0])
    answered = source is not None and source.labels is not None and source.labels.depends_on_answer
    return Gate(
        model=model,
        metric=target.metric,
        field=target.field,
        label=target.label,
        role=target.role,
        margin=target.margin,
        unit=target.unit,
        evidence=method_for(
            metric,
            paired=comparison is not Comparison.UNPAIRED,
            independent_units=independent,
        ),
        comparison=comparison,
        in_shadow=not answered,
    )


def _serving_gate(system: System, model: str, target: MetricTarget, metric: Metric) -> Gate:
    """How a model is served no replay shows; how fast, only the arms' own consumers."""
    unpaired = metric.unit_kind is UnitKind.MILLISECONDS
    return Gate(
        model=model,
        metric=target.metric,
        field=target.field,
        label="",
        role=target.role,
        margin=target.margin,
        unit=target.unit,
        evidence=method_for(
            metric, paired=not unpaired, independent_units=system.policies.independent_units
        ),
        comparison=Comparison.UNPAIRED if unpaired else Comparison.PAIRED,
        in_shadow=False,
    )
