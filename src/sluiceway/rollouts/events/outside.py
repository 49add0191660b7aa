"""What comes in from people and the registry, and what goes out to people, beside all rollouts."""

from dataclasses import dataclass

from sluiceway.notices import Attempt
from sluiceway.registrations import Registration
from sluiceway.rights import Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTried:
    """Somebody was to prove who they are, with a one-time code."""

    tried: Tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """Somebody was, or was to be, told of something."""

    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationHeard:
    """The registry has a new version; whoever starts rollouts was told."""

    registration: Registration
