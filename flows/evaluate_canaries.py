"""The scheduled flow: look at every rollout that is not over, and do what is due."""

from datetime import UTC, datetime

from prefect import flow

from flows.rollout import advance
from sluiceway.settings import Settings
from tasks import approvals, flow_runs, notifications, rollouts
from tasks.turns import Turns


@flow(name="evaluate-canaries", persist_result=False)
def evaluate_canaries(as_of: datetime | None = None) -> list[str]:
    """Advance every unfinished rollout; one that fails does not keep the others.

    Before that, whatever was changed behind the journal's back is put back.

    What a run that died could not show any more is shown. Who is waited for is asked, and asked no
    more once they have answered elsewhere. A look that its schedule began leaves alone what was
    asked for as of another time.

    Args:
        as_of: The time to take as now; None for the clock.

    Returns:
        Ids of the rollouts that were looked at.

    Raises:
        JournalAltered: The journal is not what was written; nothing was done.
        ExceptionGroup: With the errors of those that failed, after all had their turn.
    """
    scheduled = flow_runs.sign_on()
    settings = Settings()
    notifications.check_journal(settings)
    turns = Turns()
    turns.take(rollouts.restore, settings, as_of or datetime.now(UTC))
    looked_at = rollouts.unfinished(settings, by_clock=scheduled)
    for rollout_id in looked_at:
        turns.take(advance, settings, rollout_id, as_of)
    for rollout_id in set(rollouts.unpublished(settings)).difference(looked_at):
        turns.take(rollouts.publish, settings, rollout_id)
    turns.take(approvals.ask_approvers, settings, as_of)
    turns.take(notifications.tell_people, settings, as_of)
    turns.end("what could not be done")
    return list(looked_at)
