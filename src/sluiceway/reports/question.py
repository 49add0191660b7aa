"""What a person reads who is asked to approve: Markdown for a form, and pictures beside it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sluiceway.gates import Verdict
from sluiceway.journal import Event
from sluiceway.reports.advice import headline
from sluiceway.reports.drawing import drawn_quietly, svg_file
from sluiceway.reports.figures import joined, moment, spoken
from sluiceway.reports.forest_picture import forest_sheet
from sluiceway.reports.graph_nodes import shown_graph
from sluiceway.reports.graph_picture import draw_sheet
from sluiceway.reports.markdown import cell, table
from sluiceway.reports.page import plan_facts
from sluiceway.reports.rows import gate_rows
from sluiceway.reports.sentences import sentence
from sluiceway.reports.story import Story, read_story
from sluiceway.rights import NeededApproval, why_sentence
from sluiceway.system.values import System


def question_page(
    system: System,
    events: Sequence[Event],
    need: NeededApproval,
    *,
    expires: datetime | None,
    proof: bool,
    fault: str = "",
) -> str:
    """Everything that an approval rests on, as Markdown.

    Args:
        need: What is asked for.
        expires: When no answer is a no (UTC); None for never.
        proof: Whether a one-time code is asked for.
        fault: Why the last answer did not count; told first.
    """
    story = read_story(system, events)
    wanted = joined(story.wanted)
    asked = f"{need.people} different people of **{need.name}**" if need.people > 1 else need.name
    lines = [
        *([f"**The last answer did not count:** {cell(fault)}", ""] if fault else []),
        f"# May {wanted} go live, as far as {need.name} is concerned?",
        "",
        cell(headline(story)),
        "",
        f"- asked for by {story.asked_by}; asked of {asked}: "
        + "; ".join(why_sentence(why) for why in need.why),
        f"- who may answer: {_people(system, need)}",
        f"- no answer by {moment(expires)} UTC is a no" if expires else "- it waits for an answer",
        *(["- a one-time code of the approver's app is needed"] if proof else []),
        "",
        *_contracts(story),
        *_harm(system, story),
        "## Plan",
        "",
        *table(("what", "is fixed"), plan_facts(story)),
    ]
    return "\n".join(lines)


def question_pictures(system: System, events: Sequence[Event]) -> Mapping[str, str]:
    """SVG files by what they show: ``harm`` where there is evidence, and ``graph``."""
    story = read_story(system, events)
    with drawn_quietly():
        pictures = {"graph": svg_file(draw_sheet(shown_graph(story)).figure)}
        verdicts = _verdicts(story)
        if verdicts:
            pictures["harm"] = svg_file(forest_sheet(verdicts).figure)
    return pictures


def _verdicts(story: Story) -> tuple[Verdict, ...]:
    return story.shadow.verdicts if story.shadow else ()


def _people(system: System, need: NeededApproval) -> str:
    return "; ".join(
        f"{name} ({', '.join(system.owners[name].people) or 'anybody'})"
        for name in need.by
        if name in system.owners
    )


def _contracts(story: Story) -> list[str]:
    checked = story.state.contracts
    return ["## Contracts", "", cell(sentence(checked)), ""] if checked else []


def _harm(system: System, story: Story) -> list[str]:
    verdicts = _verdicts(story)
    if not verdicts:
        return []
    rows = [
        (
            f"{row.model}: {row.metric}",
            row.role,
            spoken(row.outcome),
            f"{row.harm} {row.interval} {row.unit}",
            f"{row.margin} {row.unit}",
            row.because,
        )
        for row in gate_rows(system, verdicts, {})
    ]
    head = ("gate", "role", "verdict", "harm (positive is worse)", "margin", "why this margin")
    return ["## Harm in shadow", "", *table(head, rows), ""]
