"""Each metric, in all, without each block and inside each, equals an independent computation."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import METRIC_NAMES, METRICS, UnitKind, metric_named
from tests.statistics.metric_references import (
    CASES,
    LINEARISED,
    REFERENCES,
    WEIGHABLE,
    sample_of,
    sums_of,
    weighted,
)

SEEDS = st.integers(0, 2**32 - 1)


def check(name, sample, reference):
    metric, sums = metric_named(name), sums_of(name, sample)
    found = metric.value(sums), metric.leave_one_block_out(sums), metric.per_block(sums)
    ways = [(sample, found[0])]
    for g, block in enumerate(sums.blocks):
        inside = sample.block == int(block)
        ways += [(sample.at(~inside), found[1][g]), (sample.at(inside), found[2][g])]
    for rows, value in ways:
        expected = reference(rows)
        assert np.isfinite(expected)
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert metric.defined(sums).all()


def test_every_metric_is_compared_with_a_reference():
    compared = {metric_named(name).name.partition("(")[0] for _, name in CASES}
    assert compared | LINEARISED == {name.partition("(")[0] for name in METRIC_NAMES}
    assert set(METRICS) - LINEARISED <= {name for _, name in CASES}


@pytest.mark.parametrize(("rows", "name"), CASES)
def test_value_each_deletion_and_each_block_equal_the_reference(rows, name):
    check(name, sample_of(rows, seed=3), REFERENCES[rows][name])


@pytest.mark.parametrize(("rows", "name"), WEIGHABLE)
def test_so_they_do_with_weights(rows, name):
    check(name, weighted(sample_of(rows, seed=6), seed=7), REFERENCES[rows][name])


@pytest.mark.parametrize(("rows", "name"), WEIGHABLE)
def test_a_weight_of_k_is_the_row_k_times(rows, name):
    sample, metric = sample_of(rows, seed=8, n=120), metric_named(name)
    weight = np.random.default_rng(9).integers(0, 4, 120)
    once = sums_of(name, replace(sample, weight=weight))
    often = sums_of(name, sample.at(np.repeat(np.arange(120), weight)))
    np.testing.assert_allclose(once.sums, often.sums, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(once.weight, often.rows)
    assert metric.value(once) == pytest.approx(metric.value(often), rel=1e-9)


@pytest.mark.parametrize(("rows", "name"), CASES)
@settings(max_examples=4, deadline=None)
@given(seed=SEEDS, with_weights=st.booleans())
def test_one_partition_and_many_give_the_same(rows, name, seed, with_weights):
    metric = metric_named(name)
    sample = sample_of(rows, seed, n=150)
    if with_weights and metric.weighable:
        sample = weighted(sample, seed)
    whole = sums_of(name, sample)
    order = np.random.default_rng(seed).permutation(150)
    for pieces in (2, 7, 64):
        parts = MetricAccumulator(metric)
        for which in np.array_split(order, pieces):
            part = sample.at(which)
            blocks = np.array([str(block) for block in part.block], dtype=object)
            other = part.reference if metric.paired else None
            parts.add(part.label, part.answer, blocks, reference=other, weight=part.weight)
        split = parts.finish()
        assert split.blocks == whole.blocks
        for count in ("rows", "unlabelled", "label_faults", "answer_faults"):
            np.testing.assert_array_equal(getattr(split, count), getattr(whole, count))
        for way in (metric.value, metric.leave_one_block_out, metric.per_block):
            np.testing.assert_allclose(way(split), way(whole), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(metric.defined(split), metric.defined(whole))


@given(seed=SEEDS, threshold=st.sampled_from([0.5, 0.3, 0.99]), several=st.booleans())
def test_accuracy_gained_is_positive_less_negative_flips(seed, threshold, several):
    sample = sample_of("codes" if several else "probabilities", seed, n=40)
    before = replace(sample, answer=sample.reference)
    given_ = "classes=4" if several else f"threshold={threshold}"

    def value(name, rows):
        metric = metric_named(f"{name}({given_})")
        return metric.value(sums_of(metric.name, rows))

    gained = value("accuracy", sample) - value("accuracy", before)
    won, lost = value("positive_flips", sample), value("negative_flips", sample)
    assert gained == pytest.approx(won - lost, abs=1e-12)
    if not several:  # among more classes a decision may go from one wrong class to another
        assert value("decision_flips", sample) == pytest.approx(won + lost, abs=1e-12)


PAIRED = [(rows, name) for rows, name in CASES if metric_named(name).paired]


@pytest.mark.parametrize(("rows", "name"), PAIRED)
def test_the_baseline_never_differs_from_itself(rows, name):
    sample, metric = sample_of(rows, seed=11), metric_named(name)
    explicit = replace(sample, reference=sample.answer)
    for sums in (sums_of(name, sample, itself=True), sums_of(name, explicit)):
        assert metric.value(sums) == 0
        assert not metric.per_block(sums).any()
        assert not metric.leave_one_block_out(sums).any()
    assert metric.value(sums_of(name, sample)) > 0


@pytest.mark.parametrize(
    ("rows", "name", "scaled", "by"),
    [
        *((rows, name, name, 1) for rows in ("numbers", "outputs") for name in ("mae", "rmse")),
        *((rows, "bias", "bias", 1) for rows in ("numbers", "outputs")),
        ("numbers", "quantile_loss(quantile=0.9)", "quantile_loss(quantile=0.9)", 1),
        ("latencies", "latency_mean", "latency_mean", 1),
        *((rows, "r2", "r2", 0) for rows in ("numbers", "outputs")),
        ("numbers", "disagreement", "disagreement", 0),
        ("numbers", "disagreement(tolerance=20)", "disagreement(tolerance={20})", 0),
    ],
)
@settings(max_examples=15)
@given(seed=SEEDS, power=st.integers(-9, 9))
def test_the_unit_scales_the_value_or_leaves_it(rows, name, scaled, by, seed, power):
    scale, sample = 10.0**power, sample_of(rows, seed, n=60)
    other = replace(
        sample,
        label=sample.label * scale,
        answer=sample.answer * scale,
        reference=sample.reference * scale,
    )
    metric = metric_named(scaled.replace("{20}", repr(20 * scale)))
    before = metric_named(name).value(sums_of(name, sample))
    after = metric.value(sums_of(metric.name, other))
    assert after == pytest.approx(before * scale**by, rel=1e-9)


def test_every_metric_in_the_labels_unit_is_scaled_above():
    mark = next(
        one
        for one in test_the_unit_scales_the_value_or_leaves_it.pytestmark
        if one.name == "parametrize"
    )
    scaled = {name.partition("(")[0] for _, name, _, by in mark.args[1] if by}
    units = {UnitKind.LABEL, UnitKind.MILLISECONDS}
    in_unit = {name for _, name in CASES if metric_named(name).unit_kind in units}
    assert {name.partition("(")[0] for name in in_unit} == scaled


@given(seed=SEEDS, scale=st.sampled_from([0.5, 3.0, 1e6]), shift=st.sampled_from([0.0, 7.0]))
def test_the_order_of_scores_is_all_that_auc_sees(seed, scale, shift):
    sample, auc = sample_of("probabilities", seed, n=60), METRICS["roc_auc"]
    other = replace(sample, answer=np.exp(sample.answer) * scale + shift)
    one, two = (auc.value(sums_of("roc_auc", rows)) for rows in (sample, other))
    np.testing.assert_equal(one, two)


@given(seed=SEEDS, scale=st.sampled_from([0.01, 2.0, 1e5]))
def test_cost_is_in_the_unit_of_the_costs(seed, scale):
    sample = sample_of("probabilities", seed, n=60)
    plain = metric_named("expected_cost(miss=5, false_alarm=1)")
    scaled = metric_named(f"expected_cost(miss={5 * scale!r}, false_alarm={scale!r})")
    values = [metric.value(sums_of(metric.name, sample)) for metric in (plain, scaled)]
    assert values[1] == pytest.approx(values[0] * scale, rel=1e-9, abs=1e-300)
    assert scaled.loss_range == (0.0, 5 * scale)


SEVERAL_MEANS = {
    "rmse", "bias", "r2", "calibration_in_the_large", "calibration_slope", "balanced_accuracy",
    "precision", "recall", "specificity", "f1", "roc_auc", "average_precision",
    "scorer",
}  # fmt: skip
UNBOUNDED = {"mae", "quantile_loss", "log_loss", "latency_mean"}


@pytest.mark.parametrize(("rows", "name"), CASES)
def test_the_losses_of_rows_are_worse_upwards_and_their_mean_is_the_value(rows, name):
    sample, metric = sample_of(rows, seed=12), metric_named(name)
    kind = name.partition("(")[0]
    losses = metric.row_losses(sample.label, sample.answer, sample.reference)
    assert (losses is None) == (kind in SEVERAL_MEANS)
    assert (metric.loss_range is None) == (kind in SEVERAL_MEANS | UNBOUNDED)
    if losses is None:
        return
    value = metric.value(sums_of(name, sample))
    assert losses.shape == (400,)
    assert losses.mean() == pytest.approx(value if metric.worse == "higher" else 1 - value)
    if metric.loss_range is not None:
        low, high = metric.loss_range
        assert low <= losses.min()
        assert losses.max() <= high


def test_the_range_of_losses_is_reached_at_both_ends():
    label, matrix = np.array([0.0, 1.0]), np.array([[1.0, 0, 0], [1.0, 0, 0]])
    for name, answer in (
        ("brier", [0.0, 0.0]),
        ("accuracy", [0.0, 0.0]),
        ("expected_cost(miss=5, false_alarm=1)", [0.0, 0.0]),
        ("brier(classes=3)", matrix),
    ):
        metric = metric_named(name)
        losses = metric.row_losses(label, np.asarray(answer))
        assert (losses.min(), losses.max()) == metric.loss_range


def test_the_harm_of_a_row_is_the_difference_of_its_losses():
    """Accuracy is worse lower: a row lost is a harm of one, a row won one of minus one."""
    accuracy = METRICS["accuracy"]
    label, before, after = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.1, 0.1, 0.9]), np.zeros(4)
    harms = accuracy.row_losses(label, after) - accuracy.row_losses(label, before)
    np.testing.assert_array_equal(harms, [1, 0, 0, -1])
    assert accuracy.harm(np.array([0.9]), np.array([0.7])) == pytest.approx([0.2])
    assert METRICS["mae"].harm(np.array([2.0]), np.array([5.0])) == pytest.approx([3.0])


@pytest.mark.parametrize("huge", [1e20, -1e20])
def test_deleting_a_block_of_huge_answers_leaves_the_others_exactly(huge):
    """The sums of the others must not be what is left of a difference of huge numbers."""
    sample = sample_of("numbers", seed=13, n=60, blocks=3)
    answer = np.where(sample.block == 1, huge, sample.answer)
    sick = replace(sample, answer=answer)
    for name in ("mae", "rmse", "bias", "r2", "quantile_loss(quantile=0.9)"):
        metric = metric_named(name)
        without = metric.leave_one_block_out(sums_of(name, sick))[1]
        expected = REFERENCES["numbers"][name](sample.at(sample.block != 1))
        assert without == pytest.approx(expected, rel=1e-9)


def test_deleting_the_only_block_leaves_nothing():
    for rows, name in CASES:
        sums = sums_of(name, sample_of(rows, seed=14, n=30, blocks=1))
        assert np.isnan(metric_named(name).leave_one_block_out(sums)).all(), name


def test_a_block_of_small_weights_is_still_measured():
    sample = sample_of("numbers", seed=15, n=60, blocks=2)
    sums = sums_of("mae", replace(sample, weight=np.where(sample.block == 1, 1e-12, 1.0)))
    for g, inside in enumerate((sample.block == 0, sample.block == 1)):
        expected = REFERENCES["numbers"]["mae"](sample.at(inside))
        assert METRICS["mae"].per_block(sums)[g] == pytest.approx(expected, rel=1e-9)
        without = METRICS["mae"].leave_one_block_out(sums)[1 - g]
        assert without == pytest.approx(expected, rel=1e-9)


def test_what_one_output_lacks_no_other_makes_up_for():
    label, answer = np.zeros((8, 2)), np.tile([3.0, -3.0], (8, 1))
    metric = METRICS["bias"]
    assert metric.value(metric.block_sums(label, answer, np.arange(8) % 2, ["a", "b"])) == 3


def test_what_a_metric_says_of_itself_is_complete():
    for _, name in CASES:
        metric = metric_named(name)
        assert metric.worse in ("higher", "lower")
        kind = name.partition("(")[0]
        # An extreme has no weights, and no definition of a weighted quantile is agreed.
        assert metric.weighable == (kind not in LINEARISED and "max_error" not in name)
        assert inspect.getdoc(type(metric))
        if metric.paired:
            assert metric.additive
