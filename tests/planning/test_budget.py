"""Ten promotions at almost the margin each do not pass; a step back to the best always may."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sluiceway.gates import Levels, judge_replay
from sluiceway.outcomes import Outcome
from sluiceway.planning.budget import (
    WINDOW,
    BudgetReason,
    BudgetVerdict,
    Served,
    best_generation,
    judge_budget,
    render_budget,
)
from sluiceway.statistics.metrics import BlockSums

from .records import gate
from .test_detectable import sums

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 60
GATE = gate(margin=1.0)
NOISE = np.random.default_rng(8).standard_normal((12, DAYS))


def arm(level: float, version: int) -> BlockSums:
    return sums(20.0 + level + 0.3 * NOISE[version])


def judged(candidate: BlockSums, champion: BlockSums, best: BlockSums) -> BudgetVerdict:
    verdicts = [judge_replay(GATE, base, candidate, Levels(), 4) for base in (best, champion)]
    return judge_budget(1, *verdicts)


def test_of_ten_promotions_at_eight_tenths_of_the_margin_only_the_first_passes() -> None:
    arms = [arm(0.8 * n, n) for n in range(11)]
    alone = [judge_replay(GATE, arms[n], arms[n + 1], Levels(), 4).outcome for n in range(10)]
    assert set(alone) == {Outcome.PASSED}, "each would be promoted for itself"
    budget = [judged(arms[n + 1], arms[n], arms[0]) for n in range(10)]
    assert budget[0].outcome is Outcome.PASSED
    assert {one.outcome for one in budget[1:]} == {Outcome.FAILED}
    assert {one.reason for one in budget[1:]} == {BudgetReason.BUDGET_SPENT}


def test_what_is_not_worse_than_the_champion_is_never_held_up_by_what_was_spent() -> None:
    best, champion = arm(0.0, 0), arm(2.0, 1)
    assert judged(arm(1.5, 2), champion, best).reason is BudgetReason.NOT_WORSE_THAN_CHAMPION
    assert judged(champion, champion, best).reason is BudgetReason.NOT_WORSE_THAN_CHAMPION


def test_what_the_sample_cannot_tell_is_no_pass() -> None:
    best, champion = arm(0.0, 0), arm(0.9, 1)
    verdict = judged(arm(1.0, 2), champion, best)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.INCONCLUSIVE,
        BudgetReason.BUDGET_NOT_EXCLUDED,
    )


@pytest.mark.parametrize("few", [0, 1, 9])
def test_too_little_evidence_is_no_pass(few: int) -> None:
    def short(level: float, version: int) -> BlockSums:
        return sums(20.0 + level + 0.3 * NOISE[version][:few])

    verdict = judged(short(-1.0, 2), short(0.0, 1), short(0.0, 0))
    assert verdict.outcome is not Outcome.PASSED


def test_an_arm_that_did_not_answer_the_same_rows_is_an_error() -> None:
    verdict = judged(arm(0.5, 2), arm(0.0, 1), sums(20.0 + NOISE[0][:30]))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.ERROR,
        BudgetReason.BUDGET_UNMEASURABLE,
    )


def test_a_spent_budget_says_its_numbers() -> None:
    # Standard error .3/√59, and t(59) reaches .95 at 1.671.
    turns = 0.3 * np.resize([1.0, -1.0], DAYS)
    best, champion = (sums(np.full(DAYS, 20.0 + level)) for level in (0.0, 1.2))
    said = render_budget(judged(sums(21.9 + turns), champion, best))
    assert said == (
        "since generation 1, m.mae: harm +1.900 min [+1.835, +1.965] > margin 1.000 min (60 days, "
        "6,000 rows, paired delete-a-day jackknife); earlier promotions and this one together "
        "spend more than one margin"
    )


def served(*harms: float, until: timedelta = timedelta(0)) -> list[Served]:
    """Generations from 1, each measured against the one before; the last serves."""
    count = len(harms)
    return [
        Served(
            generation=n + 1,
            against=n or None,
            harms={GATE.name: harm} if n else {},
            until=None if n + 1 == count else NOW - until - timedelta(days=10 * (count - n)),
        )
        for n, harm in enumerate(harms)
    ]


def best(history: list[Served], **more: object) -> int:
    champion = history[-1].generation
    return best_generation(GATE, history, champion=champion, since=NOW - WINDOW, **more)  # type: ignore[arg-type]


def test_the_best_generation_is_where_the_measured_harms_add_up_to_the_least() -> None:
    assert best(served(0, 0.5, 0.5)) == 1
    assert best(served(0, -2.0, 0.5, 0.5)) == 2
    assert best(served(0, -2.0, 0.5, -0.6)) == 4
    assert best(served(0, 0.0, 0.0)) == 3, "equals go to the champion"


def test_a_gate_that_no_rollout_could_reach_stands_where_it_stood() -> None:
    other = gate("other")
    history = served(0, 0.5, 0.5)
    assert best_generation(other, history, champion=3, since=NOW - WINDOW) == 3


def test_what_served_before_the_window_is_forgotten() -> None:
    assert best(served(0, 0.5, 0.5, until=timedelta(days=60))) == 2
    assert best(served(0, 0.5, 0.5, until=timedelta(days=100))) == 3


def test_what_was_rolled_back_is_never_the_best() -> None:
    history = served(0, -2.0, 0.1)
    gone = Served(
        generation=2,
        against=1,
        harms={GATE.name: -2.0},
        until=NOW - timedelta(days=1),
        rolled_back=True,
    )
    back = Served(generation=3, against=1, harms={GATE.name: 0.1}, until=None)
    assert best([history[0], gone, back]) == 1


def test_two_gates_are_not_compared() -> None:
    one = judge_replay(GATE, arm(0, 0), arm(0, 1), Levels(), 1)
    other = judge_replay(gate("other"), arm(0, 0), arm(0, 1), Levels(), 1)
    with pytest.raises(ValueError, match="two gates"):
        judge_budget(1, one, other)
