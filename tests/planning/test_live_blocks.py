"""Gates that a canary reads otherwise than shadow does are planned by what the canary reads."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.gates import Comparison, Gate, Levels, Role, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.planning import CanaryPower, Fit, RecordedHarms, plan_canary, recorded_harms
from sluiceway.planning.live_blocks import growth, live_block
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import METRICS, BlockSums
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.sequential import BlockHarm, Stratum, method_for
from sluiceway.statistics.unpaired import unpaired_rows

from .records import gate, record, schedule

LEVELS = Levels()
NONE = np.empty(0)
UNITS = 400
BLOCKS = 40


def shares(*, paired: bool, independent: bool, margin: float = 0.02) -> Gate:
    """A gate on the share of right decisions."""
    accuracy = METRICS["accuracy"]
    return Gate(
        model="fraud",
        metric="accuracy",
        field="probability",
        label="outcomes.fraud",
        role=Role.REQUIRED,
        margin=margin,
        comparison=Comparison.PAIRED if paired else Comparison.UNPAIRED,
        evidence=method_for(accuracy, paired=paired, independent_units=independent),
    )


def rows(
    random: np.random.Generator, blocks: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, both arms' answers and blocks of a harmless candidate: 10 % wrong, 6 % differ."""
    size = blocks * UNITS
    label = random.integers(0, 2, size).astype(float)
    baseline = np.where(random.random(size) < 0.1, 1 - label, label)
    turned = random.random(size) < np.where(baseline == label, 0.03, 0.27)
    candidate = np.where(turned, 1 - baseline, baseline)
    names = np.repeat([f"2026-{n:05d}" for n in range(blocks)], UNITS)
    return label, baseline, candidate, names


def lived(
    one: Gate, random: np.random.Generator, blocks: int, weight: int
) -> tuple[BlockHarm, ...]:
    """What a canary reads of so many blocks, by the functions that a look uses."""
    label, baseline, candidate, names = rows(random, blocks)
    if one.comparison is Comparison.PAIRED:
        return paired_block_harms(METRICS["accuracy"], label, baseline, candidate, names)
    chosen = random.random(label.size) < weight / 100
    answer = np.where(chosen, candidate, baseline)
    return unpaired_rows(
        METRICS["accuracy"], label, answer, names, np.zeros(label.size, int), chosen
    )


def recorded(one: Gate, random: np.random.Generator) -> RecordedHarms:
    seen = lived(one, random, BLOCKS, weight=50)
    unpaired = one.comparison is Comparison.UNPAIRED
    loss = [
        sum(s.baseline_events for s in b.strata or ())
        / sum(s.baseline_units for s in b.strata or ())
        if unpaired
        else ((b.better or 0) + (b.worse or 0)) / b.rows
        for b in seen
    ]
    return RecordedHarms(
        blocks=tuple(b.block for b in seen),
        units=(UNITS,) * BLOCKS,
        harms={one.name: tuple(b.harm for b in seen)},
        losses={one.name: tuple(loss)},
        halves=(one.name,) if unpaired else (),
    )


def share_that_passes(one: Gate, power: CanaryPower, weight: int, canaries: int = 100) -> float:
    """How many real canaries of the planned sample pass."""
    assert power.blocks_needed is not None
    hits = 0
    for seed in range(canaries):
        state = one.evidence.begin(one.margin)
        passed = False
        for block in lived(one, np.random.default_rng(1000 + seed), power.blocks_needed, weight):
            state = state.enter(block)
            judged = judge_canary([(one, state)], LEVELS)
            passed |= judged.verdicts[0].outcome is Outcome.PASSED
        hits += passed
    return hits / canaries


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("independent", [True, False])
def test_real_canaries_of_the_planned_sample_pass_as_often_as_planned(
    paired: bool, independent: bool
) -> None:
    one = shares(paired=paired, independent=independent, margin=0.02 if paired else 0.04)
    power = plan_canary(
        [one],
        LEVELS,
        recorded(one, np.random.default_rng(7)),
        schedule(150, 150, weights=(25,)),
        seed=3,
    )
    # One record of 40 blocks knows its spread to a tenth; four standard errors of the share.
    assert share_that_passes(one, power, weight=25) >= 0.8 - 0.16


