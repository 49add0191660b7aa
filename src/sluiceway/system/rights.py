"""Who may decide what: the part of a system's policies that is about people."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Risk(StrEnum):
    """How much harm a model can do when it is wrong."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def size(self) -> int:
        """Place in the order low < medium < high, from 0."""
        return list(Risk).index(self)


class ChangeClass(StrEnum):
    """How much a version changes of what was promised; the words of semantic versions."""

    PATCH = "patch"
    """A new version whose contract promises and demands the same."""
    MINOR = "minor"
    MAJOR = "major"

    @property
    def size(self) -> int:
        """Place in the order patch < minor < major, from 0."""
        return list(ChangeClass).index(self)


class Among(StrEnum):
    """Whose risk counts."""

    MEMBERS = "members"
    """The versions that are rolled out."""
    RADIUS = "radius"
    """Those and every model that their answers reach."""


class Proof(StrEnum):
    """How an approver shows who they are."""

    NONE = "none"
    """By saying so."""
    TOTP = "totp"
    """By a one-time code of their authenticator app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Who must approve where a rollout is of this kind; all conditions that are set must hold.

    Attributes:
        risk: A model of this risk or a higher one; None does not ask for the risk.
        among: Whose risk counts. With MEMBERS and `change`, one and the same model must meet both.
        change: A member changes at least so much; None does not ask for the change.
        ask: Owners, and roles that owners hold; each of them must approve.
        people: How many different people of each must.
    """

    risk: Risk | None = None
    among: Among = Among.RADIUS
    change: ChangeClass | None = None
    ask: tuple[str, ...]
    people: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsPolicy:
    """What people must have said before something goes live, changes for others, or goes away.

    Attributes:
        rules: Who approves what, besides those who are always asked.
        own: Whether who asked for a rollout may approve it.
        proof: How who answers shows that it is they.
        expires: How long an approval is waited for, until the rollout is rejected; None for ever.
        notice: Shortest time from when a deprecation was told to when the field is removed.
        stale_after: Age from which on a promise's reference is called stale.
        expiring_within: How long before its end an ignore or acknowledgement is called expiring.
    """

    rules: tuple[ApprovalRule, ...] = ()
    own: bool = True
    proof: Proof = Proof.NONE
    expires: timedelta | None = None
    notice: timedelta = timedelta(days=30)
    stale_after: timedelta = timedelta(days=180)
    expiring_within: timedelta = timedelta(days=14)


UNSAID: Final = RightsPolicy()
"""The policy where the system file says nothing of it."""
