"""Profiles are sets of closed blocks: merged in any order, stored and read, they stay the same."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.drift import (
    Aspect,
    BlockProfiledTwiceError,
    Kind,
    WindowProfile,
    as_json,
    from_json,
    profile_window,
)
from sluiceway.drift.profiles import CATEGORIES, CategorySummary, NumericSummary

_VALUES = st.one_of(
    st.lists(st.one_of(st.floats(), st.none()), max_size=12),
    st.lists(st.one_of(st.sampled_from("abcdé"), st.none()), max_size=12),
    st.lists(st.one_of(st.integers(-3, 3), st.text(max_size=2), st.none()), max_size=12),
    st.lists(st.none(), max_size=4),
)


def of_block(name: str, values: list[object]) -> WindowProfile:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    codes = np.zeros(len(values), dtype=np.intp)
    return profile_window({"x": column}, [name], codes, points=3)


@settings(max_examples=60, deadline=None)
@given(st.tuples(_VALUES, _VALUES, _VALUES), st.permutations("abc"))
def test_merging_is_associative_and_commutative(values, names) -> None:
    a, b, c = (of_block(name, one) for name, one in zip(names, values, strict=True))
    whole = a.merged(b).merged(c)
    assert whole == a.merged(b.merged(c))
    assert whole == c.merged(a).merged(b)


@settings(max_examples=60, deadline=None)
@given(st.tuples(_VALUES, _VALUES))
def test_stored_and_read_it_is_the_same(values) -> None:
    profile = of_block("a", values[0]).merged(of_block("b", values[1]))
    text = json.dumps(as_json(profile), allow_nan=False)
    assert from_json(json.loads(text)) == profile


def test_profiles_of_parts_merge_to_the_profile_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    when = pd.Series(pd.date_range("2013-09-01", periods=600, freq="h", tz="America/New_York"))
    columns = {
        "number": np.where(rng.random(600) < 0.1, np.nan, rng.normal(size=600)),
        "whole": rng.integers(0, 9, size=600),
        "yes": rng.random(600) < 0.3,
        "text": rng.choice(["a", "b", None], size=600),
        "category": pd.Series(pd.Categorical(rng.choice(list("xyz"), size=600), list("wxyz"))),
        "reported": when - pd.to_timedelta(rng.exponential(60, size=600), unit="s"),
    }
    codes, names = np.repeat(np.arange(6), 100), [f"d{one}" for one in range(6)]
    whole = profile_window(columns, names, codes, event_time=when, points=32)
    first, second = (
        profile_window(
            {
                name: (column.iloc[rows] if isinstance(column, pd.Series) else column[rows])
                for name, column in columns.items()
            },
            names[start : start + 3],
            codes[rows] - start,
            event_time=when.iloc[rows],
            points=32,
        )
        for start, rows in ((0, slice(300)), (3, slice(300, None)))
    )
    assert second.merged(first) == whole
    assert {name: one.kind for name, one in whole.columns.items()} == {
        "number": Kind.NUMERIC,
        "whole": Kind.NUMERIC,
        "yes": Kind.NUMERIC,
        "text": Kind.CATEGORY,
        "category": Kind.CATEGORY,
        "reported": Kind.TIMESTAMP,
    }
    assert from_json(json.loads(json.dumps(as_json(whole)))) == whole


def test_rows_in_any_order_give_the_same_profile() -> None:
    rng = np.random.default_rng(1)
    when = np.datetime64("2013-09-01", "us") + np.arange(400) * np.timedelta64(600, "s")
    columns = {
        "number": rng.normal(size=400),
        "text": rng.choice(list("ab"), size=400).astype(object),
        "time": when - rng.integers(0, 900, size=400).astype("timedelta64[s]"),
    }
    codes, names = np.repeat(np.arange(4), 100), list("abcd")
    mixed = rng.permutation(400)
    shuffled = {name: column[mixed] for name, column in columns.items()}
    assert profile_window(columns, names, codes, event_time=when) == profile_window(
        shuffled, names, codes[mixed], event_time=when[mixed]
    )


def test_lag_and_cadence_are_in_seconds() -> None:
    when = np.datetime64("2013-09-01", "us") + np.arange(10) * np.timedelta64(60, "s")
    sent = when - np.timedelta64(7, "s")
    sent[3] = np.datetime64("NaT")
    column = profile_window(
        {"sent": sent}, ["a"], np.zeros(10, dtype=np.intp), event_time=when
    ).columns["sent"]
    lag, cadence = column.parts[Aspect.LAG], column.parts[Aspect.CADENCE]
    assert isinstance(lag, NumericSummary)
    assert isinstance(cadence, NumericSummary)
    assert lag.kept.tolist() == [7.0] * 9
    assert cadence.kept.tolist() == [60.0] * 7 + [120.0]
    assert column.nulls.tolist() == [1]


def test_a_block_is_never_merged_twice() -> None:
    a = of_block("2013-09-01", [1.0])
    with pytest.raises(BlockProfiledTwiceError, match="already profiled: 2013-09-01"):
        a.merged(a)


def test_too_many_categories_are_hashed_the_same_whenever_they_come() -> None:
    names = [f"id {one}" for one in range(2 * CATEGORIES)]
    halves = [of_block("a", names[:CATEGORIES]), of_block("b", names[CATEGORIES:])]
    merged = halves[0].merged(halves[1]).columns["x"].parts[Aspect.VALUES]
    column = np.asarray(names, dtype=object)
    codes = np.repeat([0, 1], CATEGORIES)
    at_once = profile_window({"x": column}, ["a", "b"], codes).columns["x"].parts[Aspect.VALUES]
    assert isinstance(merged, CategorySummary)
    assert merged.hashed
    assert merged == at_once


@pytest.mark.parametrize(
    "plain",
    [None, [], {}, {"version": 99}, {"version": 1, "block": "day", "blocks": [], "rows": {}}],
)
def test_what_is_no_profile_is_refused(plain: object) -> None:
    with pytest.raises(ValueError, match="profile"):
        from_json(plain)


@pytest.mark.parametrize(
    ("names", "codes", "rows", "said"),
    [
        (["b", "a"], [0, 1], 2, "ascending"),
        (["a", "a"], [0, 1], 2, "ascending"),
        (["a"], [0, 1], 2, "0..0"),
        (["a"], [0, -1], 2, "0..0"),
        (["a"], [0, 0], 3, "3 values for 2 rows"),
    ],
)
def test_rows_that_belong_nowhere_are_refused(names, codes, rows, said) -> None:
    with pytest.raises(ValueError, match=said):
        profile_window({"x": np.zeros(rows)}, names, np.asarray(codes))
