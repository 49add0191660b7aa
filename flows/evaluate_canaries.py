"""The scheduled flow: look at every rollout that is not over, and do what is due."""

from datetime import UTC, datetime

from prefect import flow

from flows.rollout import advance
from sluiceway.settings import Settings
from tasks import approvals, flow_runs, notifications, rollouts


@flow(name="evaluate-canaries", persist_result=False)
def evaluate_canaries(as_of: datetime | None = None) -> list[str]:
    """Advance every unfinished rollout; one that fails does not keep the others.

    Before that, whatever was changed behind the journal's back is put back.

    What a run that died could not show any more is shown. Who is waited for is asked, and asked no
    more once they have answered elsewhere.

    Args:
        as_of: The time to take as now; None for the clock.

    Returns:
        Ids of the rollouts that were looked at.

    Raises:
        ExceptionGroup: With the errors of those that failed, after all had their turn.
    """
    flow_runs.sign_on()
    settings = Settings()
    rollouts.restore(settings, as_of or datetime.now(UTC))
    looked_at = rollouts.unfinished(settings)
    failed: list[Exception] = []
    for rollout_id in looked_at:
        try:
            advance(settings, rollout_id, as_of)
        except Exception as error:  # noqa: BLE001 - whatever it was, the others have their turn
            failed.append(error)
    for rollout_id in set(rollouts.unpublished(settings)).difference(looked_at):
        try:
            rollouts.publish(settings, rollout_id)
        except Exception as error:  # noqa: BLE001 - as above
            failed.append(error)
    approvals.ask_approvers(settings, as_of)
    notifications.tell_people(settings, as_of)
    if failed:
        raise ExceptionGroup("rollouts that could not be advanced", failed)
    return list(looked_at)
