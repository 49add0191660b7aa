"""Whether the planned sample suffices: shadow, plan and canary, with everything as in a rollout."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
from pydantic import TypeAdapter

from bench.rows import Bar, Effort, Measured, Row, against, in_processes
from sluiceway.gates import Gate, Levels, Role, combine, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.planning import RecordedHarms, Schedule, block_length, plan_canary
from sluiceway.planning.schedule import Place
from sluiceway.statistics.sequential import BlockHarm, SequentialHarm

DAY = timedelta(days=1)
SHADOW_BLOCKS = 60
CANARIES = 16
"""Canaries that share one shadow replay and its plan, which is what costs."""

LEVELS = Levels()
SCHEDULE = Schedule(
    weights=(5, 25, 50),
    bakes=(3 * DAY, 3 * DAY, 4 * DAY),
    mirror=100,
    block=DAY,
    maturity=DAY,
    deadline=60 * DAY,
    longest=60 * DAY,
)
GATES = tuple(
    Gate(
        model=f"m{number}",
        metric="mae",
        field="out",
        label="truth.out",
        role=Role.REQUIRED if number < 8 else Role.GUARD,
        margin=1.0,
    )
    for number in range(28)
)
SPREADS = np.concatenate([np.linspace(0.5, 0.9, 8), np.linspace(0.5, 2.0, 20)])
"""Standard deviations of the block harms, in margins."""
SHARED = 0.5
"""Correlation between any two gates, since one day moves them all."""

_STATE = TypeAdapter(SequentialHarm)


def harms(random: np.random.Generator, blocks: int) -> np.ndarray:
    """Block harms of a harmless candidate, ``float64[blocks, gates]``."""
    day = random.standard_normal((blocks, 1))
    own = random.standard_normal((blocks, len(GATES)))
    return SPREADS * (math.sqrt(SHARED) * day + math.sqrt(1 - SHARED) * own)


def passes(random: np.random.Generator, blocks: int, times: int = 1) -> bool:
    """Whether one canary of so many blocks, each of some days, would promote a harmless one."""
    schedule = replace(SCHEDULE, block=times * SCHEDULE.block)
    days = harms(random, blocks * times).reshape(blocks, times, -1)
    states = {gate.name: _STATE.dump_json(SequentialHarm()) for gate in GATES}
    place = Place()
    for number, row in enumerate(days.mean(axis=1), start=1):
        evidence = []
        for gate, harm in zip(GATES, map(float, row), strict=True):
            block = BlockHarm(
                block=f"{number:04d}", harm=harm, baseline=20.0, candidate=20.0 + harm, rows=900
            )
            state = _STATE.validate_json(states[gate.name]).enter(block)
            states[gate.name] = _STATE.dump_json(state)
            evidence.append((gate, state))
        judged = judge_canary(evidence, LEVELS)
        if judged.crossed:
            return False
        last = place.step + 1 == len(SCHEDULE.weights)
        ready = last and place.baked(schedule, number)
        if ready and combine(judged.verdicts) is Outcome.PASSED:
            return True
        place = place.after(schedule, number, judged.family_log_e)
    return False


def planned_and_played(plans: int, seed: np.random.SeedSequence) -> list[tuple[int, int]]:
    """Blocks planned and canaries passed, for each of so many shadow replays."""
    random, found = np.random.default_rng(seed), []
    for _ in range(plans):
        columns = harms(random, SHADOW_BLOCKS)
        recorded = RecordedHarms(
            blocks=tuple(f"{n:04d}" for n in range(SHADOW_BLOCKS)),
            units=(900,) * SHADOW_BLOCKS,
            harms={gate.name: tuple(columns[:, n].tolist()) for n, gate in enumerate(GATES)},
        )
        drawn = int(random.integers(2**32))
        blocks = block_length(GATES, recorded, SCHEDULE.block, level=LEVELS.alpha)
        power = plan_canary(GATES, LEVELS, recorded, SCHEDULE, seed=drawn, blocks=blocks)
        needed, times = power.blocks_needed or 0, blocks.length // blocks.declared
        # A plan that is refused lets no canary pass.
        canaries = CANARIES if needed else 0
        passed = sum(passes(random, needed, times) for _ in range(canaries))
        found.append((needed * times, passed))
    return found


def measure(effort: Effort, seed: np.random.SeedSequence) -> Mapping[str, Measured]:
    effort = replace(effort, sims=max(2, round(effort.sims / CANARIES)))
    parts, plans = in_processes(planned_and_played, effort, seed)
    found = [one for part in parts for one in part]
    shares = np.asarray([passed for _, passed in found]) / CANARIES
    share = float(shares.mean())
    error = float(shares.std(ddof=1) / math.sqrt(plans)) if plans > 1 else None
    needed = np.asarray([blocks for blocks, _ in found])
    usual = np.median(needed[needed > 0]) if (needed > 0).any() else 0
    note = (
        f"{plans} shadow replays with {CANARIES} canaries each; the standard error is over replays;"
        f" planned were {usual:.0f} days in the median, {needed.min()} to {needed.max()}, and "
        f"{int((needed == 0).sum())} plans were refused"
    )
    return {"safe_pass": against(Bar(least=0.8), share, error, plans * CANARIES, note)}


ROWS = (
    Row(
        keys=("safe_pass",),
        claim="a harmless candidate passes the *whole plan* (8 required gates, 20 guards) at the "
        "planned sample",
        bar="≥ 80 %",
        sims=2_000,
        at_once=1,
        share=5.0,
        measure=measure,
    ),
)
