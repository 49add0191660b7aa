"""Answers from the log stand for answers made again only where the log has every unit's."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluiceway.ports import Window
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import ShadowMeasured
from sluiceway.steps.recorded import NotRecorded, RecordedAnswers
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.driver import LIVE, QUICK, Wild, add, adopt_live, advance, memory_site, variant
from tests.orders.data import day
from tests.replay import diamond

from .worlds import NOW, ask, ended, told


def kept(part: diamond.Partition, answers: np.ndarray) -> RecordedAnswers:
    return RecordedAnswers(values=pd.DataFrame({"demand.units": answers}, index=part.units))


def test_nothing_answered_is_given_as_recorded() -> None:
    part = diamond.partition()
    answers = np.arange(part.rows, dtype=float)
    answers[7] = np.nan
    shuffled = kept(part, answers).values.sample(frac=1, random_state=0)
    found = RecordedAnswers(values=shuffled).of_units(part)
    np.testing.assert_array_equal(found["demand.units"], answers)


def test_a_unit_that_is_not_in_the_log_is_never_a_missing_value() -> None:
    part = diamond.partition()
    log = kept(part, np.ones(part.rows)).values.drop(index="o7")
    with pytest.raises(NotRecorded, match="1 of 60 units"):
        RecordedAnswers(values=log).of_units(part)


def costs(columns: Mapping[str, np.ndarray], stretched: float = 1.0) -> np.ndarray:
    """Bears a probability that is missing, by taking the mean; may overdo the others."""
    probability = np.nan_to_num(columns["fraud.probability"], nan=0.32)
    known = {**columns, "fraud.probability": 0.32 + stretched * (probability - 0.32)}
    return np.asarray(LIVE["cost"].predict(known))


def priority(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Bears days that are missing."""
    known = {**columns, "handling.days": np.nan_to_num(columns["handling.days"], nan=4.0)}
    return np.asarray(LIVE["priority"].predict(known))


def nullable_site(tmp_path: Path) -> tuple[Site, list[int]]:
    """A world in which what feeds cost and priority may be missing; the rows fraud was asked."""
    (tmp_path / "system").mkdir(parents=True)
    file = variant(tmp_path / "system", *QUICK)
    for name, old, new in (
        ("fraud", "range: [0, 1]\n", "range: [0, 1]\n    nullable: true\n"),
        ("handling", "range: [-20, 60]}", "range: [-20, 60], nullable: true}"),
    ):
        contract = file.parent / "contracts" / f"{name}.yaml"
        text = contract.read_text(encoding="utf-8")
        assert text.count(old) == 1
        contract.write_text(text.replace(old, new), encoding="utf-8")
    site = memory_site(tmp_path, file=file)
    asked: list[int] = []

    def fraud(columns: Mapping[str, np.ndarray]) -> np.ndarray:
        asked.append(len(columns["amount"]))
        return np.asarray(LIVE["fraud"].predict(columns))

    add(site, "fraud", "1", Wild(LIVE["fraud"].inputs, fraud))
    add(site, "cost", "1", Wild(LIVE["cost"].inputs, costs))
    add(site, "priority", "1", Wild(LIVE["priority"].inputs, priority))
    adopt_live(site, NOW)
    harmful = Wild(LIVE["cost"].inputs, lambda columns: costs(columns, stretched=2.5))
    add(site, "cost", "2", harmful)
    return site, asked


def shadow_after(tmp_path: Path, logged: Window | None) -> tuple[ShadowMeasured, list[int]]:
    """The shadow replay of a harmful candidate, after the champion answered this window live."""
    site, asked = nullable_site(tmp_path)
    if logged is not None:
        BatchServer(site).answer(logged, now=NOW)
    asked.clear()
    rollout = ask(site, "cost@2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.code) == (Ending.REJECTED, ReasonCode.HARM_IN_SHADOW), end.reason
    (measured,) = told(site, rollout, ShadowMeasured)
    assert isinstance(measured, ShadowMeasured)
    return measured, asked


def test_days_that_nobody_logged_do_not_hide_harm_behind_a_nullable_feeder(tmp_path: Path) -> None:
    some, _ = shadow_after(tmp_path / "some", Window(start=day(36), end=day(39)))
    none, _ = shadow_after(tmp_path / "none", None)
    assert some.verdicts == none.verdicts


def test_a_log_that_has_every_unit_saves_asking_again(tmp_path: Path) -> None:
    whole, asked = shadow_after(tmp_path / "whole", Window(start=day(27), end=day(39)))
    none, again = shadow_after(tmp_path / "none", None)
    assert whole.verdicts == none.verdicts
    assert len(asked) < len(again)
    assert asked == [whole.rows], "in the contract check only"
