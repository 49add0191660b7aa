"""How often the 95 % interval of a harm holds the true harm, for every metric that has one.

Both arms answer 20,000 rows in 40 blocks whose sizes differ by a factor of ten. A block shifts the
labels, which both arms share, and the candidate's answers, which makes the harm itself vary by
block. The true harm is the harm over very many rows with a block each: sizes say nothing about
effects, so that is what pooled rows tend to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.rows import Bar, Effort, Measured, Row, in_processes, rate
from sluiceway.statistics.jackknife import paired_harm
from sluiceway.statistics.metrics import METRICS, BlockSums, Metric, metric_named

Floats = NDArray[np.float64]

SAMPLE, BLOCKS, RATIO = 20_000, 40, 10
LEVEL = 0.95
TRUE_ROWS, TRUE_PARTS = 500_000, 16

PARAMETRISED = (
    "quantile_loss(quantile=0.9)",
    "expected_cost(miss=5, false_alarm=1, threshold=0.3)",
    # Probabilities are never the same to the last digit.
    "disagreement(tolerance=0.1)",
)
SERVING = {
    "latency_mean": "latency",
    "latency_p50": "latency",
    "latency_p95": "latency",
    "latency_p99": "latency",
    "error_rate": "error",
    "fallback_rate": "fallback",
    "null_rate": "null",
}
NUMBERS = {"mae", "rmse", "bias", "quantile_loss", "r2"}
FURTHER = {
    "rmse": "outputs",
    "bias": "outputs",
    "r2": "outputs",
    "roc_auc(classes=3)": "classes",
    "average_precision(classes=3)": "classes",
}
WEIGHTED = {"mae": "number", "roc_auc": "probability", "average_precision": "probability"}


@dataclass(frozen=True, slots=True)
class Answered:
    """One kind of rows: labels, what either arm answered, and weights where rows have some."""

    label: Floats
    baseline: Floats
    candidate: Floats
    weight: Floats | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A metric over one kind of rows."""

    metric: str
    rows: str


def judged_metrics() -> dict[str, Judged]:
    """Every metric by what it is called here: its name, and the rows' kind where it has several."""
    names = [name for name in METRICS if name != "disagreement"]
    found = {name: Judged(name, _kind(name)) for name in (*names, *PARAMETRISED)}
    found |= {f"{name} of {rows}": Judged(name, rows) for name, rows in FURTHER.items()}
    return found | {
        f"{name}, weighted": Judged(name, f"weighted {rows}") for name, rows in WEIGHTED.items()
    }


def _kind(name: str) -> str:
    if name in SERVING:
        return SERVING[name]
    return "number" if name.partition("(")[0] in NUMBERS else "probability"


def block_sizes() -> NDArray[np.intp]:
    """Sizes of the blocks, from a smallest one to ten times as many rows, in a fixed order."""
    sizes = RATIO ** np.linspace(0, 1, BLOCKS)
    edges = np.rint(np.cumsum(sizes) / sizes.sum() * SAMPLE).astype(np.intp)
    return np.diff(edges, prepend=0)


def answered(block: NDArray[np.intp], rng: np.random.Generator) -> dict[str, Answered]:
    """Rows of every kind with fresh block effects.

    Metrics with an absolute value (bias, calibration in the large, calibration slope) are kept many
    standard errors away from the kink at 0, where no symmetric interval can cover: both arms lean
    to the same side.
    """
    rows, blocks = block.size, int(block.max()) + 1

    def effect(scale: float) -> Floats:
        return scale * rng.standard_normal(blocks)[block]

    def noise(scale: float) -> Floats:
        return scale * rng.standard_normal(rows)

    x, no_label = noise(1), np.zeros(rows)
    shock = effect(2)
    number = Answered(
        10 + 5 * x + shock + noise(5),
        11.5 + 5 * x + noise(1.5),
        12 + 4.7 * x + effect(1) + noise(2),
    )
    happened = rng.random(rows) < _logistic(-1.2 + x + effect(0.3))
    probability = Answered(
        happened.astype(np.float64),
        _logistic(-0.7 + 1.4 * x + noise(0.5)),
        _logistic(-0.6 + 1.4 * x + effect(0.2) + noise(0.7)),
    )
    shared = np.log(40) + effect(0.2) + noise(0.4)
    latency = Answered(
        no_label, np.exp(shared + noise(0.3)), np.exp(shared + 0.1 + effect(0.1) + noise(0.3))
    )

    def rates(before: float, after: float) -> Answered:
        stress, luck = effect(0.4), rng.random(rows)
        first = luck < _logistic(_logit(before) + stress)
        second = luck < _logistic(_logit(after) + stress + effect(0.2))
        return Answered(no_label, first.astype(np.float64), second.astype(np.float64))

    nulls = rates(0.02, 0.03)
    # Of a generator of its own: what came before further kinds of rows stays as it was drawn.
    further = rng.spawn(1)[0]
    # Whoever weighs more is harder to foresee.
    weight = np.exp(0.5 * np.abs(x) + further.normal(0, 0.3, rows))
    return {
        "number": number,
        "probability": probability,
        "outputs": _outputs(block, further),
        "classes": _classes(block, further),
        "weighted number": replace(number, weight=weight),
        "weighted probability": replace(probability, weight=weight),
        "latency": latency,
        "error": rates(0.01, 0.015),
        "fallback": rates(0.03, 0.04),
        "null": Answered(no_label, _holes(nulls.baseline), _holes(nulls.candidate)),
    }


