"""Whether a feature had the same values live as the record says afterwards."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from sluiceway.replay.partitions import Column

CLOSE = 1e-9
"""Relative difference below which two numbers are equal: how a number is stored, not what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """One feature's served values against its recorded ones, over sampled units.

    Attributes:
        units: Sampled units of the record.
        absent: Of these, how many the live world did not have.
        differing: Of those that both have, how many had another value.
        recorded_nulls: Missing values in the record, of `units`.
        live_nulls: Missing values live, of ``units - absent``.
        largest: Largest absolute difference, in the feature's unit; None for text, or where none.
        lag: Time from the newest live row to the end of the window.
    """

    feature: str
    version: str
    units: int
    absent: int
    differing: int
    recorded_nulls: int
    live_nulls: int
    largest: float | None
    lag: timedelta

    @property
    def served(self) -> int:
        """Sampled units that both worlds have."""
        return self.units - self.absent

    @property
    def unequal(self) -> float:
        """Share of the sampled units that got another value, or none, live; 0 to 1, NaN of none."""
        return (self.absent + self.differing) / self.units if self.units else float("nan")

    @property
    def live_null_rate(self) -> float:
        """Share of missing values live, 0 to 1; NaN where nothing was served."""
        return self.live_nulls / self.served if self.served else float("nan")


def parity_of(
    feature: str,
    version: str,
    recorded: "pd.Series[float] | pd.Series[str]",
    live: "pd.Series[float] | pd.Series[str]",
    *,
    lag: timedelta,
) -> Parity:
    """Compare two series of one feature's values, each indexed by unit.

    Numbers are equal within a relative :data:`CLOSE`; missing equals missing only.
    """
    joined = live.reindex(recorded.index)
    there = np.asarray(recorded.index.isin(live.index))
    before, after = recorded.to_numpy()[there], joined.to_numpy()[there]
    differs, largest = _differences(before, after)
    return Parity(
        feature=feature,
        version=version,
        units=len(recorded),
        absent=int(np.count_nonzero(~there)),
        differing=int(np.count_nonzero(differs)),
        recorded_nulls=int(recorded.isna().sum()),
        live_nulls=int(np.count_nonzero(pd.isna(after))),
        largest=largest,
        lag=lag,
    )


def _differences(before: Column, after: Column) -> tuple[Column, float | None]:
    nothing = pd.isna(before), pd.isna(after)
    both = ~nothing[0] & ~nothing[1]
    differs = nothing[0] != nothing[1]
    if not both.any():
        return differs, None
    if before.dtype.kind in "fiub" and after.dtype.kind in "fiub":
        distance = np.abs(after[both].astype(float) - before[both].astype(float))
        differs[both] = ~np.isclose(
            after[both].astype(float), before[both].astype(float), rtol=CLOSE, atol=0.0
        )
        return differs, float(distance.max())
    differs[both] = before[both].astype(str) != after[both].astype(str)
    return differs, None
