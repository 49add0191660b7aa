"""The tasks of what arrives in the registry, and of what was moved there by hand."""

from datetime import datetime

from prefect import get_run_logger

from sluiceway.settings import Settings
from sluiceway.steps import starting
from sluiceway.wiring import opened
from tasks.retrying import side_effect


@side_effect("start rollouts of registered versions")
def start_due(settings: Settings, now: datetime) -> tuple[str, ...]:
    """Ask for the rollout of every batch of registered versions that is whole and has none.

    Returns:
        Ids of those that began.
    """
    with opened(settings) as site:
        started = starting.start_due(site, now=now)
    for one in started:
        get_run_logger().info("%s begins for %s", one.rollout_id, ", ".join(one.members))
    return tuple(one.rollout_id for one in started)
