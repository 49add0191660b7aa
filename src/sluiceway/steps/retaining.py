"""What of rollouts that are over has been kept long enough."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sluiceway.serving.safe_defaults import versions_named
from sluiceway.steps.controlling import known_member
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


def named_artifacts(site: Site) -> frozenset[str]:
    """Digests of the versions that a gateway may have to load without asking the registry.

    Every generation's, for any may be put back; those of rollouts that are not over; and what flags
    pin.
    """
    journal, environment = site.journal, site.environment
    members = [
        member
        for generation in journal.generations(environment)
        for member in journal.release(environment, generation).members.values()
    ]
    for rollout_id in journal.rollouts(environment):
        state = site.state(rollout_id)
        if state.ended is None:
            plans = (state.proposed, state.plan, state.live_plan)
            members += [member for plan in plans if plan is not None for member in plan.members]
    for version in versions_named(site.systems.current()):
        with suppress(LookupError):
            members.append(known_member(site, *version))
    return frozenset(member.artifact_sha256 for member in members)
