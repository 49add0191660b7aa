"""The flow that puts an earlier generation back, by hand."""

from datetime import UTC, datetime

from prefect import flow

from flows.rollout import advance
from sluiceway.settings import Settings
from tasks import flow_runs, notifications, rollouts


@flow(name="rollback", flow_run_name="rollback to {to}", persist_result=False)
def rollback(
    reason: str, to: int | None = None, as_of: datetime | None = None, actor: str = "sluiceway"
) -> str:
    """Make an earlier generation serve again; every open rollout is aborted.

    Where a run dies half-way, the next run of this flow or of `evaluate_canaries` finishes it; this
    one then says that the generation serves already.

    Args:
        reason: Why, for the journal.
        to: The generation; None for the one before the present one.
        as_of: The time to take as now; None for the clock.
        actor: Who wants it.

    Returns:
        Id under which the journal keeps it.
    """
    flow_runs.sign_on()
    settings = Settings()
    now = as_of or datetime.now(UTC)
    try:
        rollback_id = rollouts.request_rollback(settings, to, reason, now, actor)
        advance(settings, rollback_id, as_of)
    finally:  # also what an earlier run, that died half-way, has left to do
        for rollout_id in rollouts.unfinished(settings):
            advance(settings, rollout_id, as_of)
        notifications.tell_people(settings, as_of)
    return rollback_id
