"""When a notice becomes a message: each once a channel, not too many, failures in their turn."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from sluiceway.notices import Attempt, CameTo, Message, Notice, Tried
from sluiceway.system.notifications import Channel, NoticeCode, Notifications, Tier

NEWS_FOR: Final = timedelta(days=1)
"""What happened longer ago wakes nobody; it stands in the digest."""
ATTEMPTS: Final = 3
"""How often a message that failed is tried."""
RETRY_AFTER: Final = timedelta(minutes=2)
"""How long after a failure it is tried again; twice as long after each further one."""
CLAIMED_FOR: Final = timedelta(minutes=5)
"""How long whoever said that they send a message has for it, until another does."""


def due_messages(
    notices: Iterable[Notice], policy: Notifications, tried: Iterable[Tried], *, now: datetime
) -> tuple[Message, ...]:
    """What is to be sent now.

    A channel is told of one thing once. Beyond its rate, and after failures, things wait for the
    digest; nothing is lost but what failed several times, which :func:`failed_channels` tells.

    Args:
        notices: All that there is to tell, sent or not.
        tried: Every attempt so far, in order.
    """
    wanted, past = tuple(notices), tuple(tried)
    messages: list[Message] = []
    for channel in policy.channels.values():
        messages += _of_channel(channel, wanted, policy, past, now)
    return tuple(messages)


def _of_channel(
    channel: Channel,
    notices: tuple[Notice, ...],
    policy: Notifications,
    tried: tuple[Tried, ...],
    now: datetime,
) -> Iterator[Message]:
    mine = tuple(one for one in tried if one.attempt.channel == channel.name)
    room = channel.at_most - sum(
        one.attempt.came_to is not CameTo.CLAIMED and now - one.at < channel.within for one in mine
    )
    later: list[Notice] = []
    for notice in sorted(notices, key=lambda one: (_loudness(policy, one), one.at)):
        tier = policy.tier(notice.code)
        if not _is_told(channel, notice, tier, policy):
            continue
        past = [one for one in mine if notice.key in one.attempt.keys]
        if not _is_open(past, now):
            continue
        if tier is Tier.DIGEST or now - notice.at > NEWS_FOR or room <= 0:
            later.append(notice)
            continue
        room -= 1
        yield Message(
            keys=(notice.key,),
            channel=channel.name,
            tier=tier,
            title=notice.title,
            body=notice.body,
        )
    if later and _digest_is_due(mine, later, policy, now):
        yield _digest(channel, sorted(later, key=lambda one: one.at))


def _loudness(policy: Notifications, notice: Notice) -> int:
    return list(Tier).index(policy.tier(notice.code))


def _is_told(channel: Channel, notice: Notice, tier: Tier, policy: Notifications) -> bool:
    if notice.code is NoticeCode.CHANNEL_FAILED:  # whoever is told of all that has no owner
        told = {name for names in policy.otherwise.values() for name in names}
        return channel.name in told and not notice.key.startswith(_failed_key(channel.name, ""))
    return any(channel.name in policy.channels_of(owner, tier) for owner in notice.owners)


def _is_open(past: list[Tried], now: datetime) -> bool:
    """Whether something is still to be sent, and may be now."""
    if not past:
        return True
    last = past[-1]
    failures = sum(one.attempt.came_to is CameTo.FAILED for one in past)
    match last.attempt.came_to:
        case CameTo.SENT:
            return False
        case CameTo.CLAIMED:
            return now - last.at >= CLAIMED_FOR
        case CameTo.FAILED:
            return failures < ATTEMPTS and now - last.at >= RETRY_AFTER * 2 ** (failures - 1)


def _digest_is_due(
    mine: tuple[Tried, ...], waiting: list[Notice], policy: Notifications, now: datetime
) -> bool:
    """A digest is sent so long after the last one, or after what waits longest in the first."""
    digests = [
        one.at
        for one in mine
        if one.attempt.tier is Tier.DIGEST and one.attempt.came_to is CameTo.SENT
    ]
    since = digests[-1] if digests else min(one.at for one in waiting)
    return now - since >= policy.digest_every


def _digest(channel: Channel, notices: list[Notice]) -> Message:
    count = len(notices)
    return Message(
        keys=tuple(one.key for one in notices),
        channel=channel.name,
        tier=Tier.DIGEST,
        title=f"Sluiceway: {count} thing{'' if count == 1 else 's'} since the last digest",
        body="\n\n".join(
            f"{one.at:%Y-%m-%d %H:%M} UTC  {one.title}\n{one.body}" for one in notices
        ),
    )


def failed_channels(tried: Iterable[Tried]) -> tuple[Notice, ...]:
    """A notice a day for each channel that has given up on something."""
    failures: dict[tuple[tuple[str, ...], str], int] = {}
    found: dict[str, Notice] = {}
    for one in tried:
        attempt = one.attempt
        if attempt.came_to is not CameTo.FAILED:
            continue
        what = (attempt.keys, attempt.channel)
        failures[what] = failures.get(what, 0) + 1
        if failures[what] < ATTEMPTS:
            continue
        key = _failed_key(attempt.channel, f"{one.at:%Y-%m-%d}")
        found[key] = _failed(key, attempt, one.at)
    return tuple(found.values())


def _failed_key(channel: str, day: str) -> str:
    return f"{NoticeCode.CHANNEL_FAILED}:{channel}:{day}"


def _failed(key: str, attempt: Attempt, at: datetime) -> Notice:
    return Notice(
        key=key,
        code=NoticeCode.CHANNEL_FAILED,
        owners=(),
        at=at,
        title=f"the channel {attempt.channel} does not take messages",
        body=f"{attempt.fault}; it was tried {ATTEMPTS} times. Not told there: {attempt.title}",
    )
