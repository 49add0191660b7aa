"""The rows of a report's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sluiceway.contracts.change_kinds import alternatives_in_words
from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.contracts.clearing import Standing, TouchedEdge
from sluiceway.contracts.promises import Finding
from sluiceway.contracts.promises import sentence as promise_sentence
from sluiceway.contracts.versions import version_sentence
from sluiceway.durations import render_duration
from sluiceway.gates import Gate, Verdict, render
from sluiceway.outcomes import Outcome
from sluiceway.planning.budget import BudgetVerdict, render_budget
from sluiceway.reports.advice import contacts, relying_owners
from sluiceway.reports.figures import (
    count,
    duration,
    interval,
    metric_name,
    places_for,
    plain,
    signed,
)
from sluiceway.reports.story import Story
from sluiceway.rights import removal_sentence
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
    seen: str
    crossed: str


def gate_rows(
    system: System,
    verdicts: Sequence[Verdict],
    seen: Mapping[str, str],
    crossed: Mapping[str, str] | None = None,
) -> tuple[GateRow, ...]:
    """A row for each gate.

    Args:
        seen: By gate name, how far its sample could see.
        crossed: By gate name, its paired and its unpaired estimate.
    """
    both = crossed or {}
    return tuple(
        _gate_row(system, one, seen.get(one.gate.name, ""), both.get(one.gate.name, ""))
        for one in verdicts
    )


def _gate_row(system: System, verdict: Verdict, seen: str, crossed: str) -> GateRow:
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
        seen=seen,
        crossed=crossed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRow:
    """The harm since one gate's best generation, as text, in the metric's unit.

    Attributes:
        best: The generation it is held against.
        since_best: Harm since then, with its interval.
        since_champion: Harm against what serves, with its interval.
    """

    model: str
    metric: str
    role: str
    best: str
    since_best: str
    since_champion: str
    margin: str
    unit: str
    outcome: str
    sentence: str


def budget_rows(budget: Sequence[BudgetVerdict]) -> tuple[BudgetRow, ...]:
    """A row for each gate whose best generation does not serve."""
    return tuple(_budget_row(one) for one in budget)


def _budget_row(spent: BudgetVerdict) -> BudgetRow:
    gate, estimate = spent.gate, spent.against_best.estimate
    half = None if estimate is None or estimate.high is None else estimate.high - estimate.harm
    places = places_for((gate.margin, half))
    return BudgetRow(
        model=gate.model,
        metric=metric_name(gate.metric),
        role=gate.role.value,
        best=f"generation {spent.generation}",
        since_best=_harm(spent.against_best, places),
        since_champion=_harm(spent.against_champion, places),
        margin=plain(gate.margin, places),
        unit=gate.unit,
        outcome=spent.outcome.value,
        sentence=render_budget(spent),
    )


def _harm(verdict: Verdict, places: int | None) -> str:
    estimate = verdict.estimate
    if estimate is None:
        return "unknown"
    return f"{signed(estimate.harm, places)} {interval(estimate.low, estimate.high, places)}"


def budget_said(story: Story) -> str:
    """What the table of budgets means, and against which generations nothing had to be compared."""
    plan, shadow = story.plan, story.shadow
    if plan is None or shadow is None or not shadow.verdicts:
        return ""
    window = render_duration(plan.budget_window)
    rule = (
        f"Small harms must not add up: besides what serves, a candidate is held against the best "
        f"generation of the last {window} by each gate, and all the harm since then must stay "
        "within the same margin, once."
    )
    others = len(shadow.verdicts) - len(shadow.budget)
    if not shadow.budget:
        best = f"By every gate that is generation {plan.baseline}, which serves, so nothing more"
        return f"{rule} {best} was compared."
    if others:
        best = f"By {count(others, 'other gate')} that is what serves, generation {plan.baseline}."
        return f"{rule} {best}"
    return rule


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
class TouchedRow:
    """How one edge stands that a change touches, and who reads it."""

    edge: str
    change: str
    relied_on: str
    standing: str
    badge: str
    cleared_by: str
    owner: str


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
    touched: tuple[TouchedRow, ...]


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
        changes=tuple(
            (change_sentence(one), bool(one.breaks))
            for one in (*check.changes, *(c for c in check.member_changes if not c.breaks))
        ),
        versions=(
            *(version_sentence(one) for one in check.version_findings),
            *(removal_sentence(one) for one in check.removals),
        ),
        findings=tuple(_finding_row(one) for one in check.findings),
        broken=tuple(
            (edge, ", ".join(contacts(story, relying_owners(story, [edge]))))
            for edge in check.broken_edges
        ),
        touched=tuple(_touched_row(story, one) for one in check.touched),
    )


_BADGES = {
    Standing.CLEARED: Outcome.PASSED,
    Standing.AWAITS: Outcome.INCONCLUSIVE,
    Standing.BROKEN: Outcome.FAILED,
}


def _touched_row(story: Story, one: TouchedEdge) -> TouchedRow:
    return TouchedRow(
        edge=one.edge,
        change=change_sentence(one.change),
        relied_on=", ".join(one.relied_on),
        standing=one.standing.value,
        badge=_BADGES[one.standing].value,
        cleared_by=alternatives_in_words(one.change.cleared_by),
        owner=", ".join(contacts(story, relying_owners(story, [one.edge]))),
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
