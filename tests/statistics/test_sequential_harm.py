"""A gate's sequential state: each block once, exact over JSON, blind to the unit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.evalues import log_t_mixture
from sluiceway.statistics.metrics import METRICS
from sluiceway.statistics.sequential import (
    BlockEnteredTwiceError,
    BlockHarm,
    SequentialHarm,
    block_harms,
)
from sluiceway.statistics.sequential.t_mixture import skewed, unskewed

STATE = TypeAdapter(SequentialHarm)
HARMS = st.lists(st.floats(-1e3, 1e3), max_size=30)


def block_of(place, harm, **more):
    known = {"baseline": 1.0, "candidate": 1.0 + harm} if harm is not None else {}
    return BlockHarm(
        block=f"{place:05d}",
        harm=harm,
        **{"baseline": None, "candidate": None, "rows": 10, **known, **more},
    )


def state_of(harms):
    state = SequentialHarm()
    for place, harm in enumerate(harms):
        state = state.enter(block_of(place, harm))
    return state


@given(HARMS)
def test_state_survives_json_exactly(harms):
    state = state_of(harms)
    assert STATE.validate_json(STATE.dump_json(state)) == state


@given(HARMS.filter(bool), st.floats(0, 100))
def test_evidence_is_that_of_the_raw_block_harms(harms, margin):
    state, x = state_of(harms), np.array(harms)
    assert state.mean == pytest.approx(x.mean(), rel=1e-9, abs=1e-9)
    assert state.spread == pytest.approx(x.std(), rel=1e-6, abs=1e-9)
    for side, sign in (("log_e_harm", 1), ("log_e_safety", -1)):
        log_e = getattr(state, side)(margin)
        mean, skewness = sign * (state.mean - margin), sign * state.skewness
        plain = log_t_mixture(len(x), mean, state.spread)
        if skewness >= 0:
            assert log_e == plain
        else:
            assert log_e <= plain + 1e-9
            assert math.isfinite(log_e)


@given(
    st.lists(st.integers(-1000, 1000), min_size=3, max_size=30).filter(lambda x: len(set(x)) > 1)
)
def test_skewness_is_that_of_the_raw_block_harms(harms):
    assert state_of(harms).skewness == pytest.approx(stats.skew(harms), rel=1e-6, abs=1e-9)


@given(st.floats(-50, 50), st.floats(-3, 0))
def test_a_statistic_lowered_for_skewness_is_found_again(t, skew):
    lowered = unskewed(t, skew)
    assert lowered <= t
    assert unskewed(skewed(lowered, skew), skew) == pytest.approx(lowered, abs=1e-6)


def test_days_that_are_mild_with_a_rare_very_bad_one_pass_less_often_for_nothing():
    """Exponential block harms whose mean is the margin, a look after each of 60 blocks."""
    sims, passed, plain = 200, 0, 0
    for seed in range(sims):
        state, seen = SequentialHarm(), [False, False]
        for place, harm in enumerate(np.random.default_rng(seed).exponential(1, 60).tolist()):
            state = state.enter(block_of(place, harm))
            if place >= 9:
                seen[0] |= state.log_e_safety(1.0) >= math.log(20)
                before = log_t_mixture(state.n, 1.0 - state.mean, state.spread)
                seen[1] |= before >= math.log(20)
        passed, plain = passed + seen[0], plain + seen[1]
    assert passed < 0.6 * plain
    assert passed / sims <= 0.08 + 3 * math.sqrt(0.08 * 0.92 / sims)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30), st.integers(-6, 6))
def test_evidence_does_not_depend_on_the_unit(harms, power):
    scale, margin = 10.0**power, 7.5
    plain, scaled = state_of([float(h) for h in harms]), state_of([h * scale for h in harms])
    assert scaled.log_e_harm(margin * scale) == pytest.approx(
        plain.log_e_harm(margin), rel=1e-9, abs=1e-9
    )
    for low, expected in zip(
        scaled.confidence_sequence(0.05), plain.confidence_sequence(0.05), strict=True
    ):
        assert (low is None) == (expected is None)
        if low is not None:
            assert low == pytest.approx(expected * scale, rel=1e-9, abs=1e-9 * scale)


def test_a_far_offset_does_not_eat_the_spread():
    near, far = state_of([0.0, 1.0, 2.0]), state_of([1e9, 1e9 + 1, 1e9 + 2])
    assert far.spread == pytest.approx(near.spread, rel=1e-9)


def test_a_block_entered_twice_is_refused():
    state = state_of([1.0])
    with pytest.raises(BlockEnteredTwiceError, match="block 00000 was entered before"):
        state.enter(block_of(0, 2.0))


@given(HARMS, st.sampled_from([math.nan, math.inf, -math.inf, 1e200, -1e300]))
def test_what_is_not_finite_never_enters_the_sums(harms, bad):
    state = state_of(harms)
    after = state.enter(BlockHarm(block="bad", harm=bad, baseline=1.0, candidate=bad, rows=3))
    assert (after.n, after.mean, after.squares) == (state.n, state.mean, state.squares)
    assert after.faulty_rows == 3
    assert STATE.validate_json(STATE.dump_json(after)) == after


def test_a_block_with_nothing_to_measure_counts_as_unmeasured():
    state = state_of([1.0]).enter(block_of(7, None))
    assert (state.n, state.unmeasured, state.rows) == (1, 1, 20)


def test_the_interval_holds_exactly_the_margins_that_are_not_excluded():
    state = state_of(np.random.default_rng(2).normal(1, 2, 25).tolist())
    low, high = state.confidence_sequence(0.05)
    assert state.log_e_harm(low) == pytest.approx(math.log(20), abs=1e-8)
    assert state.log_e_safety(high) == pytest.approx(math.log(20), abs=1e-8)
    assert state.log_e_harm(low + 1e-3) < math.log(20) < state.log_e_harm(low - 1e-3)


def test_the_interval_is_unbounded_while_no_data_could_bound_it():
    assert SequentialHarm().confidence_sequence(0.05) == (None, None)
    assert state_of([1.0, 2.0, 3.0]).confidence_sequence(0.05) == (None, None)


def test_the_confidence_sequence_covers_over_all_looks():
    rng, missed, sims = np.random.default_rng(4), 0, 150
    for _ in range(sims):
        state, outside = SequentialHarm(), False
        for place, harm in enumerate(rng.normal(5, 2, 40).tolist()):
            state = state.enter(block_of(place, harm))
            low, high = state.confidence_sequence(0.05)
            outside |= low is not None and not low <= 5 <= high
        missed += outside
    assert missed / sims <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / sims)


def sums_of(metric, label, answer, block):
    collected = MetricAccumulator(METRICS[metric])
    collected.add(label, answer, block)
    return collected.finish()


def test_block_harms_are_signed_so_that_positive_is_worse():
    label, block = [0, 1, 0, 1], ["a", "a", "b", "b"]
    good, bad = [0.1, 0.9, 0.1, 0.9], [0.9, 0.1, 0.1, 0.9]
    harms = block_harms(
        sums_of("roc_auc", label, good, block), sums_of("roc_auc", label, bad, block)
    )
    assert [one.harm for one in harms] == [1.0, 0.0]
    assert (harms[0].baseline, harms[0].candidate, harms[0].rows) == (1.0, 0.0, 2)


def test_a_block_of_one_class_is_unmeasured_and_a_faulty_answer_is_a_fault():
    label, block = [0, 0, 0, 1], ["a", "a", "b", "b"]
    before = sums_of("roc_auc", label, [0.1, 0.2, 0.3, 0.4], block)
    first, second = block_harms(before, before)
    assert first.harm is None
    assert first.faulty_rows == 0
    assert second.harm == 0.0
    wild = sums_of("mae", [1.0, 1.0], [1e308, -1e308], ["a", "a"])
    assert block_harms(wild, wild)[0].faulty_rows == 1
