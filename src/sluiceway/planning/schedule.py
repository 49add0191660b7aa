"""How a canary walks through its steps, counted in blocks of evidence."""

from dataclasses import dataclass
from datetime import timedelta

GROWS_UP_TO_LOG_E = 0.0
"""A canary grows only while its gates together are no more likely under harm than without."""


def paired_share(weight: int, mirror: int) -> float:
    """Share of the units that both arms answer.

    Units in the canary are answered by the champion too, and `mirror` percent of the others by
    the candidate. At full weight only the mirrored ones are paired, as in the watch.

    Args:
        weight: Percent of units that the candidate answers.
        mirror: Percent of the champion's units that the candidate answers too.
    """
    canary, mirrored = weight / 100, mirror / 100
    return canary + (1 - canary) * mirrored if weight < 100 else mirrored


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The part of a canary's policy that decides how fast evidence comes.

    Attributes:
        weights: Percent of units of each step, growing.
        bakes: Least time at each step.
        mirror: Percent of the champion's units that the candidate answers too.
        block: Length of a block.
        maturity: How long after its end a block is looked at.
        deadline: Time from the first step by which every required gate must have passed.
        longest: Up to where the deadline may be moved.
    """

    weights: tuple[int, ...]
    bakes: tuple[timedelta, ...]
    mirror: int
    block: timedelta
    maturity: timedelta
    deadline: timedelta
    longest: timedelta

    def blocks_within(self, time: timedelta) -> int:
        """Blocks that are surely looked at before so much time has passed since the first step.

        The first block is the first that begins after the first step, up to one block later.
        """
        return max(0, (time - self.maturity) // self.block - 1)

    def time_of(self, blocks: int) -> timedelta:
        """Time from the first step within which so many blocks are surely looked at."""
        return (blocks + 1) * self.block + self.maturity

    def look_at(self, blocks: int) -> timedelta:
        """When this many blocks can be looked at first, from the first step."""
        return blocks * self.block + self.maturity


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in its schedule a canary is.

    Attributes:
        step: Index of the present step.
        entered: When it was entered, from the first step.
    """

    step: int = 0
    entered: timedelta = timedelta(0)

    def baked(self, schedule: Schedule, blocks: int) -> bool:
        """Whether, after this many blocks, the step had its time and was seen."""
        in_time = schedule.look_at(blocks) >= self.entered + schedule.bakes[self.step]
        return in_time and blocks * schedule.block > self.entered

    def after(self, schedule: Schedule, blocks: int, log_e: float) -> "Place":
        """Where the canary is after a look at this many blocks."""
        last = self.step + 1 == len(schedule.weights)
        if last or log_e > GROWS_UP_TO_LOG_E or not self.baked(schedule, blocks):
            return self
        return Place(step=self.step + 1, entered=schedule.look_at(blocks))
