"""Canaries in blocks that are long enough: chosen from shadow's record, planned, and valid."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.signal import lfilter

from sluiceway.gates import Gate, Levels, Role, judge_canary
from sluiceway.planning import (
    BlockLength,
    CanaryPower,
    Fit,
    RecordedHarms,
    Schedule,
    block_length,
    in_blocks,
    plan_canary,
    render_block_length,
    render_power,
)
from sluiceway.planning.block_length import in_longer_blocks
from sluiceway.statistics.sequential import BlockHarm, SequentialHarm

from .records import DAY, gate, schedule

LEVELS = Levels()
HOUR = timedelta(hours=1)
HOURS = Schedule(
    weights=(50,),
    bakes=(DAY,),
    mirror=100,
    block=HOUR,
    maturity=timedelta(0),
    deadline=60 * DAY,
    longest=120 * DAY,
)
_STATE = TypeAdapter(SequentialHarm)


def ar1(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    noise = rng.normal(0, np.sqrt(1 - rho**2), n)
    noise[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -rho], noise))


def recorded(columns: dict[str, np.ndarray], *, first: str = "2026-01-01") -> RecordedHarms:
    """Block harms of consecutive days."""
    days = len(next(iter(columns.values())))
    start = date.fromisoformat(first)
    return RecordedHarms(
        blocks=tuple((start + n * DAY).isoformat() for n in range(days)),
        units=(900,) * days,
        harms={f"{name}.mae": tuple(map(float, column)) for name, column in columns.items()},
    )


def test_the_required_gate_that_needs_most_decides_and_guards_do_not() -> None:
    rng = np.random.default_rng(1)
    record = recorded({"a": rng.normal(size=2000), "b": ar1(rng, 0.5, 2000)})
    guarded = block_length([gate("a"), gate("b", role=Role.GUARD)], record, DAY, level=LEVELS.alpha)
    assert (guarded.length, guarded.gate, guarded.verified) == (DAY, "a.mae", True)
    both = block_length([gate("a"), gate("b")], record, DAY, level=LEVELS.alpha)
    assert (both.gate, both.verified, both.seen) == ("b.mae", True, True)
    assert 7 * DAY <= both.length <= 14 * DAY  # 5 × 2ρ/(1 - ρ) = 10


def test_days_that_are_missing_are_gaps_and_not_neighbours() -> None:
    """Every third day only: what fades within two days is not seen between them."""
    rng = np.random.default_rng(2)
    values = ar1(rng, 0.5, 1500)
    whole = recorded({"m": values})
    kept = [n for n in range(1500) if n % 3 == 0]
    few = replace(
        whole,
        blocks=tuple(whole.blocks[n] for n in kept),
        units=(900,) * len(kept),
        harms={"m.mae": tuple(values[kept])},
    )
    assert block_length([gate()], whole, DAY, level=0.05).is_longer
    assert block_length([gate()], few, DAY, level=0.05).length == DAY


def test_a_longer_block_is_the_mean_of_those_it_is_made_of() -> None:
    """Aligned to the calendar's own blocks of two days; halves at the ends are left out."""
    record = RecordedHarms(
        blocks=("2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05", "2026-01-06"),
        units=(10, 30, 10, 20, 20),
        harms={"m.mae": (1.0, 2.0, 6.0, None, 5.0), "n.mae": (None,) * 5},
    )
    two = BlockLength(
        declared=DAY,
        length=2 * DAY,
        gate="m.mae",
        time=0.4 * DAY,
        seen=True,
        verified=True,
        recorded_blocks=5,
    )
    # 2026-01-03 is the 20,456th day since 1970: a block of two days begins there.
    assert (date(2026, 1, 3) - date(1970, 1, 1)).days % 2 == 0
    longer = in_longer_blocks(record, two)
    assert longer.units == (40, 40)
    assert longer.harms["m.mae"] == ((30 * 2 + 10 * 6) / 40, 5.0)
    assert longer.harms["n.mae"] == (None, None)


