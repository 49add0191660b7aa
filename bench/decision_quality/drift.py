"""Drift: how often quiet windows alarm, and whether a small shift is found."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from bench.rows import Bar, Effort, Measured, Row, at_most, in_processes, rate
from sluiceway.drift import DriftReport, WindowProfile, drift_report, profile_window
from sluiceway.outcomes import Outcome

COLUMNS = 20
BLOCKS = 20
"""Blocks of each window."""
ICC = 0.05
SHIFT = 0.2
"""In standard deviations."""
METHOD = (
    f"no history given, so the policy permutes {BLOCKS} + {BLOCKS} whole blocks; "
    "15 numeric columns, 3 of them with 2 % missing, and 5 categorical of 8 levels"
)


def _window(
    rng: np.random.Generator, rows: int, name: str, icc: float, shift: float
) -> WindowProfile:
    codes = np.repeat(np.arange(BLOCKS), rows // BLOCKS)
    columns = {}
    for number in range(COLUMNS):
        values = rng.standard_normal(rows)
        if icc:
            days = rng.standard_normal(BLOCKS) * np.sqrt(icc)
            values = np.sqrt(1 - icc) * values + days[codes]
        if number == 0:
            values += shift
        if number >= 15:
            # Octiles of a normal, so that categories too have day effects.
            place = np.clip(np.round(values * 2), -4, 3).astype(np.int8)
            columns[f"category {number}"] = _LEVELS[place + 4]
            continue
        if number % 5 == 1:
            values[rng.random(rows) < 0.02] = np.nan
        columns[f"number {number}"] = values
    blocks = [f"{name} {block:02d}" for block in range(BLOCKS)]
    return profile_window(columns, blocks, codes, block="day")


_LEVELS = np.asarray(list("abcdefgh"), dtype=object)


def _report(seed: np.random.SeedSequence, rows: int, icc: float, shift: float) -> DriftReport:
    rng = np.random.default_rng(seed)
    # Other names seed other permutations, as other days do.
    name = f"{rng.integers(1 << 62)}"
    before = _window(rng, rows, f"before {name}", icc, 0.0)
    return drift_report(before, _window(rng, rows, f"now {name}", icc, shift))


def _alarms(sims: int, seed: np.random.SeedSequence, *, rows: int, icc: float) -> int:
    with threadpool_limits(1):
        reports = (_report(one, rows, icc, 0.0) for one in seed.spawn(sims))
        return sum(report.outcome is Outcome.FAILED for report in reports)


def _found(sims: int, seed: np.random.SeedSequence, *, rows: int) -> int:
    with threadpool_limits(1):
        reports = (_report(one, rows, 0.0, SHIFT) for one in seed.spawn(sims))
        return sum("number 0" in report.columns for report in reports)


def _any_alarm(
    key: str, rows: int, icc: float, bar: float
) -> Callable[[Effort, np.random.SeedSequence], Mapping[str, Measured]]:
    def measure(effort: Effort, seed: np.random.SeedSequence) -> Mapping[str, Measured]:
        hits, sims = in_processes(partial(_alarms, rows=rows, icc=icc), effort, seed)
        return {key: rate(sum(hits), sims, at_most(bar), METHOD)}

    return measure


def _power(effort: Effort, seed: np.random.SeedSequence) -> Mapping[str, Measured]:
    hits, sims = in_processes(partial(_found, rows=10_000), effort, seed)
    return {"drift_power": rate(sum(hits), sims, Bar(least=0.99), METHOD)}


def _quiet(key: str, rows: int, what: str, bar: float, at_once: int, icc: float = 0) -> Row:
    return Row(
        keys=(key,),
        claim=f"drift, {COLUMNS} columns, none drifted, {what}: any alarm",
        bar=f"≤ {bar:.2f}",
        sims=2000,
        at_once=at_once,
        measure=_any_alarm(key, rows, icc, bar),
    )


ROWS: tuple[Row, ...] = (
    _quiet("drift_any_1k", 1_000, "1,000 rows", 0.06, 20),
    _quiet("drift_any_10k", 10_000, "10,000 rows", 0.02, 5),
    _quiet("drift_any_100k", 100_000, "100,000 rows", 0.02, 1),
    _quiet("drift_any_blocked", 10_000, "10,000 rows with day effects (ICC .05)", 0.06, 5, ICC),
    Row(
        keys=("drift_power",),
        claim=f"drift, one of {COLUMNS} columns shifted {SHIFT} sd at 10,000 rows: found",
        bar="≥ .99",
        sims=2000,
        at_once=5,
        measure=_power,
    ),
)
