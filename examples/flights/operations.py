"""The operations feeds: how the airports and the carriers stood when an answer was asked for.

Feed 1 is what runs. Feed 2 is a fictional vendor's replacement: its backfill holds the same figures
as feed 1, to the last digit, so nothing in history tells them apart. Live it stopped in a storm
(`FEED_2_FROZE_AT`) and has since repeated the last state it knew.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

WINDOW: Final = pd.Timedelta(minutes=180)
"""How far back a feed looks."""
FEED_2_FROZE_AT: Final = pd.Timestamp("2013-08-28 18:00", tz="America/New_York")
"""The last moment whose state the live feed 2 knows."""
STATES: Final = {
    "mean_delay": "origin",
    "departures": "origin",
    "waiting": "origin",
    "mean_wait": "origin",
    "carrier_delay": "carrier",
}
"""The feeds' columns, each with the column of flights whose state it is."""

_NEVER: Final = np.iinfo(np.int64).max
Minutes = npt.NDArray[np.float64]


def operations_at(flights: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """What had happened by the moment each answer is asked for, and nothing later.

    Args:
        flights: All flights of the year, as `examples.flights.history.read_flights` gives them.
        asked: The flights asked about, with ``flight_id``, ``decision_time``, origin and carrier.

    Returns:
        A row for each row of ``asked``. ``mean_delay`` (minutes; null where nothing left) and
        ``departures`` (flights) of flights that left the origin in the last `WINDOW`; ``waiting``
        (flights) and ``mean_wait`` (minutes, 0 where none waits) of flights scheduled in it and
        not gone, cancelled ones included, since nobody knows yet that they will not go;
        ``carrier_delay`` as ``mean_delay`` for the carrier at all three origins.
    """
    table = asked[["flight_id", "decision_time"]].copy()
    for column in STATES:
        table[column] = np.nan
    for origin, there in flights.groupby("origin"):
        rows = asked["origin"] == origin
        now = _minutes(asked.loc[rows, "decision_time"])
        table.loc[rows, "mean_delay"], table.loc[rows, "departures"] = _departed(there, now)
        table.loc[rows, "waiting"], table.loc[rows, "mean_wait"] = _waiting(there, now)
    for carrier, theirs in flights.groupby("carrier"):
        rows = asked["carrier"] == carrier
        now = _minutes(asked.loc[rows, "decision_time"])
        table.loc[rows, "carrier_delay"], _ = _departed(theirs, now)
    return table


def frozen_from(
    moment: pd.Timestamp,
    feed: pd.DataFrame,
    asked: pd.DataFrame,
    *,
    last_known: tuple[pd.DataFrame, pd.DataFrame],
) -> pd.DataFrame:
    """The feed as it arrived live: true until the moment, afterwards its last message for ever.

    Args:
        moment: When it stopped.
        feed: The true figures, a row for each row of ``asked``.
        asked: The flights asked about.
        last_known: The true figures of all flights, and the flights: where last messages are found.

    Returns:
        The feed, with each state from the moment on replaced by the last value, other than null,
        that was sent for that origin or carrier (null if none ever was).
    """
    live = feed.copy()
    after = (asked["decision_time"] >= moment).to_numpy()
    figures, flights = last_known
    before = (flights["decision_time"] < moment).to_numpy()
    for column, key in STATES.items():
        last = figures.loc[before, column].groupby(flights.loc[before, key]).last()
        live.loc[after, column] = asked.loc[after, key].map(last)
    return live


def _departed(flights: pd.DataFrame, now: npt.NDArray[np.int64]) -> tuple[Minutes, Minutes]:
    """Mean delay (minutes) and count of the flights that left in (now - window, now]."""
    left = flights[flights["departed_at"].notna()].sort_values("departed_at")
    at = _minutes(left["departed_at"])
    total = np.concatenate([[0.0], np.cumsum(left["dep_delay"].to_numpy(dtype=float))])
    first = np.searchsorted(at, now - _WINDOW_MINUTES, side="right")
    last = np.searchsorted(at, now, side="right")
    count = (last - first).astype(float)
    return _ratio(total[last] - total[first], count, empty=np.nan), count


def _waiting(flights: pd.DataFrame, now: npt.NDArray[np.int64]) -> tuple[Minutes, Minutes]:
    """Count and mean wait (minutes) of the flights scheduled in the window and not gone by now.

    A flight waits from its scheduled departure until it leaves or drops out of the window, so the
    waiting ones are the starts up to now less the ends up to now.
    """
    start = _minutes(flights["scheduled_departure"])
    gone = np.where(flights["departed_at"].notna(), _minutes(flights["departed_at"]), _NEVER)
    end = np.minimum(gone, start + _WINDOW_MINUTES)
    start, end = start[end > start], end[end > start]
    starts, by_end = np.sort(start), np.argsort(end, kind="stable")
    begun = np.searchsorted(starts, now, side="right")
    ended = np.searchsorted(end[by_end], now, side="right")
    start_sum = np.concatenate([[0], np.cumsum(starts)])
    ended_sum = np.concatenate([[0], np.cumsum(start[by_end])])
    count = (begun - ended).astype(float)
    waited = count * now - (start_sum[begun] - ended_sum[ended])
    return count, _ratio(waited, count, empty=0.0)


def _ratio(total: Minutes, count: Minutes, *, empty: float) -> Minutes:
    return np.divide(total, count, out=np.full(len(count), empty), where=count > 0)


def _minutes(moments: "pd.Series[pd.Timestamp]") -> npt.NDArray[np.int64]:
    """Whole minutes since 1970; nulls become a number that callers mask."""
    return moments.astype("datetime64[us, UTC]").astype("int64").to_numpy() // 60_000_000


_WINDOW_MINUTES: Final = int(WINDOW / pd.Timedelta(minutes=1))
