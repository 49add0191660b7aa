"""The unpaired estimate of paired gates: shown beside the paired one, and held against it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from sluiceway.gates import contradictions
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.reports import explain, in_one_line, render_report
from sluiceway.rollouts.events import Looked, happening
from sluiceway.statistics.metrics import METRICS
from sluiceway.statistics.unpaired import unpaired_rows
from sluiceway.steps import looking
from tests.driver import advance
from tests.orders.data import outcomes
from tests.steps.changed_log import DAY, looked_at
from tests.steps.test_own_units import EVEN, REVIEWS
from tests.steps.worlds import NOW

DAYS = 13
"""Enough to promote a candidate that answers as the champion does."""


def as_received(log: pd.DataFrame) -> pd.DataFrame:
    """What the candidate's own consumers receive is nearly true, what is mirrored is not."""
    if log.empty:
        return log
    window = Window(start=NOW, end=NOW + DAYS * DAY)
    truth = outcomes(window).set_index("order_id")["euros"]
    own = (log["path"] == "primary") & (log["arm"] == "candidate")
    better = 0.1 * log["cost.euros"] + 0.9 * log["unit"].map(truth)
    return log.assign(**{"cost.euros": log["cost.euros"].mask(own, better)})


def test_both_estimates_of_arms_that_are_alike_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rollout, look = looked_at(tmp_path, monkeypatch, lambda log: log, EVEN, days=DAYS)
    assert (look.outcome, look.fault, look.notes) == (Outcome.PASSED, None, ())
    assert site.state(rollout).promoted is not None
    paired = {gate.name for gate in site.plan(rollout).gates}
    assert look.cross_checks.keys() == paired
    assert contradictions(look.cross_checks) == ()
    window = Window(start=NOW, end=NOW + DAYS * DAY)
    rows = site.predictions.read(window)
    rows = rows[rows["path"] == "primary"].join(
        outcomes(window).set_index("order_id")["euros"], on="unit"
    )
    independently = unpaired_rows(
        METRICS["mae"],
        rows["euros"],
        rows["cost.euros"],
        rows["event_time"].dt.strftime("%Y-%m-%d"),
        rows["routing_revision"],
        rows["arm"] == "candidate",
    )
    check = look.cross_checks["cost.mae"]
    harms = [one.harm for one in independently]
    assert check.own.n == check.parted.n == len(harms)
    assert check.own.mean == pytest.approx(np.mean([harm for harm in harms if harm is not None]))
    # The pairs are alike, so all of the difference is the own units'.
    assert check.parted.mean == pytest.approx(check.own.mean)


def test_estimates_that_contradict_each_other_hold_a_promotion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rollout, look = looked_at(tmp_path, monkeypatch, as_received, EVEN, days=DAYS)
    assert {verdict.outcome for verdict in look.verdicts} == {Outcome.PASSED}
    assert contradictions(look.cross_checks) == ("cost.mae",)
    assert look.outcome is Outcome.INCONCLUSIVE
    assert look.watermark is not None
    (note,) = look.notes
    assert look.fault == note
    assert note.startswith("cost.mae: its two estimates contradict each other: harm by pairs -1.")
    assert "by each arm's own units -2." in note
    assert note.endswith("level 0.001 over all gates and looks)")
    state = site.state(rollout)
    assert (state.promoted, state.weight) == (None, 50)
    system = site.systems.kept(rollout)
    events = site.journal.events(site.environment, rollout)
    assert note in in_one_line(events, system)
    (both,) = [line for line in explain(events, system).splitlines() if "cost.mae: paired" in line]
    check = look.cross_checks["cost.mae"]
    assert f"by each arm's own units {check.own.mean:+.2f} EUR [" in both
    page = render_report(
        system=system, events=events, champion_generation_after=None, chain_head="0" * 64
    )
    assert escape(f"Cross-check: {both.strip()}") in page


def test_what_has_one_estimate_only_has_no_cross_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels that depend on the answer are compared by own units anyway."""
    site, rollout, look = looked_at(tmp_path, monkeypatch, lambda log: log, *REVIEWS, EVEN)
    gates = {gate.name for gate in site.plan(rollout).gates}
    assert look.cross_checks.keys() == gates - {"fraud.accuracy"} != gates


def test_a_block_that_cannot_be_read_enters_neither_evidence_nor_cross_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again later, and counts once then."""

    def unreadable(*_: object, **__: object) -> None:
        raise ValueError("what nobody foresaw")

    with monkeypatch.context() as broken:
        broken.setattr(looking, "cross_checked", unreadable)
        site, rollout, look = looked_at(tmp_path, monkeypatch, lambda log: log, EVEN)
        assert look.fault == "live evidence cannot be measured: what nobody foresaw"
        assert {state.n for state in look.states.values()} == {0}
    advance(site, rollout, NOW + 3 * DAY + timedelta(hours=2))
    again = site.state(rollout).look
    assert again is not None
    assert again.fault is None
    assert {state.n for state in again.states.values()} == {2}
    assert {check.own.n for check in again.cross_checks.values()} == {2}


def test_a_look_that_was_written_before_there_were_cross_checks_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rollout, _ = looked_at(tmp_path, monkeypatch, lambda log: log, EVEN)
    events = site.journal.events(site.environment, rollout)
    (written,) = [event for event in events if event.kind == "looked"]
    payload = {name: one for name, one in written.payload.items() if name != "cross_checks"}
    read = happening(replace(written, payload=payload))
    assert isinstance(read, Looked)
    assert read.cross_checks == {}