@pytest.mark.parametrize("seed", range(3))
def test_blocks_that_depend_on_each_other_are_planned_in_longer_ones(seed: int) -> None:
    """ρ = .8 from hour to hour: 5 × 8 hours, in blocks of whole days or parts of one."""
    values = 0.3 * ar1(np.random.default_rng(seed), 0.8, 24 * 60)
    record = RecordedHarms(
        blocks=tuple(
            f"2026-{1 + n // 672:02d}-{1 + n % 672 // 24:02d}T{n % 24:02d}:00Z"
            for n in range(values.size)
        ),
        units=(100,) * values.size,
        harms={"m.mae": tuple(values.tolist())},
    )
    blocks = block_length([gate()], record, HOUR, level=0.05)
    assert DAY <= blocks.length <= 4 * DAY
    power = plan_canary([gate()], LEVELS, record, HOURS, seed=seed, blocks=blocks)
    assert power.blocks == blocks
    assert power.fit is not Fit.REFUSED
    # Ten blocks at the least, in days and no longer in hours.
    assert power.deadline_needed is not None
    assert power.deadline_needed >= 11 * blocks.length
    assert power.gates[0].block == f"{blocks.length // DAY}-day block"
    adapter = TypeAdapter(CanaryPower)
    assert adapter.validate_python(json.loads(adapter.dump_json(power))) == power


def stopped(harms: np.ndarray, of: Gate) -> bool:
    """Whether a canary whose harm is exactly at its margin is stopped at any look."""
    state = _STATE.dump_json(SequentialHarm())
    for number, harm in enumerate(map(float, harms)):
        block = BlockHarm(
            block=f"{number:05d}", harm=harm, baseline=20.0, candidate=20.0 + harm, rows=900
        )
        entered = _STATE.validate_json(state).enter(block)
        state = _STATE.dump_json(entered)
        if judge_canary([(of, entered)], LEVELS).crossed:
            return True
    return False


def test_false_alarms_stay_at_the_level_in_the_blocks_that_are_chosen() -> None:
    """AR(1), ρ = .8 on declared blocks, harm at the margin; 20 looks. Declared blocks: a third."""
    rng, runs, looks = np.random.default_rng(7), 150, 20
    one = gate(margin=0.0)
    declared = chosen = 0
    for _ in range(runs):
        record = recorded({"m": ar1(rng, 0.8, 1000)})
        blocks = block_length([one], record, DAY, level=LEVELS.alpha)
        times = blocks.length // DAY
        assert times > 15
        live = ar1(rng, 0.8, times * looks)
        declared += stopped(live[: 5 * looks], one)
        chosen += stopped(live.reshape(looks, times).mean(axis=1), in_blocks(one, blocks))
    assert declared / runs > 0.2
    assert chosen / runs <= LEVELS.rollback_alpha + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_a_deadline_that_cannot_hold_ten_such_blocks_refuses_with_numbers() -> None:
    record = recorded({"m": 0.1 * ar1(np.random.default_rng(9), 0.8, 62)})
    blocks = block_length([gate()], record, DAY, level=0.05)
    assert blocks.is_longer
    assert not blocks.verified
    power = plan_canary([gate()], LEVELS, record, schedule(30, 60), seed=1, blocks=blocks)
    assert power.fit is Fit.REFUSED
    said = render_power(power)
    days = blocks.length // DAY
    assert f"blocks of {days} days instead of 1 day: 5 × the autocorrelation time of at " in said
    assert "in 62 blocks of record, which are too few to see it fade" in said


def test_what_is_said_of_blocks() -> None:
    two = BlockLength(
        declared=DAY,
        length=2 * DAY,
        gate="arr_delay.mae",
        time=0.4 * DAY,
        seen=True,
        verified=True,
        recorded_blocks=400,
    )
    assert render_block_length(two) == (
        "blocks of 2 days instead of 1 day: 5 × the autocorrelation time of 0.4 days of "
        "arr_delay.mae, in 400 blocks of record"
    )
    assert in_blocks(gate(), two).block == "2-day block"
    one = replace(two, length=DAY, time=0 * DAY, seen=False)
    assert in_blocks(gate(), one) == gate()
    assert render_block_length(one) == (
        "blocks of 1 day, verified: no autocorrelation is seen in 400 blocks of record"
    )
    assert render_block_length(replace(one, verified=False, recorded_blocks=12)) == (
        "blocks of 1 day, not verified: no autocorrelation is seen, but 12 blocks of record are "
        "too few to rule it out"
    )
    assert render_block_length(replace(one, seen=True, time=0.1 * DAY)) == (
        "blocks of 1 day, verified: 5 × the autocorrelation time of 0.1 days of arr_delay.mae "
        "fits, in 400 blocks of record"
    )


def test_no_required_gate_and_no_record_keep_what_is_declared() -> None:
    nothing = RecordedHarms(blocks=(), units=(), harms={})
    for gates in ([], [gate()]):
        found = block_length(gates, nothing, DAY, level=0.05)
        assert (found.length, found.verified) == (DAY, False)
