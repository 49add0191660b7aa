"""Slices: every row in its own, and the tree finds where the harm was put."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from sluiceway.slices import Condition, Slice, SliceVariable, find_slices, slices_of
from sluiceway.slices.values import MOST_LEVELS

DISTANCE = SliceVariable(name="distance", reads="schedule.distance", edges=(500.0, 1500.0))
STORED = TypeAdapter(Slice)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.lists(st.floats(-1e6, 1e6), max_size=4))
def test_ranges_part_the_rows_so_that_each_is_in_one_slice(values, edges):
    cut = SliceVariable(name="x", reads="s.x", edges=tuple(sorted(set(edges))) or (0.0,))
    columns = {"s.x": np.asarray(values)}
    inside = sum(one.holds(columns).astype(int) for one in slices_of(cut, columns["s.x"]))
    assert (inside == 1).all()


def test_a_missing_value_is_in_no_declared_slice():
    columns = {"schedule.distance": np.array([np.nan, 100.0])}
    assert [one.holds(columns).tolist() for one in slices_of(DISTANCE, np.array([]))] == [
        [False, True],
        [False, False],
        [False, False],
    ]


@pytest.mark.parametrize(
    "column",
    [np.array(["EWR", "JFK", "EWR", None], object), np.array([1.0, 2.0, 1.0, np.nan])],
)
def test_each_value_is_a_slice_the_most_frequent_first(column):
    variable = SliceVariable(name="origin", reads="schedule.origin", edges=())
    first, second = slices_of(variable, column)
    columns = {"schedule.origin": column}
    assert first.holds(columns).tolist() == [True, False, True, False]
    assert second.holds(columns).tolist() == [False, True, False, False]


def test_no_more_values_than_people_can_look_at():
    variable = SliceVariable(name="dest", reads="schedule.dest", edges=())
    assert len(slices_of(variable, np.arange(100.0))) == MOST_LEVELS


def test_slices_say_what_they_hold_and_survive_json():
    low, middle, high = slices_of(DISTANCE, np.array([]))
    assert [one.name for one in (low, middle, high)] == [
        "schedule.distance < 500",
        "schedule.distance 500 to 1500",
        "schedule.distance ≥ 1500",
    ]
    assert STORED.validate_json(STORED.dump_json(middle)) == middle
    both = Slice(
        variable=None,
        conditions=(
            Condition(column="s.hour", low=17.0, missing=True),
            Condition(column="s.origin", equals="JFK"),
        ),
    )
    assert both.name == "s.hour ≥ 17 or missing, s.origin = JFK"


def world(rows=4000, seed=1):
    draw = np.random.default_rng(seed)
    columns = {
        "s.hour": draw.uniform(0, 24, rows),
        "s.wind": np.where(draw.random(rows) < 0.1, np.nan, draw.normal(size=rows)),
        "s.origin": draw.choice(np.array(["EWR", "JFK", "LGA"], object), rows),
    }
    return draw, columns


def test_the_tree_finds_the_rows_that_the_harm_was_put_on():
    draw, columns = world()
    harmed = (columns["s.hour"] >= 17) & (columns["s.origin"] == "JFK")
    worst, *_ = find_slices(draw.normal(0, 1, 4000) + 3.0 * harmed, columns, most=3)
    found = worst.holds(columns)
    assert (found & harmed).sum() > 0.95 * harmed.sum()
    assert (found & ~harmed).sum() < 0.1 * found.sum()
    assert worst.variable is None


def test_rows_without_a_value_can_be_the_harmed_ones():
    draw, columns = world()
    harmed = np.isnan(columns["s.wind"])
    worst, *_ = find_slices(draw.normal(0, 0.1, 4000) + 5.0 * harmed, columns, most=1)
    np.testing.assert_array_equal(worst.holds(columns), harmed)
    assert worst.name == "s.wind missing"
    assert STORED.validate_json(STORED.dump_json(worst)) == worst


def test_rows_with_a_value_can_be_the_harmed_ones():
    draw, columns = world()
    harmed = ~np.isnan(columns["s.wind"])
    worst, *_ = find_slices(draw.normal(0, 0.1, 4000) + 5.0 * harmed, columns, most=1)
    np.testing.assert_array_equal(worst.holds(columns), harmed)
    assert worst.name == "s.wind not missing"
    assert STORED.validate_json(STORED.dump_json(worst)) == worst


def test_a_found_slice_holds_the_same_rows_as_the_tree_saw():
    draw, columns = world(seed=5)
    harm = draw.normal(size=4000) + (columns["s.hour"] > 12) - (columns["s.wind"] > 0.5)
    for one in find_slices(harm, columns, most=4):
        assert harm[one.holds(columns)].mean() > harm.mean()


@pytest.mark.parametrize(
    ("harm", "columns"),
    [
        (np.zeros(4000), world()[1]),
        (np.full(4000, np.nan), world()[1]),
        (np.ones(50), {"s.x": np.arange(50.0)}),
        (np.arange(4000.0), {}),
        (np.arange(4000.0), {"s.x": np.full(4000, 2.0), "s.y": np.full(4000, np.nan)}),
        (np.arange(4000.0), {"s.id": np.arange(4000).astype(str).astype(object)}),
    ],
    ids=["no harm", "no finite harm", "few rows", "no column", "constants", "one text a row"],
)
def test_where_nothing_can_be_told_nothing_is_found(harm, columns):
    assert find_slices(harm, columns, most=3) == ()


def test_infinities_and_huge_harms_do_not_break_the_tree():
    draw, columns = world()
    columns["s.wind"][:5] = np.inf
    harm = draw.normal(size=4000) * 1e200
    harm[3] = np.inf
    assert all(one.conditions for one in find_slices(harm, columns, most=3))


def test_a_column_that_single_precision_cannot_hold_is_passed_over():
    draw, columns = world()
    columns["s.huge"] = columns["s.hour"] * 1e300
    harm = draw.normal(0, 0.1, 4000) + 5.0 * (columns["s.hour"] >= 12)
    (worst, *_) = find_slices(harm, columns, most=3)
    assert worst.columns == ("s.hour",)


def test_slices_that_differ_are_called_differently():
    """Seconds since 1970, in which six digits tell only half hours apart."""
    seconds = 1.7e9 + np.arange(4000.0)
    harm = np.where(seconds < 1.7e9 + 1000, 2.0, 0.0) + np.where(seconds < 1.7e9 + 2000, 1.0, 0.0)
    names = [one.name for one in find_slices(harm, {"s.at": seconds}, most=4)]
    assert names
    assert len(set(names)) == len(names)
    assert not any("e+" in name for name in names)


def test_what_is_no_number_is_in_no_range():
    mixed = np.array(["100", "many", None, 700], object)
    low, middle, high = (
        one.holds({"schedule.distance": mixed}) for one in slices_of(DISTANCE, mixed)
    )
    assert low.tolist() == [True, False, False, False]
    assert middle.tolist() == [False, False, False, True]
    assert not high.any()
