"""The flow that an event of the registry starts: versions that wait for a rollout get one."""

from datetime import UTC, datetime

from prefect import flow

from sluiceway.settings import Settings
from tasks import flow_runs, registrations


@flow(name="on-registration", flow_run_name="on registration of {named}", persist_result=False)
def on_registration(
    named: str = "a version",  # noqa: ARG001 - for people, in the run's name
    as_of: datetime | None = None,
) -> list[str]:
    """Start the rollout of every release that is whole and has none.

    What was named is a hint: the registry is read. What is not whole yet is started by `reconcile`.

    Args:
        named: ``MODEL@VERSION`` that is said to have been registered; for people to read.
        as_of: The time to take as now; None for the clock.

    Returns:
        Ids of the rollouts that began.
    """
    flow_runs.sign_on()
    settings = Settings()
    began = registrations.start_due(settings, as_of or datetime.now(UTC))
    flow_runs.take_up(settings, began, as_of)
    return list(began)
