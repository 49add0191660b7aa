"""The rows of a report's tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sluiceway.attribution import Effect, GateHarm
from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.contracts.promises import Finding
from sluiceway.contracts.promises import sentence as promise_sentence
from sluiceway.contracts.versions import version_sentence
from sluiceway.gates import Gate, Verdict, render
from sluiceway.reports.advice import contacts, relying_owners
from sluiceway.reports.figures import (
    duration,
    interval,
    metric_name,
    places_for,
    plain,
    signed,
)
from sluiceway.reports.story import Story
from sluiceway.rollouts.events import ContractCheck
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate's numbers as text, in the metric's unit."""

    model: str
    metric: str
    role: str
    baseline: str
    candidate: str
    harm: str
    interval: str
    margin: str
    unit: str
    outcome: str
    blocks: str
    rows: str
    unlabelled: str
    sentence: str
    because: str


def gate_rows(system: System, verdicts: Sequence[Verdict]) -> tuple[GateRow, ...]:
    """A row for each gate."""
    return tuple(_gate_row(system, verdict) for verdict in verdicts)


def _gate_row(system: System, verdict: Verdict) -> GateRow:
    gate, estimate = verdict.gate, verdict.estimate
    half = None if estimate is None or estimate.high is None else estimate.high - estimate.harm
    places = places_for((gate.margin, half))
    return GateRow(
        model=gate.model,
        metric=metric_name(gate.metric),
        role=gate.role.value,
        baseline=plain(estimate.baseline if estimate else None, places),
        candidate=plain(estimate.candidate if estimate else None, places),
        harm=signed(estimate.harm if estimate else None, places),
        interval=interval(estimate.low, estimate.high, places) if estimate else "",
        margin=plain(gate.margin, places),
        unit=gate.unit,
        outcome=verdict.outcome.value,
        blocks=f"{verdict.blocks:,}",
        rows=f"{verdict.rows:,}",
        unlabelled=f"{verdict.unlabelled:,}",
        sentence=render(verdict),
        because=margin_reason(system, gate),
    )


def margin_reason(system: System, gate: Gate) -> str:
    """Why so much harm is tolerated, by the system file; empty where it does not say."""
    model = system.models.get(gate.model)
    for target in model.metrics if model else ():
        if target.metric == gate.metric and target.field == gate.field:
            return target.because
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A promise against what was seen.

    Attributes:
        bar: Where the observed value lies: see :func:`_bar`; None where there is no range.
    """

    sentence: str
    outcome: str
    observed: str
    reference: str
    promised: str
    unit: str
    bar: "Bar | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Positions on a line from 0 to 100: the promised range, the reference, the observed value."""

    low: float
    high: float
    reference: float | None
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRow:
    """What one candidate came to against its contract."""

    name: str
    outcome: str
    sentence: str
    sample: str
    changes: tuple[tuple[str, bool], ...]
    versions: tuple[str, ...]
    findings: tuple[FindingRow, ...]
    broken: tuple[tuple[str, str], ...]


def contract_rows(story: Story) -> tuple[ContractRow, ...]:
    """A row for each candidate."""
    contracts = story.state.contracts
    return tuple(_contract_row(story, one) for one in (contracts.checks if contracts else ()))


def _contract_row(story: Story, check: ContractCheck) -> ContractRow:
    took = duration(timedelta(seconds=check.seconds))
    return ContractRow(
        name=f"{check.model}@{check.version}",
        outcome=check.outcome.value,
        sentence=check.sentence,
        sample=f"{check.rows:,} recorded rows answered in {took}" if check.rows else "",
        changes=tuple((change_sentence(one), bool(one.breaks)) for one in check.changes),
        versions=tuple(version_sentence(one) for one in check.version_findings),
        findings=tuple(_finding_row(one) for one in check.findings),
        broken=tuple(
            (edge, ", ".join(contacts(story, relying_owners(story, [edge]))))
            for edge in check.broken_edges
        ),
    )


def _finding_row(found: Finding) -> FindingRow:
    bounds = (found.promised_low, found.promised_high)
    places = places_for((*bounds, found.reference, found.observed))
    low, high = ("" if bound is None else plain(bound, places) for bound in bounds)
    promised = f"{low} to {high}" if low and high else f"≥ {low}" if low else f"≤ {high}"
    return FindingRow(
        sentence=promise_sentence(found),
        outcome=found.outcome.value,
        observed=plain(found.observed, places),
        reference=plain(found.reference, places),
        promised=promised if low or high else "",
        unit=found.unit,
        bar=_bar(found),
    )


def _bar(found: Finding) -> Bar | None:
    low, high, seen = found.promised_low, found.promised_high, found.observed
    if low is None or high is None or seen is None or high <= low:
        return None
    ends = [low, high, seen, *([found.reference] if found.reference is not None else [])]
    start, room = min(ends), (max(ends) - min(ends)) or 1.0

    def place(value: float) -> float:
        return round(4 + 92 * (value - start) / room, 2)

    return Bar(
        low=place(low),
        high=place(high),
        reference=None if found.reference is None else place(found.reference),
        observed=place(seen),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """Two effects on one gate, as text."""

    name: str
    gate: str
    before: str
    after: str
    taken: str
    share: str
    says: bool
    unit: str


def _effect(effect: Effect, places: int | None) -> str:
    if effect.harm is None:
        return "unknown"
    return f"{signed(effect.harm, places)} {interval(effect.low, effect.high, places)}"


def _effect_places(harmed: GateHarm) -> int | None:
    half = None
    if harmed.harm.high is not None and harmed.harm.harm is not None:
        half = harmed.harm.high - harmed.harm.harm
    return places_for((harmed.margin, half))


def edge_rows(story: Story) -> tuple[EffectRow, ...]:
    """What each frozen edge takes from each harmed gate."""
    found = story.attribution
    return tuple(
        EffectRow(
            name=edge.edge,
            gate=harmed.gate,
            before=_effect(harmed.harm, _effect_places(harmed)),
            after=_effect(edge.left, _effect_places(harmed)),
            taken=_effect(edge.taken_back, _effect_places(harmed)),
            share="" if edge.share is None else f"{plain(round(100 * edge.share), 0)} %",
            says=edge.carries,
            unit=harmed.unit,
        )
        for harmed in (found.harmed if found else ())
        for edge in harmed.edges
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """How harm reached one gate's model."""

    gate: str
    path: str
    harm: str
    own: str
    through: str
    unit: str


def path_rows(story: Story) -> tuple[PathRow, ...]:
    """A row for each harmed gate."""
    found = story.attribution
    return tuple(
        PathRow(
            gate=one.gate,
            path=one.path.value,
            harm=_effect(one.harm, _effect_places(one)),
            own=_effect(one.own, _effect_places(one)),
            through=_effect(one.through_inputs, _effect_places(one)),
            unit=one.unit,
        )
        for one in (found.harmed if found else ())
    )


def reversion_rows(story: Story) -> tuple[EffectRow, ...]:
    """What taking changes back leaves of each harmed gate."""
    found = story.attribution
    return tuple(
        EffectRow(
            name=", ".join(one.reverted),
            gate=harmed.gate,
            before=_effect(harmed.harm, _effect_places(harmed)),
            after=_effect(one.harms[harmed.gate], _effect_places(harmed))
            if harmed.gate in one.harms
            else "",
            taken="",
            share="",
            says=one.within_margins,
            unit=harmed.unit,
        )
        for one in (found.reversions if found else ())
        for harmed in (found.harmed if found else ())
    )
