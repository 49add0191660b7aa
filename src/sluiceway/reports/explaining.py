"""A rollout told as plain text."""

from collections.abc import Iterable, Sequence

from sluiceway.attribution import Attribution
from sluiceway.contracts.clearing import touched_sentence
from sluiceway.drift import render as render_drift
from sluiceway.gates import Verdict, render
from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.planning.budget import render_budget
from sluiceway.reports.advice import contacts, headline, what_now
from sluiceway.reports.attribution_text import attribution_lines
from sluiceway.reports.evidence import (
    cross_checks_said,
    levels_said,
    seen_in_canary,
    seen_in_replay,
)
from sluiceway.reports.figures import count, joined, moment, spoken
from sluiceway.reports.sentences import sentence
from sluiceway.reports.slices import SHOWN, worst_slices
from sluiceway.reports.story import Story, read_story
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import (
    CanaryNarrowed,
    CanaryPlanned,
    CandidateHalted,
    ContractsChecked,
    DeadlineLengthened,
    DriftFound,
    ShadowMeasured,
)
from sluiceway.system.values import System

_MARKS = {
    Outcome.PASSED: "+",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERROR: "!",
    Outcome.FAILED: "x",
}


def in_one_line(events: Sequence[Event], system: System) -> str:
    """Why a rollout stands where it stands, in one sentence with its numbers.

    Raises:
        ValueError: There are no events.
    """
    return headline(read_story(system, events))


def explain(events: Sequence[Event], system: System) -> str:
    """Tell what was wanted, who is affected, what each phase came to, and how it ended.

    Args:
        events: The rollout's events, from the first.
        system: The system file it is judged by.

    Returns:
        Several lines; ``+ ? ! x`` mark passed, inconclusive, error and failed.

    Raises:
        ValueError: There are no events.
    """
    story = read_story(system, events)
    parts = [
        _head(story),
        _affected(story),
        _contracts(story),
        *(_shadow(one) for one in story.state.shadows),
        _planned(story),
        _canary(story),
        _ending(story),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _head(story: Story) -> list[str]:
    ended = story.state.ended
    where = f"{spoken(ended.ending)} in {ended.phase.value}" if ended else _present(story)
    lines = [f"{story.rollout_id}: {where}", f"  {headline(story)}"]
    if story.wanted:
        asked = f"  wanted: {joined(story.wanted)}"
        lines.append(f"{asked}, asked for by {story.asked_by} at {moment(story.began)} UTC")
    return lines


def _present(story: Story) -> str:
    return "done by hand" if story.state.requested is None else f"in {story.state.phase.value}"


def _affected(story: Story) -> list[str]:
    plan = story.plan
    if plan is None:
        return []
    radius = plan.radius
    followers = [name for name in radius.models if name not in radius.changed]
    return [
        "Affected",
        f"  changed: {joined(radius.changed)}, against generation {plan.baseline}",
        f"  models downstream: {', '.join(followers) or 'none'}",
        f"  outside consumers: {', '.join(radius.consumers) or 'none'}",
        f"  owners: {', '.join(contacts(story, radius.owners))}",
    ]


def _contracts(story: Story) -> list[str]:
    checked = story.state.contracts
    if checked is None:
        return []
    return [f"Contracts: {spoken(checked.outcome)}", *_checks(checked)]


def _checks(checked: ContractsChecked) -> list[str]:
    """Each version's check, then how the edges stand that its changes touch."""
    lines = []
    for one in checked.checks:
        lines.append(f"  {_MARKS[one.outcome]} {one.model}@{one.version}: {one.sentence}")
        lines += [f"      {touched_sentence(edge)}" for edge in one.touched]
    return lines


def _shadow(measured: ShadowMeasured) -> list[str]:
    lines = [sentence(measured), *_gates(measured.verdicts), *_slices(measured.slices)]
    lines += [f"  {_MARKS[one.outcome]} {render_budget(one)}" for one in measured.budget]
    lines += [f"    {seen}" for seen in seen_in_replay(measured.verdicts).values()]
    lines += _levels(Phase.SHADOW, measured.verdicts)
    return [*lines, *_traced(measured.attribution)]


def _levels(phase: Phase, verdicts: Sequence[Verdict]) -> list[str]:
    return [f"  {levels_said(phase, verdicts)}"] if verdicts else []


def _traced(found: Attribution | None) -> list[str]:
    return [f"  {line}" for line in attribution_lines(found)] if found is not None else []


def _planned(story: Story) -> list[str]:
    """What the canary needs, and the deadline that it was given for it."""
    planned = (CanaryPlanned, DeadlineLengthened)
    return [sentence(one.what) for one in story.told if isinstance(one.what, planned)]


def _canary(story: Story) -> list[str]:
    lines = [f"  {moment(at)} UTC  {sentence(step)}" for at, step in story.steps]
    lines += _turns(story)
    lines += _drift(story)
    if story.looks:
        _, last = story.looks[-1]
        lines.append(f"  {count(len(story.looks), 'look')}; the last: {sentence(last)}")
        lines += [*_gates(last.verdicts), *_slices(last.slices)]
        lines += [f"    {seen}" for seen in seen_in_canary(story, last).values()]
        lines += [f"    {both}" for both in cross_checks_said(last).values()]
        lines += _levels(Phase.CANARY, last.verdicts)
    if story.state.diagnosed is not None:
        lines += _traced(story.state.diagnosed.attribution)
    return ["Canary", *lines] if lines else []


def _turns(story: Story) -> list[str]:
    """Hard rules that were broken, and what went back while the rest went on."""
    return [
        f"  {moment(one.event.at)} UTC  {sentence(one.what)}"
        for one in story.told
        if isinstance(one.what, CandidateHalted | CanaryNarrowed)
    ]


def _drift(story: Story) -> list[str]:
    """Every drift of the inputs, with what it was found by."""
    lines = []
    for one in story.told:
        if isinstance(one.what, DriftFound):
            lines.append(f"  {moment(one.event.at)} UTC  {sentence(one.what)}")
            report = one.what.report
            lines += [f"    {render_drift(found, report)}" for found in report.drifted]
    return lines


def _gates(verdicts: Iterable[Verdict]) -> list[str]:
    return [f"  {_MARKS[one.outcome]} {render(one)}" for one in verdicts]


def _slices(verdicts: Sequence[Verdict]) -> list[str]:
    """How many slices were watched, those that stop the rollout, and always the worst."""
    if not verdicts:
        return []
    stopping = sum(one.outcome in (Outcome.FAILED, Outcome.ERROR) for one in verdicts)
    shown = worst_slices(verdicts, most=max(1, min(stopping, SHOWN)))
    which = "the worst" if len(shown) == 1 else f"the {len(shown)} worst"
    return [f"  {count(len(verdicts), 'slice')} watched; {which}:", *_gates(shown)]


def _ending(story: Story) -> list[str]:
    ended, at = story.state.ended, story.ended_at
    if story.state.requested is None:
        return [f"{moment(one.event.at)} UTC  {sentence(one.what)}" for one in story.told]
    if ended is None or at is None:
        return ["Not over", f"  the latest: {sentence(story.told[-1].what)}"]
    lines = [f"Ended {moment(at)} UTC: {spoken(ended.ending)} ({ended.code.value})"]
    if ended.origin is not None:
        lines.append(f"  origin: {ended.origin.kind} {ended.origin.name}")
    return [*lines, *(f"  {said}" for said in what_now(story))]
