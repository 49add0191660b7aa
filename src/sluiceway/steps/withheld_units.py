"""Units that a canary learns nothing from though nobody failed: clients or flags kept them away."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from sluiceway.blocks import BlockCalendar
from sluiceway.serving.rows import WITHHELD, WITHHELD_BECAUSE, WITHHELD_WHAT
from sluiceway.serving.values import WithheldBecause

UNMET_LIMIT: Final = 0.01
"""Share of the units that may lack what a candidate demands before it cannot pass: once it is
promoted, who sends such rows is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithheldUnits:
    """Units of some blocks that are no evidence.

    Attributes:
        unmet: How many of them lack what the candidate demands.
        blocks: Blocks that have some, whatever the reason.
        example: What the newest unmet demand was, in words; empty without any.
        notes: All of it for people, a reason each.
    """

    unmet: int = 0
    blocks: frozenset[str] = frozenset()
    example: str = ""
    notes: tuple[str, ...] = ()

    def beyond_limit(self, others: int) -> str | None:
        """Why a candidate cannot pass yet; None where few enough lack what it demands.

        Args:
            others: Units that it was or could have been asked about.
        """
        total = self.unmet + others
        if self.unmet <= UNMET_LIMIT * total:
            return None
        share = f"{self.unmet:,} of {total:,} units ({100 * self.unmet / total:.1f} %, limit 1 %)"
        return f"{share} do not bring what a candidate demands, and were not asked: {self.example}"


def withheld_units(
    log: pd.DataFrame, rollout_id: str, calendar: BlockCalendar, start: datetime
) -> WithheldUnits:
    """What a log says of units that are no evidence for a rollout, and why.

    Args:
        start: Rows before it are not looked at (UTC).
    """
    if log.empty or WITHHELD not in log:
        return WithheldUnits()
    kept = log[(log[WITHHELD] == rollout_id) & (log["event_time"] >= start)]
    notes, unmet, example = [], 0, ""
    for because, rows in kept.groupby(WITHHELD_BECAUSE, sort=True):
        units, what = int(rows["unit"].nunique()), str(rows[WITHHELD_WHAT].iloc[-1])
        notes.append(f"{units:,} units are no evidence ({because}): {what}")
        if because == WithheldBecause.UNMET_DEMAND:
            unmet, example = units, what
    return WithheldUnits(
        unmet=unmet,
        blocks=frozenset(calendar.names(pd.DatetimeIndex(kept["event_time"]))),
        example=example,
        notes=tuple(notes),
    )
