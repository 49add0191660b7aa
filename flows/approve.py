"""The flow that asks a person: a form in the Prefect UI, and one event at its end."""

from datetime import UTC, datetime
from itertools import count

from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.runtime import flow_run

from sluiceway.settings import Settings
from tasks import approvals, flow_runs


@flow(name="approve", flow_run_name="approve {rollout_id} for {question}", persist_result=True)
def approve(rollout_id: str, question: str, as_of: datetime | None = None) -> str:
    """Ask until somebody who may has answered, or nobody has to any more.

    It is suspended while it waits, holds nothing, and begins from the top when it goes on: what was
    answered before is read again and writes nothing twice. No answer in time is a no, which the
    rollout's next look writes down. Once it is answered, the rollout goes on at once.

    Args:
        rollout_id: The rollout that waits.
        question: The owner or role that is asked.
        as_of: The time to take as now; None for the clock. Codes count by the clock.

    Returns:
        How it was answered.
    """
    flow_runs.sign_on()
    settings = Settings()
    fault: str | None = None
    for number in count(1):
        now = as_of or datetime.now(UTC)
        asked = approvals.open_question(settings, rollout_id, question, now)
        if asked is None:
            flow_runs.take_up(settings, [rollout_id], as_of)
            return f"{rollout_id} waits for no answer of {question} any more"
        given = suspend_flow_run(
            wait_for_input=approvals.form(settings, asked, fault),
            key=f"answer-{number}",
            timeout=approvals.seconds_left(asked, now),
        )
        name = f"{flow_run.id}:{number}"
        fault = approvals.write_answer(settings, asked, given, name, now)
    raise AssertionError("counting has no end")
