"""The scheduled flow that makes the world agree with the journal, whatever was lost or moved."""

from datetime import UTC, datetime

from prefect import flow

from sluiceway.settings import Settings
from tasks import approvals, flow_runs, notifications, registrations, rollouts
from tasks.turns import Turns


@flow(name="reconcile", persist_result=False)
def reconcile(as_of: datetime | None = None) -> list[str]:
    """Put back what was moved by hand, start what a lost event missed, go on with what stopped.

    It needs no webhook: where a registry has none, versions are found by it.

    Args:
        as_of: The time to take as now; None for the clock.

    Returns:
        Ids of the rollouts that began.

    Raises:
        JournalAltered: The journal is not what was written; nothing was done.
        ExceptionGroup: With what failed, after all had its turn.
    """
    flow_runs.sign_on()
    settings, now = Settings(), as_of or datetime.now(UTC)
    notifications.check_journal(settings)
    turns = Turns()
    turns.take(rollouts.restore, settings, now)
    began = turns.take(registrations.start_due, settings, now)
    turns.take(flow_runs.take_up, settings, None, as_of)
    turns.take(approvals.ask_approvers, settings, as_of)
    turns.take(notifications.tell_people, settings, as_of)
    turns.end("what could not be done")
    return list(began or ())