def answers(
    random: np.random.Generator, blocks: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, both arms' probabilities and blocks; the arms err alike, each on its own."""
    label, decided, _, names = rows(random, blocks)
    arms = [
        np.clip(np.where(decided == 1, 0.8, 0.2) + random.normal(0, 0.06, label.size), 0, 1)
        for _ in range(2)
    ]
    return label, arms[0], arms[1], names


def summed(metric: str, label: np.ndarray, answer: np.ndarray, block: np.ndarray) -> BlockSums:
    collected = MetricAccumulator(METRICS[metric])
    collected.add(label, answer, block)
    return collected.finish()


@pytest.mark.parametrize("margin", [0.008, 0.002])
def test_bets_on_pairs_are_planned_as_they_are_placed(margin: float) -> None:
    brier = METRICS["brier"]
    one = replace(
        shares(paired=True, independent=False, margin=margin),
        metric="brier",
        evidence=method_for(brier, paired=True, independent_units=True),
    )
    label, *arms, names = answers(np.random.default_rng(7), BLOCKS)
    record = recorded_harms(
        [one],
        *({one.name: summed("brier", label, arm, names)} for arm in arms),
        {one.name: paired_block_harms(brier, label, *arms, names)},
    )
    power = plan_canary([one], LEVELS, record, schedule(150, 150), seed=3)
    assert power.blocks_needed is not None
    hits = 0
    for seed in range(60):
        state, passed = one.evidence.begin(one.margin), False
        drawn = answers(np.random.default_rng(1000 + seed), power.blocks_needed)
        for block in paired_block_harms(brier, *drawn):
            state = state.enter(block)
            passed |= judge_canary([(one, state)], LEVELS).verdicts[0].outcome is Outcome.PASSED
        hits += passed
    assert hits / 60 >= 0.8 - 0.2


def test_a_difference_that_stands_for_many_pairs_is_bet_on_as_often() -> None:
    harms = np.asarray([-0.3, 0.0, 0.1])
    evidence = method_for(METRICS["brier"], paired=True, independent_units=True)
    many = BlockHarm(
        block="1",
        harm=float(harms.mean()),
        baseline=0.1,
        candidate=0.1,
        rows=12,
        differences=np.repeat(harms, 4),
    )
    few = replace(many, differences=harms, times=np.full(3, 4.0))
    states = [evidence.begin(0.01).enter(block) for block in (many, few)]
    assert states[0].n == states[1].n == 1
    for margin in (0.01, 0.05):
        assert states[0].log_e_safety(margin) == pytest.approx(states[1].log_e_safety(margin))
    assert states[0].confidence_sequence(0.05) == pytest.approx(states[1].confidence_sequence(0.05))
    wrong = evidence.begin(0.01).enter(replace(few, rows=13))
    assert (wrong.n, wrong.faulty_rows) == (0, 13)


def test_counts_of_pairs_hold_back_what_equal_blocks_would_prove() -> None:
    """Ten blocks of forty equal pairs have no spread, and still cannot exclude one percent."""
    one = shares(paired=True, independent=False, margin=0.01)
    alike = RecordedHarms(
        blocks=tuple(f"2026-{n:05d}" for n in range(BLOCKS)),
        units=(40,) * BLOCKS,
        harms={one.name: (0.0,) * BLOCKS},
        losses={one.name: (0.0,) * BLOCKS},
    )
    power = plan_canary([one], LEVELS, alike, schedule(11, 11), seed=1)
    assert power.fit is Fit.REFUSED
    uncounted = plan_canary([one], LEVELS, replace(alike, losses={}), schedule(11, 11), seed=1)
    assert uncounted.fit is Fit.IN_TIME


def test_arms_of_unequal_weight_scatter_as_their_own_units_do() -> None:
    """Against halves: √(1/w + 1/(1 - w)) / 2, so a tenth of the units scatters 5/3 as far."""
    own = replace(gate(), comparison=Comparison.UNPAIRED)
    assert growth(own, 50, mirror=0) == pytest.approx(1.0)
    assert growth(own, 10, mirror=100) == pytest.approx(5 / 3)
    harms = np.random.default_rng(2).standard_normal((60, 1))
    halves = replace(record([own], harms), halves=(own.name,))
    farther = replace(record([own], harms * 5 / 3), halves=(own.name,))
    plans = [
        plan_canary([own], LEVELS, one, schedule(90, 90, weights=(weight,)), seed=5)
        for one, weight in ((halves, 10), (farther, 50))
    ]
    assert plans[0].blocks_needed == plans[1].blocks_needed


@pytest.mark.parametrize(
    ("comparison", "mirror"), [(Comparison.UNPAIRED, 100), (Comparison.PAIRED, 0)]
)
def test_at_full_weight_nothing_is_left_to_compare_with(
    comparison: Comparison, mirror: int
) -> None:
    """Neither own units of the champion nor pairs, unless they are mirrored."""
    one = replace(gate(), comparison=comparison)
    assert growth(one, 100, mirror) is None
    harms = record([one], np.zeros((30, 1)))
    power = plan_canary([one], LEVELS, harms, schedule(weights=(100,), mirror=mirror), seed=1)
    assert power.fit is Fit.REFUSED


@pytest.mark.parametrize("paired", [True, False])
def test_a_record_of_an_older_journal_is_planned_by_its_block_harms(paired: bool) -> None:
    """It holds neither counts nor differences; that is no reason to refuse a canary."""
    counted, by_blocks = (
        shares(paired=paired, independent=independent, margin=0.05) for independent in (True, False)
    )
    harms = np.random.default_rng(2).normal(0, 0.01, (40, 1))
    halves = () if paired else (counted.name,)
    old = replace(record([counted], harms), halves=halves)
    plans = [plan_canary([one], LEVELS, old, schedule(), seed=5) for one in (counted, by_blocks)]
    assert plans[0].fit is Fit.IN_TIME
    assert plans[0] == plans[1]


def test_simulated_blocks_hold_counts_that_can_be() -> None:
    pairs = shares(paired=True, independent=True)
    own = shares(paired=False, independent=True)
    random = np.random.default_rng(1)
    for _ in range(2_000):
        harm, loss = random.normal(0, 0.4), random.random()
        units, weight = int(random.integers(0, 60)), int(random.integers(1, 100))
        of_pairs, of_own = (
            live_block(g, "1", harm, loss, NONE, units=units, weight=weight, mirror=50)
            for g in (pairs, own)
        )
        assert of_pairs.better is not None
        assert of_pairs.worse is not None
        assert min(of_pairs.better, of_pairs.worse) >= 0
        assert of_pairs.better + of_pairs.worse <= of_pairs.rows
        assert of_own.strata is not None
        assert all(isinstance(one, Stratum) and one.possible for one in of_own.strata)


def test_a_log_that_begins_late_is_no_gap_and_a_short_one_is_no_record() -> None:
    own = replace(gate(), comparison=Comparison.UNPAIRED)
    before = record([gate("other")], np.zeros((30, 1)))
    halves = [
        BlockHarm(block=block, harm=float(n), baseline=0.0, candidate=float(n), rows=9)
        for n, block in enumerate(before.blocks[18:])
    ]
    after = before.with_live([own], {own.name: halves}, 10)
    assert after.halves == (own.name,)
    # Around their mean, for nothing differs but chance.
    assert after.harms[own.name][18:] == tuple(n - 5.5 for n in range(12))
    assert after.harms[own.name][:18] == tuple(n % 12 - 5.5 for n in range(18))
    assert before.with_live([own], {own.name: halves[:9]}, 10) == before
    assert before.with_live([own], {}, 10) == before


def test_without_a_live_look_the_record_is_as_it_was() -> None:
    assert recorded_harms([], {}, {}) == RecordedHarms(blocks=(), units=(), harms={})
