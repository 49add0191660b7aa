"""What of rollouts that are over has been kept long enough."""

from datetime import datetime
from pathlib import Path

from sluiceway.steps.publishing import REPORT
from sluiceway.steps.site import Site


def old_reports(site: Site, *, now: datetime) -> tuple[Path, ...]:
    """Reports of rollouts that ended longer ago than the log of answers is kept.

    Only pages: a rollout's own system file stays, for its events are read by it; and a page can be
    drawn again from them.
    """
    keep = site.systems.current().logging.retention
    found = []
    for rollout_id in site.journal.rollouts(site.environment):
        state = site.state(rollout_id)
        if state.ended is None or state.unconfirmed:
            continue
        ended = site.journal.events(site.environment, rollout_id)[-1].at
        path = site.folder(rollout_id) / REPORT
        if now - ended > keep and path.exists():
            found.append(path)
    return tuple(found)
