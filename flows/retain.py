"""The scheduled flow that throws away what has been kept long enough."""

from datetime import UTC, datetime

from prefect import flow

from sluiceway.settings import Settings
from tasks import flow_runs, retention


@flow(name="retain", persist_result=False)
def retain(as_of: datetime | None = None) -> None:
    """Compact the log of answers, and drop old reports, unnamed files, and gateways that are gone.

    Args:
        as_of: The time to take as now; None for the clock.
    """
    flow_runs.sign_on()
    settings = Settings()
    retention.compact_log(settings)
    retention.drop_reports(settings, as_of or datetime.now(UTC))
    retention.drop_models(settings, as_of or datetime.now(UTC))
    retention.drop_heartbeats(settings)
