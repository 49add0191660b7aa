"""A metric is named with its parameters, and a name that is not one says what would be."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import BadInput
from sluiceway.statistics.metrics import (
    METRIC_NAMES,
    METRICS,
    UnitKind,
    at_operating_threshold,
    metric_named,
)
from tests.statistics.metric_references import CASES, LINEARISED

EXAMPLES = {
    "quantile_loss(quantile=…)": "quantile_loss(quantile=0.9)",
    "expected_cost(miss=…, false_alarm=…)": "expected_cost(miss=5, false_alarm=1)",
    "scorer(function=…, worse=…)": "scorer(function=max_error, worse=higher)",
}


def test_names_tell_the_parameters_that_are_needed_and_no_others():
    assert set(METRIC_NAMES) == set(METRICS) | set(EXAMPLES)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric_named(name) is metric


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("accuracy", "accuracy"),
        (" accuracy ( ) ", "accuracy"),
        ("accuracy(threshold=0.5)", "accuracy"),
        ("accuracy(classes=2)", "accuracy"),
        ("accuracy( threshold = 0.30 )", "accuracy(threshold=0.3)"),
        ("accuracy(threshold=-2)", "accuracy(threshold=-2)"),
        ("accuracy(threshold=0.123456789)", "accuracy(threshold=0.123456789)"),
        ("quantile_loss(quantile=.9)", "quantile_loss(quantile=0.9)"),
        ("disagreement(tolerance=0)", "disagreement"),
        ("disagreement(tolerance=1e-9)", "disagreement(tolerance=1e-09)"),
        (
            "expected_cost(threshold=0.3, miss=5.0, false_alarm=1.0)",
            "expected_cost(miss=5, false_alarm=1, threshold=0.3)",
        ),
        ("brier(classes=3)", "brier(classes=3)"),
        ("roc_auc(classes=2)", "roc_auc"),
        ("roc_auc( classes = 3 )", "roc_auc(classes=3)"),
        ("average_precision(classes=3)", "average_precision(classes=3)"),
        (
            "scorer(worse=lower, function=matthews_corrcoef, threshold=.5)",
            "scorer(function=matthews_corrcoef, worse=lower, threshold=0.5)",
        ),
    ],
)
def test_however_it_is_written_it_has_one_name(text, name):
    assert metric_named(text).name == name
    assert metric_named(name).name == name


@given(st.floats(0.001, 0.999), st.floats(1e-300, 1e300))
def test_a_name_keeps_every_digit_of_its_parameters(share, tolerance):
    for written in (
        f"quantile_loss(quantile={share!r})",
        f"f1(threshold={share!r})",
        f"expected_cost(miss={tolerance!r}, false_alarm={share!r})",
        f"disagreement(tolerance={tolerance!r})",
        f"scorer(function=f1_score, worse=lower, threshold={share!r})",
    ):
        name = metric_named(written).name
        assert metric_named(name).name == name
        numbers = [float(one) for one in re.findall(r"=([0-9.e+-]+)", name)]
        assert set(numbers) <= {share, tolerance}


@pytest.mark.parametrize(("_rows", "name"), CASES)
def test_its_own_name_finds_it_again(_rows, name):
    metric = metric_named(name)
    assert metric_named(metric.name).name == metric.name


THERE_ARE = ", ".join(METRIC_NAMES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mea", f"is not known (there are: {THERE_ARE})"),
        ("", f"is not known (there are: {THERE_ARE})"),
        ("accuracy(threshold=0.5", f"is not known (there are: {THERE_ARE})"),
        ("accuracy threshold=0.5", f"is not known (there are: {THERE_ARE})"),
        ("quantile_loss", "needs quantile: quantile_loss(quantile=…)"),
        ("expected_cost(threshold=0.3)", "needs miss and false_alarm: expected_cost(miss=…, "
         "false_alarm=…)"),
        ("expected_cost(miss=5)", "needs false_alarm: expected_cost(false_alarm=…)"),
        ("mae(threshold=0.5)", "'threshold=0.5' is no parameter of mae (it takes: no parameter)"),
        ("specificity(treshold=0.5)", "'treshold=0.5' is no parameter of specificity "
         "(it takes: threshold)"),
        ("specificity(0.5)", "'0.5' is no parameter of specificity (it takes: threshold)"),
        ("specificity((threshold=0.5))", "'(threshold=0.5)' is no parameter of specificity "
         "(it takes: threshold)"),
        ("accuracy(threshold=0.5, threshold=0.5)", "gives threshold twice"),
        ("accuracy(threshold=half)", "threshold=half is no number"),
        ("accuracy(threshold=)", "threshold= is no number"),
        ("accuracy(classes=3.0)", "classes=3.0 is no whole number"),
        ("accuracy(threshold=nan)", "threshold nan must be finite"),
        ("f1(threshold=inf)", "threshold inf must be finite"),
        ("accuracy(classes=1)", "classes 1 must be at least 2"),
        ("log_loss(classes=0)", "classes 0 must be at least 2"),
        ("roc_auc(classes=1)", "classes 1 must be at least 2"),
        ("accuracy(threshold=0.3, classes=4)",
         "classes decide by themselves: there is no threshold with them"),
        ("quantile_loss(quantile=1)", "quantile 1 must lie between 0 and 1"),
        ("quantile_loss(quantile=nan)", "quantile nan must lie between 0 and 1"),
        ("disagreement(tolerance=-1)", "tolerance -1 must be finite and at least 0"),
        ("disagreement(tolerance=inf)", "tolerance inf must be finite and at least 0"),
        ("expected_cost(miss=-1, false_alarm=1)", "costs -1 and 1 must be finite and at least 0"),
        ("expected_cost(miss=nan, false_alarm=1)", "costs nan and 1 must be finite and at least 0"),
        ("expected_cost(miss=0, false_alarm=0)", "one of the costs must be above 0"),
        ("scorer(function=f2_score, worse=lower)", "sklearn.metrics has no f2_score"),
        ("scorer(function=__doc__, worse=lower)", "sklearn.metrics has no __doc__"),
        ("scorer(function=f1_score, worse=less)", "worse=less must be higher or lower"),
        ("scorer(function=f1_score, worse=lower, threshold=nan)", "threshold nan must be finite"),
        ("scorer", "needs function and worse: scorer(function=…, worse=…)"),
    ],
)  # fmt: skip
def test_a_name_that_is_none_says_what_would_be(text, told):
    with pytest.raises(BadInput) as refused:
        metric_named(text)
    assert [(fault.where, fault.what) for fault in refused.value.faults] == [(text, told)]


@pytest.mark.parametrize(
    ("text", "thresholds", "found"),
    [
        ("accuracy", [0.3], "accuracy(threshold=0.3)"),
        ("accuracy()", [0.3], "accuracy(threshold=0.3)"),
        ("precision", [0.3, 0.3], "precision(threshold=0.3)"),
        ("decision_flips", [0.0], "decision_flips(threshold=0.0)"),
        ("f1", [1 / 3], "f1(threshold=0.3333333333333333)"),
        ("expected_cost(miss=5, false_alarm=1)", [0.3],
         "expected_cost(miss=5, false_alarm=1, threshold=0.3)"),
        ("recall(threshold=0.7)", [0.3], "recall(threshold=0.7)"),
        ("recall( threshold = 0.7)", [0.3], "recall( threshold = 0.7)"),
        ("accuracy(classes=3)", [0.3], "accuracy(classes=3)"),
        ("accuracy", [], "accuracy"),
        ("accuracy", [0.3, 0.4], "accuracy"),
        ("brier", [0.3], "brier"),
        ("roc_auc", [0.3], "roc_auc"),
        ("disagreement", [0.3], "disagreement"),
        ("scorer(function=max_error, worse=higher)", [0.3],
         "scorer(function=max_error, worse=higher)"),
        ("mea", [0.3], "mea"),
    ],
)  # fmt: skip
def test_a_metric_of_decisions_takes_the_threshold_at_which_consumers_act(text, thresholds, found):
    assert at_operating_threshold(text, thresholds) == found


def test_what_takes_a_threshold_is_told_by_its_name():
    """Each metric of decisions takes the consumers' threshold, and no other does."""
    names = [EXAMPLES.get(name, name) for name in METRIC_NAMES]
    at = {name for name in names if at_operating_threshold(name, [0.3]) != name}
    assert {name.partition("(")[0] for name in at} == {
        "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1",
        "expected_cost", "decision_flips", "negative_flips", "positive_flips",
    }  # fmt: skip


def test_units_and_needs_are_as_documented():
    every = {*(name for _, name in CASES), *LINEARISED}

    def names(which):
        return {name.partition("(")[0] for name in every if which(metric_named(name))}

    assert names(lambda m: not m.needs_label) == {
        "decision_flips", "disagreement", "latency_mean", "error_rate", "fallback_rate",
        "null_rate", *LINEARISED,
    }  # fmt: skip
    assert names(lambda m: m.paired) == {
        "decision_flips", "negative_flips", "positive_flips", "disagreement"
    }  # fmt: skip
    assert names(lambda m: not m.of_answers) == {
        "latency_mean", "error_rate", "fallback_rate", "null_rate", *LINEARISED
    }  # fmt: skip
    assert names(lambda m: m.unit_kind is UnitKind.LABEL) == {
        "mae", "rmse", "bias", "quantile_loss"
    }  # fmt: skip
    assert names(lambda m: not m.additive) == {
        "roc_auc", "average_precision", "scorer", *LINEARISED
    }  # fmt: skip
