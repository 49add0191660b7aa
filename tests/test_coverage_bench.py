"""The bench of interval coverage leaves no metric out and knows the harms it checks."""

import numpy as np
import pytest

from bench.decision_quality import coverage
from sluiceway.statistics.metrics import METRIC_NAMES, metric_named


def test_every_metric_with_an_interval_is_simulated():
    names = {one.metric for one in coverage.judged_metrics().values()}
    judged = {name.partition("(")[0] for name in names}
    assert judged == {name.partition("(")[0] for name in METRIC_NAMES} - {"scorer"}
    block = np.repeat(np.arange(4), 500)
    rows = coverage.answered(block, np.random.default_rng(1))
    for one in coverage.judged_metrics().values():
        sums = coverage.arms(metric_named(one.metric), rows[one.rows], block, tuple("0123"))
        assert all(arm.rows.sum() == 2000 for arm in sums)
        assert (sums[0].weight is not None) == one.rows.startswith("weighted")


def test_further_kinds_of_rows_leave_what_was_drawn_before_them():
    block = np.repeat(np.arange(4), 50)
    draws = np.random.default_rng(1), np.random.default_rng(1)
    draws[1].spawn(3)
    first, second = (coverage.answered(block, rng) for rng in draws)
    np.testing.assert_array_equal(first["null"].candidate, second["null"].candidate)
    assert draws[0].random() == draws[1].random()
    assert (first["outputs"].label != second["outputs"].label).any()


def test_blocks_differ_by_a_factor_of_ten():
    sizes = coverage.block_sizes()
    assert (len(sizes), sizes.sum()) == (40, 20_000)
    assert sizes.max() / sizes.min() == pytest.approx(10, rel=0.05)


def test_the_true_harms_of_rates_are_those_of_the_closed_form():
    """Gauss-Hermite means of a logistic with normal shocks, against the very many rows."""
    node, weight = np.polynomial.hermite_e.hermegauss(60)

    def share(rate, shock):
        chance = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + shock * node)))
        return chance @ weight / weight.sum()

    both = np.hypot(0.4, 0.2)
    true = coverage.true_part(100_000, 2, np.random.SeedSequence(1))
    for name, before, after in (("error_rate", 0.01, 0.015), ("null_rate", 0.02, 0.03)):
        expected = share(after, both) - share(before, 0.4)
        assert true[name] / 2 == pytest.approx(expected, abs=4 * np.sqrt(expected / 200_000))
