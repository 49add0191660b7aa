"""Rank and quantile metrics equal independent computations, and fail closed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from sluiceway.errors import BadInput
from sluiceway.statistics import quantiles, ranks, weighted_ranks
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.jackknife import paired_harm
from sluiceway.statistics.metrics import METRICS, metric_named

HUGE = np.linspace(-1, 1, 4000) * np.finfo(float).max
LATENCIES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}


def sums_of(metric, label, answer, block):
    collected = MetricAccumulator(METRICS[metric])
    collected.add(label, answer, block)
    return collected.finish()


def scored(seed, n=500, blocks=9, digits=2):
    rng = np.random.default_rng(seed)
    score = np.round(rng.uniform(size=n), digits)
    positive = rng.uniform(size=n) < 0.1 + 0.6 * score
    return positive, score, rng.integers(0, blocks, n)


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_average_precision_each_deletion_and_each_block_equal_sklearn(digits):
    positive, score, block = scored(seed=digits, digits=digits)
    sums = ranks.average_precision_block_sums(positive, score, block, 9)
    assert ranks.average_precision(sums.sum(axis=0)) == pytest.approx(
        average_precision_score(positive, score), rel=1e-12
    )
    without = ranks.average_precision_without_each(sums)
    inside = ranks.average_precision_inside_each(sums)
    for g in range(9):
        own = block == g
        assert without[g] == pytest.approx(
            average_precision_score(positive[~own], score[~own]), rel=1e-12
        )
        assert inside[g] == pytest.approx(
            average_precision_score(positive[own], score[own]), rel=1e-12
        )


def test_average_precision_counted_in_portions_is_the_same(monkeypatch):
    rows = scored(seed=4, n=2000, blocks=30, digits=9)
    whole = ranks.average_precision_block_sums(*rows, 30)
    monkeypatch.setattr(ranks, "CELLS_AT_ONCE", 1500)
    np.testing.assert_allclose(ranks.average_precision_block_sums(*rows, 30), whole, rtol=1e-13)


def test_linearised_average_precision_gives_the_error_within_one_percent(monkeypatch):
    rows = scored(seed=6, n=20_000, blocks=300, digits=9)

    def error():
        sums = ranks.average_precision_block_sums(*rows, 300)
        value = ranks.average_precision(sums.sum(axis=0))
        return np.linalg.norm(ranks.average_precision_without_each(sums) - value)

    exact = error()
    monkeypatch.setattr(ranks, "COUNTED_CELLS", 0)
    assert error() == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_average_precision_of_one_class_is_undefined(labels):
    sums = sums_of("average_precision", labels, [0.1, 0.2, 0.3, 0.4], ["a", "a", "b", "b"])
    metric = METRICS["average_precision"]
    assert np.isnan(metric.value(sums))
    assert np.isnan(metric.leave_one_block_out(sums)).all()
    assert not metric.defined(sums).any()


def test_average_precision_of_tied_scores_is_the_share_of_positives():
    sums = sums_of("average_precision", [0, 1, 1, 0], [0.3] * 4, ["a", "a", "b", "b"])
    assert METRICS["average_precision"].value(sums) == 0.5


@pytest.mark.parametrize(("name", "p"), LATENCIES.items())
def test_quantiles_of_all_rows_and_of_each_block_equal_numpy(name, p):
    rng = np.random.default_rng(8)
    latency, block = rng.lognormal(4, 0.5, 4000), rng.integers(0, 7, 4000)
    sums = sums_of(name, np.full(4000, np.nan), latency, block)
    metric = METRICS[name]
    assert metric.value(sums) == np.quantile(latency, p)
    inside = [np.quantile(latency[block == g], p) for g in range(7)]
    np.testing.assert_allclose(metric.per_block(sums), inside, rtol=1e-12)


def test_a_deleted_block_moves_the_median_as_it_moves_it_in_truth():
    """With blocks that differ, the linear shift is the true one to within a tenth."""
    rng = np.random.default_rng(2)
    block = np.repeat(np.arange(20), 2000)
    latency = rng.lognormal(4, 0.5, 40_000) * np.exp(rng.normal(0, 0.3, 20))[block]
    sums = quantiles.quantile_block_sums(latency, block, 20, 0.5)
    linear = quantiles.quantile_without_each(sums) - np.median(latency)
    true = [np.median(latency[block != g]) - np.median(latency) for g in range(20)]
    np.testing.assert_allclose(linear, true, atol=0.1 * np.abs(true).max())


@pytest.mark.parametrize("p", LATENCIES.values())
def test_with_a_block_for_each_row_the_error_is_the_textbook_one(p):
    """√(p (1 - p)/n)/density, of normal rows, to within the estimated density's own error."""
    rng = np.random.default_rng(13)
    n = 40_000
    sums = quantiles.quantile_block_sums(rng.normal(size=n), np.arange(n), n, p)
    shifts = quantiles.quantile_without_each(sums) - quantiles.quantile(sums)
    textbook = np.sqrt(p * (1 - p) / n) / stats.norm.pdf(stats.norm.ppf(p))
    assert np.linalg.norm(shifts) == pytest.approx(textbook, rel=0.12)


