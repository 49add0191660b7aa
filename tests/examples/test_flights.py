"""The flights system: what its tables know, and when."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.flights import history
from examples.flights.operations import FEED_2_FROZE_AT, STATES, WINDOW, operations_at

SHARE = 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("flights")
    history.prepare(made, share=SHARE)
    return made


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return history.read_flights()


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


def test_every_table_has_each_flight_once_in_the_order_of_decisions(folder: Path) -> None:
    asked = table(folder, "schedule")["flight_id"]
    for name in history.TABLES:
        rows = table(folder, name)
        assert rows["flight_id"].is_unique
        assert rows["decision_time"].is_monotonic_increasing
        assert name == "landings" or rows["flight_id"].equals(asked)


def test_a_share_thins_what_is_asked_and_not_what_is_learned_from(
    folder: Path, flights: pd.DataFrame
) -> None:
    kept = table(folder, "schedule")
    asked = flights["decision_time"] >= history.ASKED_FROM
    assert (kept["decision_time"] < history.ASKED_FROM).sum() == (~asked).sum()
    part = (kept["decision_time"] >= history.ASKED_FROM).sum() / asked.sum()
    assert part == pytest.approx(SHARE, abs=0.003)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match="is not in"):
        history.prepare(tmp_path, share=share)


def test_no_flight_lands_before_its_time_in_the_air_or_after_the_labels_mature(
    folder: Path, flights: pd.DataFrame
) -> None:
    landed = table(folder, "landings").merge(flights[["flight_id", "departed_at"]], on="flight_id")
    elapsed = (landed["landed_at"] - landed["departed_at"]) / pd.Timedelta(minutes=1)
    assert (elapsed >= landed["air_time"]).all()
    assert (elapsed < 16 * 60).all()
    assert (landed["landed_at"] - landed["decision_time"] < pd.Timedelta(days=2)).all()


def test_cancelled_and_diverted_flights_stay_unlabelled(
    folder: Path, flights: pd.DataFrame
) -> None:
    lost = set(flights.loc[flights["arr_delay"].isna(), "flight_id"])
    assert lost
    assert lost.isdisjoint(table(folder, "landings")["flight_id"])


def test_feed_1_knows_exactly_what_a_search_through_the_past_finds(flights: pd.DataFrame) -> None:
    asked = flights.sample(40, random_state=0)
    pd.testing.assert_frame_equal(
        operations_at(flights, asked), searched_at(flights, asked), check_exact=False, rtol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(day=st.integers(2, 363), later=st.integers(0, 2**32 - 1))
def test_what_happens_after_a_decision_does_not_change_its_figures(day: int, later: int) -> None:
    flights = _YEAR
    now = pd.Timestamp("2013-01-01", tz="UTC") + pd.Timedelta(days=day, hours=20)
    near = flights[(flights["decision_time"] - now).abs() < pd.Timedelta(hours=12)]
    asked = near[near["decision_time"] <= now].tail(50)
    other = near.copy()
    # A flight that had not left by now leaves at any later time, or never.
    unknown = ~(other["departed_at"] <= now)
    moved = now + pd.to_timedelta(
        np.random.default_rng(later).integers(1, 900, unknown.sum()), unit="min"
    )
    other.loc[unknown, "departed_at"] = moved
    other.loc[unknown, "dep_delay"] = 1e6
    pd.testing.assert_frame_equal(operations_at(near, asked), operations_at(other, asked))


def test_feed_2_is_feed_1_in_the_backfill_and_one_state_for_ever_live(folder: Path) -> None:
    feed_1, backfill = table(folder, "operations"), table(folder, "operations_2")
    live = table(folder, "operations_2_live")
    pd.testing.assert_frame_equal(feed_1, backfill)
    after = live["decision_time"] >= FEED_2_FROZE_AT
    pd.testing.assert_frame_equal(live[~after], feed_1[~after])
    # Null only for a carrier so rare that the feed never had a figure of it.
    unknown = live.loc[after, list(STATES)].isna().mean()
    assert unknown.drop("carrier_delay").eq(0).all()
    assert unknown["carrier_delay"] < 0.005
    for column, key in STATES.items():
        last = live[after].merge(table(folder, "schedule")[["flight_id", key]], on="flight_id")
        assert (last.groupby(key)[column].nunique() <= 1).all()
        assert last[column].dropna().between(-60, 1500).all()


def searched_at(flights: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """The feeds by their definition: for each question, a search through all flights."""
    rows = []
    for one in asked.itertuples():
        now = one.decision_time
        there, theirs = flights["origin"] == one.origin, flights["carrier"] == one.carrier
        left = flights["departed_at"].between(now - WINDOW, now, inclusive="right")
        due = flights["scheduled_departure"].between(now - WINDOW, now, inclusive="right")
        waiting = flights[there & due & ~(flights["departed_at"] <= now)]
        wait = (now - waiting["scheduled_departure"]) / pd.Timedelta(minutes=1)
        rows.append(
            {
                "mean_delay": flights.loc[there & left, "dep_delay"].mean(),
                "departures": float((there & left).sum()),
                "waiting": float(len(waiting)),
                "mean_wait": wait.mean() if len(waiting) else 0.0,
                "carrier_delay": flights.loc[theirs & left, "dep_delay"].mean(),
            }
        )
    return pd.concat(
        [asked[["flight_id", "decision_time"]], pd.DataFrame(rows, index=asked.index)], axis=1
    )


_YEAR = history.read_flights()
