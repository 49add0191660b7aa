"""Canaries in which nothing is wrong, looked at 100 times: how often they are stopped."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.signal import lfilter

from bench.decision_quality._canaries import (
    LOOKS,
    Generator,
    events_of,
    false_alarms,
    gate_of,
    names,
    pairs_of,
    repeated,
    simulated,
    stopped_at,
)
from bench.rows import Effort, Measured, Row
from sluiceway.statistics.autocorrelation import block_length_needed
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.recurring import in_first_block
from sluiceway.statistics.sequential import BlockHarm
from sluiceway.statistics.unpaired import unpaired_rows


def _mae_days(blocks: int, rows: int, before: np.ndarray, after: np.ndarray) -> bool:
    harms = paired_block_harms(
        metric_named("mae"), np.zeros(blocks * rows), before, after, names(blocks, rows)
    )
    gate = gate_of("mae", paired=True, independent_units=False)
    return stopped_at([gate], [harms]) is not None


def iid_by_day(rng: Generator) -> bool:
    before, after = np.abs(rng.normal(0, 10, (2, LOOKS * 20)))
    return _mae_days(LOOKS, 20, before, after)


def iid_pairs(rng: Generator) -> bool:
    columns = pairs_of(rng, LOOKS * 50, 0.02, 0.02)
    harms = paired_block_harms(metric_named("accuracy"), *columns, names(LOOKS, 50))
    gate = gate_of("accuracy", paired=True, independent_units=True, units=5_000, rate=0.04)
    return stopped_at([gate], [harms]) is not None


def iid_bets(rng: Generator) -> bool:
    chance = rng.beta(1, 4, LOOKS * 20)
    label = (rng.random(chance.size) < chance).astype(float)
    before, after = np.clip(chance + rng.normal(0, 0.1, (2, chance.size)), 0, 1)
    harms = paired_block_harms(metric_named("brier"), label, before, after, names(LOOKS, 20))
    gate = gate_of("brier", paired=True, independent_units=True, units=2_000, rate=0.01)
    return stopped_at([gate], [harms]) is not None


def shared_by_day(rng: Generator) -> bool:
    """Each day's errors grow or shrink by half for both arms, whose units differ."""
    shock = np.repeat(np.exp(rng.normal(0, 0.5, LOOKS)), 40)
    answer = np.abs(rng.normal(0, 10, shock.size)) * shock
    gate = gate_of("mae", paired=False, independent_units=False)
    harms = unpaired_rows(
        metric_named("mae"),
        np.zeros(shock.size),
        answer,
        names(LOOKS, 40),
        np.ones(shock.size),
        rng.random(shock.size) < 0.5,
    )
    return stopped_at([gate], [harms]) is not None


def shared_events(rng: Generator) -> bool:
    chance = np.repeat(rng.beta(1, 9, LOOKS), 100)
    wrong = rng.random(chance.size) < chance
    half = np.full(chance.size, 0.5)
    harms = events_of(rng, 100, half, wrong, np.ones(chance.size))
    gate = gate_of("accuracy", paired=False, independent_units=True, units=10_000, rate=0.1)
    return stopped_at([gate], [harms]) is not None


def _ar1(rng: Generator, n: int) -> np.ndarray:
    noise = rng.normal(0, np.sqrt(1 - 0.8**2), n)
    noise[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -0.8], noise))


def ar1_length(rng: Generator) -> int:
    """Rows a block, as planning finds it from a record of 20,000 rows."""
    length = block_length_needed(_ar1(rng, 20_000) - _ar1(rng, 20_000))
    assert length is not None
    return length


def ar1_days(rng: Generator, rows: int) -> bool:
    before, after = (20 + _ar1(rng, LOOKS * rows) for _ in range(2))
    return _mae_days(LOOKS, rows, before, after)


def clustered(rng: Generator) -> bool:
    """Ten units a day with ten rows each; a third of a difference's variance is the unit's."""
    days, units, rows = LOOKS, 10, 10
    unit = np.repeat(rng.normal(0, np.sqrt(0.3), (2, days * units)), rows, axis=1)
    before, after = 20 + unit + rng.normal(0, np.sqrt(0.7), unit.shape)
    return _mae_days(days, units * rows, before, after)


def sticky(rng: Generator, once: bool = True) -> bool:
    """A unit comes back on other days, always as good or bad for the candidate as before."""
    activity = rng.beta(0.6, 20, 3_000)
    day, unit = np.nonzero(rng.random((LOOKS, activity.size)) < activity)
    taste = rng.normal(0, 1, activity.size)
    before = 20 + rng.normal(0, 1, unit.size)
    after = before + taste[unit] + rng.normal(0, 0.5, unit.size)
    block = np.asarray([f"{g:04d}" for g in range(LOOKS)])[day]
    counted = in_first_block(unit, block) if once else np.ones(unit.size, dtype=bool)
    harms = paired_block_harms(
        metric_named("mae"),
        np.zeros(int(counted.sum())),
        before[counted],
        after[counted],
        block[counted],
    )
    gate = gate_of("mae", paired=True, independent_units=False)
    return stopped_at([gate], [harms]) is not None


