"""What a person reads who is asked to approve: a short text for the form, and a page beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sluiceway.arrivals import REGISTERED_BY_TAG
from sluiceway.durations import render_duration
from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.reports.figures import count, joined
from sluiceway.reports.markdown import cell
from sluiceway.reports.sections import (
    gate_lines,
    harm_sections,
    plan_section,
    reach_section,
)
from sluiceway.reports.sentences import sentence
from sluiceway.reports.story import Story, read_story
from sluiceway.rights import NeededApproval, is_theirs, why_sentence
from sluiceway.rollouts.endings import Phase
from sluiceway.system.values import Owner, System

_MOST_GATES: Final = 8
"""Gates that a form shows; a page shows all."""
NOBODY: Final = "sluiceway"
"""Who asks for a rollout that began by itself, where the registry does not know for whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a question is put.

    Attributes:
        need: What is asked for.
        expires: When no answer is a no (UTC); None for never.
        proof: Whether a one-time code is asked for.
        fault: Why the last answer did not count, told first; empty where there was none.
    """

    need: NeededApproval
    expires: datetime | None
    proof: bool
    fault: str = ""


def question_form(system: System, events: Sequence[Event], asking: Asking, *, page: str) -> str:
    """What stands above the fields of a form: short, for a form has little room.

    Args:
        page: Where the form's reader finds :func:`question_page`.
    """
    story = read_story(system, events)
    return "\n".join(
        [
            *_fault(asking),
            f"### May {joined(story.wanted)} go live?",
            "",
            *_asked(system, story, asking),
            "",
            f"**[Plan, evidence and pictures]({page})**, and in short:",
            "",
            *_contracts(story),
            *_shadow(system, story),
            *_what_follows(story),
        ]
    )


def question_page(
    system: System, events: Sequence[Event], asking: Asking, *, rollout_page: str
) -> str:
    """Everything that an approval rests on, with pictures.

    Args:
        rollout_page: Where the reader finds the page of the rollout.
    """
    story = read_story(system, events)
    return "\n".join(
        [
            *_fault(asking),
            f"# May {joined(story.wanted)} go live?",
            "",
            *_asked(system, story, asking),
            "",
            "To answer, open this question's flow run and choose **Resume**. "
            f"See also [the page of the rollout]({rollout_page}).",
            "",
            *_contracts(story),
            *_what_follows(story),
            "",
            *harm_sections(story, Phase.SHADOW),
            *reach_section(story),
            *plan_section(story),
        ]
    )


def _fault(asking: Asking) -> list[str]:
    if not asking.fault:
        return []
    return [f"**The last answer did not count:** {cell(asking.fault)}.", ""]


def _asked(system: System, story: Story, asking: Asking) -> list[str]:
    """Who asks whom, why, and how the answer is to be given."""
    need, expires = asking.need, asking.expires
    many = need.people > 1
    of = f"{need.people} different people of **{need.name}** are" if many else f"**{need.name}** is"
    why = "; ".join(why_sentence(one) for one in need.why)
    proof = ", with a one-time code of their app" if asking.proof else ""
    given = [one.actor for one in story.state.given if set(one.owners) & set(need.by)]
    return [
        f"{story.asked_by} wants it. {of} asked, since {cell(why)}.",
        "",
        f"- May approve: {_may_approve(system, story, need, proof)}.",
        *_warnings(system, story, need),
        *([f"- Approved already: {joined(given)}."] if given else []),
        f"- No answer by {expires:%Y-%m-%d %H:%M} UTC is a no."
        if expires
        else "- It waits until somebody answers.",
    ]


def _may_approve(system: System, story: Story, need: NeededApproval, proof: str) -> str:
    """Each owner with its people, less those who may not approve what is their own.

    Args:
        proof: How they prove who they are, in words that follow their names.
    """
    said, barred = [], []
    for owner in (system.owners[name] for name in need.by if name in system.owners):
        theirs = _theirs(system, story, owner)
        left = [person for person in owner.people if person not in theirs]
        people = ", ".join(left) if left or owner.people else "anybody"
        said.append(f"{owner.name} ({people or 'nobody is left'})")
        barred += theirs
    who = "; ".join(said) + proof
    return f"{who}; not {joined(dict.fromkeys(barred))}, whose own it is" if barred else who


def _theirs(system: System, story: Story, owner: Owner) -> list[str]:
    """Those of an owner's people who may not approve, since it is their own."""
    if system.policies.rights.own:
        return []
    return [person for person in owner.people if is_theirs(person, story.asked_by)]


def _warnings(system: System, story: Story, need: NeededApproval) -> list[str]:
    """What stands in the way of a good approval, where something does."""
    owners = [system.owners[name] for name in need.by if name in system.owners]
    people = {
        person
        for owner in owners
        for person in owner.people
        if person not in _theirs(system, story, owner)
    }
    warnings = []
    if all(owner.people for owner in owners) and len(people) < need.people:
        warnings.append(
            "- **So few may that it cannot be approved:** reject it, or name more people in the "
            "system file and have it asked for again."
        )
    if not system.policies.rights.own and story.asked_by == NOBODY:
        warnings.append(
            f"- Nobody knows who registered it (no tag `{REGISTERED_BY_TAG}`): do not approve it "
            "where it is your own."
        )
    return warnings


def _contracts(story: Story) -> list[str]:
    checked = story.state.contracts
    return [f"- {cell(sentence(checked))}."] if checked else []


def _shadow(system: System, story: Story) -> list[str]:
    shadow = story.shadow
    if shadow is None:
        return []
    passed = [one.outcome is Outcome.PASSED for one in shadow.verdicts]
    number = count(len(passed), "gate")
    came_to = f"all {number} passed" if all(passed) else f"{sum(passed)} of {number} passed"
    return [
        f"- On recorded traffic {came_to} (harm: candidate minus baseline, positive is worse):",
        *(f"  {line}" for line in gate_lines(system, shadow.verdicts, _MOST_GATES)),
    ]


def _what_follows(story: Story) -> list[str]:
    plan = story.plan
    if plan is None:
        return []
    first = plan.canary.steps[0]
    units = f"{first.weight} % of the units for {render_duration(first.bake_time)} at least"
    return [
        f"- Approved, it answers {units}; harm beyond a margin takes it back by itself.",
        "- Rejected, the rollout ends, and what serves now goes on.",
    ]