def _outputs(block: NDArray[np.intp], rng: np.random.Generator) -> Answered:
    """Three numbers a row, each of its own scale; shocks are partly those of all outputs."""
    rows, blocks, scale = block.size, int(block.max()) + 1, np.array([1.0, 2.0, 5.0])

    def effect() -> Floats:
        return np.asarray(0.7 * rng.standard_normal(blocks)[:, None] + rng.normal(size=(blocks, 3)))

    x = rng.normal(size=(rows, 3))
    label = scale * (5 * x + effect()[block] + rng.normal(0, 4, (rows, 3)))
    before = scale * (1.5 + 5 * x + rng.normal(0, 1.5, (rows, 3)))
    after = scale * (2 + 4.7 * x + 0.6 * effect()[block] + rng.normal(0, 2, (rows, 3)))
    return Answered(label, before, after)


def _classes(block: NDArray[np.intp], rng: np.random.Generator) -> Answered:
    """Three classes, one of them rare, and probabilities of each."""
    rows, blocks = block.size, int(block.max()) + 1
    base = np.array([0.0, -0.5, -1.5])

    def effect(size: float) -> Floats:
        return np.asarray(size * rng.normal(size=(blocks, 3))[block])

    def shares(score: Floats) -> Floats:
        grown = np.exp(score)
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))

    x = rng.normal(size=(rows, 3))
    true = shares(base + x + effect(0.3))
    label = (rng.random((rows, 1)) > true.cumsum(axis=1)[:, :2]).sum(axis=1)
    before = shares(base + 1.2 * x + rng.normal(0, 0.5, (rows, 3)))
    after = shares(base + 1.2 * x + effect(0.2) + rng.normal(0, 0.7, (rows, 3)))
    return Answered(label.astype(np.float64), before, after)


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def _holes(where: Floats) -> Floats:
    return np.where(where == 1, np.nan, 1.0)


def arms(
    metric: Metric, rows: Answered, block: NDArray[np.intp], names: tuple[str, ...]
) -> tuple[BlockSums, BlockSums]:
    """The sums of baseline and candidate."""
    reference = rows.baseline if metric.paired else None
    sums = partial(metric.block_sums, rows.label, weight=rows.weight)
    return (
        sums(rows.baseline, block, names),
        sums(rows.candidate, block, names, reference=reference),
    )


def true_part(count: int, parts: int, seed: np.random.SeedSequence) -> dict[str, float]:
    """The sum over parts of the harm among very many rows, each a block of its own."""
    rng = np.random.default_rng(seed)
    total = dict.fromkeys(judged_metrics(), 0.0)
    for _ in range(parts):
        rows = answered(np.arange(count), rng)
        for name, judged in judged_metrics().items():
            metric = metric_named(judged.metric)
            sums = arms(metric, rows[judged.rows], np.zeros(count, dtype=np.intp), ("all",))
            before, after = (np.asarray(metric.value(arm)) for arm in sums)
            total[name] += float(metric.harm(before, after))
    return total


def simulate(true: Mapping[str, float], sims: int, seed: np.random.SeedSequence) -> dict[str, int]:
    """How often the interval of each metric holds the truth."""
    rng = np.random.default_rng(seed)
    sizes = block_sizes()
    block = np.repeat(np.arange(BLOCKS), sizes)
    names = tuple(f"{code:02d}" for code in range(BLOCKS))
    held = dict.fromkeys(judged_metrics(), 0)
    for _ in range(sims):
        rows = answered(block, rng)
        for name, judged in judged_metrics().items():
            metric = metric_named(judged.metric)
            found = paired_harm(*arms(metric, rows[judged.rows], block, names))
            tail = (1 - LEVEL) / 2
            held[name] += found.lower(tail) <= true[name] <= found.upper(tail)
    return held


def measure(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
    truths, runs = seed.spawn(2)
    rows, parts = (TRUE_ROWS, TRUE_PARTS) if effort.until is None else (TRUE_ROWS // 5, 4)
    whole = replace(effort, sims=parts, until=None)
    found, _ = in_processes(partial(true_part, rows), whole, truths)
    true = {name: sum(part[name] for part in found) / parts for name in judged_metrics()}
    counts, sims = in_processes(partial(simulate, true), effort, runs)
    held = {name: sum(part[name] for part in counts) for name in judged_metrics()}
    covered = {name: count / sims for name, count in held.items()}
    order = sorted(covered, key=covered.__getitem__)

    def said(names: list[str]) -> str:
        return ", ".join(f"{name} {covered[name]:.3f}" for name in names)

    def figure(name: str, note: str) -> Measured:
        return rate(held[name], sims, Bar(least=0.93, most=0.97), note)

    return {
        "coverage_min": figure(
            order[0], f"{len(order)} metrics, paired arms; the lowest: {said(order[:3])}"
        ),
        "coverage_max": figure(
            order[-1],
            f"the highest: {said(order[:-4:-1])}. Metrics with an absolute value are "
            "measured away from its kink at 0",
        ),
    }


ROWS = (
    Row(
        keys=("coverage_min", "coverage_max"),
        claim="95 % intervals of the harm hold it: lowest and highest over all metrics",
        bar=".93 to .97, 20,000 rows in 40 unequal blocks",
        sims=2000,
        at_once=5,
        share=3.0,
        measure=measure,
    ),
)
