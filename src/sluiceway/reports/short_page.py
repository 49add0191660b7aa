"""A rollout on one page of Markdown, for the UIs that people have open already."""

from collections.abc import Sequence

from sluiceway.journal import Event
from sluiceway.reports.advice import headline
from sluiceway.reports.figures import spoken
from sluiceway.reports.markdown import cell
from sluiceway.reports.sections import (
    evidence_section,
    harm_sections,
    plan_section,
    progress_section,
    reach_section,
)
from sluiceway.reports.story import read_story
from sluiceway.rights import waits_for
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.state import RolloutState
from sluiceway.system.values import System


def short_page(
    system: System, events: Sequence[Event], *, report: str, address: str | None = None
) -> str:
    """Where a rollout is, what its evidence came to, whom it reaches, and its plan.

    Pictures stand in the text, so it needs nothing but itself.

    Args:
        report: The file of the whole report.
        address: Where a browser finds the same; None where it does not.
    """
    story = read_story(system, events)
    rollout, state = events[0].rollout_id, story.state
    ending = spoken(state.ended.ending) if state.ended else f"in {spoken(state.phase)}"
    there = f"[the whole report]({address})" if address else f"report: `{report}`"
    lines = [
        f"# {rollout}: {ending}",
        "",
        cell(headline(story)),
        "",
        f"- {progress(state)}",
        f"- {there}",
        f"- every number: `sluiceway explain {rollout}`",
        "",
        *progress_section(story),
        *evidence_section(story),
        *harm_sections(story, Phase.CANARY, Phase.SHADOW),
    ]
    if state.plan is not None:
        lines += reach_section(story)
    return "\n".join([*lines, *plan_section(story)])


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
