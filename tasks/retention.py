"""The tasks that throw away what has been kept long enough."""

from datetime import UTC, datetime, timedelta
from typing import Final

from prefect import get_run_logger

from sluiceway.adapters.kept_models import drop_unnamed
from sluiceway.adapters.live_log.compaction import compact
from sluiceway.adapters.observed_routing import Gateways
from sluiceway.settings import Settings
from sluiceway.steps.retaining import named_artifacts, old_reports
from sluiceway.system.file import read_system
from sluiceway.wiring import opened
from tasks.retrying import side_effect

_GONE: Final = timedelta(days=1)
"""How long a gateway has been silent when its heartbeat is thrown away."""


@side_effect("compact the log")
def compact_log(settings: Settings) -> None:
    """Move what gateways logged into dated files, and drop what is older than the policy keeps."""
    retention = read_system(settings.system).logging.retention
    log = settings.serving_folder / "log.db"
    if log.exists():
        compact(settings.prediction_folder, log, retention=retention)


@side_effect("drop old reports")
def drop_reports(settings: Settings, now: datetime) -> int:
    """Throw away the pages of rollouts that ended long ago; MLflow keeps its copy of each.

    Returns:
        How many.
    """
    with opened(settings) as site:
        found = old_reports(site, now=now)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


@side_effect("drop files of versions that nobody names")
def drop_models(settings: Settings, now: datetime) -> int:
    """Throw away the kept files of versions that no generation, open rollout or flag names.

    Returns:
        How many.
    """
    with opened(settings) as site:
        named = named_artifacts(site)
    gone = drop_unnamed(settings.serving_folder / "models", named, now=now)
    for name in gone:
        get_run_logger().info("the files of %s are named by nobody any more", name[:12])
    return len(gone)


@side_effect("drop heartbeats of gateways that are gone")
def drop_heartbeats(settings: Settings) -> int:
    """Throw away what gateways that ended long ago said last.

    Returns:
        How many.
    """
    gone = [
        one
        for one in Gateways(settings.heartbeat_folder).all()
        if datetime.now(UTC) - one.at > _GONE
    ]
    for one in gone:
        (settings.heartbeat_folder / f"{one.instance}.json").unlink(missing_ok=True)
        get_run_logger().info("%s has said nothing since %s", one.instance, one.at)
    return len(gone)
