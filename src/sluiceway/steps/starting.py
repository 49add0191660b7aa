"""Starting the rollouts of versions that were registered: each content once, whoever asks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sluiceway.arrivals import Batch, batches
from sluiceway.journal import JournalConflict
from sluiceway.releases import parse_member_name
from sluiceway.steps.requests import place
from sluiceway.steps.site import Site
from sluiceway.system.arriving import Start
from sluiceway.system.values import System

ADOPTION: Final = "adoption"
"""Under which the journal keeps that an environment was adopted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A rollout that began by itself."""

    rollout_id: str
    members: tuple[str, ...]


def start_due(site: Site, *, now: datetime) -> tuple[Started, ...]:
    """Ask for the rollout of every batch of versions that is whole and has none.

    The registry is read, not believed from somebody; and a request rests on the journal's head, so
    of two who start at once one does.

    Raises:
        RegistryUnavailable: The registry did not answer; what was started before stays started.
    """
    system = site.systems.current()
    if system.policies.arrivals.start is Start.MANUAL:
        return ()
    started: list[Started] = []
    while True:
        head = site.journal.head(site.environment)
        due = [batch for batch in waiting(site, system) if batch.due <= now]
        if not due:
            return tuple(started)
        batch = due[0]
        members = dict(parse_member_name(name) for name in batch.members)
        try:
            rollout_id = place(
                site, system, members, now=now, actor=batch.by or "sluiceway", head=head
            )
        except JournalConflict:
            continue
        started.append(Started(rollout_id=rollout_id, members=batch.members))


def waiting(site: Site, system: System) -> tuple[Batch, ...]:
    """Every batch of registered versions that has no rollout, due or not, first come first.

    Nothing is waiting before something was adopted.
    """
    adopted = site.journal.events(site.environment, ADOPTION)
    if not adopted:
        return ()
    arrivals = [one for model in system.models for one in site.registry.arrivals(model)]
    return batches(
        arrivals,
        known=_known(site),
        since=adopted[0].at,
        policy=system.policies.arrivals,
    )


def _known(site: Site) -> frozenset[str]:
    """``model@version`` of all that was ever asked for, or ever served."""
    found: set[str] = set()
    for rollout_id in site.journal.rollouts(site.environment):
        requested = site.state(rollout_id).requested
        if requested is not None:
            found.update(requested.members)
    for generation in site.journal.generations(site.environment):
        members = site.journal.release(site.environment, generation).members.values()
        found.update(member.name for member in members)
    return frozenset(found)
