"""Recorded history is read a partition at a time, whatever holds it, and never passes silently."""

import sqlite3
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway.adapters.history import History
from sluiceway.ports import Window
from sluiceway.replay import HistoryFaultCode as Code
from sluiceway.replay import Needs, UnusableHistory
from tests.replay import diamond

FEATURES = frozenset({("clicks", "1.0.0"), ("weight", "1.0.0")})
ALL = FEATURES | {("channel", "1.0.0"), ("hour", "1.0.0"), ("shelves", "1.0.0")}
NEEDS = Needs(features=FEATURES, labels=frozenset({"outcomes.units"}))
DAYS = 6
PER_DAY = 40
LATER = diamond.START + timedelta(days=DAYS + 30)


def tables() -> dict[str, pd.DataFrame]:
    rows = DAYS * PER_DAY
    rng = np.random.default_rng(1)
    at = pd.Timestamp(diamond.START) + pd.to_timedelta(np.arange(rows) * 36, unit="min")
    keys = pd.DataFrame({"order": [f"o{n:04}" for n in range(rows)], "at": at})
    clicks = rng.integers(0, 90, rows).astype(float)
    weight = rng.uniform(1, 40, rows)
    weight[::10] = np.nan
    landed = keys.iloc[rng.uniform(size=rows) < 0.8]
    return {
        "visits": keys.assign(clicks=clicks, channel=np.where(clicks > 40, "web", "shop")),
        "goods": keys.assign(weight=weight),
        "goods_2": keys.assign(weight=weight),
        "goods_2_live": keys.assign(weight=3.0),
        "stock_room": keys.assign(shelves=np.arange(rows)),
        "outcomes": landed.assign(
            units=clicks[landed.index], known=landed["at"] + pd.Timedelta(hours=20)
        ),
    }


def written(folder, **changed):
    """The shop with its tables on disk; None leaves a table out."""
    system = diamond.shop(folder)
    for name, table in {**tables(), **changed}.items():
        if table is None:
            continue
        if name == "goods":
            table.to_csv(folder / "goods.csv", index=False)
        elif name == "stock_room":
            connection = sqlite3.connect(folder / "shop.db")
            naive = table.assign(at=table["at"].dt.tz_localize(None))
            naive.to_sql("stock_room", connection, index=False, if_exists="replace")
            connection.close()
        else:
            table.to_parquet(folder / f"{name}.parquet", index=False)
    return History(system, base=folder, data_folder=folder)


def read(history, needs=NEEDS, window=None, as_of=LATER, **options):
    window = window or diamond.window(DAYS)
    return list(history.partitions(window, needs=needs, as_of=as_of, **options))


def faults_of(history, needs=NEEDS, **options):
    with pytest.raises(UnusableHistory) as caught:
        read(history, needs, **options)
    return {fault.code: fault for fault in caught.value.faults}


def test_every_kind_of_table_gives_the_same_rows(tmp_path):
    made = tables()
    (part,) = read(written(tmp_path), Needs(features=ALL, labels=NEEDS.labels))
    assert part.units.tolist() == made["visits"]["order"].tolist()
    np.testing.assert_array_equal(part.columns["visits.clicks"], made["visits"]["clicks"])
    np.testing.assert_allclose(part.columns["goods.weight"], made["goods"]["weight"])
    np.testing.assert_array_equal(part.columns["stock_room.shelves"], np.arange(DAYS * PER_DAY))
    assert part.columns["visits.channel"].tolist() == made["visits"]["channel"].tolist()
    utc = made["visits"]["at"].dt.tz_localize(None).to_numpy()
    np.testing.assert_array_equal(part.columns["visits.at"], utc)
    np.testing.assert_array_equal(part.event_time, utc)


def test_labels_are_joined_on_the_unit_and_missing_where_none_came(tmp_path):
    outcomes = tables()["outcomes"].sample(frac=1, random_state=3)
    (part,) = read(written(tmp_path, outcomes=outcomes))
    expected = outcomes.set_index("order")["units"].reindex(part.units).to_numpy()
    np.testing.assert_array_equal(part.labels["outcomes.units"], expected)
    assert np.isnan(expected).any()
    assert part.stray_units == {}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.integers(1, 7), shuffled=st.booleans(), cut=st.integers(0, 40))
