"""A circuit breaker for one version: who gives no usable answers is not asked, for a while.

It counts rows, not calls: a batch that one bad row spoils would else weigh like a dead model.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether a version is asked."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is not, until its pause is over."""
    TRYING = "trying"
    """One question is let through to see whether it answers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens.

    Attributes:
        window: Most recent rows that are looked at.
        fewest: Fewest rows without a usable answer among them.
        share: Smallest share of such rows, 0 to 1.
        pause: Seconds before an open breaker lets a question through; doubled each time that one
            fails.
        longest: Longest such pause, in seconds.
    """

    window: int = 200
    fewest: int = 5
    share: float = 0.5
    pause: float = 1.0
    longest: float = 30.0


class Breaker:
    """Keeps count of one version's answers.

    Attributes:
        state: Whether the version is asked.
        opened: How often it opened.
        rows: Rows asked since the start.
        broken: Rows without a usable answer among them.
        opened_on: What opened it last: recent rows without a usable answer, and recent rows.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.state = BreakerState.CLOSED
        self.opened = 0
        self.rows = 0
        self.broken = 0
        self.opened_on = (0, 0)
        self._policy = policy
        self._recent: deque[tuple[int, int]] = deque()
        self._recent_rows = 0
        self._recent_broken = 0
        self._pause = policy.pause
        self._again = 0.0

    def lets_through(self, now: float) -> bool:
        """Whether a question may be asked now.

        Args:
            now: Seconds of a clock that never goes back.
        """
        if self.state is BreakerState.CLOSED:
            return True
        if now < self._again:
            return False
        # One question at a time; who asks and never tells is overtaken after another pause.
        self.state = BreakerState.TRYING
        self._again = now + self._pause
        return True

    def tell(self, rows: int, broken: int, now: float) -> bool:
        """Count what came of a question.

        Args:
            rows: Rows asked.
            broken: Rows of them without a usable answer.
            now: Seconds of the same clock.

        Returns:
            Whether this opened the breaker.
        """
        self.rows += rows
        self.broken += broken
        if self.state is BreakerState.TRYING:
            return self._tried(well=broken < rows * self._policy.share, now=now)
        self._recent.append((rows, broken))
        self._recent_rows += rows
        self._recent_broken += broken
        while len(self._recent) > 1 and self._recent_rows > self._policy.window:
            old_rows, old_broken = self._recent.popleft()
            self._recent_rows -= old_rows
            self._recent_broken -= old_broken
        if self.state is BreakerState.OPEN or self._recent_broken < self._policy.fewest:
            return False
        if self._recent_broken < self._policy.share * self._recent_rows:
            return False
        self._open(now)
        return True

    @property
    def recent(self) -> tuple[int, int]:
        """Recent rows without a usable answer, and recent rows."""
        return self._recent_broken, self._recent_rows

    def _tried(self, *, well: bool, now: float) -> bool:
        if not well:
            self._pause = min(2 * self._pause, self._policy.longest)
            self._open(now)
            return True
        self.state = BreakerState.CLOSED
        self._pause = self._policy.pause
        self._forget()
        return False

    def _open(self, now: float) -> None:
        self.state = BreakerState.OPEN
        self.opened += 1
        self.opened_on = self.recent
        self._again = now + self._pause
        self._forget()

    def _forget(self) -> None:
        self._recent.clear()
        self._recent_rows = self._recent_broken = 0
