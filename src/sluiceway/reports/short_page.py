"""A rollout on one page of Markdown, for the UIs that people have open already."""

from collections.abc import Sequence

from sluiceway.gates import Verdict, render
from sluiceway.journal import Event
from sluiceway.reports.advice import headline
from sluiceway.reports.figures import spoken
from sluiceway.reports.markdown import cell, table
from sluiceway.reports.page import plan_facts
from sluiceway.reports.story import read_story
from sluiceway.rights import waits_for
from sluiceway.rollouts.state import RolloutState
from sluiceway.system.values import System


def short_page(system: System, events: Sequence[Event], *, report: str) -> str:
    """Where a rollout is, what its evidence came to, and its plan.

    Args:
        report: Where the whole report is.
    """
    story = read_story(system, events)
    rollout, state = events[0].rollout_id, story.state
    ending = spoken(state.ended.ending) if state.ended else f"in {spoken(state.phase)}"
    lines = [f"# {rollout}: {ending}", "", cell(headline(story)), "", f"- {progress(state)}"]
    lines += [f"- report: `{report}`", f"- every number: `sluiceway explain {rollout}`", ""]
    for phase, verdicts in _verdicts(state):
        rows = [(spoken(one.outcome), render(one)) for one in verdicts]
        lines += [f"## {phase}", "", *table(("outcome", "gate"), rows), ""]
    if state.plan is not None:
        lines += ["## Plan", "", *table(("what", "is fixed"), plan_facts(story)), ""]
    return "\n".join(lines)


def progress(state: RolloutState) -> str:
    """How far a rollout is, in one line."""
    if state.ended is not None:
        return "it is over"
    if state.plan is None:
        return f"it waits for {state.waits_behind}" if state.waits_behind else "it is being planned"
    if state.promoted_at is not None:
        return f"promoted on {state.promoted_at:%Y-%m-%d %H:%M} UTC, and watched"
    if state.step is not None:
        steps = len(state.plan.canary.steps)
        at = f"step {state.step + 1} of {steps}, {state.weight} % of the units"
        return f"{at}, {state.measured} blocks measured"
    if state.approval_requested is not None and not state.approved:
        return f"it waits for the approval of {waits_for(state.waiting_for)}"
    return f"it is in {spoken(state.phase)}; nothing live was touched"


def _verdicts(state: RolloutState) -> list[tuple[str, tuple[Verdict, ...]]]:
    """The newest verdicts of each phase that has any."""
    shadow = [("Shadow", state.shadows[-1].verdicts)] if state.shadows else []
    return [*shadow, *([("Canary", state.look.verdicts)] if state.look is not None else [])]
