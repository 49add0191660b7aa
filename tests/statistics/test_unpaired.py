"""Unpaired arms: compared inside block and routing revision, combined without seeing outcomes."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.statistics.metrics import METRICS
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.sequential import ArmLabels, SequentialHarm, Stratum
from sluiceway.statistics.unpaired import unpaired_rows


def compared(metric, label, answer, block, revision, on_candidate):
    return unpaired_rows(METRICS[metric], label, answer, block, revision, on_candidate)


def test_strata_are_weighed_by_what_their_rows_can_tell():
    """Two revisions in a block: 1 against 3 rows, then 2 against 2; weights 3/4 and 1."""
    harms = compared(
        "mae",
        [0.0] * 8,
        [1, 3, 3, 3, 10, 10, 14, 14],
        ["a"] * 8,
        [1] * 4 + [2] * 4,
        [True, False, False, False, False, False, True, True],
    )
    (one,) = harms
    assert one.harm == pytest.approx((0.75 * (1 - 3) + 1 * (14 - 10)) / 1.75)
    assert one.baseline == pytest.approx((0.75 * 3 + 10) / 1.75)
    assert (one.rows, one.unlabelled, one.faulty_rows, one.strata) == (8, 0, 0, None)


def test_zero_one_losses_leave_their_events_by_stratum():
    (one,) = compared(
        "accuracy",
        [1, 1, 1, 0, 0, 1],
        [0.9, 0.1, 0.2, 0.8, 0.1, 0.9],
        ["a"] * 6,
        [7, 7, 7, 8, 8, 8],
        [False, False, True, True, True, False],
    )
    assert one.strata == (
        Stratum(baseline_units=2, candidate_units=1, baseline_events=1, candidate_events=1),
        Stratum(baseline_units=1, candidate_units=2, baseline_events=0, candidate_events=1),
    )


def test_pooling_over_a_ramp_would_lie_and_strata_do_not():
    """The candidate's share grows while rows get harder; within a day both arms are alike."""
    label, answer, block, revision, chosen = [], [], [], [], []
    for day, (share, error) in enumerate([(0.05, 1.0), (0.25, 5.0), (0.5, 9.0)]):
        units = 200
        label += [0.0] * units
        answer += [error] * units
        block += [f"d{day}"] * units
        revision += [day] * units
        chosen += [k < share * units for k in range(units)]
    pooled = np.mean([a for a, c in zip(answer, chosen, strict=True) if c]) - np.mean(
        [a for a, c in zip(answer, chosen, strict=True) if not c]
    )
    assert pooled > 2
    assert [one.harm for one in compared("mae", label, answer, block, revision, chosen)] == [
        0.0
    ] * 3


def test_a_block_that_only_one_arm_answered_is_unmeasured():
    first, second = compared(
        "mae", [0.0] * 4, [1.0] * 4, ["a", "a", "b", "b"], [1] * 4, [False, False, True, False]
    )
    assert (first.harm, first.baseline, first.rows) == (None, None, 2)
    assert second.harm == 0.0
    assert SequentialHarm().enter(first).unmeasured == 1


def test_labels_are_counted_by_arm():
    missing = [math.nan, 0.0, 0.0, math.nan, math.nan, 0.0]
    (one,) = compared(
        "mae", missing, [1.0] * 6, ["a"] * 6, [1] * 6, [False, False, False, True, True, True]
    )
    assert one.arms == ArmLabels(baseline=2, candidate=1, baseline_missing=1, candidate_missing=2)
    assert one.arms.shares == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert not one.arms.unequal  # of so few that may be chance
    state = SequentialHarm().enter(one).enter(replace(one, block="b"))
    assert state.arms == one.arms + one.arms


def test_an_arm_without_rows_lacks_no_labels():
    assert ArmLabels().shares == (0, 0)
    assert not ArmLabels(candidate_missing=9).unequal


WILD = st.one_of(st.floats(), st.floats(0, 1), st.sampled_from([0.0, 1.0, math.nan]))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(name for name, one in METRICS.items() if not one.paired)),
    st.lists(st.tuples(WILD, WILD, st.integers(0, 3), st.integers(1, 3), st.booleans())),
)
def test_nothing_wild_becomes_a_harm(metric, rows):
    columns = [[row[k] for row in rows] for k in range(5)]
    state = SequentialHarm()
    for one in compared(metric, *columns):
        assert one.harm is None or math.isfinite(one.harm)
        state = state.enter(one)
    answers = np.asarray(columns[1], dtype=float)
    if not METRICS[metric].answer_domain.holds(answers).all():
        assert state.faulty_rows > 0


def test_a_metric_of_two_answers_to_one_row_is_refused():
    with pytest.raises(ValueError, match="negative_flips compares two answers"):
        compared("negative_flips", [1.0], [1.0], ["a"], [1], [True])


def test_pairs_carry_their_differences_and_their_counts():
    label = [1.0, 1.0, 0.0, math.nan, 1.0]
    before, after = [0.9, 0.1, 0.2, 0.9, 0.9], [0.1, 0.9, 0.3, 0.1, 0.2]
    first, second = paired_block_harms(METRICS["accuracy"], label, before, after, list("aabbb"))
    assert (first.better, first.worse, first.rows) == (1, 1, 2)
    assert (second.better, second.worse, second.rows, second.unlabelled) == (0, 1, 2, 1)
    assert second.differences.tolist() == [0.0, 1.0]
    brier = paired_block_harms(METRICS["brier"], label, before, after, list("aabbb"))
    assert brier[0].better is None
    assert brier[1].differences.mean() == pytest.approx(brier[1].harm)


@pytest.mark.parametrize("metric", ["accuracy", "brier", "mae"])
def test_differences_belong_to_the_blocks_of_the_harm(metric):
    rng = np.random.default_rng(5)
    label = rng.integers(0, 2, 300).astype(float)
    before, after = rng.random((2, 300))
    block = rng.integers(0, 12, 300)
    for one in paired_block_harms(METRICS[metric], label, before, after, block):
        assert one.differences.size == one.rows
        assert one.differences.mean() == pytest.approx(one.harm, abs=1e-12)


@pytest.mark.parametrize("arm", [0, 1])
def test_a_pair_that_one_arm_spoilt_is_one_fault_and_the_rest_stays_paired(arm):
    arms = [[0.2, 0.3, 0.9, 0.4], [0.1, 0.3, 0.8, 0.4]]
    arms[arm][1] = math.nan
    first, second = paired_block_harms(METRICS["brier"], [0, 0, 1, 1], *arms, list("aabb"))
    assert (first.rows, first.faulty_rows, second.faulty_rows) == (1, 1, 0)
    assert first.harm == pytest.approx(0.1**2 - 0.2**2)
    assert first.differences.tolist() == [pytest.approx(first.harm)]
