"""Units that come back make an error of their own, which two-way clustering sees."""

import numpy as np
import pytest

from sluiceway.errors import BadInput
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.jackknife import paired_harm, two_way_harm
from sluiceway.statistics.metrics import METRICS, TwoWaySums, metric_named
from sluiceway.statistics.two_way import TwoWayAccumulator


def two_way(metric, label, answer, block, unit, pieces=1) -> TwoWaySums:
    collected = TwoWayAccumulator(METRICS[metric])
    order = np.random.default_rng(pieces).permutation(len(label)) if pieces > 1 else slice(None)
    columns = [np.asarray(one)[order] for one in (label, answer, block, unit)]
    for rows in np.array_split(np.arange(len(label)), pieces):
        collected.add(*(one[rows] for one in columns))
    return collected.finish()


def visits(rng, units=40, blocks=20, rows=1200, of_unit=0.5):
    """Rows of units that come back in any block; the candidate suits some units and not others."""
    unit, block = rng.integers(0, units, rows), rng.integers(0, blocks, rows)
    before = 3 + rng.uniform(-1, 1, rows)
    effects = of_unit * rng.normal(size=units)[unit] + 0.2 * rng.normal(size=blocks)[block]
    return np.zeros(rows), before, before + 0.3 + effects, block, unit


def both(metric, label, before, after, block, unit):
    return tuple(two_way(metric, label, answer, block, unit) for answer in (before, after))


def test_ignoring_units_that_recur_under_covers_and_two_way_does_not():
    rng = np.random.default_rng(21)
    runs = 300
    one_way = ways = 0
    for _ in range(runs):
        arms = both("latency_mean", *visits(rng))
        by_block, by_both = paired_harm(arms[0].blocks, arms[1].blocks), two_way_harm(*arms)
        one_way += by_block.lower(0.025) <= 0.3 <= by_block.upper(0.025)
        ways += by_both.lower(0.025) <= 0.3 <= by_both.upper(0.025)
    assert one_way / runs < 0.85
    assert 0.92 <= ways / runs <= 0.98


@pytest.mark.parametrize("metric", ["mae", "average_precision", "latency_p50"])
def test_each_way_is_the_jackknife_of_that_way(metric):
    rng = np.random.default_rng(3)
    label, before, after, block, unit = visits(rng)
    label = (rng.uniform(size=label.size) < 0.4).astype(float)
    arms = both(metric, label, before, after, block, unit)
    cell = [f"{b}-{u}" for b, u in zip(block, unit, strict=True)]
    errors = {}
    for way, ids in {"blocks": block, "units": unit, "cells": cell}.items():
        alone = []
        for answer in (before, after):
            collected = MetricAccumulator(METRICS[metric])
            collected.add(label, answer, ids)
            alone.append(collected.finish())
        errors[way] = paired_harm(*alone).standard_error
        found = paired_harm(getattr(arms[0], way), getattr(arms[1], way))
        assert found.standard_error == pytest.approx(errors[way], rel=1e-9)
    squares = {way: error**2 for way, error in errors.items()}
    variance = squares["blocks"] + squares["units"] - squares["cells"]
    largest = max(variance, squares["blocks"], squares["units"])
    assert two_way_harm(*arms).standard_error == pytest.approx(np.sqrt(largest), rel=1e-9)


def test_units_of_one_block_only_change_nothing():
    label, before, after, _, unit = visits(np.random.default_rng(4))
    arms = both("mae", label, before, after, unit % 10, unit)
    alone, ways = paired_harm(arms[0].blocks, arms[1].blocks), two_way_harm(*arms)
    assert ways.standard_error == pytest.approx(alone.standard_error, rel=1e-9)
    assert ways.blocks == 10
    assert ways.degrees_of_freedom == alone.degrees_of_freedom


def test_the_larger_one_way_error_holds_where_the_formula_gives_less():
    """Harms that cancel inside each block and unit leave V_block + V_unit - V_cell below 0."""
    block, unit = (one.ravel() for one in np.meshgrid(np.arange(12), np.arange(12)))
    before = np.full(block.size, 2.0)
    after = before + np.where((block + unit) % 2, 0.5, -0.5)
    arms = both("latency_mean", np.zeros(block.size), before, after, block, unit)
    errors = [
        paired_harm(getattr(arms[0], way), getattr(arms[1], way)).standard_error
        for way in ("blocks", "units", "cells")
    ]
    assert errors[0] ** 2 + errors[1] ** 2 - errors[2] ** 2 < 0
    assert two_way_harm(*arms).standard_error == max(errors[:2])


@pytest.mark.parametrize("metric", ["rmse", "roc_auc"])
def test_one_partition_and_many_give_the_same(metric):
    rng = np.random.default_rng(5)
    _, answer, _, block, unit = visits(rng)
    label = (rng.uniform(size=answer.size) < 0.5).astype(float)
    whole = two_way(metric, label, answer, block, unit)
    split = two_way(metric, label, answer, block.astype(str), unit.astype(str), pieces=64)
    for way in ("blocks", "units", "cells"):
        one, many = getattr(whole, way), getattr(split, way)
        assert one.blocks == many.blocks
        np.testing.assert_array_equal(one.rows, many.rows)
        np.testing.assert_allclose(one.sums, many.sums, rtol=1e-9)


def test_one_unit_only_has_no_error():
    label, before, after, block, unit = visits(np.random.default_rng(6))
    arms = both("mae", label, before, after, block, np.zeros_like(unit))
    assert np.isnan(two_way_harm(*arms).upper(0.05))


def test_no_rows_have_no_harm():
    empty = TwoWayAccumulator(METRICS["roc_auc"]).finish()
    assert np.isnan(two_way_harm(empty, empty).harm)


def test_a_row_without_a_unit_is_refused():
    collected = TwoWayAccumulator(METRICS["mae"])
    with pytest.raises(BadInput, match=r"^unit: 1 rows have no unit id; each row needs one$"):
        collected.add([1.0, 2.0], [1.0, 2.0], ["a", "b"], np.array(["u", None], object))


@pytest.mark.parametrize("name", ["r2", "roc_auc(classes=3)", "f1(classes=3)"])
def test_columns_and_weights_are_summed_each_way(name):
    rng, metric = np.random.default_rng(17), metric_named(name)
    answer = rng.dirichlet([1, 2, 1], 600)
    label = answer + rng.normal(size=answer.shape)
    if name != "r2":
        label = label.argmax(axis=1).astype(float)
    if name.startswith("f1"):
        answer = answer.argmax(axis=1).astype(float)
    block, unit = rng.integers(0, 6, 600), rng.integers(0, 9, 600)
    weight = rng.exponential(size=600)
    collected = TwoWayAccumulator(metric)
    for rows in np.array_split(rng.permutation(600), 5):
        given = (one[rows] for one in (label, answer, block, unit))
        collected.add(*given, weight=weight[rows])
    sums = collected.finish()
    for way, ids in ((sums.blocks, block), (sums.units, unit)):
        alone = MetricAccumulator(metric)
        alone.add(label, answer, ids, weight=weight)
        expected = metric.leave_one_block_out(alone.finish())
        np.testing.assert_allclose(metric.leave_one_block_out(way), expected, rtol=1e-9)
    assert sums.cells.weight.sum() == pytest.approx(weight.sum())
    with pytest.raises(BadInput, match=r"^latency_p50: takes no weights$"):
        TwoWayAccumulator(METRICS["latency_p50"]).add([0], [1], ["a"], ["u"], weight=[1])
