"""The closed form is the integral it claims to be; combination is what closed testing says."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from sluiceway.statistics.evalues import (
    critical_ratio,
    e_holm,
    log_t_mixture,
    log_weighted_mean,
)


def log_e_of(x, c2=1.0):
    return log_t_mixture(len(x), float(np.mean(x)), float(np.std(x)), c2)


def log_e_by_integration(x, c2):
    """Mixture over effect size and scale over the null's mixture over scale, by quadrature."""
    n, total, squares, c = len(x), np.sum(x), np.sum(x**2), math.sqrt(c2)
    limit = 50 / math.sqrt(squares / n)

    def likelihood(precision, effect):
        return precision ** (n - 1) * math.exp(
            -0.5 * (squares * precision**2 - 2 * total * precision * effect + n * effect**2)
        )

    def weighed(precision, effect):
        half_normal = 2 * c * math.exp(-0.5 * c2 * effect**2) / math.sqrt(2 * math.pi)
        return likelihood(precision, effect) * half_normal

    options = {"epsabs": 0, "epsrel": 1e-9}
    above, _ = integrate.dblquad(weighed, 0, 8 / c + 3, 0, limit, **options)
    below, _ = integrate.quad(likelihood, 0, limit, args=(0.0,), **options)
    return math.log(above / below)


@pytest.mark.parametrize("c2", [1.0, 9.0])
@pytest.mark.parametrize(("n", "effect"), [(1, 1.0), (2, -1.0), (5, 0.0), (12, 1.0)])
def test_closed_form_equals_numerical_integration(n, effect, c2):
    x = np.random.default_rng(n).normal(effect, 1, n)
    assert log_e_of(x, c2) == pytest.approx(log_e_by_integration(x, c2), abs=1e-9)


def test_nothing_seen_and_nothing_but_zeros_is_no_evidence():
    assert log_t_mixture(0, 0.0, 0.0) == 0.0
    assert log_e_of(np.zeros(50)) == 0.0


def test_the_first_observation_is_worth_little_whatever_its_size():
    """One block has no scale to compare with: at most log 2 either way, at c² = 1 log 3/2."""
    assert log_t_mixture(1, 1e9, 0.0) == pytest.approx(math.log(1.5))
    assert log_t_mixture(1, -1e-9, 0.0) == pytest.approx(math.log(0.5))


@given(
    n=st.integers(1, 10**7),
    mean=st.floats(-1e9, 1e9),
    spread=st.floats(0, 1e9),
    c2=st.floats(1e-3, 1e3),
)
def test_it_is_finite_for_any_evidence(n, mean, spread, c2):
    assert math.isfinite(log_t_mixture(n, mean, spread, c2))


@given(
    n=st.integers(2, 10**6),
    mean=st.floats(-10, 10),
    spread=st.floats(0.01, 10),
    power=st.integers(-6, 6),
)
def test_it_does_not_depend_on_the_unit(n, mean, spread, power):
    scale = 10.0**power
    assert log_t_mixture(n, mean * scale, spread * scale) == pytest.approx(
        log_t_mixture(n, mean, spread), rel=1e-9, abs=1e-9
    )


def test_more_effect_is_more_evidence_even_across_the_far_tail():
    ratios = np.linspace(-3, 3, 601)
    for n in (3, 1_000, 1_000_000):
        values = [log_t_mixture(n, float(ratio), 1.0) for ratio in ratios]
        assert np.all(np.diff(values) > -1e-6)


def test_critical_ratio_is_where_the_evidence_suffices():
    for n in (10, 60, 5_000):
        ratio = critical_ratio(n, 0.05)
        assert log_t_mixture(n, ratio, 1.0) == pytest.approx(math.log(20), abs=1e-9)
    assert critical_ratio(0, 0.05) is None
    assert critical_ratio(3, 0.05) is None  # even three equal blocks are not enough


def test_the_default_prior_is_within_a_tenth_of_the_best_from_10_to_60_blocks():
    for n in (10, 20, 30, 60):
        best = min(
            ratio
            for c2 in np.geomspace(0.1, 20, 60)
            if (ratio := critical_ratio(n, 0.05, float(c2))) is not None
        )
        assert critical_ratio(n, 0.05) <= 1.1 * best


def looks(x):
    """Log e-values after each block, rows are sequences."""
    n = np.arange(1, x.shape[1] + 1)
    mean = np.cumsum(x, axis=1) / n
    spread = np.sqrt(np.maximum(np.cumsum(x**2, axis=1) / n - mean**2, 0))
    return [
        [log_t_mixture(int(k), m, s) for k, m, s in zip(n, means, spreads, strict=True)]
        for means, spreads in zip(mean.tolist(), spread.tolist(), strict=True)
    ]


def test_harm_exactly_at_the_margin_is_called_at_most_alpha_over_all_looks():
    sims = 400
    x = np.random.default_rng(11).normal(0, 3, (sims, 60))
    crossed = np.max(looks(x), axis=1) >= math.log(20)
    assert crossed.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sims)


def test_a_family_of_dependent_gates_is_called_at_most_alpha_over_all_looks():
    """Five gates which share half of their noise, each look judged by the weighted mean."""
    sims, gates, blocks = 150, 5, 50
    rng = np.random.default_rng(12)
    shared = rng.normal(size=(sims, blocks))
    own = rng.normal(size=(gates, sims, blocks))
    log_e = np.array([looks(np.sqrt(0.5) * (shared + one)) for one in own])
    family = np.log(np.exp(log_e).mean(axis=0))
    crossed = family.max(axis=1) >= math.log(20)
    assert crossed.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sims)


def test_real_harm_is_found():
    x = np.random.default_rng(13).normal(1.0, 1, (100, 30))
    assert (np.max(looks(x), axis=1) >= math.log(20)).mean() > 0.95


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.floats(-5, 8), st.floats(0.1, 5)),
        min_size=1,
        max_size=6,
    )
)
def test_e_holm_equals_testing_every_group(family):
    log_e, weights = zip(*family, strict=True)
    named = []
    for member in range(len(family)):
        others = [k for k in range(len(family)) if k != member]
        groups = [
            [member, *group]
            for size in range(len(family))
            for group in itertools.combinations(others, size)
        ]
        gaps = [
            math.fsum(weights[k] * (math.exp(log_e[k]) - 20) for k in group) for group in groups
        ]
        if min(gaps) >= 0:
            named.append(member)
    assert e_holm(log_e, weights, 0.05) == tuple(named)


@given(st.lists(st.tuples(st.floats(-50, 5000), st.floats(0.1, 5)), min_size=1, max_size=6))
def test_whoever_e_holm_names_the_family_reaches_the_level_too(family):
    log_e, weights = zip(*family, strict=True)
    assert math.isfinite(log_weighted_mean(log_e, weights))
    if e_holm(log_e, weights, 0.05):
        assert log_weighted_mean(log_e, weights) >= math.log(20) - 1e-9


def test_the_empty_family_has_no_evidence():
    assert log_weighted_mean((), ()) == 0.0
    assert e_holm((), (), 0.05) == ()
