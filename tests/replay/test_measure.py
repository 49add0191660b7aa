"""What a replay measures is what one would compute with all rows in one frame."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.gates import Gate, Role
from sluiceway.replay import Arm, Evaluator, UnusableHistory, measure, measure_all
from tests.replay import diamond

ARMS = (
    Arm(name="baseline", release=diamond.release()),
    Arm(name="candidate", release=diamond.release(demand="2")),
)


def gate(model: str, metric: str = "mae") -> Gate:
    return Gate(
        model=model,
        metric=metric,
        field="units",
        label="outcomes.units",
        role=Role.REQUIRED,
        margin=0.1,
    )


def evaluator(folder, **options) -> Evaluator:
    return Evaluator(
        diamond.shop(folder),
        ARMS,
        baseline="baseline",
        predictors=options.pop("loaded", diamond.predictors()),
        transformations=diamond.TRANSFORMATIONS,
        **options,
    )


def rows_of(part, which):
    codes = part.block_codes[which]
    kept, renumbered = np.unique(codes, return_inverse=True)
    return replace(
        part,
        units=part.units[which],
        event_time=part.event_time[which],
        block_names=tuple(part.block_names[code] for code in kept),
        block_codes=renumbered.astype(np.intp),
        columns={name: column[which] for name, column in part.columns.items()},
        labels={name: column[which] for name, column in part.labels.items()},
    )


def test_sums_by_block_equal_a_plain_computation(tmp_path):
    part = diamond.partition()
    sums = measure([gate("demand")], evaluator(tmp_path), [part])
    answer = part.columns["visits.clicks"] + part.columns["goods.weight"]
    for arm, shift in (("baseline", 0.0), ("candidate", 5.0)):
        error = np.abs(answer + shift - part.labels["outcomes.units"])
        expected = [error[part.block_codes == code].sum() for code in range(20)]
        found = sums[arm]["demand.mae"]
        np.testing.assert_allclose(found.sums[:, 0], expected)
        assert found.blocks == part.block_names


def test_one_partition_and_many_measure_the_same(tmp_path):
    part = diamond.partition(600)
    part.labels["outcomes.units"][:] = part.labels["outcomes.units"] > 30
    gates = [gate("price"), gate("refund", "roc_auc")]
    halves = [rows_of(part, part.block_codes < 7), rows_of(part, part.block_codes >= 7)]
    whole, parted = (measure(gates, evaluator(tmp_path), parts) for parts in ([part], halves))
    for arm in whole:
        for name, sums in whole[arm].items():
            np.testing.assert_allclose(parted[arm][name].sums, sums.sums, rtol=1e-12)
            assert parted[arm][name].blocks == sums.blocks


def test_rows_without_a_label_are_counted_and_the_same_for_all_arms(tmp_path):
    part = diamond.partition()
    part.labels["outcomes.units"][::3] = np.nan
    sums = measure([gate("demand"), gate("stock")], evaluator(tmp_path), [part])
    for by_gate in sums.values():
        for one in by_gate.values():
            assert one.unlabelled.sum() == 20
            assert one.rows.sum() == 40


def test_counts_and_progress_are_told(tmp_path):
    part = replace(
        diamond.partition(), missing_units={"goods": 2}, not_yet_known={"outcomes.units": 3}
    )
    seen = []
    told = measure_all(
        [gate("demand")],
        evaluator(tmp_path),
        [part, part],
        on_partition=lambda partition, answers: seen.append((partition.rows, set(answers.values))),
    )
    assert seen == [(60, {"baseline", "candidate"})] * 2
    assert (told.rows, told.partitions, told.missing_units) == (120, 2, {"goods": 4})
    assert told.not_yet_known == {"outcomes.units": 6}
    assert told.calls["demand", "1"] == 2
    assert told.seconds["demand", "1"] > 0


def test_no_partition_is_no_evidence(tmp_path):
    sums = measure([gate("demand"), gate("refund", "roc_auc")], evaluator(tmp_path), [])
    assert set(sums) == {"baseline", "candidate"}
    assert all(one.rows.sum() == 0 for by_gate in sums.values() for one in by_gate.values())


def test_a_transformed_feature_with_too_many_missing_values_makes_the_replay_unusable(tmp_path):
    loaded = {**diamond.predictors(), ("demand", "1"): diamond.Linear({"hour": 1.0})}
    one = evaluator(tmp_path, loaded=loaded)
    part = diamond.partition()
    part.columns["visits.at"][5] = np.datetime64("NaT")
    with pytest.raises(UnusableHistory):
        measure([gate("demand")], one, [part])


def test_a_gate_of_a_model_that_is_not_scored_is_refused(tmp_path):
    with pytest.raises(ValueError, match="refund"):
        measure([gate("refund")], evaluator(tmp_path, only=["price"]), [])
