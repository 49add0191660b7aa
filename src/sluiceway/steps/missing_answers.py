"""Blocks from which answers are missing: known to be incomplete, and left out of the evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sluiceway.blocks import BlockCalendar
from sluiceway.ports import Gap, Window

INCOMPLETE_LIMIT = 0.1
"""Share of the blocks since the evidence began that may be left out because answers are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingAnswers:
    """What the log is known to lack since the evidence began.

    Attributes:
        by_block: Gaps by the blocks that they meet, which are incomplete.
        total: How many blocks there are.
    """

    by_block: Mapping[str, tuple[Gap, ...]]
    total: int

    @classmethod
    def of(cls, calendar: BlockCalendar, gaps: Sequence[Gap], window: Window) -> "MissingAnswers":
        """What gaps come to in the blocks of a window.

        Args:
            gaps: Each meets the window.
        """
        tick = timedelta(microseconds=1)
        last = calendar.name(window.end - tick)
        blocks = blocks_between(calendar, calendar.name(window.start), last)
        found: dict[str, tuple[Gap, ...]] = {}
        for gap in gaps:
            first = calendar.name(max(gap.window.start, window.start))
            last = calendar.name(min(gap.window.end, window.end) - tick)
            for block in blocks_between(calendar, first, last):
                found[block] = (*found.get(block, ()), gap)
        return cls(by_block=found, total=len(blocks))

    @property
    def blocks(self) -> frozenset[str]:
        """Names of the incomplete blocks."""
        return frozenset(self.by_block)

    def notes(self, first: str) -> tuple[str, ...]:
        """The incomplete blocks from `first` on, for people."""
        return tuple(
            f"{block} is left out, answers are missing: {'; '.join(map(str, gaps))}"
            for block, gaps in sorted(self.by_block.items())
            if block >= first
        )

    def fault(self) -> str | None:
        """Whether more is missing than evidence can do without.

        One block may always be left out. Which blocks lack answers need not be chance: what costs
        answers, a candidate that kills its server for one, may be what harms.
        """
        if len(self.by_block) <= max(1, INCOMPLETE_LIMIT * self.total):
            return None
        lacking = f"{len(self.by_block):,} of {self.total:,} blocks"
        example = next(iter(self.by_block.values()))[0]
        return f"answers are missing from {lacking} (limit 10 %, or 1), such as {example}"


def blocks_between(calendar: BlockCalendar, first: str, last: str) -> list[str]:
    """Names of the blocks from `first` to `last`, both included."""
    names = [first]
    while names[-1] < last:
        names.append(calendar.name(calendar.end(names[-1])))
    return names
