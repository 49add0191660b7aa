"""People are told once, at the right moment, and not so often that they stop listening."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sluiceway.notices import Attempt, CameTo, Message, Notice, Tried
from sluiceway.notifying import ATTEMPTS, NEWS_FOR, due_messages, failed_channels
from sluiceway.notifying.sending import CLAIMED_FOR, RETRY_AFTER
from sluiceway.system.notifications import (
    TIERS,
    Channel,
    NoticeCode,
    Notifications,
    Tier,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PAGER = Channel(name="pager", address="env:PAGER", at_most=2)
CHAT = Channel(name="chat", address="env:CHAT")
POST = Channel(name="post", address="block:post")
POLICY = Notifications(
    channels={one.name: one for one in (PAGER, CHAT, POST)},
    owners={"risk": {Tier.PAGE: ("pager", "chat"), Tier.NOTIFY: ("chat",)}},
    otherwise={Tier.PAGE: ("post",), Tier.NOTIFY: ("post",), Tier.DIGEST: ("post",)},
)


def notice(
    number: int = 1,
    code: NoticeCode = NoticeCode.ROLLED_BACK,
    *owners: str,
    at: datetime = NOW,
) -> Notice:
    return Notice(
        key=f"{code}:r{number}",
        code=code,
        owners=owners or ("risk",),
        at=at,
        title=f"title {number}",
        body=f"body {number}",
    )


def came(message: Message, to: CameTo, at: datetime = NOW) -> Tried:
    attempt = Attempt(
        keys=message.keys,
        channel=message.channel,
        tier=message.tier,
        came_to=to,
        title=message.title,
        fault="it is away" if to is CameTo.FAILED else None,
    )
    return Tried(attempt=attempt, at=at)


def due(*notices: Notice, tried: tuple[Tried, ...] = (), at: datetime = NOW) -> list[Message]:
    return list(due_messages(notices, POLICY, tried, now=at))


def channels(messages: list[Message]) -> list[tuple[str, Tier]]:
    return [(one.channel, one.tier) for one in messages]


def test_every_code_has_a_tier_and_the_system_file_may_say_another() -> None:
    assert set(TIERS) == set(NoticeCode)
    quieter = replace(POLICY, tiers={NoticeCode.DRIFT: Tier.DIGEST})
    assert quieter.tier(NoticeCode.DRIFT) is Tier.DIGEST
    assert quieter.tier(NoticeCode.HALTED) is Tier.PAGE


def test_an_owner_is_told_by_their_channels_and_else_by_the_others() -> None:
    assert channels(due(notice())) == [("pager", Tier.PAGE), ("chat", Tier.PAGE)]
    assert channels(due(notice(1, NoticeCode.DRIFT))) == [("chat", Tier.NOTIFY)]
    assert channels(due(notice(1, NoticeCode.DRIFT, "desk"))) == [("post", Tier.NOTIFY)]
    assert due(notice(1, NoticeCode.DRIFT, "desk", "desk", "finance")) == due(
        notice(1, NoticeCode.DRIFT, "desk")
    ), "owners who share a channel are told there once"


def test_nobody_is_told_twice() -> None:
    first = due(notice())
    sent = tuple(came(one, CameTo.SENT) for one in first)
    assert due(notice(), tried=sent) == []
    assert channels(due(notice(), tried=sent[:1])) == [("chat", Tier.PAGE)]


def test_a_claim_keeps_others_from_sending_until_it_runs_out() -> None:
    claimed = tuple(came(one, CameTo.CLAIMED) for one in due(notice()))
    assert due(notice(), tried=claimed, at=NOW + CLAIMED_FOR - timedelta(seconds=1)) == []
    assert len(due(notice(), tried=claimed, at=NOW + CLAIMED_FOR)) == 2


def test_a_failure_is_tried_again_a_few_times_then_told_to_others() -> None:
    (message,) = due(notice(1, NoticeCode.DRIFT))
    tried: tuple[Tried, ...] = ()
    at = NOW
    for number in range(ATTEMPTS):
        assert due(notice(1, NoticeCode.DRIFT), tried=tried, at=at) == [message]
        assert failed_channels(tried) == ()
        tried += (came(message, CameTo.CLAIMED, at), came(message, CameTo.FAILED, at))
        assert due(notice(1, NoticeCode.DRIFT), tried=tried, at=at) == []
        at += RETRY_AFTER * 2**number
    assert due(notice(1, NoticeCode.DRIFT), tried=tried, at=at + timedelta(days=3)) == []
    (told,) = failed_channels(tried)
    assert told.title == "the channel chat does not take messages"
    assert told.body == "it is away; it was tried 3 times. Not told there: title 1"
    assert channels(due(told, tried=tried, at=at)) == [("post", Tier.NOTIFY)]


def test_a_channel_is_not_told_of_its_own_failure() -> None:
    message = replace(due(notice(1, NoticeCode.DRIFT, "desk"))[0])
    tried = tuple(came(message, CameTo.FAILED) for _ in range(ATTEMPTS))
    (told,) = failed_channels(tried)
    assert due(told, tried=tried) == []


def test_beyond_its_rate_a_channel_collects() -> None:
    many = [notice(number) for number in range(5)]
    first = [one for one in due(*many) if one.channel == "pager"]
    assert [one.title for one in first] == ["title 0", "title 1"]
    sent = tuple(came(one, CameTo.SENT) for one in first)
    assert [m for m in due(*many, tried=sent) if m.channel == "pager"] == []
    later = NOW + timedelta(hours=1)
    paged = [m.title for m in due(*many, tried=sent, at=later) if m.channel == "pager"]
    assert paged == ["title 2", "title 3"], "room again, and the rest is still news"


def test_pages_come_before_whatever_else_wants_the_room() -> None:
    policy = replace(POLICY, owners={"risk": {Tier.PAGE: ("pager",), Tier.NOTIFY: ("pager",)}})
    quiet = [notice(number, NoticeCode.DRIFT, at=NOW - timedelta(hours=1)) for number in range(3)]
    loud = notice(9)
    found = due_messages([*quiet, loud], policy, (), now=NOW)
    assert [one.title for one in found] == ["title 9", "title 0"]


def test_a_digest_collects_what_can_wait() -> None:
    day = timedelta(days=1)
    some = [notice(number, NoticeCode.PROMOTED, "desk") for number in range(3)]
    assert due(*some) == []
    (digest,) = due(*some, at=NOW + day)
    assert digest.title == "Sluiceway: 3 things since the last digest"
    assert digest.body.count("UTC  title") == 3
    sent = (came(digest, CameTo.SENT, NOW + day),)
    assert due(*some, tried=sent, at=NOW + 9 * day) == []
    more = notice(7, NoticeCode.PROMOTED, "desk", at=NOW + day)
    assert due(*some, more, tried=sent, at=NOW + 2 * day - timedelta(seconds=1)) == []
    (second,) = due(*some, more, tried=sent, at=NOW + 2 * day)
    assert second.keys == (more.key,)


@pytest.mark.parametrize("code", [NoticeCode.ROLLED_BACK, NoticeCode.APPROVAL_WANTED])
def test_what_is_old_wakes_nobody_and_stands_in_the_digest(code: NoticeCode) -> None:
    late = notice(1, code, "desk", at=NOW - NEWS_FOR - timedelta(seconds=1))
    (message,) = due(late)
    assert message.tier is Tier.DIGEST
    assert message.keys == (late.key,)


def test_without_channels_nothing_is_sent() -> None:
    assert due_messages([notice()], Notifications(), (), now=NOW) == ()
