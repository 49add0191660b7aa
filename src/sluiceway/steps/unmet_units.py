"""Units that a canary learns nothing from: their clients do not send what its versions demand."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.serving.rows import UNMET, UNMET_WHAT

UNMET_LIMIT: Final = 0.01
"""Share of the units that may lack what a candidate demands before it cannot pass: once it is
promoted, who sends such rows is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmetUnits:
    """Units of some blocks that a candidate could not be asked about.

    Attributes:
        units: How many.
        blocks: Blocks that have some.
        example: What the newest of them lacks, in words; empty without any.
    """

    units: int
    blocks: frozenset[str]
    example: str

    @property
    def notes(self) -> tuple[str, ...]:
        """The same for people; nothing where there are none."""
        return (f"{self.units:,} units are no evidence: {self.example}",) if self.units else ()

    def beyond_limit(self, others: int) -> str | None:
        """Why a candidate cannot pass yet; None where few enough lack what it demands.

        Args:
            others: Units that it was or could have been asked about.
        """
        total = self.units + others
        if self.units <= UNMET_LIMIT * total:
            return None
        share = f"{self.units:,} of {total:,} units ({100 * self.units / total:.1f} %, limit 1 %)"
        return f"{share} do not bring what a candidate demands, and were not asked: {self.example}"


def unmet_units(
    log: pd.DataFrame, rollout_id: str, calendar: BlockCalendar, start: datetime
) -> UnmetUnits:
    """What a log says of units that lack what a rollout's candidate demands.

    Args:
        start: Rows before it are not looked at (UTC).
    """
    if log.empty or UNMET not in log:
        return UnmetUnits(units=0, blocks=frozenset(), example="")
    lacking = log[(log[UNMET] == rollout_id) & (log["event_time"] >= start)]
    if lacking.empty:
        return UnmetUnits(units=0, blocks=frozenset(), example="")
    return UnmetUnits(
        units=int(lacking["unit"].nunique()),
        blocks=frozenset(calendar.names(pd.DatetimeIndex(lacking["event_time"]))),
        example=str(lacking[UNMET_WHAT].iloc[-1]),
    )
