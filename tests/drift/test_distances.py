"""Distances are those of independent computations, within the error they state."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import contingency

from sluiceway.drift import profile_window
from sluiceway.drift.comparing import compare_categories, compare_numbers, compare_rates
from sluiceway.drift.folklore import stability_index
from sluiceway.drift.profiles import Aspect, CategorySummary, NumericSummary
from tests.drift.windows import window


def numbers(values: np.ndarray, blocks: int = 7, points: int = 512) -> NumericSummary:
    part = window({"x": values}, blocks, points=points).columns["x"].parts[Aspect.VALUES]
    assert isinstance(part, NumericSummary)
    return part


def categories(values: np.ndarray, blocks: int = 7) -> CategorySummary:
    part = window({"x": values}, blocks).columns["x"].parts[Aspect.VALUES]
    assert isinstance(part, CategorySummary)
    return part


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rounded", [None, 1, 0])
def test_small_blocks_are_kept_whole_and_d_is_scipys(seed: int, rounded: int | None) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=1500), rng.normal(0.2, 1.3, size=900)
    if rounded is not None:
        first, second = first.round(rounded), second.round(rounded)
    found = compare_numbers(numbers(first), numbers(second))
    assert found.error == 0
    assert found.distance == pytest.approx(stats.ks_2samp(first, second).statistic, abs=1e-12)
    assert found.wasserstein == pytest.approx(stats.wasserstein_distance(first, second))


@pytest.mark.parametrize("points", [16, 64, 256])
@pytest.mark.parametrize("seed", range(4))
def test_a_summary_is_wrong_by_no_more_than_it_states(points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.lognormal(size=20_011), rng.lognormal(0.05, size=9_007).round(2)
    found = compare_numbers(numbers(first, points=points), numbers(second, points=points))
    exact = stats.ks_2samp(first, second, method="asymp").statistic
    assert 0 < found.error <= 1 / points + 1e-12
    assert abs(found.distance - exact) <= found.error


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), st.integers(2, 9))
def test_the_rank_error_holds_for_any_block(values: list[int], points: int) -> None:
    """Each block's distribution function is within 1/(2K), at every point, whatever the ties."""
    column = np.asarray(values, dtype=float)
    part = numbers(column, blocks=1, points=points)
    for at in range(-6, 7):
        kept = (part.kept <= at).mean()
        assert abs(kept - (column <= at).mean()) <= part.rank_error + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_v_is_scipys_association(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (
        rng.choice(list("abcde"), p=p, size=size).astype(object)
        for p, size in (([0.2] * 5, 800), ([0.3, 0.1, 0.2, 0.25, 0.15], 500))
    )
    table = pd.crosstab(np.repeat([0, 1], [800, 500]), np.concatenate((first, second)))
    found = compare_categories(categories(first), categories(second)).today
    assert found == pytest.approx(contingency.association(table.to_numpy(), method="cramer"))


def test_the_contrast_of_every_split_is_the_distance_of_its_rows() -> None:
    """One product of matrices gives what comparing the permuted rows themselves gives."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 30, size=9)
    owners = np.repeat(np.arange(9), sizes)
    values = rng.normal(size=len(owners)).round(1)
    text = rng.choice(list("abc"), size=len(owners)).astype(object)
    missing = rng.random(len(owners)) < 0.3
    before, now = owners < 5, owners >= 5

    def part(which: np.ndarray, column: np.ndarray):
        codes = owners[which] - owners[which].min()
        names = [f"{one:02d}" for one in range(codes.max() + 1)]
        return profile_window({"x": column[which]}, names, codes).columns["x"].parts[Aspect.VALUES]

    ks = compare_numbers(part(before, values), part(now, values)).contrast()
    v = compare_categories(part(before, text), part(now, text))
    counts = np.bincount(owners, weights=missing).astype(int)
    rates = compare_rates((counts[:5], sizes[:5]), (counts[5:], sizes[5:]))
    for _ in range(20):
        current = np.zeros((1, 9))
        current[0, rng.choice(9, size=4, replace=False)] = 1
        chosen = current[0, owners] == 1
        exact = stats.ks_2samp(values[~chosen], values[chosen]).statistic
        assert ks.distances(current)[0] == pytest.approx(exact)
        table = pd.crosstab(chosen, text).to_numpy()
        assert v.distances(current)[0] == pytest.approx(contingency.association(table))
        apart = abs(missing[chosen].mean() - missing[~chosen].mean())
        assert rates.distances(current)[0] == pytest.approx(apart)


def test_effective_rows_are_rows_over_the_design_effect() -> None:
    """Kish: n/(1 + (n per block − 1)·ICC), for a 0–1 column with ICC .2, on average."""
    rng = np.random.default_rng(0)
    worth = []
    for _ in range(200):
        days = rng.beta(2, 2, size=(60, 1))  # ICC = 1/(2 + 2 + 1)
        hits = (rng.random((60, 50)) < days).sum(axis=1)
        rows = np.full(30, 50)
        worth.append(compare_rates((hits[:30], rows), (hits[30:], rows)).effective_rows()[0])
    assert 1 / np.mean(1 / np.asarray(worth)) == pytest.approx(1500 / (1 + 49 * 0.2), rel=0.05)


def test_the_stability_index_is_the_symmetrised_divergence() -> None:
    p, q = np.array([0.1, 0.4, 0.5]), np.array([0.3, 0.3, 0.4])
    assert stability_index(p, q) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p))


@settings(max_examples=60)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40),
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40),
)
def test_any_finite_numbers_have_a_distance(first: list[float], second: list[float]) -> None:
    a, b = np.asarray(first), np.asarray(second)
    found = compare_numbers(numbers(a, blocks=3), numbers(b, blocks=2))
    apart = [abs((a <= at).mean() - (b <= at).mean()) for at in (*a, *b)]
    assert found.distance == pytest.approx(max(apart), abs=1e-12)
