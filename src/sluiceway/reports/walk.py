"""A rollout's walk through its phases, and its events, as rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sluiceway.outcomes import Outcome
from sluiceway.reports.figures import count, duration, moment, spoken
from sluiceway.reports.sentences import sentence
from sluiceway.reports.story import PHASES, Story
from sluiceway.rollouts.endings import Ending, Phase
from sluiceway.rollouts.events import (
    AbortRequested,
    ApprovalRequested,
    Approved,
    Confirmed,
    ContractsChecked,
    Ended,
    Happening,
    Planned,
    Promoted,
    RollbackDecided,
    StepEntered,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event in words.

    Attributes:
        weight: How the row is set: ``quiet``, ``plain`` or ``strong``.
    """

    seq: int
    position: int
    at: str
    actor: str
    kind: str
    sentence: str
    hash: str
    weight: str


_STRONG = Ended | Promoted | RollbackDecided | AbortRequested


def event_rows(story: Story) -> tuple[EventRow, ...]:
    """A row for each event."""
    return tuple(
        EventRow(
            seq=told.event.seq,
            position=told.event.position,
            at=moment(told.event.at),
            actor=told.event.actor,
            kind=spoken(told.event.kind),
            sentence=sentence(told.what),
            hash=told.event.hash,
            weight=_weight(told.what),
        )
        for told in story.told
    )


def _weight(what: Happening) -> str:
    if isinstance(what, Confirmed):
        return "quiet"
    return "strong" if isinstance(what, _STRONG) else "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """One phase of the walk.

    Attributes:
        mark: ``passed``, ``stopped``, ``now``, ``skipped`` or ``open``.
        said: What it came to, in few words.
        took: How long it took; empty where it was not reached.
    """

    name: str
    mark: str
    said: str
    took: str


def phase_rows(story: Story) -> tuple[PhaseRow, ...]:
    """The phases in order with what each came to."""
    begun = _begun(story)
    present = story.state.phase
    if present is Phase.PROMOTION:
        present = Phase.WATCH
    return tuple(
        PhaseRow(
            name=phase.value,
            mark=_mark(story, phase, present, begun),
            said=_said(story, phase),
            took=_took(story, phase, begun),
        )
        for phase in PHASES
    )


def _took(story: Story, phase: Phase, begun: Mapping[Phase, datetime]) -> str:
    at = begun.get(phase)
    following = [begun[other] for other in PHASES[PHASES.index(phase) + 1 :] if other in begun]
    over = min(following, default=story.ended_at)
    return duration(over - at) if at is not None and over is not None and over > at else ""


def _mark(story: Story, phase: Phase, present: Phase, begun: Mapping[Phase, datetime]) -> str:
    if phase is present:
        if story.ending is None:
            return "now"
        return "passed" if story.ending is Ending.PROMOTED else "stopped"
    if phase in begun:
        return "passed"
    return "skipped" if PHASES.index(phase) < PHASES.index(present) else "open"


def _begun(story: Story) -> dict[Phase, datetime]:
    """When each phase began that was reached."""
    begun: dict[Phase, datetime] = {Phase.PLAN: story.began}
    for told in story.told:
        at, what = told.event.at, told.what
        if isinstance(what, Planned):
            begun.setdefault(Phase.CONTRACTS, at)
        elif isinstance(what, ContractsChecked) and what.outcome is Outcome.PASSED:
            begun.setdefault(Phase.SHADOW, at)
        elif isinstance(what, ApprovalRequested | Approved):
            begun.setdefault(Phase.APPROVAL, at)
        elif isinstance(what, StepEntered):
            begun.setdefault(Phase.CANARY, at)
        elif isinstance(what, Promoted):
            begun.setdefault(Phase.WATCH, at)
    return begun


def _said(story: Story, phase: Phase) -> str:
    state = story.state
    match phase:
        case Phase.PLAN:
            return "" if story.plan is None else count(len(story.plan.gates), "gate")
        case Phase.CONTRACTS:
            return "" if state.contracts is None else spoken(state.contracts.outcome)
        case Phase.SHADOW:
            return "" if story.shadow is None else spoken(story.shadow.outcome)
        case Phase.APPROVAL:
            return _approval_said(story)
        case Phase.CANARY:
            return _canary_said(story)
        case _:
            return "" if state.promoted is None else "promoted"


def _approval_said(story: Story) -> str:
    state = story.state
    if story.plan is not None and not state.needed:
        return "none needed"
    if state.refused is not None:
        return "refused"
    if state.given and state.waiting_for:
        return f"waits for {', '.join(need.name for need in state.waiting_for)}"
    return "given" if state.approved else ""


def _canary_said(story: Story) -> str:
    power = story.state.power
    if not story.steps:
        if power is None:
            return ""
        if power.blocks_needed is None:
            return f"could not finish: passes with {power.probability_longest:.2f}"
        needed = f"{power.blocks_needed:,} of {power.blocks_available:,} blocks"
        return f"needs {needed}, in time with {power.probability:.2f}"
    weights = max(step.weight for _, step in story.steps)
    return f"{count(len(story.looks), 'look')}, to {weights} %"
