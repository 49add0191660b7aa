"""Rows of those who come back are judged by two-way errors, in any number of partitions."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sluiceway.gates import Gate, Levels, Reason, Role, judge_replay
from sluiceway.outcomes import Outcome
from sluiceway.replay.evaluate import Answers
from sluiceway.replay.measure import Measurement, measure_all
from sluiceway.replay.partitions import Partition
from sluiceway.statistics.jackknife import paired_harm
from sluiceway.statistics.metrics import METRICS
from sluiceway.statistics.two_way import TwoWayAccumulator
from tests.driver import advance
from tests.steps.worlds import NOW, ask, better_fraud, quick_site, told

DAY = timedelta(days=1)


def gate(metric: str, margin: float = 0.5) -> Gate:
    return Gate(
        model="m", metric=metric, field="p", label="truth.y", role=Role.REQUIRED, margin=margin
    )


@dataclass(frozen=True)
class Rows:
    """Visits of customers who come back on any day; the candidate suits some and not others."""

    label: np.ndarray
    before: np.ndarray
    after: np.ndarray
    block: np.ndarray
    customer: np.ndarray


def visits(rng: np.random.Generator, customers: int = 40, days: int = 20, rows: int = 1200) -> Rows:
    customer, block = rng.integers(0, customers, rows), np.sort(rng.integers(0, days, rows))
    label = (rng.random(rows) < 0.4).astype(float)
    before = np.clip(0.2 + 0.4 * label + rng.normal(0, 0.15, rows), 0, 1)
    taste = rng.normal(0, 0.1, customers)[customer]
    return Rows(label, before, np.clip(before - taste, 0, 1), block, customer)


class Fixed:
    """An evaluator whose answers are columns of the partition."""

    arms = {"baseline": None, "candidate": None}
    baseline = "baseline"
    scored = ("m",)

    def evaluate(self, part: Partition, _recorded: object = None) -> Answers:
        values = {arm: {"m.p": part.columns[f"s.{arm}"]} for arm in self.arms}
        return Answers(values=values, seconds={}, calls={})

    def feature_faults(self) -> tuple[()]:
        return ()


def measured(rows: Rows, metrics: list[str], pieces: int, recurring: str | None) -> Measurement:
    parts = []
    for at in np.array_split(np.arange(rows.label.size), pieces):
        names, codes = np.unique(rows.block[at], return_inverse=True)
        parts.append(
            Partition(
                units=np.asarray([f"r{n}" for n in at], dtype=object),
                event_time=np.zeros(at.size, "datetime64[us]"),
                block_names=tuple(f"{n:03d}" for n in names),
                block_codes=codes.astype(np.intp),
                columns={
                    "s.baseline": rows.before[at],
                    "s.candidate": rows.after[at],
                    "s.customer": rows.customer[at],
                },
                labels={"truth.y": rows.label[at]},
            )
        )
    gates = [gate(metric) for metric in metrics]
    return measure_all(gates, Fixed(), parts, recurring=recurring)  # type: ignore[arg-type]


def judged(found: Measurement, metric: str, margin: float = 0.5):
    arms = (found.evidence[arm][f"m.{metric}"] for arm in ("baseline", "candidate"))
    return judge_replay(gate(metric, margin), *arms, Levels(), 1)


def jackknife(harms: np.ndarray, by: np.ndarray) -> float:
    """Variance of a mean by deleting one group at a time, written out."""
    groups = np.unique(by)
    without = np.asarray([harms[by != one].mean() for one in groups])
    return float((groups.size - 1) / groups.size * ((without - harms.mean()) ** 2).sum())


def test_the_error_of_a_mean_is_that_of_the_formula() -> None:
    rows = visits(np.random.default_rng(1))
    estimate = judged(measured(rows, ["brier"], 1, "s.customer"), "brier").estimate
    harms = (rows.after - rows.label) ** 2 - (rows.before - rows.label) ** 2
    day, customer = jackknife(harms, rows.block), jackknife(harms, rows.customer)
    both = jackknife(harms, rows.block * 1000 + rows.customer)
    assert estimate is not None
    assert estimate.harm == pytest.approx(harms.mean(), rel=1e-9)
    assert estimate.standard_error == pytest.approx(
        np.sqrt(max(day + customer - both, day, customer)), rel=1e-9
    )
    assert estimate.method == "paired delete-a-day jackknife, two-way with units that come back"


@pytest.mark.parametrize("metric", ["brier", "rmse", "roc_auc", "negative_flips", "f1"])
def test_no_metric_is_judged_by_days_alone(metric: str) -> None:
    rows = visits(np.random.default_rng(2))
    alone = judged(measured(rows, [metric], 1, None), metric).estimate
    ways = judged(measured(rows, [metric], 1, "s.customer"), metric).estimate
    assert alone is not None
    assert ways is not None
    assert ways.harm == pytest.approx(alone.harm, rel=1e-9)
    assert (ways.standard_error or 0) > 1.2 * (alone.standard_error or 0)


@pytest.mark.parametrize("metric", ["brier", "roc_auc", "negative_flips"])
def test_one_partition_and_64_give_the_same(metric: str) -> None:
    """A customer's rows lie in many of them."""
    rows = visits(np.random.default_rng(3))
    one, many = (
        judged(measured(rows, [metric], pieces, "s.customer"), metric) for pieces in (1, 64)
    )
    assert one.estimate is not None
    assert many.estimate is not None
    for name in ("harm", "standard_error", "low", "high", "baseline", "candidate"):
        assert getattr(many.estimate, name) == pytest.approx(getattr(one.estimate, name), rel=1e-9)
    assert replace(many, estimate=None, rollback_low=None) == replace(
        one, estimate=None, rollback_low=None
    )


