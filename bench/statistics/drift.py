"""What a whole drift report costs, against sorting the same numbers."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from sluiceway.drift import drift_report, profile_window

NUMERIC, CATEGORICAL, LEVELS = 15, 5, 20
BLOCKS = 100


def _frame(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Numbers (a third of them with 2 % missing) and text, as pandas reads them from Parquet."""
    frame = {}
    for number in range(NUMERIC):
        values = rng.standard_normal(rows)
        if number % 3 == 0:
            values[rng.random(rows) < 0.02] = np.nan
        frame[f"number {number}"] = values
    names = np.asarray([f"level {level:02d}" for level in range(LEVELS)], dtype=object)
    for number in range(CATEGORICAL):
        text = names[rng.integers(LEVELS, size=rows)]
        frame[f"category {number}"] = pd.Series(text, dtype="str")
    return pd.DataFrame(frame)


def drift_vs_sort(quick: bool) -> float:
    """CPU of profiling two windows and comparing them, over `np.sort` of their numeric columns."""
    rows, repeats = 1_000_000, 3 if quick else 7
    rng = np.random.default_rng(20261124)
    windows = [_frame(rng, rows) for _ in range(2)]
    codes = np.repeat(np.arange(BLOCKS), rows // BLOCKS)
    blocks = [[f"{side} {block:03d}" for block in range(BLOCKS)] for side in ("before", "now")]

    def report() -> None:
        before, now = (
            profile_window({name: frame[name] for name in frame}, names, codes)
            for frame, names in zip(windows, blocks, strict=True)
        )
        assert drift_report(before, now).tests >= NUMERIC + CATEGORICAL

    def floor() -> None:
        for frame in windows:
            for number in range(NUMERIC):
                np.sort(frame[f"number {number}"].to_numpy())

    # One thread, as the sort has; a second one of BLAS would only wait, and be counted.
    with threadpool_limits(1):
        report()
        costs = [(_cpu(report), _cpu(floor)) for _ in range(repeats)]
    return median(one for one, _ in costs) / median(one for _, one in costs)


def _cpu(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


KEYS: dict[str, Callable[[bool], float | None]] = {"drift_vs_sort": drift_vs_sort}
