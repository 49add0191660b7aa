"""Who was assigned to which arm, who came back, and how long blocks must be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from sluiceway.statistics.autocorrelation import autocorrelation_time, block_length_needed
from sluiceway.statistics.recurring import in_first_block
from sluiceway.statistics.sample_ratio import Assigned, broken_ratio


def of(candidate, units, weight=25, revision=1):
    return Assigned(revision=revision, weight=weight, candidate=candidate, units=units)


def test_the_ratios_evidence_is_the_mixture_over_shares():
    a, b, x, n, w = 250, 750, 40, 120, 0.25
    mixture, _ = integrate.quad(
        lambda p: stats.beta.pdf(p, a, b) * stats.binom.pmf(x, n, p), 0.15, 0.4, epsabs=0
    )
    assert of(x, n).log_e == pytest.approx(math.log(mixture / stats.binom.pmf(x, n, w)), abs=1e-8)


def test_a_sound_router_is_called_broken_at_most_the_level_over_all_looks():
    """Three revisions, a look after every 50 units, at a level that can be seen."""
    sims, level, broken = 400, 0.1, 0
    rng = np.random.default_rng(4)
    for _ in range(sims):
        done, hit = [], False
        for revision, weight in ((1, 5), (2, 25), (3, 50)):
            taken = np.cumsum(rng.random((20, 50)) < weight / 100)[49::50]
            for look, x in enumerate(taken.tolist(), start=1):
                now = of(x, 50 * look, weight, revision)
                hit |= broken_ratio([*done, now], level) is not None
            done.append(now)
        broken += hit
    assert broken / sims <= level + 3 * math.sqrt(level * (1 - level) / sims)


def test_a_router_that_is_off_is_found_and_its_revision_named():
    fine, off = of(255, 1_000), of(1_250, 2_000, weight=50, revision=2)
    assert broken_ratio([off, fine], 1e-3) == off
    assert broken_ratio([fine], 1e-3) is None
    assert broken_ratio([], 1e-3) is None


@pytest.mark.parametrize(
    ("one", "broken"),
    [
        (of(0, 50, weight=0), False),
        (of(1, 50, weight=0), True),
        (of(50, 50, weight=100), False),
        (of(49, 50, weight=100), True),
        (of(0, 0), False),
        (of(5, 3), True),
        (of(1, 3, weight=math.nan), True),
        (of(1, 3, weight=130), True),
    ],
)
def test_what_a_sound_router_cannot_do_is_broken_for_certain(one, broken):
    assert (broken_ratio([one], 1e-6) is not None) == broken


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=40))
def test_a_unit_counts_in_its_first_block_and_nothing_later(rows):
    units, blocks = [f"u{u}" for u, _ in rows], [f"b{b}" for _, b in rows]
    counted = in_first_block(units, blocks)
    first = {}
    for unit, block in zip(units, blocks, strict=True):
        first[unit] = min(block, first.get(unit, block))
    assert counted.tolist() == [b == first[u] for u, b in zip(units, blocks, strict=True)]


def ar1(rho, n, seed=0):
    rng, values = np.random.default_rng(seed), np.zeros(n)
    for k, shock in enumerate(rng.normal(size=n)):
        values[k] = rho * values[k - 1] + shock
    return values


@pytest.mark.parametrize(("rho", "time"), [(0.0, 1.0), (0.5, 3.0), (0.8, 9.0)])
def test_the_autocorrelation_time_of_an_ar1_is_known(rho, time):
    found = np.mean([autocorrelation_time(ar1(rho, 20_000, seed)) for seed in range(5)])
    assert found == pytest.approx(time, rel=0.15)


def test_a_block_is_five_times_that_long():
    assert 35 <= block_length_needed(ar1(0.8, 20_000)) <= 55
    assert block_length_needed(np.full(100, 3.0)) == 5


def test_gaps_are_not_taken_for_independence():
    values = ar1(0.8, 20_000)
    holes = np.where(np.random.default_rng(1).random(values.size) < 0.3, np.nan, values)
    assert autocorrelation_time(holes) == pytest.approx(autocorrelation_time(values), rel=0.2)


@pytest.mark.parametrize(
    "history", [[], [1.0] * 5, [math.nan] * 50, ar1(0.99, 300), np.arange(200.0)]
)
def test_a_history_too_short_to_tell_says_so(history):
    assert block_length_needed(history) is None


@given(st.lists(st.floats(), max_size=60))
def test_any_history_gives_a_length_or_none(history):
    found = block_length_needed(history)
    assert found is None or found >= 5
