"""The bench of interval coverage leaves no metric out and knows the harms it checks."""

import numpy as np
import pytest

from bench.decision_quality import coverage
from sluiceway.statistics.metrics import METRIC_NAMES, metric_named


def test_every_metric_with_an_interval_is_simulated():
    judged = {name.partition("(")[0] for name in coverage.judged_metrics()}
    assert judged == {name.partition("(")[0] for name in METRIC_NAMES} - {"scorer"}
    for name in coverage.judged_metrics():
        assert metric_named(name)


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
