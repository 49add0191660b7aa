"""The short way over many slices gives what summing each slice by itself gives."""

import numpy as np
import pytest

from sluiceway.statistics.metrics import AdditiveMetric, metric_named
from sluiceway.statistics.sliced import ALL_ROWS, Levels, sliced_sums

NAMES = (
    "mae",
    "rmse",
    "brier",
    "log_loss",
    "accuracy",
    "accuracy(threshold=0.3)",
    "precision",
    "f1",
    "negative_flips",
    "decision_flips(threshold=0.3)",
    "disagreement",
    "expected_cost(miss=5, false_alarm=1, threshold=0.3)",
    "calibration_slope",
)


def world(rows=3000, seed=4):
    draw = np.random.default_rng(seed)
    answers = [np.round(draw.uniform(size=rows), 2) for _ in range(2)]
    label = (draw.random(rows) < answers[0]).astype(float)
    block = draw.integers(0, 7, rows)
    variables = {
        "origin": Levels(names=("EWR", "JFK"), codes=draw.integers(-1, 2, rows)),
        "hour": Levels(names=tuple("abcde"), codes=draw.integers(0, 5, rows)),
        "many": Levels(names=tuple(map(str, range(3000))), codes=draw.integers(-1, 3000, rows)),
        "carrier": Levels(names=("UA",), codes=np.full(rows, -1)),
    }
    return label, *answers, block, [f"{g}" for g in range(7)], variables


def alone(metric, label, answer, reference, block, blocks, inside):
    """The sums of one slice, by itself."""
    other = reference[inside] if metric.paired else None
    return metric.block_sums(label[inside], answer[inside], block[inside], blocks, reference=other)


def check(metrics, label, before, after, block, blocks, variables, slices):
    found = sliced_sums(metrics, label, before, after, block, blocks, variables)
    for metric in metrics:
        for name, inside in slices.items():
            pair = found[metric.name, name]
            for arm, answer in ((pair.baseline, before), (pair.candidate, after)):
                one = alone(metric, label, answer, before, block, blocks, inside)
                assert (arm.metric, arm.blocks) == (one.metric, one.blocks)
                np.testing.assert_allclose(arm.sums, one.sums, rtol=1e-9, atol=1e-9)
                for count in ("rows", "unlabelled", "label_faults", "answer_faults"):
                    np.testing.assert_array_equal(getattr(arm, count), getattr(one, count))


def named():
    metrics = [metric_named(name) for name in NAMES]
    assert all(isinstance(one, AdditiveMetric) for one in metrics)
    return metrics


def test_every_metric_of_every_slice_is_as_if_it_were_summed_alone():
    label, before, after, block, blocks, variables = world()
    slices = {ALL_ROWS: np.ones(len(label), dtype=bool)}
    for variable in ("origin", "hour", "carrier"):
        levels = variables[variable]
        slices |= {f"{variable}={n}": levels.codes == at for at, n in enumerate(levels.names)}
    slices |= {f"many={at}": variables["many"].codes == at for at in (0, 17, 2999)}
    check(named(), label, before, after, block, blocks, variables, slices)


def test_a_fault_or_a_missing_label_is_counted_in_its_slice_and_never_summed():
    label, before, after, block, blocks, variables = world()
    label[3], label[4], before[5], after[6], after[7] = np.nan, 2, np.nan, np.inf, 1.5
    origin = variables["origin"].codes
    slices = {ALL_ROWS: origin > -9, "origin=EWR": origin == 0, "origin=JFK": origin == 1}
    check(named(), label, before, after, block, blocks, {"origin": variables["origin"]}, slices)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_and_one_row_are_rows_too(rows):
    label, before, after, block, blocks, variables = world(rows)
    codes = variables["origin"].codes
    slices = {ALL_ROWS: codes > -9, "origin=EWR": codes == 0}
    only = {"origin": variables["origin"]}
    check(named()[:4], label, before, after, block, blocks, only, slices)


def test_without_a_variable_there_are_all_rows():
    label, before, after, block, blocks, _ = world(50)
    found = sliced_sums(named(), label, before, after, block, blocks, {})
    assert {name for _, name in found} == {ALL_ROWS}
