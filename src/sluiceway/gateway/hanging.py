"""Calls into a version that do not come back, and whether another may be begun.

A thread cannot be ended. Whoever asks a version that hangs loses one with each call, so after a few
in a row it is asked once in a while only: the first call that comes back shows that it is well.
"""

import logging
from dataclasses import dataclass
from typing import Final

_LOG: Final = logging.getLogger("sluiceway.gateway")

IN_A_ROW: Final = 8
"""Calls that hang one after the other before the version is asked once in a while only."""
MOST_HANGING: Final = 32
"""Threads that may hang at once; beyond that it is asked nothing until one of them comes back."""
FIRST_PAUSE: Final = 1.0
"""Seconds until a version that hangs is tried again; doubled each time that it still does."""
LONGEST_PAUSE: Final = 60.0


@dataclass(slots=True)
class Hanging:
    """Keeps count of the calls that hang.

    Attributes:
        name: How people call the version.
        now: Threads that hang.
        in_a_row: Calls that were given up since one came back in time.
    """

    name: str = "a version"
    now: int = 0
    in_a_row: int = 0
    _pause: float = FIRST_PAUSE
    _again: float = 0.0

    def may_begin(self, now: float) -> bool:
        """Whether the version may be asked; where it hangs, this lets one call through to try.

        Args:
            now: Seconds of a clock that never goes back.
        """
        if self.now >= MOST_HANGING:
            return False
        if self.in_a_row < IN_A_ROW:
            return True
        if now < self._again:
            return False
        self._again = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True

    def hung(self, now: float) -> None:
        """A call was given up, and its thread left alone."""
        self.now += 1
        self.in_a_row += 1
        self._again = max(self._again, now + FIRST_PAUSE)
        if self.now == MOST_HANGING:
            said = "%s hangs in %d threads: it is asked nothing until one comes back, or a restart"
            _LOG.error(said, self.name, self.now)

    def came_back(self) -> None:
        """A thread that was left alone has come back."""
        self.now -= 1

    def answered(self) -> None:
        """A call came back in time."""
        self.in_a_row, self._pause, self._again = 0, FIRST_PAUSE, 0.0