def sticky_ignored(rng: Generator) -> bool:
    return sticky(rng, once=False)


def _ramp(rng: Generator, independent: bool) -> bool:
    """Weights 5, 25, 50 % while the base rate climbs from 4 to 20 %, inside a step too."""
    units = 300
    step = np.repeat(np.minimum(np.arange(LOOKS) // 34, 2), units)
    base = np.repeat(np.linspace(0.04, 0.2, LOOKS), units)
    wrong = rng.random(base.size) < base
    harms = events_of(rng, units, np.asarray([0.05, 0.25, 0.5])[step], wrong, step)
    policy = {"units": 30_000, "rate": 0.1, "candidate_share": 0.25} if independent else {}
    gate = gate_of("accuracy", paired=False, independent_units=independent, **policy)
    return stopped_at([gate], [harms]) is not None


def ramp_by_block(rng: Generator) -> bool:
    return _ramp(rng, independent=False)


def ramp_events(rng: Generator) -> bool:
    return _ramp(rng, independent=True)


FAMILY = tuple(
    gate_of("mae", name=f"m{gate}_s{part}", paired=True, independent_units=False)
    for gate in range(20)
    for part in range(5)
)


def family(rng: Generator) -> bool:
    """20 gates × 5 slices that share a shock of the day, the gate's noise, and have their own."""
    shape = (LOOKS, 20, 5)
    noise = rng.normal(0, 1, (LOOKS, 1, 1)) + rng.normal(0, 1, (LOOKS, 20, 1))
    harms = (noise + rng.normal(0, 1.5, shape)).reshape(LOOKS, -1)
    blocks = [
        [
            BlockHarm(block=f"{g:04d}", harm=harm, baseline=20.0, candidate=20.0 + harm, rows=50)
            for g, harm in enumerate(column)
        ]
        for column in harms.T.tolist()
    ]
    return stopped_at(FAMILY, blocks) is not None


def repeated_ar1(sims: int, seed: np.random.SeedSequence) -> list:
    rng = np.random.default_rng(seed)
    rows = ar1_length(rng)
    return [ar1_days(rng, rows) for _ in range(sims)]


def aa(
    key: str,
    claim: str,
    variants: Mapping[str, Callable[[Generator], bool]],
    at_once: int = 5,
    said: str = "",
    share: float = 1.0,
) -> Row:
    chunks = {name: partial(repeated, one) for name, one in variants.items()}
    return Row(
        keys=(key,),
        claim=f"nothing is wrong, {LOOKS} looks: {claim}",
        bar="≤ .05 + 3 s.e.",
        sims=2_000,
        at_once=at_once,
        measure=lambda effort, seed: false_alarms(key, chunks, effort, seed, said),
        share=share,
    )


def measure_sticky(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
    counted, ignored = seed.spawn(2)
    fewer = replace(next(effort.shared(4)), sims=effort.sims // 4)
    alarms = simulated(partial(repeated, sticky_ignored), fewer, ignored)
    said = f"; were units counted on each of their days: {sum(alarms) / len(alarms):.2f}"
    return false_alarms("aa_sticky", {"by day": partial(repeated, sticky)}, effort, counted, said)


ROWS: tuple[Row, ...] = (
    aa(
        "aa_iid",
        "independent rows",
        {"days": iid_by_day, "pairs, declared": iid_pairs, "bets, declared": iid_bets},
    ),
    aa(
        "aa_shared",
        "shocks shared by both arms, unpaired",
        {"days": shared_by_day, "events, declared": shared_events},
    ),
    Row(
        keys=("aa_ar1",),
        claim=f"nothing is wrong, {LOOKS} looks: each arm AR(1) ρ = .8, blocks as long as needed",
        bar="≤ .05 + 3 s.e.",
        sims=2_000,
        at_once=40,
        measure=lambda effort, seed: false_alarms("aa_ar1", {"blocks": repeated_ar1}, effort, seed),
    ),
    aa("aa_clustered", "10 correlated rows a unit (ICC .3)", {"days": clustered}),
    Row(
        keys=("aa_sticky",),
        claim=f"nothing is wrong, {LOOKS} looks: sticky units that come back over days",
        bar="≤ .05 + 3 s.e.",
        sims=2_000,
        at_once=20,
        measure=measure_sticky,
    ),
    aa(
        "aa_ramp",
        "ramp 5 → 25 → 50 % with a moving base rate, unpaired",
        {"days": ramp_by_block, "events, declared": ramp_events},
    ),
    aa(
        "aa_family",
        "20 gates × 5 slices as one family",
        {"days": family},
        at_once=1,
        share=3.0,
        said=" (block harms drawn as such)",
    ),
)
