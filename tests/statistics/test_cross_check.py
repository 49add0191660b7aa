"""Two estimates of one harm agree while who answers is drawn and nothing else differs."""

import math

import numpy as np
import pandas as pd
import pytest

from sluiceway.gates import CrossCheck, contradictions
from sluiceway.statistics.cross_check import parted_blocks, row_losses
from sluiceway.statistics.metrics import METRICS, metric_named

Frames = tuple[pd.DataFrame, pd.DataFrame]


def drawn(
    rng: np.random.Generator,
    *,
    blocks: int,
    rows: int,
    weight: float,
    rate: float | None = None,
    apart: float = 0.0,
) -> Frames:
    """Own units and pairs of a canary whose days differ.

    Args:
        rate: Share of losses of 1 where they are 0 or 1; None for half-normal ones.
        apart: How much more than in its mirrored answers the candidate's own units lose.
    """
    count = blocks * rows
    if rate is None:
        day = np.repeat(rng.normal(size=blocks), rows)
        baseline, candidate = (np.abs(rng.normal(size=count) + day) for _ in range(2))
    else:
        baseline, candidate = ((rng.random(count) < rate).astype(float) for _ in range(2))
    chosen = rng.random(count) < weight
    where = {
        "block": np.repeat(np.arange(1_000, 1_000 + blocks), rows).astype(str),
        "routing_revision": 3,
    }
    loss = np.where(chosen, candidate + apart, baseline)
    own = pd.DataFrame({**where, "on_candidate": chosen, "loss": loss})
    return own, pd.DataFrame({**where, "baseline": baseline, "candidate": candidate})


def highest(frames: Frames) -> float:
    """The highest log e-value of the looks, one after every third block."""
    check, most = CrossCheck(), 0.0
    for number, block in enumerate(parted_blocks(*frames)):
        check = CrossCheck(parted=check.parted.enter(block))
        if number > 6 and not number % 3:  # it takes eight blocks, and looks take their time
            most = max(most, check.log_e)
    return most


@pytest.mark.parametrize(("weight", "rate"), [(0.5, None), (0.1, None), (0.1, 0.1)])
def test_estimates_that_agree_contradict_no_more_often_than_the_level(
    weight: float, rate: float | None
) -> None:
    rng, sims, level = np.random.default_rng(11), 25, 0.05
    alarms = sum(
        highest(drawn(rng, blocks=48, rows=400, weight=weight, rate=rate)) >= -math.log(level)
        for _ in range(sims)
    )
    assert alarms / sims <= level + 3 * math.sqrt(level * (1 - level) / sims)


def test_a_difference_of_a_fifth_of_the_spread_is_found() -> None:
    rng = np.random.default_rng(12)
    found = highest(drawn(rng, blocks=40, rows=1_000, weight=0.1, apart=0.2))
    assert found >= math.log(1_000)


def test_rare_losses_in_a_small_arm_compare_nothing() -> None:
    """In most such blocks the candidate's arm has no loss: they would agree on a difference."""
    rng = np.random.default_rng(13)
    assert parted_blocks(*drawn(rng, blocks=30, rows=500, weight=0.05, rate=0.01)) == ()
    assert len(parted_blocks(*drawn(rng, blocks=3, rows=20_000, weight=0.1, rate=0.01))) == 3


def test_harm_is_compared_within_each_routing_revision() -> None:
    """Late units lose more, and the candidate has more of them: no difference in any stratum."""
    rng = np.random.default_rng(14)
    early = drawn(rng, blocks=1, rows=4_000, weight=0.1)
    late = drawn(rng, blocks=1, rows=4_000, weight=0.5)
    for frame in late:
        frame["routing_revision"] = 4
        losses = [name for name in ("loss", "baseline", "candidate") if name in frame]
        frame[losses] += 5
    own, pairs = (pd.concat(both) for both in zip(early, late, strict=True))
    (block,) = parted_blocks(own, pairs)
    assert block.harm == pytest.approx(0.0, abs=0.15)
    assert block.rows == 8_000


def test_only_means_over_rows_have_losses() -> None:
    label, answer = [1.0, np.nan, 0.0], [0.5, 0.5, np.nan]
    np.testing.assert_array_equal(
        row_losses(METRICS["brier"], label, answer), [0.25, np.nan, np.nan]
    )
    assert row_losses(metric_named("rmse"), [1.0], [2.0]) is None
    assert row_losses(metric_named("roc_auc"), [1.0], [0.5]) is None


def test_nothing_compared_contradicts_nothing() -> None:
    rows = pd.DataFrame(columns=["block", "routing_revision", "on_candidate", "loss"])
    pairs = pd.DataFrame(columns=["block", "routing_revision", "baseline", "candidate"])
    assert parted_blocks(rows, pairs) == ()
    assert contradictions({}) == contradictions({"fraud.brier": CrossCheck()}) == ()
