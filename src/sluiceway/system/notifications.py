"""By which channels people are told of what happens, and how loudly: a part of the system file.

The file names channels and never holds them: an address with a token in it is a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Tier(StrEnum):
    """How loudly somebody is told."""

    PAGE = "page"
    """At once, at any hour: something live is harmed, or was."""
    NOTIFY = "notify"
    """At once, to be read in working hours: something waits for somebody."""
    DIGEST = "digest"
    """Together with others, once in a while."""


class NoticeCode(StrEnum):
    """What people are told of."""

    ROLLED_BACK = "rolled_back"
    HALTED = "halted"
    ISOLATED = "isolated"
    RESTORED = "restored"
    UNWATCHED = "unwatched"
    ERRORED = "errored"
    APPROVAL_WANTED = "approval_wanted"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVER_LOCKED = "approver_locked"
    APPROVER_CHANGED = "approver_changed"
    DRIFT = "drift"
    DEPRECATION = "deprecation"
    STOPPED = "stopped"
    PROMOTED = "promoted"
    MOVED_BY_HAND = "moved_by_hand"
    VERSION_DELETED = "version_deleted"
    JOURNAL_ALTERED = "journal_altered"
    CHANNEL_FAILED = "channel_failed"


TIERS: Final[Mapping[NoticeCode, Tier]] = {
    NoticeCode.ROLLED_BACK: Tier.PAGE,
    NoticeCode.HALTED: Tier.PAGE,
    NoticeCode.ISOLATED: Tier.PAGE,
    NoticeCode.RESTORED: Tier.NOTIFY,
    NoticeCode.UNWATCHED: Tier.NOTIFY,
    NoticeCode.ERRORED: Tier.NOTIFY,
    NoticeCode.APPROVAL_WANTED: Tier.NOTIFY,
    NoticeCode.APPROVAL_EXPIRED: Tier.NOTIFY,
    NoticeCode.APPROVER_LOCKED: Tier.NOTIFY,
    NoticeCode.APPROVER_CHANGED: Tier.NOTIFY,
    NoticeCode.DRIFT: Tier.NOTIFY,
    NoticeCode.DEPRECATION: Tier.NOTIFY,
    NoticeCode.STOPPED: Tier.DIGEST,
    NoticeCode.PROMOTED: Tier.DIGEST,
    NoticeCode.MOVED_BY_HAND: Tier.NOTIFY,
    NoticeCode.VERSION_DELETED: Tier.NOTIFY,
    NoticeCode.JOURNAL_ALTERED: Tier.PAGE,
    NoticeCode.CHANNEL_FAILED: Tier.NOTIFY,
}
"""How loudly, where the system file says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to reach people.

    Attributes:
        address: ``env:NAME`` of the environment variable, or ``block:NAME`` of the Secret block of
            the Prefect server, that holds the Apprise URL.
        at_most: Messages within `within`; what is more waits for the digest.
    """

    name: str
    address: str
    at_most: int = 20
    within: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Who is told how.

    Attributes:
        owners: Names of channels by owner and tier; a tier that an owner does not have is told by
            `otherwise`.
        otherwise: Names of channels by tier, for all others.
        tiers: How loudly, where that is not what :data:`TIERS` says.
        digest_every: Least time between two digests of one channel.
    """

    channels: Mapping[str, Channel] = field(default_factory=dict)
    owners: Mapping[str, Mapping[Tier, tuple[str, ...]]] = field(default_factory=dict)
    otherwise: Mapping[Tier, tuple[str, ...]] = field(default_factory=dict)
    tiers: Mapping[NoticeCode, Tier] = field(default_factory=dict)
    digest_every: timedelta = timedelta(days=1)

    def tier(self, code: NoticeCode) -> Tier:
        """How loudly people are told of this."""
        return self.tiers.get(code, TIERS[code])

    def channels_of(self, owner: str, tier: Tier) -> tuple[str, ...]:
        """Names of the channels by which an owner is told, none where there are none."""
        return self.owners.get(owner, {}).get(tier) or self.otherwise.get(tier, ())


NOBODY_TOLD: Final = Notifications()
"""Where the system file says nothing of it."""