def test_the_bandwidth_is_the_published_formula_worked_by_hand():
    """n = 1000: .1 · 1.95996^⅔ = .156615, times (1.5 · .159155)^⅓ = .620350 at the median."""
    assert quantiles.bandwidth(1000, 0.5) == pytest.approx(0.0971559, rel=1e-5)
    # φ(1.644854)² = .0106370, 2 · 1.644854² + 1 = 6.411087, and 1.5 times their ratio is .00248873,
    # whose cube root is .135517.
    assert quantiles.bandwidth(1000, 0.95) == pytest.approx(0.0212239, rel=1e-5)


@pytest.mark.parametrize(
    "latency",
    [np.full(4000, 12.0), np.arange(3.0), np.repeat([1.0, 2.0], 2000), np.empty(0), HUGE],
    ids=["constant", "three rows", "two values", "none", "beyond floats"],
)
def test_latencies_without_a_density_have_no_error(latency):
    block = np.arange(latency.size) % 20
    sums = sums_of("latency_p95", np.zeros(latency.size), latency, block)
    slower = sums_of("latency_p95", np.zeros(latency.size), latency + 1, block)
    assert np.isnan(paired_harm(sums, slower).upper(0.05))


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", *LATENCIES])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ties=st.booleans())
def test_one_partition_and_64_agree(name, seed, ties):
    metric = METRICS[name]
    positive, answer, block = scored(seed, n=3000, digits=2 if ties else 15)
    whole = sums_of(name, positive, answer, block)
    order = np.random.default_rng(seed).permutation(answer.size)
    parts = MetricAccumulator(metric)
    for rows in np.array_split(order, 64):
        parts.add(positive[rows], answer[rows], block[rows])
    split = parts.finish()
    assert split.blocks == whole.blocks
    np.testing.assert_array_equal(split.rows, whole.rows)
    assert metric.value(split) == pytest.approx(metric.value(whole), rel=1e-9)
    for way in (metric.leave_one_block_out, metric.per_block):
        np.testing.assert_allclose(way(split), way(whole), rtol=1e-9, atol=1e-9)


def weighed(seed, n=500, blocks=9, digits=2):
    positive, score, block = scored(seed, n=n, blocks=blocks, digits=digits)
    return positive, score, block, np.random.default_rng(seed + 1).exponential(size=n)


ORDERS = {
    "roc_auc": (
        weighted_ranks.roc_auc_block_sums,
        ranks.roc_auc_block_sums,
        ranks.roc_auc_without_each,
    ),
    "average_precision": (
        weighted_ranks.average_precision_block_sums,
        ranks.average_precision_block_sums,
        ranks.average_precision_without_each,
    ),
}


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("digits", [1, 15])
def test_weights_of_one_are_no_weights(name, digits):
    positive, score, block = scored(seed=7, digits=digits)
    with_weights, without, _ = ORDERS[name]
    found = with_weights(positive, score, block, 9, np.ones(500))
    np.testing.assert_allclose(found, without(positive, score, block, 9), rtol=1e-12)


