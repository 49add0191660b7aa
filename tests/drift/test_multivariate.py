"""What no single column shows: the joint check sees it, and quiet windows pass."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sluiceway.drift import drift_report
from sluiceway.drift.multivariate import JointReason, _auc, told_apart
from sluiceway.outcomes import Outcome
from tests.drift.windows import window

BLOCKS = [np.repeat([f"{name}{one:02d}" for one in range(20)], 100).astype(object) for name in "ab"]


def pair(rng: np.random.Generator, correlation: float) -> dict[str, np.ndarray]:
    x, noise = rng.normal(size=(2, 2000))
    text = rng.choice(list("abc"), size=2000).astype(object)
    return {"x": x, "y": correlation * x + np.sqrt(1 - correlation**2) * noise, "text": text}


def test_a_turned_correlation_is_seen_together_and_in_no_column_alone() -> None:
    rng = np.random.default_rng(0)
    before, now = pair(rng, 0.8), pair(rng, -0.8)
    alone = drift_report(window(before, 20, "a"), window(now, 20, "b"))
    assert not alone.drifted
    joint = told_apart(before, BLOCKS[0], now, BLOCKS[1])
    assert (joint.outcome, joint.reason) == (Outcome.FAILED, JointReason.TOLD_APART)
    assert joint.held_out == (10, 10)


def test_quiet_windows_are_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    joint = told_apart(pair(rng, 0.8), BLOCKS[0], pair(rng, 0.8), BLOCKS[1])
    assert (joint.outcome, joint.reason) == (Outcome.PASSED, JointReason.NOT_TOLD_APART)


def test_days_of_their_own_are_not_drift() -> None:
    """Blocks that differ from each other can be learned by heart; held-out ones tell."""
    rng = np.random.default_rng(2)
    failed = 0
    for _ in range(8):
        made = [{"x": rng.normal(size=20).repeat(100) + rng.normal(size=2000)} for _ in "ab"]
        failed += told_apart(made[0], BLOCKS[0], made[1], BLOCKS[1]).outcome is Outcome.FAILED
    assert failed <= 2  # P(more than 2 of 8 at .05) is .006


def test_the_auc_is_sklearns() -> None:
    rng = np.random.default_rng(3)
    codes = np.sort(rng.integers(0, 12, size=500))
    now, scores = codes >= 5, rng.normal(size=500).round(1)
    assert _auc(scores, codes, now, 0, 99)[0] == pytest.approx(roc_auc_score(now, scores))


def test_few_blocks_or_nothing_to_learn_prove_nothing() -> None:
    rng = np.random.default_rng(4)
    some, few = pair(rng, 0.5), np.repeat(["a"], 2000).astype(object)
    assert told_apart(some, few, some, BLOCKS[1]).reason is JointReason.TOO_FEW_BLOCKS
    assert told_apart(some, BLOCKS[0], some, BLOCKS[0]).reason is JointReason.TOO_FEW_BLOCKS
    nothing = {"x": np.full(2000, np.nan)}
    joint = told_apart(nothing, BLOCKS[0], nothing, BLOCKS[1])
    assert (joint.outcome, joint.reason) == (Outcome.INCONCLUSIVE, JointReason.NO_COLUMNS)


def test_a_column_without_values_to_learn_from_is_passed_over() -> None:
    """Every second block is learned from; here those alone lack the column."""
    rng = np.random.default_rng(5)
    alternating = np.arange(2000) // 100 % 2 == 0
    gaps = {"x": np.where(alternating, np.nan, 1.0)}
    joint = told_apart(gaps, BLOCKS[0], gaps, BLOCKS[1])
    assert (joint.outcome, joint.reason) == (Outcome.INCONCLUSIVE, JointReason.NO_COLUMNS)
    beside = gaps | {"y": rng.normal(size=2000)}
    assert told_apart(beside, BLOCKS[0], beside, BLOCKS[1]).columns == ("y",)


def test_the_largest_numbers_there_are_break_nothing() -> None:
    rng = np.random.default_rng(6)
    most = np.finfo(np.float64).max
    before, now = ({"x": most * rng.uniform(*ends, 2000)} for ends in ((-1, 0), (0, 1)))
    joint = told_apart(before, BLOCKS[0], now, BLOCKS[1])
    assert (joint.outcome, joint.reason) == (Outcome.FAILED, JointReason.TOLD_APART)
