"""What a sample could have seen, against simulations of the production judges."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.gates import Levels, judge_canary, judge_replay
from sluiceway.outcomes import Outcome
from sluiceway.planning import detectable_in_canary, detectable_in_replay
from sluiceway.statistics.metrics import BlockSums
from sluiceway.statistics.sequential import (
    BlockHarm,
    Evidence,
    Method,
    SequentialHarm,
    SequentialState,
)

from .records import gate

LEVELS = Levels()
DAYS = 30


def sums(values: np.ndarray) -> BlockSums:
    none = np.zeros(len(values), dtype=np.int64)
    return BlockSums(
        metric="mae",
        blocks=tuple(f"{n:04d}" for n in range(len(values))),
        sums=100.0 * values[:, None],
        rows=none + 100,
        unlabelled=none,
        label_faults=none,
        answer_faults=none,
    )


def replayed(harms: np.ndarray):  # type: ignore[no-untyped-def]
    base = np.full(len(harms), 20.0)
    return judge_replay(gate(), sums(base), sums(base + harms), LEVELS, family_size=4)


def test_a_replay_stops_its_detectable_harm_four_times_in_five() -> None:
    random = np.random.default_rng(4)
    exact = random.standard_normal(DAYS)
    exact = (exact - exact.mean()) / exact.std(ddof=1)
    seen = detectable_in_replay(replayed(exact))
    assert seen is not None
    assert seen.harm is not None
    stopped = sum(
        replayed(seen.harm + random.standard_normal(DAYS)).outcome is Outcome.FAILED
        for _ in range(1000)
    )
    assert stopped / 1000 == pytest.approx(0.8, abs=0.045)


def test_the_smallest_margin_of_a_replay_is_its_upper_bound() -> None:
    verdict = replayed(np.random.default_rng(4).standard_normal(DAYS))
    seen = detectable_in_replay(verdict)
    assert verdict.estimate is not None
    assert seen is not None
    assert seen.margin == max(0.0, verdict.estimate.high or 0.0)
    assert seen.blocks == DAYS


def canary(harms: np.ndarray) -> SequentialHarm:
    state = SequentialHarm()
    for n, harm in enumerate(map(float, harms)):
        block = BlockHarm(block=f"{n:04d}", harm=harm, baseline=0.0, candidate=harm, rows=9)
        state = state.enter(block)
    return state


def test_a_canary_stops_its_detectable_harm_four_times_in_five_at_its_last_look() -> None:
    random = np.random.default_rng(4)
    exact = random.standard_normal(DAYS)
    exact = (exact - exact.mean()) / exact.std()
    family = [gate(), gate("other")]
    seen = detectable_in_canary(family[0], canary(exact), LEVELS, family)
    assert seen is not None
    assert seen.harm is not None
    stopped = 0
    for _ in range(600):
        state = canary(seen.harm + random.standard_normal(DAYS))
        stopped += judge_canary([(family[0], state), (family[1], SequentialHarm())], LEVELS).crossed
    assert stopped / 600 == pytest.approx(0.8, abs=0.06)


def test_nothing_seen_is_nothing_detectable() -> None:
    assert detectable_in_canary(gate(), SequentialHarm(), LEVELS, [gate()]) is None
    assert detectable_in_replay(replayed(np.zeros(0))) is None
    assert detectable_in_replay(replayed(np.zeros(1))) is None


def test_two_blocks_can_stop_nothing() -> None:
    seen = detectable_in_canary(gate(), canary(np.asarray([0.1, -0.1])), LEVELS, [gate()])
    assert seen is not None
    assert (seen.harm, seen.margin) == (None, None)


def test_identical_arms_pass_any_margin() -> None:
    seen = detectable_in_replay(replayed(np.zeros(DAYS)))
    assert seen is not None
    assert (seen.harm, seen.margin) == (1.0, 0.0)


@pytest.mark.parametrize("method", [Method.BETA_MIXTURE, Method.BETTING])
def test_methods_that_count_units_say_how_far_they_see_too(method: Method) -> None:
    """A harm moved to the detectable one is stopped about four times in five, or a little more."""
    own = replace(
        gate(margin=0.0),
        metric="accuracy",
        evidence=Evidence(method=method, expected=100.0),
    )

    def lived(random: np.random.Generator, worse: float) -> SequentialState:
        state = own.evidence.begin(own.margin)
        for number in range(DAYS):
            lost = random.random(100) < 0.02 + worse
            gained = ~lost & (random.random(100) < 0.02)
            differences = lost.astype(float) - gained
            block = BlockHarm(
                block=f"{number:04d}",
                harm=float(differences.mean()),
                baseline=0.1,
                candidate=0.1 + float(differences.mean()),
                rows=100,
                better=int(gained.sum()),
                worse=int(lost.sum()),
                differences=differences,
            )
            state = state.enter(block)
        return state

    random = np.random.default_rng(2)
    seen = detectable_in_canary(own, lived(random, 0.0), LEVELS, [own])
    assert seen is not None
    assert seen.harm is not None
    states = [lived(random, seen.harm) for _ in range(100)]
    stopped = sum(judge_canary([(own, state)], LEVELS).crossed for state in states)
    assert stopped >= 65
