"""What serves is fed otherwise than before: found by column and by all of them together."""

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from sluiceway.drift import Aspect, DriftReason, Method
from sluiceway.drift.multivariate import JointReason, render_joint
from sluiceway.outcomes import Outcome
from sluiceway.replay.faults import UnusableHistory
from sluiceway.steps.input_drift import InputDrift, champion_drift

from .test_drift import FARTHER
from .worlds import NOW, quick_site

DAY = timedelta(days=1)


def looked(
    folder: Path,
    *changes: tuple[str, str],
    days: int = 12,
    after: int = 0,
    history: int = 0,
    together: bool = False,
) -> InputDrift:
    return champion_drift(
        quick_site(folder, *changes),
        now=NOW + after * DAY,
        window=days * DAY,
        against=12 * DAY,
        history=history * DAY,
        together=together,
    )


def test_quiet_inputs_pass_by_column_and_together(tmp_path: Path) -> None:
    found = looked(tmp_path, together=True)
    assert not found.report.drifted
    assert found.report.method is Method.BLOCKS
    assert found.joint is not None
    assert found.joint.reason is JointReason.NOT_TOLD_APART
    assert found.current.start == found.reference.end


def test_orders_that_go_farther_are_named_and_told_apart(tmp_path: Path) -> None:
    found = looked(tmp_path, FARTHER, after=12, together=True)
    assert found.outcome is Outcome.FAILED
    assert found.report.columns == ("distance",)
    assert found.joint is not None
    assert (found.joint.outcome, found.joint.held_out) == (Outcome.FAILED, (6, 6))
    said = render_joint(found.joint, found.policy, found.report.block)
    assert said.startswith("all columns together: told apart with AUC 0.")
    assert "distance" in said
    assert said.endswith(
        "learned on every second day, looked at 6 and 6 others; 999 permutations of whole days, "
        "level 5 %)"
    )


def test_thresholds_may_be_learned_from_history(tmp_path: Path) -> None:
    found = looked(tmp_path, FARTHER, days=1, after=1, history=20)
    assert found.report.method is Method.HISTORY
    assert found.report.columns == ("distance",)


def test_a_few_days_prove_nothing(tmp_path: Path) -> None:
    found = looked(tmp_path, days=4, together=True)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert {one.reason for one in found.report.findings} == {DriftReason.TOO_FEW_BLOCKS}
    assert found.joint is not None
    assert render_joint(found.joint, found.policy, "day") == (
        "all columns together: not compared, 10 days a side, in one window only, are needed"
    )


def test_a_record_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableHistory):
        champion_drift(
            quick_site(tmp_path),
            now=NOW - 4000 * DAY,
            window=12 * DAY,
            against=12 * DAY,
            history=timedelta(0),
        )


def hour_of(read: pd.DataFrame) -> pd.Series:
    """The hour, by a definition that looks at when the order was placed."""
    return read["orders.hour"].where(read["orders.placed_at"].notna())


def test_timestamps_that_features_are_made_of_are_compared(tmp_path: Path) -> None:
    by_time = (
        "reads: [orders.hour]}",
        "reads: [orders.hour, orders.placed_at], "
        'transformation: "tests.steps.test_input_drift:hour_of"}',
    )
    found = looked(tmp_path, by_time)
    aspects = {one.aspect for one in found.report.findings if one.column == "orders.placed_at"}
    assert Aspect.CADENCE in aspects
    assert Aspect.LAG in aspects