@pytest.mark.parametrize("counted", [1 << 29, 0], ids=["counted", "linearised"])
def test_weighted_precision_without_each_block_is_that_of_copied_rows(monkeypatch, counted):
    monkeypatch.setattr(ranks, "COUNTED_CELLS", counted)
    monkeypatch.setattr(ranks, "CELLS_AT_ONCE", 200)
    positive, score, block = scored(seed=9)
    times = np.random.default_rng(10).integers(1, 4, 500)
    often = (np.repeat(one, times) for one in (positive, score, block))
    np.testing.assert_allclose(
        weighted_ranks.average_precision_block_sums(positive, score, block, 9, times.astype(float)),
        ranks.average_precision_block_sums(*often, 9),
        rtol=1e-12,
    )


@pytest.mark.parametrize("name", ORDERS)
def test_blocks_of_very_different_weight_are_each_measured_by_themselves(name):
    positive, score, block, weight = weighed(seed=3, blocks=3)
    scale = np.where(block == 1, 1e-12, 1.0)
    metric, ids = METRICS[name], ["a", "b", "c"]
    found = metric.block_sums(positive, score, block, ids, weight=weight * scale)
    alike = metric.block_sums(positive, score, block, ids, weight=weight)
    np.testing.assert_allclose(metric.per_block(found), metric.per_block(alike), rtol=1e-9)


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("left", [1e-3, 1e-9])
def test_without_a_block_that_weighs_nearly_all_it_is_right_or_undefined(name, left):
    positive, score, block, weight = weighed(seed=5, blocks=3)
    weight = np.where(block == 1, weight, weight * left)
    metric = METRICS[name]
    sums = metric.block_sums(positive, score, block, ["a", "b", "c"], weight=weight)
    found = metric.leave_one_block_out(sums)[1]
    if left == 1e-9:
        assert np.isnan(found)
        return
    kept = block != 1
    function = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}[name]
    expected = function(positive[kept], score[kept], sample_weight=weight[kept])
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ORDERS)
def test_of_others_without_a_class_rounded_weights_make_none(name):
    """0.1 + 0.2 - 0.3 is not 0: what sums leave must not pass for a positive row."""
    label, block = np.array([1, 1, 1, 0, 0, 0]), np.array([0, 0, 0, 0, 1, 1])
    score, weight = np.linspace(1, 0, 6), np.array([0.1, 0.2, 0.3, 0.7, 0.1, 0.7])
    metric = METRICS[name]
    for labels in (label, 1 - label):
        sums = metric.block_sums(labels, score, block, ["a", "b"], weight=weight)
        assert np.isnan(metric.leave_one_block_out(sums)[0])
        assert np.isfinite(metric.leave_one_block_out(sums)[1])
        np.testing.assert_array_equal(metric.defined(sums), [True, False])


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("scale", [1e99, 1e-120])
def test_weights_are_of_any_unit(name, scale):
    positive, score, block, weight = weighed(seed=5, blocks=3)
    metric, ids = METRICS[name], ["a", "b", "c"]
    plain, scaled = (
        metric.block_sums(positive, score, block, ids, weight=weight * by) for by in (1, scale)
    )
    np.testing.assert_allclose(
        metric.leave_one_block_out(scaled), metric.leave_one_block_out(plain), rtol=1e-9
    )
    assert paired_harm(scaled, scaled).standard_error == 0


@pytest.mark.parametrize("name", ["roc_auc(classes=3)", "average_precision(classes=3)"])
def test_of_more_classes_one_that_is_missing_leaves_it_undefined(name):
    metric = metric_named(name)
    label, block = np.tile([0.0, 1.0, 2.0, 0.0], 5), np.repeat([0, 1], 10)
    answer = np.random.default_rng(3).dirichlet([1, 1, 1], 20)
    assert np.isfinite(metric.value(metric.block_sums(label, answer, block, ["a", "b"])))
    label = np.where((block == 1) & (label == 2), 0, label)
    sums = metric.block_sums(label, answer, block, ["a", "b"])
    np.testing.assert_array_equal(metric.defined(sums), [True, False])
    np.testing.assert_array_equal(np.isnan(metric.leave_one_block_out(sums)), [True, False])


def test_partitions_of_rank_metrics_are_all_weighted_or_none():
    parts = MetricAccumulator(METRICS["roc_auc"])
    parts.add([0, 1], [0.1, 0.2], ["a", "a"])
    told = r"^roc_auc: weighted and unweighted partitions cannot be put together$"
    with pytest.raises(BadInput, match=told):
        parts.add([0, 1], [0.1, 0.2], ["a", "a"], weight=[1, 1])
