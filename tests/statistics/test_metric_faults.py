"""Bad rows are counted by what is wrong with them and never summed; nothing ever warns."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.errors import BadInput
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.jackknife import are_paired, paired_harm
from sluiceway.statistics.metrics import METRICS, Domain, metric_named, scorer_metric
from tests.statistics.metric_references import CASES, LINEARISED, WEIGHABLE, sample_of, sums_of

NAN, INF = np.nan, np.inf
COUNTS = ("rows", "unlabelled", "label_faults", "answer_faults")
BAD_LABELS = {
    "numbers": [INF, -INF],
    "outputs": [[INF, 1, 1], [1, 1, -INF]],
    "probabilities": [INF, -INF, 2, 0.5, -1],
    "codes": [INF, -INF, 4, 1e300, 0.5, -1],
    "matrices": [INF, -INF, 3, 0.5, -1],
}
BAD_ANSWERS = {
    "numbers": [NAN, INF, -INF],
    "outputs": [[NAN, 1, 1], [1, 1, INF]],
    "probabilities": [NAN, INF, -INF, -0.1, 1.1],
    "codes": [NAN, INF, -INF, 4, 1e300, 0.5, -1],
    "matrices": [[NAN, 0.5, 0.5], [0.5, 0.5, 0.5], [0.2, 0.2, 0.2], [1.5, -0.5, 0], [INF, 0, 0]],
    "latencies": [NAN, INF, -INF],
    "events": [NAN, INF, 0.5, 2, -1],
    "gaps": [],
}


def put(values: np.ndarray, row: int, poison) -> np.ndarray:
    values = values.copy()
    values[row] = poison
    return values


def check_left_out(name, sample, sick, **counted):
    """The sums are those of the other rows, and the first row is counted as told."""
    sums = sums_of(name, sick)
    others = sums_of(name, sample.at(np.arange(len(sample.block)) > 0))
    assert sums.blocks == others.blocks
    np.testing.assert_array_equal(sums.sums, others.sums)
    np.testing.assert_array_equal(sums.rows, others.rows)
    totals = {name: int(getattr(sums, name).sum()) for name in COUNTS}
    assert totals == {"unlabelled": 0, "label_faults": 0, "answer_faults": 0, "rows": 59, **counted}


NEEDS_LABEL = [(rows, name) for rows, name in CASES if metric_named(name).needs_label]


@pytest.mark.parametrize(("rows", "name"), NEEDS_LABEL)
def test_a_row_without_a_label_is_left_out_and_counted(rows, name):
    sample = sample_of(rows, seed=1, n=60, blocks=4)
    poisons = [NAN, [0, NAN, 0]] if rows == "outputs" else [NAN]
    for poison in poisons:
        sick = replace(sample, label=put(sample.label, 0, poison))
        check_left_out(name, sample, sick, unlabelled=1)


@pytest.mark.parametrize(("rows", "name"), NEEDS_LABEL)
def test_a_label_outside_the_domain_is_a_fault(rows, name):
    sample = sample_of(rows, seed=1, n=60, blocks=4)
    for poison in BAD_LABELS[rows]:
        if metric_named(name).label_domain is Domain.FINITE and np.isfinite(poison).all():
            continue  # a foreign function takes any number
        sick = replace(sample, label=put(sample.label, 0, poison))
        check_left_out(name, sample, sick, label_faults=1)


@pytest.mark.parametrize(("rows", "name"), CASES)
def test_an_answer_outside_the_domain_is_a_fault(rows, name):
    sample, metric = sample_of(rows, seed=1, n=60, blocks=4), metric_named(name)
    for poison in BAD_ANSWERS[rows]:
        if metric.answer_domain is Domain.FINITE and np.isfinite(poison).all():
            continue  # any number is a score
        sick = replace(sample, answer=put(sample.answer, 0, poison))
        check_left_out(name, sample, sick, answer_faults=1)
        if metric.paired:
            sick = replace(sample, reference=put(sample.reference, 0, poison))
            check_left_out(name, sample, sick, answer_faults=1)


@pytest.mark.parametrize(("rows", "name"), NEEDS_LABEL)
def test_a_bad_answer_counts_whether_its_label_is_there_or_not(rows, name):
    sample = sample_of(rows, seed=1, n=60, blocks=4)
    answer = put(sample.answer, 0, NAN)
    sick = replace(sample, label=put(sample.label, 0, NAN), answer=answer)
    check_left_out(name, sample, sick, unlabelled=1, answer_faults=1)


@pytest.mark.parametrize(("rows", "name"), [one for one in CASES if one not in NEEDS_LABEL])
def test_where_no_label_is_needed_none_is_looked_at(rows, name):
    sample = sample_of(rows, seed=1, n=60, blocks=4)
    for label in (np.full(60, NAN), np.full(60, INF), np.arange(60.0)):
        sums = sums_of(name, replace(sample, label=label))
        assert not sums.unlabelled.any()
        assert not sums.label_faults.any()
        np.testing.assert_array_equal(sums.sums, sums_of(name, sample).sums)


def test_missing_and_infinite_answers_are_what_null_rate_looks_at():
    sums = sums_of("null_rate", replace(sample_of("gaps", 0, n=4), answer=[NAN, INF, -INF, 1.0]))
    assert METRICS["null_rate"].value(sums) == 0.25
    assert not sums.answer_faults.any()


@pytest.mark.parametrize(("rows", "name"), CASES)
def test_a_first_partition_with_nothing_that_counts_is_no_obstacle(rows, name):
    """Labels of the first days may all be missing, or a partition be empty."""
    sample, metric = sample_of(rows, seed=2, n=60, blocks=4), metric_named(name)
    unlabelled = sample.at(np.arange(5))
    unlabelled = replace(unlabelled, label=np.full_like(unlabelled.label, NAN))
    parts = MetricAccumulator(metric)
    for part in (sample.at(np.zeros(60, dtype=bool)), unlabelled, sample.at(np.arange(60) >= 5)):
        other = part.reference if metric.paired else None
        parts.add(part.label, part.answer, part.block, reference=other)
    sums, skipped = parts.finish(), 5 if metric.needs_label else 0
    assert (sums.rows.sum(), sums.unlabelled.sum()) == (60 - skipped, skipped)
    whole = sums_of(name, sample.at(np.arange(60) >= skipped))
    assert sums.sums.dtype == np.float64
    np.testing.assert_allclose(sums.sums, whole.sums, rtol=1e-12)


@pytest.mark.parametrize(("rows", "name"), CASES)
def test_nothing_gives_no_value(rows, name):
    sample, metric = sample_of(rows, seed=1, n=60, blocks=4), metric_named(name)
    empty = sums_of(name, sample.at(np.zeros(60, dtype=bool)))
    for sums in (empty, MetricAccumulator(metric).finish()):
        assert sums.blocks == ()
        assert np.isnan(metric.value(sums))
        assert metric.leave_one_block_out(sums).shape == metric.per_block(sums).shape == (0,)
    if metric.answer_domain is not Domain.ANY:  # where missing answers are data, not faults
        bad = replace(sample, answer=np.full_like(sample.answer, NAN))
        sums = sums_of(name, bad)
        assert np.isnan(metric.value(sums))
        assert np.isnan(metric.per_block(sums)).all()
        assert np.isnan(metric.leave_one_block_out(sums)).all()
        assert not metric.defined(sums).any()
        assert sums.rows.tolist() == [0] * 4


@pytest.mark.parametrize(("rows", "name"), CASES)
def test_a_block_without_rows_changes_nothing(rows, name):
    sample, metric = sample_of(rows, seed=4, n=60, blocks=2), metric_named(name)
    other = sample.reference if metric.paired else None
    code = np.where(sample.block == 0, 0, 2)  # none is in the one between
    sums = metric.block_sums(sample.label, sample.answer, code, ["a", "b", "c"], reference=other)
    value = metric.value(sums)
    assert np.isfinite(value)
    assert metric.leave_one_block_out(sums)[1] == pytest.approx(value, rel=1e-12)
    assert np.isnan(metric.per_block(sums)[1])
    np.testing.assert_array_equal(metric.defined(sums), [True, False, True])


# Rounding of a constant must not pass for its variance.
TENTHS = np.full(7, 0.1)
TRUTH = np.array([0.0, 1, 0, 1, 0, 1, 0])
ONES, ZEROS = np.ones(7), np.zeros(7)


@pytest.mark.parametrize(
    ("name", "label", "answer"),
    [
        ("precision", TRUTH, TENTHS),
        ("recall", ZEROS, TENTHS),
        ("specificity", ONES, TENTHS),
        ("f1", ZEROS, TENTHS),
        ("balanced_accuracy", ZEROS, TENTHS),
        ("balanced_accuracy", ONES, TENTHS),
        ("balanced_accuracy(classes=3)", TRUTH, TRUTH),
        ("recall(classes=3)", TRUTH, TRUTH),
        ("precision(classes=3)", TRUTH, TRUTH),
        ("f1(classes=3)", TRUTH, TRUTH),
        ("roc_auc", ONES, TRUTH),
        ("roc_auc", ZEROS, TRUTH),
        ("r2", TENTHS, TRUTH),
        ("r2", TENTHS * 1e9, TRUTH),
        ("r2", ZEROS, TRUTH),
        ("calibration_slope", TRUTH, TENTHS),
        ("calibration_slope", TRUTH, TENTHS * 1e-5),
        ("calibration_slope", TRUTH, ZEROS),
        ("calibration_slope", TRUTH, ONES),
        ("r2", np.stack([TRUTH, TENTHS], axis=1), np.stack([TRUTH, TRUTH], axis=1)),
        ("roc_auc(classes=3)", TRUTH, np.full((7, 3), 1 / 3)),
        ("average_precision(classes=3)", TRUTH, np.full((7, 3), 1 / 3)),
        ("scorer(function=confusion_matrix, worse=lower)", TRUTH, TRUTH),
        ("scorer(function=roc_auc_score, worse=lower)", ONES, TRUTH),
    ],
)
@pytest.mark.parametrize("weight", [None, np.arange(7.0) / 3])
def test_one_class_and_constants_leave_it_undefined(name, label, answer, weight):
    metric = metric_named(name)
    weight = weight if metric.weighable else None
    sums = metric.block_sums(label, answer, np.arange(7) % 2, ["a", "b"], weight=weight)
    assert np.isnan(metric.value(sums))
    assert np.isnan(metric.per_block(sums)).all()
    assert np.isnan(metric.leave_one_block_out(sums)).all()
    assert not metric.defined(sums).any()
    assert sums.rows.sum() == (7 if weight is None else 6)


def test_a_class_in_one_block_only_leaves_the_rest_undefined():
    label, answer = np.array([0.0, 1, 0, 0]), np.array([0.2, 0.8, 0.6, 0.1])
    for name in ("roc_auc", "balanced_accuracy", "recall", "r2"):
        metric = metric_named(name)
        sums = metric.block_sums(label, answer, np.array([0, 0, 1, 1]), ["a", "b"])
        np.testing.assert_array_equal(metric.defined(sums), [True, False])
        np.testing.assert_array_equal(np.isnan(metric.leave_one_block_out(sums)), [True, False])


def test_what_a_foreign_function_does_not_answer_is_undefined():
    def cross(label, answer):
        raise RuntimeError("no")

    for score in (cross, lambda y, a: NAN, lambda y, a: INF, lambda y, a: "many", lambda y: 1.0):
        metric = scorer_metric("own", score, worse="lower")
        sums = metric.block_sums(TRUTH, TENTHS, np.arange(7) % 2, ["a", "b"])
        assert np.isnan(sums.sums).all()
        assert np.isnan(metric.value(sums))
        assert not metric.defined(sums).any()


@pytest.mark.parametrize(
    "name",
    ["mae", "rmse", "bias", "r2", "quantile_loss(quantile=0.9)", "latency_mean"],
)
def test_what_overflows_is_infinite_not_undefined(name):
    """ "No rows" forbids a verdict only; numbers out of all bounds are an error."""
    answer = np.array([1.7e308, -1.7e308, 1.7e308, 1.7e308])
    metric = metric_named(name)
    sums = metric.block_sums(-answer, answer, np.array([0, 0, 1, 1]), ["a", "b"])
    assert metric.value(sums) == INF
    assert not np.isnan(metric.leave_one_block_out(sums)).any()
    assert not np.isnan(metric.per_block(sums)).any()
    paired_harm(sums, sums)  # does not warn


def test_answers_further_apart_than_any_number_disagree():
    metric, far = METRICS["disagreement"], np.array([1.7e308])
    sums = metric.block_sums(far, far, np.array([0]), ["a"], reference=-far)
    assert metric.value(sums) == 1
    assert metric.row_losses(far, far, -far) == [1]


def test_probabilities_add_up_to_one_within_a_millionth():
    label, block = np.zeros(3), np.zeros(3, dtype=np.intp)
    answer = np.array([[0.5, 0.5, 9e-7], [0.5, 0.5, 2e-6], [0.5, 0.5 - 2e-6, 0]])
    for name in ("brier(classes=3)", "log_loss(classes=3)"):
        sums = metric_named(name).block_sums(label, answer, block, ["a"])
        assert (sums.rows[0], sums.answer_faults[0]) == (1, 2)


def test_a_sure_error_costs_a_finite_surprise():
    for name, answer in (
        ("log_loss", np.array([0.0])),
        ("log_loss(classes=3)", np.array([[1.0, 0, 0]])),
    ):
        metric = metric_named(name)
        sums = metric.block_sums(np.array([1.0]), answer, np.array([0]), ["a"])
        assert metric.value(sums) == pytest.approx(-np.log(2.220446049250313e-16))


@pytest.mark.parametrize(("rows", "name"), WEIGHABLE)
def test_a_row_of_weight_zero_is_no_row(rows, name):
    sample, metric = sample_of(rows, seed=5, n=60, blocks=4), metric_named(name)
    weight = np.where(sample.block == 2, 0.0, 0.5)
    answer = np.where(sample.block == 2, NAN, sample.answer.T).T
    sums = sums_of(name, replace(sample, weight=weight, answer=answer))
    assert sums.blocks == ("0", "1", "2", "3")
    assert {int(getattr(sums, count)[2]) for count in COUNTS} == {0}
    assert not metric.defined(sums)[2]
    there = sums_of(name, sample.at(sample.block != 2))
    assert metric.value(sums) == pytest.approx(metric.value(there), rel=1e-9)
    none = sums_of(name, replace(sample, weight=np.zeros(60)))
    assert np.isnan(metric.value(none))
    assert not none.rows.any()
    assert not metric.defined(none).any()


@pytest.mark.parametrize(("rows", "name"), WEIGHABLE)
def test_weights_that_are_none_are_refused(rows, name):
    sample, canonical = sample_of(rows, seed=5, n=60, blocks=4), metric_named(name).name
    for bad in (-1.0, NAN, INF, 1e101):
        with pytest.raises(ValueError, match=r"weights must be from 0 to 1e\+100$") as refused:
            sums_of(name, replace(sample, weight=put(np.ones(60), 7, bad)))
        assert str(refused.value).startswith(f"{canonical}: ")
    with pytest.raises(ValueError, match=r"weights of shape \(59,\) for 60 rows$"):
        sums_of(name, replace(sample, weight=np.ones(59)))


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        *(one for one in CASES if one not in WEIGHABLE),
        *(("latencies", one) for one in sorted(LINEARISED)),
    ],
)
def test_metrics_without_a_weighted_definition_take_no_weights(rows, name):
    sample, metric = sample_of(rows, seed=5, n=60), metric_named(name)
    with pytest.raises(BadInput) as refused:
        sums_of(name, replace(sample, weight=np.ones(60)))
    assert str(refused.value) == f"{metric.name}: takes no weights"
    with pytest.raises(ValueError, match=r"takes no weights$"):
        metric.block_sums(
            sample.label, sample.answer, sample.block, list("01234567"), weight=np.ones(60)
        )


def test_arms_of_different_weights_are_not_paired():
    sample = sample_of("numbers", seed=5, n=60)
    one, two = (sums_of("mae", replace(sample, weight=np.full(60, by))) for by in (1.0, 2.0))
    assert are_paired(one, one)
    assert not are_paired(one, two)
    assert not are_paired(one, sums_of("mae", sample))  # weights of 1 and no weights


ROW = np.zeros(4)


@pytest.mark.parametrize(
    ("name", "label", "answer", "more", "told"),
    [
        ("mae", ROW[:3], ROW, {}, "label (3,), answer (4,) and block (4,) must be columns of one"),
        ("mae", ROW, ROW[:3], {}, "label (4,), answer (3,) and block (4,) must be columns of one"),
        ("mae", ROW, np.zeros((4, 2)), {}, "answer (4, 2) and block (4,) must be columns of one"),
        ("mae", np.zeros((4, 2)), np.zeros((4, 3)), {}, "label (4, 2), answer (4, 3) and block"),
        ("mae", np.zeros((4, 2)), ROW, {}, "label (4, 2), answer (4,) and block (4,) must be"),
        ("mae", np.zeros((4, 0)), np.zeros((4, 0)), {}, "label (4, 0), answer (4, 0) and block"),
        ("mae", np.zeros(()), ROW, {}, "label (), answer (4,) and block (4,) must be columns"),
        ("mae", np.zeros((4, 1, 1)), ROW, {}, "takes one label a row, not (1, 1)"),
        ("r2", np.zeros((4, 2)), ROW, {}, "label (4, 2), answer (4,) and block (4,) must be"),
        ("calibration_slope", np.zeros((4, 2)), ROW, {}, "takes one label a row, not (2,)"),
        ("roc_auc(classes=3)", ROW, np.zeros((4, 2)), {}, "answer (4, 2) and block (4,) must be"),
        ("brier(classes=3)", ROW, np.zeros((4, 2)), {}, "answer (4, 2) and block (4,) must be"),
        ("brier(classes=3)", ROW, ROW, {}, "label (4,), answer (4,) and block (4,) must be"),
        ("mae", ROW, ROW, {"blocks": ["b", "a"]}, "block ids must be sorted, each once"),
        ("mae", ROW, ROW, {"blocks": ["a", "a"]}, "block ids must be sorted, each once"),
        ("mae", ROW, ROW, {"block": [0, 0, 1, 2]}, "block codes must lie in 0..1"),
        ("mae", ROW, ROW, {"block": [0, 0, -1, 0]}, "block codes must lie in 0..1"),
        ("decision_flips", ROW, ROW, {"reference": ROW[:3]}, "reference (3,) must be shaped as"),
        ("decision_flips", ROW, ROW, {"reference": np.zeros((4, 1))}, "reference (4, 1) must be"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_refused(name, label, answer, more, told):
    given = {"block": np.array([0, 0, 1, 1]), "blocks": ["a", "b"], **more}
    with pytest.raises(ValueError, match=r"^\w") as refused:
        metric_named(name).block_sums(label, answer, **given)
    assert str(refused.value).startswith(f"{name}: ")
    assert told in str(refused.value)


def test_a_metric_of_the_order_takes_one_number_a_row():
    with pytest.raises(BadInput) as refused:
        MetricAccumulator(METRICS["roc_auc"]).add(ROW, np.zeros((4, 2)), list("aabb"))
    told = "label (4,) and answer (4, 2) must be one number a row"
    assert str(refused.value) == f"roc_auc: {told}"
    for name, told in (
        ("roc_auc(classes=3)", "(4,) and answer (4, 2) must be one number and 3 numbers a row"),
        ("scorer(function=r2_score, worse=lower)", "(4,) and answer (4, 2) must be of one shape"),
    ):
        with pytest.raises(BadInput) as refused:
            MetricAccumulator(metric_named(name)).add(ROW, np.zeros((4, 2)), list("aabb"))
        assert str(refused.value) == f"{name}: label {told}"


def test_weighted_and_unweighted_sums_are_not_merged():
    sample = sample_of("numbers", seed=5, n=60)
    with pytest.raises(ValueError, match=r"^mae: weighted and unweighted sums cannot be merged$"):
        sums_of("mae", sample).merge(sums_of("mae", replace(sample, weight=np.ones(60))))


@pytest.mark.parametrize("name", ["mae", "r2", "scorer(function=r2_score, worse=lower)"])
def test_partitions_of_other_numbers_of_outputs_are_not_put_together(name):
    parts = MetricAccumulator(metric_named(name))
    parts.add(np.eye(2), np.eye(2), ["a", "b"])
    with pytest.raises((BadInput, ValueError), match="different numbers of outputs"):
        parts.add(np.eye(3), np.eye(3), ["a", "b", "b"])
