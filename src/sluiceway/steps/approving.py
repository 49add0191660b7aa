"""The questions that are open to people, each with what it rests on, and their answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sluiceway.errors import BadInput
from sluiceway.rights import NeededApproval, NotTheirs, Offered, answers_for
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps import requests
from sluiceway.steps.ownership import today_of
from sluiceway.steps.site import Site
from sluiceway.system.rights import Proof
from sluiceway.system.values import System

if TYPE_CHECKING:
    from sluiceway.reports.question import Asking

Decision = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One approval that a rollout waits for.

    Attributes:
        need: What is asked for, of whom, and why.
        expires: When no answer is a no (UTC); None for never.
    """

    rollout_id: str
    need: NeededApproval
    expires: datetime | None

    @property
    def name(self) -> str:
        """The owner or role that is asked; one question a rollout and name."""
        return self.need.name


def open_questions(site: Site, *, now: datetime) -> tuple[Question, ...]:
    """Every approval that any rollout of the environment waits for, first come first."""
    return tuple(
        question
        for rollout_id in site.journal.rollouts(site.environment)
        for question in _open(rollout_id, site.state(rollout_id), now)
    )


def open_question(site: Site, rollout_id: str, name: str, *, now: datetime) -> Question | None:
    """One question; None where it was answered, has expired, or the rollout is over."""
    found = _open(rollout_id, site.state(rollout_id), now)
    return next((one for one in found if one.name == name), None)


def _open(rollout_id: str, state: RolloutState, now: datetime) -> tuple[Question, ...]:
    asked = state.approval_requested
    over = state.ended is not None or state.refused is not None or state.abort is not None
    if asked is None or over or state.approved:
        return ()
    if asked.expires is not None and now >= asked.expires:
        return ()
    return tuple(
        Question(rollout_id=rollout_id, need=need, expires=asked.expires)
        for need in state.waiting_for
    )


def page_of(site: Site, question: Question, *, fault: str = "", rollout_page: str) -> str:
    """The question with all that it rests on, and pictures, as Markdown.

    Args:
        fault: Why the last answer to it did not count.
        rollout_page: Where the page's reader finds the page of the rollout.
    """
    from sluiceway.reports.question import question_page  # draws

    system = site.systems.kept(question.rollout_id)
    events = site.journal.events(site.environment, question.rollout_id)
    return question_page(
        system, events, _asking(system, question, fault), rollout_page=rollout_page
    )


def form_of(site: Site, question: Question, *, fault: str = "", page: str) -> str:
    """What stands above the fields of the question's form, as Markdown.

    Args:
        fault: Why the last answer to it did not count.
        page: Where the form's reader finds what :func:`page_of` gives.
    """
    from sluiceway.reports.question import question_form  # draws

    system = site.systems.kept(question.rollout_id)
    events = site.journal.events(site.environment, question.rollout_id)
    return question_form(system, events, _asking(system, question, fault), page=page)


def _asking(system: System, question: Question, fault: str) -> "Asking":
    from sluiceway.reports.question import Asking

    return Asking(
        need=question.need,
        expires=question.expires,
        proof=system.policies.rights.proof is not Proof.NONE,
        fault=fault,
    )


def answer_question(
    site: Site,
    question: Question,
    decision: Decision,
    *,
    approver: str,
    reason: str,
    offered: Offered,
    now: datetime,
) -> str | None:
    """Write an answer down.

    The same answer given again (after a crash) writes nothing twice.

    Returns:
        Why it does not count; None where it does.
    """
    word = requests.approve if decision == "approve" else requests.refuse
    try:
        word(
            site,
            question.rollout_id,
            reason=reason,
            now=now,
            actor=approver,
            owner=_in_whose_name(site, question, approver, now),
            offered=offered,
        )
    except NotTheirs as error:
        return str(error)
    except BadInput as error:
        return "; ".join(fault.what for fault in error.faults)
    return None


def _in_whose_name(site: Site, question: Question, approver: str, now: datetime) -> str:
    """The owner for whom an answer to this question, and to no other, counts."""
    system, state = site.systems.kept(question.rollout_id), site.state(question.rollout_id)
    owners = answers_for(
        (question.need,),
        state.given,
        system.owners,
        actor=approver,
        owner=None,
        today=today_of(system, now),
    )
    return owners[0]
