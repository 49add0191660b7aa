"""Runs of flows that begin, live and die: who is dead, and when a new one may follow.

Only what is seen of them counts here; whoever orchestrates is asked elsewhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

PENDING_FOR: Final = timedelta(minutes=5)
"""How long a run may be about to begin; then whoever was to begin it has died."""
SILENT_FOR: Final = timedelta(minutes=15)
"""How long a run elsewhere may say nothing; five of Prefect's heartbeats, one each 180 s."""
LONGEST_PAUSE: Final = timedelta(hours=1)
"""The longest that a rollout whose runs all die is left alone before the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The process in which a run runs.

    Attributes:
        host: Name of the machine.
        began: When the process began (s since the epoch), for an id may be given again.
    """

    host: str
    pid: int
    began: float

    def __str__(self) -> str:
        return f"{self.host} {self.pid} {self.began:.2f}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """What :meth:`__str__` wrote; None where it is something else."""
        match text.split():
            case [host, pid, began]:
                try:
                    return cls(host=host, pid=int(pid), began=float(began))
                except ValueError:
                    return None
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is seen of a run that is not over.

    Attributes:
        pending: Whether it is about to begin; else it runs.
        since: When it came to be so (UTC).
        place: Where it runs; None where it never said.
        heard: When it last gave a sign of life (UTC); None where it never did.
    """

    pending: bool
    since: datetime
    place: Place | None
    heard: datetime | None = None


def why_dead(run: Seen, *, now: datetime, here: str, lives: Callable[[Place], bool]) -> str | None:
    """Why a run can never end by itself any more, in words; None where it may.

    Args:
        here: Name of this machine, whose processes can be looked at.
        lives: Whether a process of this machine lives.
    """
    if run.pending:
        if now - run.since > PENDING_FOR:
            minutes = PENDING_FOR // timedelta(minutes=1)
            return f"it was to begin more than {minutes} minutes ago; its worker has died"
        return None
    if run.place is not None and run.place.host == here:
        return None if lives(run.place) else f"its process {run.place.pid} on {here} has died"
    last = max(run.since, run.heard or run.since)
    if now - last > SILENT_FOR:
        return f"it has said nothing since {last:%Y-%m-%d %H:%M:%S} UTC"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A run that is over.

    Attributes:
        failed: Whether it ended otherwise than it was meant to.
        at: When (UTC).
    """

    failed: bool
    at: datetime


def may_follow(runs: Sequence[Over], now: datetime) -> bool:
    """Whether another run may begin now: one that fails again and again is tried ever more rarely.

    After the first that failed the next begins at once: what was killed half-way waits for nobody.

    Args:
        runs: Those before, in any order.
    """
    ordered = sorted(runs, key=lambda run: run.at, reverse=True)
    failures = next((n for n, run in enumerate(ordered) if not run.failed), len(ordered))
    if not failures:
        return True
    pause = min(timedelta(minutes=2 ** min(failures - 1, 10) - 1), LONGEST_PAUSE)
    return now - ordered[0].at >= pause