def test_partitions_hold_whole_blocks_and_join_to_the_same_history(
    tmp_path_factory, days, shuffled, cut
):
    folder = tmp_path_factory.mktemp("shop")
    made = tables()
    if shuffled:
        made = {name: table.sample(frac=1, random_state=5) for name, table in made.items()}
    history = written(folder, **made)
    start = diamond.START + timedelta(hours=cut)
    window = Window(start=start, end=start + timedelta(days=4))
    parts = read(history, window=window, step=timedelta(days=days))
    (whole,) = read(history, window=window)
    for column in ("visits.clicks", "goods.weight"):
        joined = np.concatenate([part.columns[column] for part in parts])
        np.testing.assert_array_equal(joined, whole.columns[column])
    labels = [part.labels["outcomes.units"] for part in parts]
    np.testing.assert_array_equal(np.concatenate(labels), whole.labels["outcomes.units"])
    assert np.concatenate([part.blocks for part in parts]).tolist() == whole.blocks.tolist()
    names = [name for part in parts for name in part.block_names]
    assert names == sorted(set(names)) == list(whole.block_names)


def test_blocks_are_local_days_across_the_change_of_the_clocks(tmp_path):
    (part,) = read(written(tmp_path))
    berlin = pd.DatetimeIndex(part.event_time, tz="UTC").tz_convert(ZoneInfo("Europe/Berlin"))
    assert part.blocks.tolist() == berlin.strftime("%Y-%m-%d").tolist()


def test_row_groups_outside_the_window_change_nothing(tmp_path):
    history = written(tmp_path)
    visits = tables()["visits"]
    (whole,) = read(history, window=Window(start=diamond.START, end=LATER))
    visits.to_parquet(tmp_path / "visits.parquet", index=False, row_group_size=7)
    window = Window(start=diamond.START + timedelta(days=2), end=diamond.START + timedelta(days=3))
    (part,) = read(history, window=window)
    inside = (visits["at"] >= window.start) & (visits["at"] < window.end)
    assert part.units.tolist() == whole.units[inside].tolist()


def test_the_live_world_reads_by_live_loaders(tmp_path):
    history = written(tmp_path)
    needs = Needs(features=frozenset({("clicks", "1.0.0"), ("weight", "2.0.0")}))
    (recorded,) = read(history, needs)
    (live,) = read(history, needs, world="live")
    assert set(live.columns["goods_2.weight"]) == {3.0}
    assert len(np.unique(recorded.columns["goods_2.weight"])) > 100


def test_labels_that_come_later_are_not_known_yet(tmp_path):
    history = written(tmp_path)
    as_of = diamond.START + timedelta(days=DAYS)
    (now,) = read(history, as_of=as_of)
    (later,) = read(history)
    hidden = now.event_time > np.datetime64((as_of - timedelta(hours=20)).replace(tzinfo=None))
    label = "outcomes.units"
    assert np.isnan(now.labels[label][hidden]).all()
    np.testing.assert_array_equal(now.labels[label][~hidden], later.labels[label][~hidden])
    assert now.not_yet_known[label] == np.isfinite(later.labels[label][hidden]).sum() > 0


def test_a_unit_that_a_source_lacks_has_missing_values_and_is_counted(tmp_path):
    history = written(tmp_path, goods=tables()["goods"].drop(index=[3, 5, 100]))
    (part,) = read(history)
    assert part.missing_units == {"goods": 3}
    assert np.isnan(part.columns["goods.weight"][[3, 5]]).all()
    assert len(part.units) == DAYS * PER_DAY


def test_the_spine_is_the_union_of_the_units_of_all_sources(tmp_path):
    visits, goods = tables()["visits"].drop(index=range(5)), tables()["goods"].drop(index=[7])
    part = written(tmp_path, visits=visits, goods=goods)
    needs = Needs(features=frozenset({("weight", "1.0.0"), ("channel", "1.0.0")}))
    faults = faults_of(part, needs)
    assert faults[Code.NULL_RATE].count == 5  # channel may not be missing
    (joined,) = read(
        part, Needs(features=frozenset(), columns=frozenset({"visits.at", "goods.at"}))
    )
    assert joined.units.tolist() == tables()["visits"]["order"].tolist()
    assert joined.missing_units == {"visits": 5, "goods": 1}