def test_who_comes_once_is_judged_as_before() -> None:
    rows = visits(np.random.default_rng(4))
    once = replace(rows, customer=np.arange(rows.label.size))
    alone = judged(measured(once, ["brier"], 3, None), "brier")
    ways = judged(measured(once, ["brier"], 3, "s.customer"), "brier")
    assert alone.estimate is not None
    assert ways.estimate is not None
    assert ways.estimate.high == pytest.approx(alone.estimate.high, rel=1e-6)
    assert measured(once, ["brier"], 3, None).ways == {}


def test_rows_without_a_name_are_about_nobody_else() -> None:
    rows = visits(np.random.default_rng(5))
    nameless = replace(rows, customer=np.full(rows.label.size, np.nan))
    units = measured(nameless, ["brier"], 4, "s.customer").ways["baseline"]["m.brier"].units
    assert len(units.blocks) == rows.label.size


def test_one_customer_alone_passes_nothing() -> None:
    rows = replace(visits(np.random.default_rng(6)), customer=np.zeros(1200))
    verdict = judged(measured(rows, ["brier"], 2, "s.customer"), "brier")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason is Reason.METRIC_UNDEFINED


def test_arms_that_hold_other_customers_are_not_paired() -> None:
    rows = visits(np.random.default_rng(7))
    arms = []
    for customer in (rows.customer, rows.customer[::-1]):
        collected = TwoWayAccumulator(METRICS["brier"])
        collected.add(rows.label, rows.before, rows.block, customer)
        arms.append(collected.finish())
    assert judge_replay(gate("brier"), *arms, Levels(), 1).reason is Reason.NOT_PAIRED
    mixed = judge_replay(gate("brier"), arms[0], arms[0].blocks, Levels(), 1)
    assert mixed.reason is Reason.NOT_PAIRED


def test_intervals_hold_the_harm_where_those_by_days_do_not() -> None:
    """Two-sided 90 % over 200 windows; new customers in each."""
    rng, runs = np.random.default_rng(8), 200
    held = {None: 0, "s.customer": 0}
    for _ in range(runs):
        customer, block = rng.integers(0, 40, 800), np.sort(rng.integers(0, 20, 800))
        harm = 0.1 + 0.5 * rng.normal(size=40)[customer] + rng.normal(0, 0.5, 800)
        rows = Rows(np.zeros(800), np.full(800, 5.0), 5 + harm, block, customer)
        for recurring in held:
            found = judged(measured(rows, ["mae"], 1, recurring), "mae").estimate
            assert found is not None
            held[recurring] += bool((found.low or 0) <= 0.1 <= (found.high or 0))
    assert held[None] / runs < 0.75
    assert abs(held["s.customer"] / runs - 0.9) < 3.5 * np.sqrt(0.09 / runs)
    assert stats.binom.cdf(held["s.customer"], runs, 0.9) > 1e-3


def test_a_rollout_judges_gates_and_slices_so_where_the_file_says_who_comes_back(
    tmp_path: Path,
) -> None:
    from sluiceway.rollouts.events import ShadowMeasured

    declared = ("  approvals: []", "  recurring_units: orders.hour\n  approvals: []")
    site = quick_site(tmp_path, declared)
    better_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    shadow = told(site, rollout, ShadowMeasured)[-1]
    assert isinstance(shadow, ShadowMeasured)
    found = [*shadow.verdicts, *shadow.slices]
    assert shadow.slices
    assert all(one.estimate and "two-way" in one.estimate.method for one in found)


def test_paired_harm_of_two_way_blocks_is_what_it_was() -> None:
    rows = visits(np.random.default_rng(9))
    plain, ways = (measured(rows, ["brier"], 5, one) for one in (None, "s.customer"))
    before, after = (
        paired_harm(m.sums["baseline"]["m.brier"], m.sums["candidate"]["m.brier"])
        for m in (plain, ways)
    )
    assert after.standard_error == pytest.approx(before.standard_error, rel=1e-9)
