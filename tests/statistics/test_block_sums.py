"""Rows become sums of blocks, whatever they come in; what each metric makes of them: see
`test_metric_values`, and of bad ones: `test_metric_faults`.
"""

import numpy as np
import pytest

from sluiceway.errors import BadInput
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import METRICS, BlockSums


def sums_of(metric, label, answer, block) -> BlockSums:
    collected = MetricAccumulator(METRICS[metric])
    collected.add(label, answer, block)
    return collected.finish()


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


def test_unlabelled_rows_and_faults_are_counted_apart():
    label = [1, np.nan, 1, np.inf, 0, np.nan]
    answer = [0.5, 0.5, np.nan, 0.5, 0.25, np.inf]
    for name in ("mae", "brier", "roc_auc"):
        sums = sums_of(name, label, answer, ["a", "a", "a", "b", "b", "b"])
        assert sums.rows.tolist() == [1, 1]
        assert sums.unlabelled.tolist() == [1, 1]
        assert sums.label_faults.tolist() == [0, 1]
        assert sums.answer_faults.tolist() == [1, 1]
        assert np.isfinite(sums.sums).all()


def test_a_row_without_a_block_is_refused():
    with pytest.raises(BadInput, match=r"^mae: 1 rows have no block id; each row needs one$"):
        MetricAccumulator(METRICS["mae"]).add([1.0, 2.0], [1.0, 2.0], np.array(["a", None], object))


def test_columns_of_different_lengths_are_refused():
    told = r"^mae: lengths of label \(2,\), answer \(1,\) and block \(2,\) differ$"
    with pytest.raises(BadInput, match=told):
        MetricAccumulator(METRICS["mae"]).add([1.0, 2.0], [1.0], ["a", "b"])


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