def test_labels_of_units_that_nobody_asked_about_are_counted(tmp_path):
    made = tables()
    history = written(
        tmp_path,
        visits=made["visits"].drop(index=range(10)),
        goods=made["goods"].drop(index=range(10)),
    )
    (part,) = read(history)
    assert part.stray_units == {"outcomes": int((made["outcomes"]["order"] < "o0010").sum())}


def change(name, column, value, row=4):
    table = tables()[name].astype({column: object} if isinstance(value, str) else {})
    table.loc[table.index[row], column] = value
    return {name: table}


SPOILED = {
    "infinite": (change("visits", "clicks", np.inf), Code.INFINITE_VALUES, "visits", "clicks"),
    "infinite label": (
        change("outcomes", "units", np.inf),
        Code.INFINITE_VALUES,
        "outcomes",
        "units",
    ),
    "out of range": (change("visits", "clicks", 101.0), Code.OUT_OF_RANGE, "visits", "clicks"),
    "new category": (change("visits", "channel", "fax"), Code.NEW_CATEGORY, "visits", "channel"),
    "null": (change("visits", "clicks", np.nan), Code.NULL_RATE, "visits", "clicks"),
    "label before its event": (
        change("outcomes", "known", pd.Timestamp(diamond.START)),
        Code.LABEL_FROM_THE_FUTURE,
        "outcomes",
        "units",
    ),
    "label without time": (
        change("outcomes", "known", pd.NaT),
        Code.LABEL_FROM_THE_FUTURE,
        "outcomes",
        "units",
    ),
    "no event time": (change("visits", "at", pd.NaT), Code.MISSING_EVENT_TIME, "visits", "at"),
    "other event time": (
        change("goods", "at", pd.Timestamp(diamond.START)),
        Code.EVENT_TIME_DISAGREES,
        "visits",
        "at",
    ),
    "no unit": (change("visits", "order", None), Code.MISSING_UNIT, "visits", "order"),
    "no file": ({"visits": None}, Code.MISSING_TABLE, "visits", None),
    "no csv": ({"goods": None}, Code.MISSING_TABLE, "goods", None),
    "no table": ({"stock_room": None}, Code.MISSING_TABLE, "stock_room", None),
    "no column": (
        {"visits": tables()["visits"].drop(columns="clicks")},
        Code.MISSING_COLUMN,
        "visits",
        "clicks",
    ),
    "text for a number": (change("goods", "weight", "heavy"), Code.WRONG_DTYPE, "goods", "weight"),
    "text for a label": (
        {"outcomes": tables()["outcomes"].astype({"units": str})},
        Code.WRONG_DTYPE,
        "outcomes",
        "units",
    ),
    "number for a text": (
        {"visits": tables()["visits"].assign(channel=1.0)},
        Code.WRONG_DTYPE,
        "visits",
        "channel",
    ),
    "text for a time": (
        {"visits": tables()["visits"].assign(at="yesterday")},
        Code.WRONG_DTYPE,
        "visits",
        "at",
    ),
    "fraction for a unit": (
        {"visits": tables()["visits"].assign(order=1.5)},
        Code.WRONG_DTYPE,
        "visits",
        "order",
    ),
    "duplicate unit": (change("visits", "order", "o0005"), Code.DUPLICATE_UNITS, "visits", None),
    "duplicate label": (
        change("outcomes", "order", tables()["outcomes"]["order"].iloc[5]),
        Code.DUPLICATE_UNITS,
        "outcomes",
        None,
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled_history_is_refused_with_a_typed_fault(tmp_path, name):
    changed, code, source, column = SPOILED[name]
    fault = faults_of(written(tmp_path, **changed), Needs(features=ALL, labels=NEEDS.labels))[code]
    assert (fault.source, fault.column) == (source, column)
    assert fault.what


def test_all_faults_of_the_rows_are_told_together(tmp_path):
    changed = {
        **change("visits", "clicks", np.inf, row=200),
        **change("goods", "weight", 5000.0, row=3),
        **change("outcomes", "known", pd.NaT),
    }
    faults = faults_of(written(tmp_path, **changed), step=timedelta(days=1))
    assert set(faults) == {Code.INFINITE_VALUES, Code.OUT_OF_RANGE, Code.LABEL_FROM_THE_FUTURE}
    assert faults[Code.OUT_OF_RANGE].example == "5000.0"


def test_from_the_first_spoiled_row_on_no_partition_is_given(tmp_path):
    history = written(tmp_path, **change("visits", "clicks", -1.0, row=2 * PER_DAY))
    given_out = []

    def drain():
        days = timedelta(days=1)
        for part in history.partitions(diamond.window(DAYS), needs=NEEDS, as_of=LATER, step=days):
            given_out.extend(part.block_names)

    with pytest.raises(UnusableHistory):
        drain()
    assert given_out == ["2024-03-29", "2024-03-30"]


def test_a_unit_that_comes_twice_is_found_however_far_apart(tmp_path):
    made = tables()
    for name in ("visits", "goods"):
        made[name].loc[PER_DAY * DAYS - 1, "order"] = "o0000"
    fault = faults_of(
        written(tmp_path, visits=made["visits"], goods=made["goods"]), step=timedelta(days=1)
    )[Code.DUPLICATE_UNITS]
    assert (fault.count, fault.example) == (1, "o0000")


def test_an_empty_window_is_a_fault(tmp_path):
    early = diamond.START - timedelta(days=9)
    window = Window(start=early, end=early + timedelta(days=2))
    assert set(faults_of(written(tmp_path), window=window)) == {Code.EMPTY_WINDOW}


def test_rows_from_after_the_moment_of_looking_are_a_fault(tmp_path):
    as_of = diamond.START + timedelta(days=2)
    assert faults_of(written(tmp_path), as_of=as_of)[Code.EVENT_AFTER_AS_OF].count > 0


def frames(window: Window) -> pd.DataFrame:
    visits = tables()["visits"]
    return visits[(visits["at"] >= window.start) & (visits["at"] < window.end)]


def no_frames(window: Window) -> pd.DataFrame:
    return frames(window).iloc[:0]


def no_answer(_window: Window) -> pd.DataFrame:
    raise OSError("the feed is down")


def with_loader(folder, loader):
    written(folder)
    text = diamond.SYSTEM.replace("parquet:{data}/visits.parquet", loader)
    return History(diamond.shop(folder, system=text), base=folder, data_folder=folder)


def test_a_function_is_asked_a_window_at_a_time(tmp_path):
    history = with_loader(tmp_path, f"python:{__name__}:frames")
    needs = Needs(features=frozenset({("clicks", "1.0.0"), ("channel", "1.0.0")}))
    parts = read(history, needs)
    assert sum(part.rows for part in parts) == DAYS * PER_DAY
    assert all(len(part.block_names) == 1 for part in parts)


@pytest.mark.parametrize(
    ("loader", "code"),
    [
        (f"python:{__name__}:no_frames", Code.EMPTY_WINDOW),
        (f"python:{__name__}:no_answer", Code.MISSING_TABLE),
        (f"python:{__name__}:no_such_function", Code.MISSING_TABLE),
        ("sql:NO_SUCH_VARIABLE#visits", Code.MISSING_TABLE),
        ("sql:postgresql://me:secret@host/db#visits", Code.MISSING_TABLE),
        ("sql:sqlite:///{data}/shop.db", Code.MISSING_TABLE),
        ("sql:sqlite:///{data}/shop.db#visits", Code.MISSING_TABLE),
    ],
)
def test_a_loader_that_leads_nowhere_is_a_fault_without_its_secrets(tmp_path, loader, code):
    needs = Needs(features=frozenset({("clicks", "1.0.0")}))
    fault = faults_of(with_loader(tmp_path, loader), needs)[code]
    assert "secret" not in str(fault)


def test_a_databases_url_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{tmp_path}/shop.db")
    written(tmp_path)
    text = diamond.SYSTEM.replace("sql:sqlite:///{data}/shop.db#", "sql:SHOP_DATABASE#")
    history = History(diamond.shop(tmp_path, system=text), base=tmp_path, data_folder=tmp_path)
    (part,) = read(history, Needs(features=frozenset({("shelves", "1.0.0")})))
    assert part.rows == DAYS * PER_DAY


def test_whole_numbers_may_be_units(tmp_path):
    made = {
        name: table.assign(order=table["order"].str[1:].astype(int))
        for name, table in tables().items()
    }
    (part,) = read(written(tmp_path, **made))
    assert part.units.tolist() == list(range(DAYS * PER_DAY))


def test_moments_need_a_timezone(tmp_path):
    with pytest.raises(ValueError, match="timezone"):
        read(written(tmp_path), as_of=datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None))
