"""Metrics from per-block sums equal independent computations, whatever the partitioning."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from sluiceway.errors import BadInput
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import METRICS, BlockSums

REFERENCE = {
    "mae": reference.mean_absolute_error,
    "rmse": reference.root_mean_squared_error,
    "bias": lambda label, answer: abs(np.mean(answer) - np.mean(label)),
    "brier": lambda label, answer: reference.brier_score_loss(label, answer, pos_label=1),
    "log_loss": lambda label, answer: reference.log_loss(label, answer, labels=[0, 1]),
    "accuracy": lambda label, answer: reference.accuracy_score(label, answer > 0.5),
    "roc_auc": reference.roc_auc_score,
}
BINARY = {"brier", "log_loss", "accuracy", "roc_auc"}


def rows_of(metric: str, seed: int, n: int = 400, blocks: int = 8):
    rng = np.random.default_rng(seed)
    block = rng.integers(0, blocks, n)
    answer = np.round(rng.uniform(0, 1, n), 2)  # ties, zeros and ones among them
    if metric in BINARY:
        return (rng.uniform(size=n) < 0.1 + 0.6 * answer).astype(float), answer, block
    return rng.normal(30, 40, n), rng.normal(30, 40, n), block


def sums_of(metric, label, answer, block) -> BlockSums:
    collected = MetricAccumulator(METRICS[metric])
    collected.add(label, answer, block)
    return collected.finish()


def test_every_metric_is_compared_with_a_reference():
    assert set(REFERENCE) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_value_each_deletion_and_each_block_equal_the_reference(name):
    metric = METRICS[name]
    label, answer, block = rows_of(name, seed=3)
    sums = sums_of(name, label, answer, block)
    assert metric.value(sums) == pytest.approx(REFERENCE[name](label, answer), rel=1e-12)
    without, inside = metric.leave_one_block_out(sums), metric.per_block(sums)
    for g, block_id in enumerate(sums.blocks):
        of_block = block == int(block_id)
        assert without[g] == pytest.approx(
            REFERENCE[name](label[~of_block], answer[~of_block]), rel=1e-9
        )
        assert inside[g] == pytest.approx(
            REFERENCE[name](label[of_block], answer[of_block]), rel=1e-9
        )


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), pieces=st.sampled_from([2, 7, 64]))
def test_one_partition_and_many_give_the_same(name, seed, pieces):
    metric = METRICS[name]
    label, answer, block = rows_of(name, seed, n=200)
    whole = sums_of(name, label, answer, block)
    order = np.random.default_rng(seed).permutation(label.size)
    parts = MetricAccumulator(metric)
    for rows in np.array_split(order, pieces):
        parts.add(label[rows], answer[rows], np.array([f"{b}" for b in block[rows]], dtype=object))
    split = parts.finish()
    assert split.blocks == whole.blocks
    np.testing.assert_array_equal(split.rows, whole.rows)
    assert metric.value(split) == pytest.approx(metric.value(whole), rel=1e-9)
    for way in (metric.leave_one_block_out, metric.per_block):
        np.testing.assert_allclose(way(split), way(whole), rtol=1e-9, atol=1e-9)


def test_auc_with_all_scores_tied_is_one_half():
    sums = sums_of("roc_auc", [0, 1, 1, 0], [0.3] * 4, ["a", "a", "b", "b"])
    assert METRICS["roc_auc"].value(sums) == 0.5
    np.testing.assert_array_equal(METRICS["roc_auc"].leave_one_block_out(sums), [0.5, 0.5])


def test_auc_of_one_class_is_undefined_and_says_so():
    auc = METRICS["roc_auc"]
    sums = sums_of("roc_auc", [0, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], ["a", "a", "b", "b"])
    np.testing.assert_array_equal(auc.defined(sums), [False, True])
    assert np.isnan(auc.per_block(sums)[0])
    assert np.isnan(auc.leave_one_block_out(sums)[1])


@pytest.mark.parametrize("name", METRICS)
def test_no_rows_give_no_blocks_and_no_value(name):
    sums = (
        MetricAccumulator(METRICS[name]).finish()
        if name == "roc_auc"
        else sums_of(name, [], [], [])
    )
    assert sums.blocks == ()
    assert np.isnan(METRICS[name].value(sums))


@pytest.mark.parametrize("name", METRICS)
def test_unlabelled_rows_and_faults_are_counted_apart_and_never_summed(name):
    label = [1, np.nan, 1, np.inf, 0, np.nan]
    answer = [0.5, 0.5, np.nan, 0.5, 0.25, np.inf]
    sums = sums_of(name, label, answer, ["a", "a", "a", "b", "b", "b"])
    assert sums.rows.tolist() == [1, 1]
    assert sums.unlabelled.tolist() == [1, 1]
    assert sums.label_faults.tolist() == [0, 1]
    assert sums.answer_faults.tolist() == [1, 1]
    assert np.isfinite(sums.sums).all()


@pytest.mark.parametrize("name", sorted(BINARY))
def test_labels_other_than_0_and_1_are_faults_of_a_binary_metric(name):
    assert sums_of(name, [0, 2, 0.5, 1], [0.1] * 4, ["a"] * 4).label_faults.tolist() == [2]


@pytest.mark.parametrize("name", ["brier", "log_loss", "accuracy"])
def test_answers_outside_probability_are_faults(name):
    assert sums_of(name, [0, 1], [-0.1, 1.1], ["a", "a"]).answer_faults.tolist() == [2]


def test_a_row_without_a_block_is_refused():
    with pytest.raises(BadInput, match=r"^mae: 1 rows have no block id; each row needs one$"):
        MetricAccumulator(METRICS["mae"]).add([1.0, 2.0], [1.0, 2.0], np.array(["a", None], object))


def test_dates_are_the_same_block_in_any_partition():
    days = np.array(["2013-07-01", "2013-07-02"], dtype="datetime64[D]")
    collected = MetricAccumulator(METRICS["mae"])
    collected.add([1.0, 2.0], [1.0, 2.0], days)
    collected.add([1.0], [1.0], days[:1])
    assert collected.finish().rows.tolist() == [2, 1]


def test_sums_of_ranks_refuse_to_be_merged():
    sums = sums_of("roc_auc", [0, 1], [0.1, 0.2], ["a", "a"])
    with pytest.raises(ValueError, match="ranks all rows at once"):
        sums.merge(sums)


def test_sums_of_two_metrics_refuse_to_be_merged():
    with pytest.raises(ValueError, match="cannot be merged"):
        sums_of("mae", [1], [1], ["a"]).merge(sums_of("rmse", [1], [1], ["a"]))
