"""What becomes of versions that are registered, and of what is changed by hand in the registry."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Start(StrEnum):
    """Who starts the rollout of a version that was registered."""

    AUTOMATIC = "automatic"
    """It starts by itself."""
    MANUAL = "manual"
    """Somebody does, by command."""


class ByHand(StrEnum):
    """What becomes of an alias of ours that somebody moved in the registry."""

    RESTORE = "restore"
    """It is put back."""
    ACCEPT = "accept"
    """It stays until the journal next wants another one; what serves is the journal's champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalPolicy:
    """How versions that were registered come to a rollout.

    Attributes:
        window: Versions without a release's name that were registered no further apart are one
            release; zero makes each its own.
        release_window: How long after its last version a named release is taken to be whole.
        by_hand: What becomes of aliases that were moved by hand.
    """

    start: Start = Start.AUTOMATIC
    window: timedelta = timedelta(0)
    release_window: timedelta = timedelta(seconds=30)
    by_hand: ByHand = ByHand.RESTORE


AT_ONCE: Final = ArrivalPolicy()
"""The policy where the system file says nothing of it."""
