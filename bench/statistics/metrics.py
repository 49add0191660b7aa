"""What rank metrics cost with their error, against sklearn, which gives none."""

import numpy as np
from sklearn.metrics import roc_auc_score

from bench.statistics.slices import ratio
from sluiceway.statistics.jackknife import paired_harm
from sluiceway.statistics.metrics import metric_named

ROWS, BLOCKS = 1_000_000, 100


def auc_vs_sklearn(quick: bool) -> float:
    """CPU of both arms' AUC with the interval of their difference, per arm."""
    draw = np.random.default_rng(7)
    rows = ROWS // 10 if quick else ROWS
    before, after = draw.normal(size=(2, rows))
    label = (before + after + draw.normal(0, 2, rows) > 1).astype(np.float64)
    block = np.sort(draw.integers(0, BLOCKS, rows))
    names = [f"{code:03d}" for code in range(BLOCKS)]
    auc = metric_named("roc_auc")

    def judged() -> None:
        arms = (auc.block_sums(label, answer, block, names) for answer in (before, after))
        assert paired_harm(*arms).upper(0.05) < 1

    def floor() -> None:
        for answer in (before, after):
            roc_auc_score(label, answer)

    return ratio(judged, floor, 5 if quick else 9)


KEYS = {"auc_vs_sklearn": auc_vs_sklearn}
