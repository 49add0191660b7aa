"""Blocks that depend on each other are seen, and made long enough before a canary begins."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from sluiceway.blocks import BlockCalendar
from sluiceway.statistics.autocorrelation import dependence

LEVEL = 0.05


def ar1(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    noise = rng.normal(0, np.sqrt(1 - rho**2), n)
    noise[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -rho], noise))


def test_independent_blocks_are_kept_but_for_the_level() -> None:
    rng = np.random.default_rng(1)
    longer = [dependence(rng.normal(size=62)).blocks_needed(LEVEL) > 1 for _ in range(600)]
    assert np.mean(longer) <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 600)


@pytest.mark.parametrize(("rho", "time"), [(0.5, 2.0), (0.8, 8.0)])
def test_the_time_beyond_a_block_is_that_of_an_ar1(rho: float, time: float) -> None:
    """2 Σ ρ^k over k ≥ 1 is 2ρ/(1 - ρ)."""
    rng = np.random.default_rng(2)
    found = [dependence(ar1(rng, rho, 20_000)) for _ in range(5)]
    assert all(one.settled for one in found)
    assert np.mean([one.time for one in found]) == pytest.approx(time, rel=0.15)


def test_a_short_record_of_dependent_blocks_is_not_taken_for_a_short_time() -> None:
    rng = np.random.default_rng(3)
    found = [dependence(ar1(rng, 0.8, 62)) for _ in range(200)]
    needed = [one.blocks_needed(LEVEL / 8) for one in found]
    assert np.mean(np.asarray(needed) > 1) > 0.95
    assert 25 <= np.median(needed) <= 55
    assert np.mean([one.settled for one in found]) < 0.2


def test_a_long_record_of_next_to_no_dependence_keeps_its_blocks() -> None:
    """Seen, and too little to matter: 5 × .1 block fits into one block."""
    found = dependence(ar1(np.random.default_rng(4), 0.05, 40_000))
    assert found.p_value < 1e-6
    assert found.blocks_needed(LEVEL) == 1


def test_a_few_extreme_blocks_side_by_side_do_not_decide() -> None:
    values = np.random.default_rng(5).normal(size=60)
    values[30:32] = 1e6
    assert dependence(values).p_value > 0.01


@pytest.mark.parametrize("history", [[], [1.0] * 5, [np.nan] * 50, np.arange(19.0)])
def test_too_few_blocks_say_nothing(history) -> None:
    found = dependence(history)
    assert (found.time, found.p_value, found.settled) == (0.0, 1.0, False)


def test_a_constant_depends_on_nothing() -> None:
    found = dependence(np.full(60, 3.0))
    assert (found.time, found.settled, found.blocks_needed(LEVEL)) == (0.0, True, 1)


@given(st.lists(st.floats(), max_size=60))
def test_any_history_gives_a_finite_length(history: list[float]) -> None:
    assert 1 <= dependence(history).blocks_needed(1.0) <= 5 * 2 * 60 + 1


@pytest.mark.parametrize(
    ("declared", "times", "length"),
    [
        ("1D", 3, "3D"),
        ("2D", 2, "4D"),
        ("6h", 2, "12h"),
        ("6h", 3, "1D"),
        ("6h", 5, "2D"),
        ("1min", 50, "1h"),
        ("1min", 1, "1min"),
        ("15min", 100, "2D"),
    ],
)
def test_longer_blocks_are_whole_multiples_that_the_calendar_can_cut(
    declared: str, times: int, length: str
) -> None:
    import pandas as pd

    one = BlockCalendar(timezone="America/New_York", length=pd.Timedelta(declared).to_pytimedelta())
    longer = one.longer(times)
    assert longer.length == pd.Timedelta(length).to_pytimedelta()
    assert longer.length % one.length == timedelta(0)


def test_longer_blocks_of_days_begin_where_declared_ones_do() -> None:
    days = BlockCalendar(timezone="America/New_York", length=timedelta(days=1))
    longer = days.longer(3)
    start = days.start("2013-11-01")
    ends = set()
    for _ in range(12):
        ends.add(days.end(days.name(start)))
        start = days.end(days.name(start))
    assert longer.end(longer.name(days.start("2013-11-02"))) in ends
