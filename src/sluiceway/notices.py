"""What people are told, and what became of telling them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sluiceway.system.notifications import NoticeCode, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell some owners.

    Attributes:
        key: What it is about. Nobody is told twice of the same key by the same channel.
        owners: Whom it concerns.
        at: When it happened (UTC).
        title: One line.
        body: What happened, why, and what to do.
    """

    key: str
    code: NoticeCode
    owners: tuple[str, ...]
    at: datetime
    title: str
    body: str


class CameTo(StrEnum):
    """What became of a message."""

    CLAIMED = "claimed"
    """Somebody is about to send it."""
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One message to one channel.

    Attributes:
        keys: What it tells; several in a digest.
        fault: Why it failed, without the address; None where it did not.
    """

    keys: tuple[str, ...]
    channel: str
    tier: Tier
    came_to: CameTo
    title: str
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An attempt, and when it was made (UTC)."""

    attempt: Attempt
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be sent now, by one channel."""

    keys: tuple[str, ...]
    channel: str
    tier: Tier
    title: str
    body: str
