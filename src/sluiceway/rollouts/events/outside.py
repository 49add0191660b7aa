"""What comes in from people and the registry, and what goes out to people, beside all rollouts."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluiceway.notices import Attempt
from sluiceway.registrations import Registration
from sluiceway.rights import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTried:
    """Somebody was to prove who they are, with a one-time code."""

    tried: Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverEnrolled:
    """Somebody is given a key to prove who they are.

    Attributes:
        approver: Whose key it is.
        kept_in: Where it is kept, in words; never the key.
        replaced: Whether it takes the place of another, whose codes end.
    """

    approver: str
    kept_in: str
    replaced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproverRemoved:
    """Somebody's key is taken away: their codes prove nothing any more.

    Attributes:
        approver: Whose key it was.
        kept_in: Where it was kept, in words.
    """

    approver: str
    kept_in: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """Somebody was, or was to be, told of something."""

    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationHeard:
    """The registry has a new version; whoever starts rollouts was told."""

    registration: Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasesMoved:
    """Somebody moved aliases of ours in the registry.

    Attributes:
        model: Whose they are.
        wanted: Version by alias, as the journal wanted it.
        seen: The same, as the registry had it.
        accepted: Whether they stay so until the journal next wants others; else they go back.
    """

    model: str
    wanted: Mapping[str, str]
    seen: Mapping[str, str]
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDeleted:
    """Somebody deleted a version in the registry that the journal still has a use for.

    Attributes:
        aliases: Those of ours that belong to it and that nothing can bear any more, sorted.
    """

    model: str
    version: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingMoved:
    """Somebody changed what gateways read; it is put back.

    Attributes:
        what: What it was, in words.
    """

    what: str
