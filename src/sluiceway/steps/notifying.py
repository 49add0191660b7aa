"""Telling people what the journal says they are to be told; what became of it stands there too.

A message is claimed before it is sent and written down after: of two workers one sends it, and one
that dies in between leaves a claim that runs out. So nothing is lost, and at worst told twice.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Protocol

from sluiceway.journal import Draft, JournalConflict
from sluiceway.notices import Attempt, CameTo, Message, Notice, Tried
from sluiceway.notifying import TOLD_OF, due_messages, failed_channels, notices_of
from sluiceway.rollouts.events import Notified, draft, happening
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.chain import JournalAltered
from sluiceway.steps.site import Site
from sluiceway.system.notifications import Channel, NoticeCode
from sluiceway.system.values import System

STREAM: Final = "notifications"
"""Under which the journal keeps who was told of what."""
HORIZON: Final = timedelta(days=7)
"""What happened longer ago is told to nobody any more; at least two digests' time."""


class Send(Protocol):
    """Sends one message by one channel."""

    def __call__(self, channel: Channel, message: Message) -> str | None:
        """Send it; gives why that failed, without the address, or None where it did not."""


def tell_people(site: Site, send: Send, *, now: datetime) -> tuple[Attempt, ...]:
    """Send everything that is to be sent now, and write down what became of it.

    A channel that fails is written down as well and stops nothing.

    Returns:
        What was tried now.
    """
    system = site.systems.current()
    policy = system.notifications
    if not policy.channels:
        return ()
    notices = notices_since(site, system, now=now)
    came: list[Attempt] = []
    while True:
        tried, seq = _read(site)
        due = due_messages((*notices, *failed_channels(tried)), policy, tried, now=now)
        if not due:
            return tuple(came)
        message = due[0]
        claim = _attempt(message, CameTo.CLAIMED)
        try:
            site.journal.append(site.environment, STREAM, [_told(claim, now)], after=seq)
        except JournalConflict:
            continue  # another worker was faster; what it claimed is not due any more
        fault = send(policy.channels[message.channel], message)
        attempt = _attempt(message, CameTo.SENT if fault is None else CameTo.FAILED, fault)
        _write(site, attempt, now=now)
        came.append(attempt)


class Told(Protocol):
    """Remembers what was told by which channel, where the journal cannot."""

    def __contains__(self, told: tuple[str, str]) -> bool:
        """Whether this key was told by this channel."""

    def add(self, key: str, channel: str) -> None:
        """It was."""


def tell_altered(
    site: Site, send: Send, told: Told, altered: JournalAltered, *, now: datetime
) -> None:
    """Tell everybody that the journal is broken, which it cannot keep itself; each channel once.

    A channel that fails is asked again by the next look.
    """
    system = site.systems.current()
    notice = Notice(
        key=f"{NoticeCode.JOURNAL_ALTERED}:{site.environment}:{altered.faults[0]}",
        code=NoticeCode.JOURNAL_ALTERED,
        owners=tuple(system.owners),
        at=now,
        title=f"the journal of {site.environment} was altered or has lost events",
        body=f"{altered}.",
    )
    for message in due_messages([notice], system.notifications, (), now=now):
        if (notice.key, message.channel) in told:
            continue
        if send(system.notifications.channels[message.channel], message) is None:
            told.add(notice.key, message.channel)


def attempts(site: Site) -> tuple[Tried, ...]:
    """Every attempt to tell somebody something, in order."""
    return _read(site)[0]


def notices_since(site: Site, system: System, *, now: datetime) -> tuple[Notice, ...]:
    """All that there is to tell of the last days, told or not."""
    horizon = max(HORIZON, 2 * system.notifications.digest_every)
    found: list[Notice] = []
    states: dict[str, RolloutState] = {}
    for event in site.journal.chain(site.environment):
        if event.kind not in TOLD_OF or not timedelta(0) <= now - event.at <= horizon:
            continue
        state = states.setdefault(event.rollout_id, site.state(event.rollout_id))
        kept = system if state.requested is None else site.systems.kept(event.rollout_id)
        found += notices_of(event, happening(event), kept, state)
    return tuple(_newest(found))


def _newest(notices: list[Notice]) -> Iterator[Notice]:
    """Of one key the first: what follows is no news."""
    seen: set[str] = set()
    for notice in notices:
        if notice.key not in seen:
            seen.add(notice.key)
            yield notice


def _attempt(message: Message, came_to: CameTo, fault: str | None = None) -> Attempt:
    return Attempt(
        keys=message.keys,
        channel=message.channel,
        tier=message.tier,
        came_to=came_to,
        title=message.title,
        fault=fault,
    )


def _read(site: Site) -> tuple[tuple[Tried, ...], int]:
    """Every attempt, and how many events the stream has."""
    events = site.journal.events(site.environment, STREAM)
    told = ((event.at, happening(event)) for event in events)
    tried = (Tried(attempt=one.attempt, at=at) for at, one in told if isinstance(one, Notified))
    return tuple(tried), len(events)


def _write(site: Site, attempt: Attempt, *, now: datetime) -> None:
    while True:
        _, seq = _read(site)
        try:
            site.journal.append(site.environment, STREAM, [_told(attempt, now)], after=seq)
        except JournalConflict:
            continue
        return


def _told(attempt: Attempt, now: datetime) -> Draft:
    return draft(Notified(attempt=attempt), at=now)
