"""Ten metrics over twenty slices of a million paired rows, against one sort of a column."""

import statistics
import time
from collections.abc import Callable

import numpy as np

from sluiceway.statistics.jackknife import paired_harm
from sluiceway.statistics.metrics import AdditiveMetric, metric_named
from sluiceway.statistics.sliced import Levels, sliced_sums

ROWS = 1_000_000
BLOCKS = 100
METRICS = (
    "mae",
    "rmse",
    "bias",
    "log_loss",
    "brier",
    "accuracy",
    "precision",
    "recall",
    "negative_flips",
    "expected_cost(miss=5, false_alarm=1, threshold=0.3)",
)


def metrics_vs_sort(quick: bool) -> float:
    draw = np.random.default_rng(5)
    probability = draw.uniform(0.01, 0.99, ROWS)
    label = (draw.random(ROWS) < probability).astype(np.float64)
    before = np.clip(probability + draw.normal(0, 0.1, ROWS), 0, 1)
    after = np.clip(probability + draw.normal(0, 0.1, ROWS), 0, 1)
    block = np.sort(draw.integers(0, BLOCKS, ROWS))
    names = [f"{code:03d}" for code in range(BLOCKS)]
    variables = {
        f"column{place}": Levels(
            names=("a", "b", "c", "d", "e"), codes=draw.integers(0, 5, ROWS).astype(np.intp)
        )
        for place in range(4)
    }
    metrics = [metric_named(name) for name in METRICS]
    assert all(isinstance(metric, AdditiveMetric) for metric in metrics)
    column = draw.normal(size=ROWS)

    def judged() -> None:
        sums = sliced_sums(metrics, label, before, after, block, names, variables)  # type: ignore[arg-type]
        harms = [paired_harm(pair.baseline, pair.candidate) for pair in sums.values()]
        assert len(harms) == 21 * len(METRICS)

    return ratio(judged, lambda: np.sort(column), 5 if quick else 15)


def ratio(work: Callable[[], object], floor: Callable[[], object], rounds: int) -> float:
    """Median over rounds of the work's CPU seconds by the floor's, one after the other."""
    ratios = []
    work()
    floor()
    for _ in range(rounds):
        start = time.process_time()
        floor()
        between = time.process_time()
        work()
        ratios.append((time.process_time() - between) / (between - start))
    return round(statistics.median(ratios), 2)


KEYS = {"metrics_vs_sort": metrics_vs_sort}
