"""Live rows become evidence: each unit once, by the method of its gate, from a sound router."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.rollouts.events import Looked, draft, happening
from sluiceway.statistics.metrics import METRICS
from sluiceway.statistics.sequential import BettingHarm, method_for
from sluiceway.steps.live_rows import live_rows
from sluiceway.steps.looking import entered
from tests.steps.changed_log import DAY, looked_at
from tests.steps.worlds import NOW


def test_a_unit_that_comes_back_on_another_day_contributes_on_its_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same_people(log: pd.DataFrame) -> pd.DataFrame:
        """Every unit of the second day is one of the first, in the same arm and path."""
        if log.empty:
            return log
        log = log.copy()
        first = log["event_time"] < NOW + DAY
        kinds = ["arm", "path", "paired"]
        for kind, rows in log[~first].groupby(kinds):
            known = log[
                first & (log[kinds] == pd.Series(dict(zip(kinds, kind, strict=True)))).all(axis=1)
            ]
            names = known["unit"].to_numpy()
            log.loc[rows.index, "unit"] = np.resize(names, len(rows))
        return log

    _, _, look = looked_at(tmp_path, monkeypatch, same_people)
    assert look.fault is None
    for state in look.states.values():
        assert (state.n, state.unmeasured) == (1, 1)


def test_a_router_that_gives_the_wrong_share_is_an_error_and_not_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(log: pd.DataFrame) -> pd.DataFrame:
        """Both arms of every other pair are told to have gone to the other's consumers."""
        if log.empty:
            return log
        turned = log["unit"].isin(sorted(log["unit"].unique())[::2]) & log["paired"].astype(bool)
        other = log["path"].map({"primary": "mirror", "mirror": "primary"})
        return log.assign(path=log["path"].where(~turned, other))

    _, _, look = looked_at(tmp_path, monkeypatch, greedy)
    assert look.outcome is Outcome.ERROR
    assert look.watermark is None
    assert "sample ratio broken" in str(look.fault)
    assert "at weight" in str(look.fault)


def test_units_whose_weight_is_unknown_are_shared_out_by_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, look = looked_at(tmp_path, monkeypatch, lambda log: log.assign(weight=None))
    assert look.outcome is Outcome.ERROR
    assert "sample ratio broken" in str(look.fault)


def test_answers_that_cannot_be_measured_take_the_traffic_and_not_the_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text where a number is promised, in the log of a rollout that nobody else looks at."""

    def in_words(log: pd.DataFrame) -> pd.DataFrame:
        field = "fraud.probability"
        words = log[field].astype(object) if field in log else None
        return log if words is None else log.assign(**{field: words.where(log.index > 3, "much")})

    site, rollout, look = looked_at(tmp_path, monkeypatch, in_words)
    assert look.outcome is Outcome.ERROR
    assert look.watermark is None
    assert "live evidence cannot be measured: could not convert string to float" in str(look.fault)
    assert all(state.n == 0 for state in look.states.values())
    assert site.state(rollout).weight == 0


def test_a_gate_reads_its_evidence_by_the_method_of_its_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, rollout, look = looked_at(tmp_path, monkeypatch, lambda log: log, days=3)
    plan = site.plan(rollout)
    gates = tuple(
        replace(
            gate,
            evidence=method_for(METRICS[gate.metric], paired=True, independent_units=True),
        )
        for gate in plan.gates
    )
    plan = replace(plan, gates=gates)
    rows = live_rows(
        site,
        plan,
        rollout,
        since=NOW,
        first=plan.calendar.name(NOW),
        last=str(look.watermark),
        now=NOW + 4 * DAY,
    )
    begun = {gate.name: gate.evidence.begin(gate.margin) for gate in gates}
    states = entered(
        plan.calendar,
        gates,
        begun,
        rows,
        first=plan.calendar.name(NOW),
        last=str(look.watermark),
    )
    betting = states["fraud.brier"]
    assert isinstance(betting, BettingHarm)
    blocks = look.states["fraud.brier"]
    assert (betting.n, betting.rows, betting.pairs) == (blocks.n, blocks.rows, blocks.rows)
    assert betting.mean == pytest.approx(0.0, abs=1e-12)
    written = draft(replace(look, states=states), at=NOW)
    event = Event(
        **{name: getattr(written, name) for name in ("at", "actor", "kind", "payload")},
        environment="production",
        rollout_id=rollout,
        position=1,
        seq=1,
        previous_hash="",
        hash="",
    )
    read = happening(event)
    assert isinstance(read, Looked)
    assert read.states == states
