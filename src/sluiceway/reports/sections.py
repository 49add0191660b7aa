"""What Markdown pages about a rollout have in common: harm, what it reaches, the plan, progress.

Tables are kept narrow, for one of Prefect's two UIs breaks no line in them; the rest are lists.
"""

from collections.abc import Sequence
from typing import Final

from sluiceway.gates import Role, Verdict
from sluiceway.reports.canary_picture import canary_figure
from sluiceway.reports.drawing import drawn_quietly
from sluiceway.reports.evidence import cross_checks_said
from sluiceway.reports.figures import spoken, with_unit
from sluiceway.reports.forest_picture import forest_sheet
from sluiceway.reports.graph_nodes import shown_graph
from sluiceway.reports.graph_picture import draw_sheet
from sluiceway.reports.inline_pictures import in_markdown
from sluiceway.reports.markdown import cell, table
from sluiceway.reports.page import plan_facts, reach
from sluiceway.reports.rows import GateRow, gate_rows
from sluiceway.reports.sentences import sentence
from sluiceway.reports.story import Story
from sluiceway.reports.walk import phase_rows
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import Looked, ShadowMeasured
from sluiceway.system.values import System

HARM_SAID: Final = (
    "Harm is candidate minus baseline in the metric's own unit: positive is worse. A gate has "
    "passed where the whole interval lies below its margin, the harm that is tolerated."
)
_MARKS: Final = {"passed": "✓", "stopped": "✗", "now": "▶", "skipped": "–", "open": "○"}
_BAR: Final = 20
"""Letters of a bar."""


def harm_sections(story: Story, *phases: Phase) -> list[str]:
    """Every gate of these phases: picture, numbers, and why its margin is what it is."""
    lines = [line for phase in phases for line in _harm(story, phase)]
    if not lines:
        return []
    whys = {
        f"- {row.model}, {row.metric}: {cell(row.because)}": None
        for phase in phases
        for row in gate_rows(story.system, story.verdicts.get(phase, ()), {})
        if row.because
    }
    return [*lines, *(["Why these margins:", "", *whys, ""] if whys else []), HARM_SAID, ""]


def _harm(story: Story, phase: Phase) -> list[str]:
    verdicts = story.verdicts.get(phase, ())
    measured = story.shadow if phase is Phase.SHADOW else story.state.look
    if not verdicts or measured is None:
        return []
    with drawn_quietly():
        figure = forest_sheet(verdicts).figure
    told = [
        (
            f"{row.model}: {row.metric}{_role(row)}",
            spoken(row.outcome),
            harm_of(row),
            margin_of(row),
        )
        for row in gate_rows(story.system, verdicts, {})
    ]
    return [
        f"## Harm in {phase.value}",
        "",
        f"{cell(sentence(measured))}.",
        "",
        *in_markdown(figure, f"Harm of every gate in {phase.value} with its interval and margin"),
        *table(("gate", "verdict", "harm", "margin"), told),
        "",
        *_crossed(measured),
    ]


def _crossed(measured: ShadowMeasured | Looked) -> list[str]:
    """Both estimates of the paired gates of a canary, for whoever wonders at one of them."""
    said = cross_checks_said(measured) if isinstance(measured, Looked) else {}
    if not said:
        return []
    head = "Cross-check (it passes nothing and fails nothing):"
    return [head, "", *(f"- {cell(one)}" for one in said.values()), ""]


def gate_lines(system: System, verdicts: Sequence[Verdict], most: int) -> list[str]:
    """The gates in short, those that have not passed first, for where there is little room.

    Args:
        most: More gates than these are counted.
    """
    rows = sorted(gate_rows(system, verdicts, {}), key=lambda row: row.outcome == "passed")
    lines = [
        f"- {row.model}, {row.metric}{_role(row)}: {spoken(row.outcome)}, {harm_of(row)}, "
        f"margin {margin_of(row)}"
        for row in rows[:most]
    ]
    left = len(rows) - most
    return [*lines, *([f"- and {left} more, on the page"] if left > 0 else [])]


def harm_of(row: GateRow) -> str:
    """Harm with its interval and unit."""
    return with_unit(f"{row.harm} {row.interval}".strip(), row.unit)


def margin_of(row: GateRow) -> str:
    """The tolerated harm with its unit."""
    return with_unit(row.margin, row.unit)


def _role(row: GateRow) -> str:
    return " (guard)" if row.role == Role.GUARD.value else ""


def evidence_section(story: Story) -> list[str]:
    """The canary over its looks; nothing before the first."""
    with drawn_quietly():
        figure = canary_figure(story)
    if figure is None:
        return []
    shows = "Harm of each gate over the looks of the canary, with its confidence sequence"
    return ["## Evidence, look by look", "", *in_markdown(figure, shows)]


def reach_section(story: Story) -> list[str]:
    """Who feeds whom, what changes, and whom it reaches."""
    with drawn_quietly():
        figure = draw_sheet(shown_graph(story)).figure
    shows = f"Dependency graph of {story.system.name}, with what changes and what it reaches"
    said = [cell(reach(story)), ""] if story.plan is not None else []
    return ["## What it reaches", "", *said, *in_markdown(figure, shows)]


def plan_section(story: Story) -> list[str]:
    """What was fixed before anything was measured; nothing before there is a plan."""
    facts = [f"- **{name}**: {cell(fixed)}" for name, fixed in plan_facts(story)]
    return ["## Plan", "", *facts, ""] if facts else []


def progress_section(story: Story) -> list[str]:
    """Every phase with what it came to, and how much of the canary's evidence is there."""
    rows = [
        (_MARKS[row.mark], f"**{row.name}**" if row.mark == "now" else row.name, row.said, row.took)
        for row in phase_rows(story)
    ]
    return [*table(("", "phase", "came to", "took"), rows), "", *_evidence_bar(story)]


def _evidence_bar(story: Story) -> list[str]:
    state = story.state
    if state.phase is not Phase.CANARY or state.power is None or not state.power.blocks_needed:
        return []
    needed, there = state.power.blocks_needed, state.measured
    full = min(_BAR, round(_BAR * there / needed))
    bar = "▓" * full + "░" * (_BAR - full)
    return [f"`{bar}` {there} of about {needed} blocks that the canary needs", ""]
