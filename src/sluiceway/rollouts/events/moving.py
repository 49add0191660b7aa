"""What moves the champion pointer, and how a rollout goes back and ends."""

from dataclasses import dataclass

from sluiceway.attribution import Attribution, Origin
from sluiceway.gates import Verdict
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What serves already was declared to be the champion, without a rollout."""

    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """The champion pointer moved to the candidate release, in this event's transaction.

    Attributes:
        release: Content hash of what serves from here on.
        previous_release: Content hash of what served before.
    """

    release: str
    previous_release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackDecided:
    """The candidate is to lose its traffic, or the champion pointer to move back."""

    code: ReasonCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionRestored:
    """The champion pointer moved back, in this event's transaction."""

    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosed:
    """Where the live harm came from; None and a fault where that could not be found out."""

    attribution: Attribution | None
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReplayed:
    """Recorded traffic was replayed through what is left without the version that broke a rule.

    Attributes:
        stays: The versions that are left.
        rows: Recorded units that were replayed.
        fault: Why there is no evidence; None where there is.
        seconds: Wall time.
    """

    stays: tuple[Member, ...]
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    rows: int
    fault: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBackPlanned:
    """What of a release that failed goes back was worked out: only the origin, where that fits.

    Attributes:
        back: Models that go back, sorted.
        stays: The versions that may stay; empty where the whole release goes back.
        release: Content hash of what is to serve then, on top of the champion of that moment;
            None where the whole release goes back.
        reason: In words, with why more goes back than what is bad.
    """

    back: tuple[str, ...]
    stays: tuple[Member, ...]
    release: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartServed:
    """The champion pointer moved to what may stay of a release, in this event's transaction.

    Attributes:
        release: Content hash of what serves from here on.
    """

    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened:
    """People are told.

    Attributes:
        title: One line.
        owners: Who is told.
    """

    title: str
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """Serving and registry were *observed* to be as the events up to `seq` want them.

    Attributes:
        seq: The last event that was taken into account.
        revision: Revision of the routing table that was observed.
    """

    seq: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The rollout is over.

    Attributes:
        must_go_with: ``model@version`` of what would have to go along; empty where that is not why.
    """

    ending: Ending
    phase: Phase
    code: ReasonCode
    reason: str
    origin: Origin | None = None
    must_go_with: tuple[str, ...] = ()
