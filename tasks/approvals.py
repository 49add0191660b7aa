"""The tasks of approvals: open questions become flow runs with a form, answers become events.

Which questions are open stands in the journal; flow runs and artifacts are made to agree with it.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.input import RunInput
from prefect.settings import get_current_settings
from prefect.states import Cancelled
from pydantic import Field

from sluiceway.adapters.approver_secrets import keys_of
from sluiceway.rights import Offered
from sluiceway.secret_blocks import SecretBlockKeys
from sluiceway.settings import Settings
from sluiceway.steps import approving
from sluiceway.steps.approving import Question
from sluiceway.wiring import opened
from tasks.retrying import side_effect
from tasks.rollouts import artifact_key

DEPLOYMENT = "approve/approve"
_TAG = "approval"
_PAGE = 200
_MOST_RUNS = 10
"""Flow runs that are started for one question; one that dies is followed by another."""


class Answer(RunInput):
    """The form. One without a required field would let an empty answer through."""

    decision: Literal["approve", "reject"]
    approver: str = Field(min_length=1, description="Your name, as it stands above.")
    one_time_code: str = Field(
        default="", description="The six digits that your app shows now; each counts once."
    )
    reason: str = Field(default="", description="Why; it is kept in the journal, with your name.")


@side_effect("ask approvers")
def ask_approvers(settings: Settings, as_of: datetime | None) -> None:
    """Let each open question have its flow run, and each answered one none.

    Without a Prefect server, or without the deployment, nothing is started: there
    ``sluiceway approve`` is the way.
    """
    if get_current_settings().api.url is None:
        return
    with opened(settings) as site:
        questions = approving.open_questions(site, now=as_of or datetime.now(UTC))
    with get_client(sync_client=True) as client:
        known = list(_runs(client, settings))
        wanted = {_tag(settings, one.rollout_id, one.name): one for one in questions}
        for run in known:
            if not _is_over(run) and wanted.keys().isdisjoint(run.tags):
                said: State[None] = Cancelled(
                    message="It was answered elsewhere, or waits for nobody any more."
                )
                client.set_flow_run_state(run.id, said, force=True)
        for tag, question in wanted.items():
            runs = [run for run in known if tag in run.tags]
            cancelled = any(run.state_type is StateType.CANCELLED for run in runs)
            if all(map(_is_over, runs)) and not cancelled and len(runs) < _MOST_RUNS:
                _start(settings, question, tag, len(runs), as_of)


def _start(
    settings: Settings, question: Question, tag: str, number: int, as_of: datetime | None
) -> None:
    try:
        run_deployment(
            DEPLOYMENT,
            parameters={
                "rollout_id": question.rollout_id,
                "question": question.name,
                "as_of": as_of,
            },
            timeout=0,
            tags=[_TAG, _environment_tag(settings), tag, f"rollout:{question.rollout_id}"],
            idempotency_key=f"{tag}:{number}",  # two workers start one
            as_subflow=False,
        )
    except ObjectNotFound:
        get_run_logger().info(
            "there is no deployment %s; approve with: sluiceway approve %s",
            DEPLOYMENT,
            question.rollout_id,
        )


@side_effect("open question")
def open_question(
    settings: Settings, rollout_id: str, question: str, now: datetime
) -> Question | None:
    """The question, as long as it is one."""
    with opened(settings) as site:
        return approving.open_question(site, rollout_id, question, now=now)


@side_effect("show question")
def show_question(settings: Settings, question: Question, fault: str | None) -> str:
    """Write the question, its evidence and pictures as an artifact.

    Returns:
        What the form is to say, with a link to the artifact. Links are relative, so that each of
        Prefect's two UIs stays by itself, wherever it is served.
    """
    said = fault or ""
    rollout = artifact_key(question.rollout_id)
    with opened(settings) as site:
        page = approving.page_of(site, question, fault=said, rollout_page=f"../key/{rollout}")
        key = artifact_key(f"{question.rollout_id}-{question.name}", kind="approval")
        made = create_markdown_artifact(
            page, key=key, description=f"what {question.name} is asked, with its evidence"
        )
        address = f"../../artifacts/artifact/{made}"
        return approving.form_of(site, question, fault=said, page=address)


@side_effect("write answer")
def write_answer(
    settings: Settings, question: Question, given: Answer, answer: str, now: datetime
) -> str | None:
    """Write down what somebody has answered; gives why it does not count, where it does not.

    Args:
        answer: Names this answer, so that a run that dies may give it again.
    """
    offered = Offered(code=given.one_time_code, answer=answer, at=datetime.now(UTC))
    with opened(settings) as site:
        return approving.answer_question(
            replace(site, approver_keys=keys_of(SecretBlockKeys())),
            question,
            given.decision,
            approver=given.approver.strip(),
            reason=given.reason,
            offered=offered,
            now=now,
        )


def _runs(client: SyncPrefectClient, settings: Settings) -> Iterator[FlowRun]:
    """Every flow run of an approval in this environment."""
    tags = FlowRunFilterTags(all_=[_TAG, _environment_tag(settings)])
    start = 0
    while found := client.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags=tags),
        sort=FlowRunSort.ID_DESC,
        limit=_PAGE,
        offset=start,
    ):
        start += len(found)
        yield from found


def _is_over(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def _environment_tag(settings: Settings) -> str:
    return f"environment:{settings.environment}"


def _tag(settings: Settings, rollout_id: str, question: str) -> str:
    return f"{_TAG}:{settings.environment}:{rollout_id}:{question}"


def form(settings: Settings, question: Question, fault: str | None) -> type[Answer]:
    """The form with the question above its fields."""
    return Answer.with_initial_data(description=show_question(settings, question, fault))


def seconds_left(question: Question, now: datetime) -> int | None:
    """How long the form stays open; None for as long as it takes."""
    if question.expires is None:
        return None
    return max(1, int((question.expires - now).total_seconds()))
