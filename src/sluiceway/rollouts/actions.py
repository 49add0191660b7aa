"""What a rollout can do next, as values; the flows only carry it out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sluiceway.rollouts.endings import ReasonCode
from sluiceway.rollouts.events import (
    Ended,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing can be done before a time, a person, or another rollout.

    Attributes:
        until: When it is worth looking again (UTC); None where a person or rollout decides.
        reason: For whom or what, in words.
        behind: The rollout that is waited for.
    """

    until: datetime | None
    reason: str
    behind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """Make serving and registry as the events want them, and observe it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MakePlan:
    """Look the candidate up and fix the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContracts:
    """Hold each candidate version against its contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayShadow:
    """Replay recorded traffic of this window through both chains (UTC, end exclusive)."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCanary:
    """Simulate, from what shadow measured, what the canary needs to finish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthenDeadline:
    """Give the canary more time than the policy does (both from the first step)."""

    before: timedelta
    after: timedelta
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestApproval:
    """Ask the owners."""

    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterStep:
    """Give the candidate this share of the units (percent)."""

    step: int
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Enter every block that has closed and matured, up to this one, into the evidence."""

    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFeatures:
    """Hold what the candidate's features were served as against what it was trained with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTraffic:
    """Take the candidate's traffic away, and go on measuring."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """Make the candidate release the champion, all its models at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """Decide that the candidate goes."""

    code: ReasonCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreChampion:
    """Move the champion pointer back to what served before the promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnose:
    """Find where the live harm came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanWayBack:
    """Work out whether only the origin of the harm has to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServePart:
    """Move the champion pointer to what may stay of the release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowCanary:
    """Let what may stay of the release go on in canary by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """Tell people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Write the last event."""

    ended: Ended


Action = (
    Rest
    | Wait
    | Reconcile
    | MakePlan
    | CheckContracts
    | ReplayShadow
    | PlanCanary
    | LengthenDeadline
    | RequestApproval
    | EnterStep
    | Look
    | AuditFeatures
    | StopTraffic
    | Promote
    | RollBack
    | RestoreChampion
    | Diagnose
    | PlanWayBack
    | ServePart
    | NarrowCanary
    | OpenIncident
    | End
)
