"""The scheduled flow that ends what died and goes on with what it was about."""

from datetime import datetime

from prefect import flow

from sluiceway.settings import Settings
from tasks import flow_runs


@flow(name="reap", persist_result=False)
def reap(as_of: datetime | None = None) -> list[str]:
    """End flow runs whose process or worker has died; their rollouts go on where the journal says.

    Args:
        as_of: The time to take as now in rollouts; None for the clock.

    Returns:
        Ids of the rollouts for which another run begins.
    """
    flow_runs.sign_on()
    flow_runs.reap()
    return list(flow_runs.take_up(Settings(), None, as_of))
