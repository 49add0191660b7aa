"""Plans against independent computations, and what they say where nothing can be planned."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats

from sluiceway.gates import Gate, Levels, Role
from sluiceway.planning import CanaryPower, Fit, plan_canary, render_power

from .records import DAY, gate, record, schedule

LEVELS = Levels()


def passing_blocks(ratio: float, wanted: float, paths: int = 20_000) -> int:
    """Blocks by which normal harms around 0 pass a margin of `ratio` standard deviations.

    Written from docs/gates.md, without the production code.
    """
    x = ratio - np.random.default_rng(3).standard_normal((paths, 80))
    n = np.arange(1, 81)
    mean = np.cumsum(x, axis=1) / n
    spread = np.sqrt(np.maximum(np.cumsum(x * x, axis=1) / n - mean**2, 1e-30))
    third = np.cumsum(x**3, axis=1) / n - 3 * mean * spread**2 - mean**3
    # Lowered for skewness against the claim, and never raised (Hall's cubic).
    skew = np.minimum(third / spread**3, 0) / np.sqrt(n)
    t = mean / spread * np.sqrt(n)
    t = np.minimum(t, t + skew * (t**2 / 3 + 1 / 6) + skew**2 * t**3 / 27)
    s, v = np.sqrt(n) * t, n + t**2
    a = v - s * s / (n + 1)
    log_e = np.log(2) - 0.5 * np.log(n + 1) - n / 2 * np.log(a / v)
    log_e += stats.t.logcdf(s * np.sqrt(n / ((n + 1) * a)), n)
    passed = (log_e >= np.log(20)) & (n >= 10)
    first = np.where(passed.any(axis=1), passed.argmax(axis=1) + 1, 999)
    return int(np.quantile(first, wanted, method="higher"))


@pytest.mark.parametrize(("margin", "within"), [(1.0, 1), (0.6, 3)])
def test_the_sample_is_what_an_independent_simulation_needs(margin: float, within: int) -> None:
    one = [gate(margin=margin)]
    harms = stats.norm.ppf((np.arange(400) + 0.5) / 400)[:, None] + 0.02
    power = plan_canary(one, LEVELS, record(one, harms), schedule(90, 90), seed=1)
    assert power.blocks_needed is not None
    assert abs(power.blocks_needed - passing_blocks(margin, 0.8)) <= within
    assert power.units_needed == 900 * power.blocks_needed


def test_gates_that_move_together_need_fewer_blocks_than_gates_that_do_not() -> None:
    gates = [gate(f"m{n}") for n in range(6)]
    alone = np.random.default_rng(1).standard_normal((60, 6))
    alone = (alone - alone.mean(axis=0)) / alone.std(axis=0, ddof=1)
    together = np.repeat(alone[:, :1], 6, axis=1)
    apart, joint = (
        plan_canary(gates, LEVELS, record(gates, h), schedule(60, 60), seed=1).blocks_needed
        for h in (alone, together)
    )
    assert apart is not None
    assert joint is not None
    assert joint < apart


def test_a_plan_follows_from_its_seed_alone() -> None:
    one = [gate()]
    harms = record(one, np.random.default_rng(2).standard_normal((40, 1)))
    first, again, other = (
        plan_canary(one, LEVELS, harms, schedule(), seed=seed) for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_a_plan_survives_the_journal() -> None:
    one = [gate()]
    harms = record(one, np.random.default_rng(2).standard_normal((40, 1)))
    power = plan_canary(one, LEVELS, harms, schedule(), seed=5)
    adapter = TypeAdapter(CanaryPower)
    assert adapter.validate_python(json.loads(adapter.dump_json(power))) == power


def test_the_unit_of_a_metric_does_not_matter() -> None:
    harms = np.random.default_rng(2).standard_normal((40, 1))
    needed = set()
    for unit in (1e-6, 1.0, 1e6):
        one = [gate(margin=unit)]
        plan = plan_canary(one, LEVELS, record(one, unit * harms), schedule(), seed=5)
        needed.add((plan.blocks_needed, plan.probability))
    assert len(needed) == 1


def test_fewer_pairs_cost_more_blocks() -> None:
    """With a quarter of the units paired, row noise doubles the spread of a block."""
    one, harms = [gate()], np.random.default_rng(2).standard_normal((60, 1))
    full = record(one, harms)
    few = plan_canary(one, LEVELS, full, schedule(90, 90, weights=(1,), mirror=24), seed=5)
    doubled = plan_canary(
        one, LEVELS, record(one, 2 * harms / np.sqrt(4 * 0.2476)), schedule(90, 90), seed=5
    )
    assert few.blocks_needed == doubled.blocks_needed
    seen = [plan.gates[0].detectable for plan in (few, doubled)]
    assert seen[0] is not None
    assert seen[1] is not None
    assert seen[0].margin == pytest.approx(seen[1].margin)


def test_bake_times_are_part_of_the_plan() -> None:
    one, harms = [gate()], 0.01 * np.random.default_rng(2).standard_normal((60, 1))
    slow = schedule(60, 60, weights=(5, 25, 50), bake=9, maturity=1)
    power = plan_canary(one, LEVELS, record(one, harms), slow, seed=5)
    # Steps are entered at 9 and 18 days and may promote at 27, which is the look at 26 blocks.
    assert power.blocks_needed == 26
    assert power.gates[0].blocks_needed == 10


def test_blocks_that_end_too_late_do_not_count() -> None:
    """A block is looked at once matured, and the first begins up to a block after the step."""
    fast = schedule(12, 24, maturity=1)
    assert fast.blocks_within(12 * DAY) == 10
    assert fast.time_of(10) == 12 * DAY
    one = [gate()]
    exact = record(one, np.zeros((20, 1)))
    assert plan_canary(one, LEVELS, exact, fast, seed=1).fit is Fit.IN_TIME
    late = replace(fast, deadline=11 * DAY)
    power = plan_canary(one, LEVELS, exact, late, seed=1)
    assert (power.fit, power.deadline_needed) == (Fit.LENGTHENED, 12 * DAY)
    never = replace(late, longest=11 * DAY)
    assert plan_canary(one, LEVELS, exact, never, seed=1).fit is Fit.REFUSED


def test_a_candidate_that_is_shown_to_be_better_needs_less() -> None:
    one = [gate(margin=0.3)]
    harms = np.random.default_rng(2).standard_normal((60, 1))
    harms -= harms.mean()
    power = {
        shift: plan_canary(one, LEVELS, record(one, harms + shift), schedule(60, 60), seed=5)
        for shift in (-2.0, -0.1, 0.0, 0.2)
    }
    assert power[-2.0].fit is Fit.IN_TIME
    bound = -2.0 + stats.t.ppf(0.95, 59) * harms.std(ddof=1) / np.sqrt(60)
    assert power[-2.0].gates[0].harm == pytest.approx(bound)
    # What is not proven better is planned as harmless, whatever its estimate.
    assert [power[s].gates[0].harm for s in (-0.1, 0.0, 0.2)] == [0.0, 0.0, 0.0]


def test_a_guard_costs_no_time_but_is_in_the_family() -> None:
    gates = [gate(), gate("g", Role.GUARD, margin=1e-3)]
    harms = np.random.default_rng(2).standard_normal((60, 2))
    both = plan_canary(gates, LEVELS, record(gates, harms), schedule(), seed=5)
    assert [one.gate for one in both.gates] == ["m.mae"]
    assert both.fit is Fit.IN_TIME


def bad_records() -> dict[str, np.ndarray]:
    some = np.random.default_rng(2).standard_normal((30, 1))
    holes = some.copy()
    holes[1:] = np.nan
    return {
        "no block": some[:0],
        "one block": some[:1],
        "nothing measured": np.full((30, 1), np.nan),
        "one measured": holes,
        "too wild": 1e6 * some,
        "as large as can be": 1e149 * some,
    }


@pytest.mark.parametrize("case", list(bad_records()))
def test_what_cannot_be_planned_is_refused_and_never_raises(case: str) -> None:
    one = [gate()]
    power = plan_canary(one, LEVELS, record(one, bad_records()[case]), schedule(), seed=5)
    assert power.fit is Fit.REFUSED
    assert power.probability == 0
    assert "\n" not in render_power(power)
    adapter = TypeAdapter(CanaryPower)
    json.dumps(adapter.dump_python(power, mode="json"), allow_nan=False)


def test_no_required_gate_is_never_enough() -> None:
    gates: list[Gate] = [gate("g", Role.GUARD)]
    power = plan_canary(gates, LEVELS, record(gates, np.zeros((20, 1))), schedule(), seed=5)
    assert power.fit is Fit.REFUSED


def test_a_margin_of_zero_cannot_be_passed_by_a_harmless_candidate() -> None:
    one = [gate(margin=0.0)]
    harms = np.random.default_rng(2).standard_normal((30, 1))
    power = plan_canary(one, LEVELS, record(one, harms), schedule(), seed=5)
    assert power.fit is Fit.REFUSED
    assert power.gates[0].blocks_needed is None
