"""The jackknife equals brute force, and its interval covers."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.jackknife import degrees_of_freedom, paired_harm
from sluiceway.statistics.metrics import METRICS


def sums_of(metric, label, answer, block):
    collected = MetricAccumulator(METRICS[metric])
    collected.add(label, answer, block)
    return collected.finish()


def brute_force(value, label, before, after, block, sign):
    """Delete each block from the raw rows and compute everything again."""
    harm = sign * (value(label, after) - value(label, before))
    without = []
    for one in np.unique(block):
        kept = block != one
        without.append(sign * (value(label[kept], after[kept]) - value(label[kept], before[kept])))
    g = len(without)
    return harm, np.sqrt((g - 1) / g * np.sum((np.array(without) - harm) ** 2)), g


@pytest.mark.parametrize(
    ("metric", "value", "sign"),
    [
        ("rmse", lambda label, answer: np.sqrt(np.mean((label - answer) ** 2)), 1),
        ("roc_auc", roc_auc_score, -1),
    ],
)
def test_harm_error_and_bounds_equal_brute_force(metric, value, sign):
    rng = np.random.default_rng(5)
    n = 600
    block = np.minimum(rng.geometric(0.15, n), 12)  # unequal blocks
    before = rng.normal(size=n)
    after = before + rng.normal(scale=0.5, size=n)
    label = (rng.normal(size=n) + before > 0).astype(float)
    harm, error, g = brute_force(value, label, before, after, block, sign)
    paired = paired_harm(
        sums_of(metric, label, before, block), sums_of(metric, label, after, block)
    )
    assert paired.harm == pytest.approx(harm, rel=1e-9)
    assert paired.standard_error == pytest.approx(error, rel=1e-9)
    assert (paired.blocks, paired.rows) == (g, n)
    freedom = degrees_of_freedom(np.unique(block, return_counts=True)[1].astype(float))
    assert 1 < freedom < g - 1
    assert paired.upper(0.05) == pytest.approx(harm + stats.t.ppf(0.95, freedom) * error)
    assert paired.lower(0.01) == pytest.approx(harm - stats.t.ppf(0.99, freedom) * error)


def test_for_equal_blocks_of_a_mean_it_is_the_textbook_t_interval():
    rng = np.random.default_rng(0)
    label, block = np.zeros(120), np.repeat(np.arange(12), 10)
    before, after = np.abs(rng.normal(size=(2, 120)))
    daily = (after - before).reshape(12, 10).mean(axis=1)
    paired = paired_harm(sums_of("mae", label, before, block), sums_of("mae", label, after, block))
    assert paired.standard_error == pytest.approx(stats.sem(daily), rel=1e-12)
    assert paired.degrees_of_freedom == pytest.approx(11, rel=1e-12)


def test_identical_arms_have_no_harm_and_no_error_exactly():
    rng = np.random.default_rng(1)
    label, answer, block = rng.normal(size=50), rng.normal(size=50), np.arange(50) % 10
    sums = sums_of("mae", label, answer, block)
    paired = paired_harm(sums, sums)
    assert (paired.harm, paired.standard_error, paired.upper(0.05)) == (0.0, 0.0, 0.0)


def test_one_block_has_no_error_estimate():
    sums = sums_of("mae", [1.0, 2.0], [1.5, 2.5], ["a", "a"])
    assert np.isnan(paired_harm(sums, sums).upper(0.05))


def test_arms_over_different_rows_are_refused():
    with pytest.raises(ValueError, match="do not hold the same rows"):
        paired_harm(
            sums_of("mae", [1.0, 2.0], [1.0, 2.0], ["a", "b"]), sums_of("mae", [1.0], [1.0], ["a"])
        )


def test_the_interval_covers_with_day_effects_and_unequal_days():
    """90 % two-sided over 400 samples of 25 unequal days that share a shock each."""
    rng = np.random.default_rng(9)
    covered = 0
    sizes = rng.integers(5, 40, 25)
    block = np.repeat(np.arange(25), sizes)
    label = np.zeros(block.size)
    for _ in range(400):
        before = 3 + rng.uniform(-1, 1, block.size)
        after = before + 0.3 + (rng.normal(size=25) * 0.3)[block]
        paired = paired_harm(
            sums_of("mae", label, before, block), sums_of("mae", label, after, block)
        )
        covered += paired.lower(0.05) <= 0.3 <= paired.upper(0.05)
    assert abs(covered / 400 - 0.9) <= 3 * np.sqrt(0.9 * 0.1 / 400) + 0.01


def test_degrees_of_freedom_are_those_of_the_simulated_error():
    """2 E[V]²/Var[V] over 300,000 samples of a mean of unequal blocks with a shock each."""
    sizes = np.array([1, 1, 2, 3, 5, 8, 13.0])
    share = sizes / sizes.sum()
    harms = np.random.default_rng(17).normal(size=(300_000, 7))
    mean = harms @ share
    shifts = share / (1 - share) * (harms - mean[:, None])
    variance = (shifts**2).sum(axis=1)
    simulated = 2 * variance.mean() ** 2 / variance.var()
    assert degrees_of_freedom(sizes) == pytest.approx(simulated, rel=0.02)


@pytest.mark.parametrize(
    ("sizes", "freedom"), [([3, 3], 1), ([1, 1e15, 1], 1), ([1e-300] * 5, 4), ([7], np.nan)]
)
def test_degrees_of_freedom_lie_between_one_and_blocks_less_one(sizes, freedom):
    assert degrees_of_freedom(np.array(sizes)) == pytest.approx(freedom, nan_ok=True)
