"""Live evidence of what a gateway logged: as good as tables, and less where answers are missing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sluiceway.adapters.gateway_tables import GatewayTables
from sluiceway.adapters.history import History
from sluiceway.adapters.labels.intake import LabelIntake
from sluiceway.adapters.labels.store import LabelStore
from sluiceway.adapters.live_log.compaction import compact
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.adapters.prediction_log import MemoryPredictionLog
from sluiceway.outcomes import Outcome
from sluiceway.ports import Gap, GapReason, Window
from sluiceway.reports.sentences import sentence
from sluiceway.rollouts.events import Looked
from sluiceway.serving.keeping import Keeping
from sluiceway.serving.values import ArmAnswers, ArmName, Question
from sluiceway.serving.values import Path as AnswerPath
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.driver import advance, memory_site
from tests.orders import data
from tests.serving.test_keeping import LIVE, POSTED
from tests.steps.worlds import NOW, quick_site, same_fraud, to_canary

DAY = timedelta(days=1)


def gap(first: float, last: float, rows: int | None = 3) -> Gap:
    """Answers missing from one day since the canary began to another."""
    window = Window(start=NOW + first * DAY, end=NOW + last * DAY)
    return Gap(session="s", first=0, last=2, rows=rows, window=window, reason=GapReason.KILLED)


def looked(tmp_path: Path, days: int, *gaps: Gap) -> Looked:
    """The last look after so many days of a canary that answers as the champion does."""
    tmp_path.mkdir(exist_ok=True)
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    BatchServer(site).answer(Window(start=NOW, end=NOW + days * DAY), now=NOW + days * DAY)
    assert isinstance(site.predictions, MemoryPredictionLog)
    for one in gaps:
        site.predictions.note(one)
    advance(site, rollout, NOW + (days + 1) * DAY)
    look = site.state(rollout).look
    assert look is not None
    return look


def test_a_block_from_which_answers_are_missing_enters_as_an_empty_one(tmp_path: Path) -> None:
    whole = looked(tmp_path / "whole", 3)
    lacking = looked(tmp_path / "lacking", 3, gap(1.2, 1.3))
    assert lacking.fault is None
    assert lacking.watermark == whole.watermark
    for name, state in lacking.states.items():
        assert (state.n, state.unmeasured) == (whole.states[name].n - 1, 1)
    (note,) = lacking.notes
    assert "is left out, answers are missing: 3 answers from" in note
    assert "(killed)" in note
    assert note in sentence(lacking)
    assert whole.notes == ()


def test_a_gap_outside_of_the_evidence_is_none_of_it(tmp_path: Path) -> None:
    assert looked(tmp_path, 2, gap(-3, -1), gap(5, 6)).notes == ()


def test_too_many_incomplete_blocks_are_an_error_and_no_evidence(tmp_path: Path) -> None:
    """Which blocks lack answers need not be chance."""
    look = looked(tmp_path, 3, gap(0.1, 1.3, rows=None))
    assert look.outcome is Outcome.ERROR
    assert look.watermark is None
    assert "answers are missing from 2 of 3 blocks (limit 10 %, or 1)" in str(look.fault)
    assert "an unknown number of answers" in str(look.fault)


def test_a_candidate_that_gives_no_answers_cannot_hide_in_a_gap(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    BatchServer(site).answer(Window(start=NOW, end=NOW + DAY), now=NOW + DAY)
    log = site.predictions
    assert isinstance(log, MemoryPredictionLog)
    rows = log.read(Window(start=NOW, end=NOW + DAY))
    log.write("again", rows.assign(fallback=rows["arm"] == "candidate"))
    log.note(gap(0.1, 0.2))
    advance(site, rollout, NOW + 2 * DAY)
    look = site.state(rollout).look
    assert look is not None
    assert look.outcome is Outcome.FAILED
    assert "safe defaults took its place" in str(look.fault)


@pytest.mark.parametrize("since", [0, 60], ids=["all day", "since noon"])
def test_an_isolated_edge_is_nobodys_failure_and_no_evidence(tmp_path: Path, since: int) -> None:
    """Somebody cut it, perhaps far from the candidate; both arms received the safe default."""
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    BatchServer(site).answer(Window(start=NOW, end=NOW + DAY), now=NOW + DAY)
    log = site.predictions
    assert isinstance(log, MemoryPredictionLog)
    rows = log.read(Window(start=NOW, end=NOW + DAY))
    cut = rows["unit"].str[-4:].astype(int) >= since
    why = np.where(cut, "isolated", None)
    log.write("again", rows.assign(**{"fallback": cut, "stand_in:fraud": why}))
    advance(site, rollout, NOW + 2 * DAY)
    look = site.state(rollout).look
    assert look is not None
    assert look.fault is None
    assert look.outcome is Outcome.INCONCLUSIVE
    assert look.notes == (
        f"{120 - since} units are no evidence: an edge on their way was isolated",
    )
    assert {state.n for state in look.states.values()} == {1 if since else 0}
    assert site.state(rollout).weight > 0


def test_a_model_that_fails_beside_an_isolated_edge_has_failed(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    BatchServer(site).answer(Window(start=NOW, end=NOW + DAY), now=NOW + DAY)
    log = site.predictions
    assert isinstance(log, MemoryPredictionLog)
    rows = log.read(Window(start=NOW, end=NOW + DAY))
    own = rows["arm"] == "candidate"
    whys = {"stand_in:signal": "isolated", "stand_in:fraud": np.where(own, "error", None)}
    log.write("again", rows.assign(fallback=True, **whys))
    advance(site, rollout, NOW + 2 * DAY)
    look = site.state(rollout).look
    assert look is not None
    assert look.outcome is Outcome.FAILED
    assert "safe defaults took its place" in str(look.fault)


class Gateway:
    """A site whose live rows are what was asked and posted; answers are another site's."""

    def __init__(self, folder: Path, other: Site) -> None:
        from sluiceway.system.file import read_system
        from tests.driver import QUICK, variant
        from tests.steps.worlds import adopt_live

        self.log = LivePredictionLog(folder / "predictions", folder / "serving" / "log.db")
        self.folder, self.other = folder, other
        labels = folder / "serving" / "labels.db"
        tables = GatewayTables(log=self.log, labels=labels)
        (folder / "system").mkdir(parents=True)
        file = variant(folder / "system", *QUICK, LIVE, POSTED)
        site = memory_site(folder, file=file)
        recorded = lambda kept: History(  # noqa: E731
            kept, base=file.parent, data_folder=folder, live=tables
        )
        self.site = replace(
            site, predictions=self.log, systems=replace(site.systems, recorded=recorded)
        )
        adopt_live(self.site, NOW)
        self.intake = LabelIntake(
            system=lambda: read_system(file),
            log=self.log,
            store=LabelStore(labels),
            keeping=Keeping(),
            clock=lambda: NOW + 30 * DAY,
        )

    def answer(self, window: Window, asked: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        """Log what the other site answered, as if each row had been asked for here."""
        rows = asked(self.other.predictions.read(window))
        inputs = data.orders(window).set_index("order_id")
        with LiveRecorder(self.folder / "serving" / "log.db", Keeping()) as recorder:
            for number, (day, some) in enumerate(rows.groupby(rows["event_time"].dt.date)):
                units = tuple(dict.fromkeys(some["unit"]))
                carried = inputs.loc[list(units)]
                question = Question(
                    model="priority",
                    units=units,
                    request_id=f"{day}-{number}",
                    received=window.start,
                    event_time=np.asarray(carried["placed_at"].dt.tz_localize(None), "M8[us]"),
                    # Some come as columns of the source, some as features.
                    columns={
                        "orders.signal": carried["signal"].to_numpy(),
                        "orders.hour": carried["hour"].to_numpy(),
                        "amount": carried["amount"].to_numpy(),
                        "distance@1.0.0": carried["distance"].to_numpy(),
                    },
                )
                self._record(recorder, question, some)

    def _record(self, recorder: LiveRecorder, question: Question, rows: pd.DataFrame) -> None:
        place = {unit: number for number, unit in enumerate(question.units)}
        same = ["arm", "path", "weight", "release", "generation", "routing_revision", "paired"]
        for (arm, path, weight, release, generation, revision, _), some in rows.groupby(same):
            some = some.iloc[np.argsort([place[unit] for unit in some["unit"]])]
            fields = [name for name in some if "." in name and some[name].notna().any()]
            recorder.record(
                question,
                ArmAnswers(
                    rollout_id=some["rollout_id"].iloc[0],
                    arm=ArmName(arm),
                    path=AnswerPath(path),
                    release=release,
                    generation=int(generation),
                    revision=int(revision),
                    weight=int(weight),
                    rows=np.asarray([place[unit] for unit in some["unit"]], dtype=np.intp),
                    paired=some["paired"].to_numpy(dtype=bool),
                    fields={name: some[name].to_numpy() for name in fields},
                ),
            )

    def post(self, window: Window) -> None:
        records = [
            {
                "unit": row["order_id"],
                "source": "outcomes",
                "values": {name: row[name] for name in ("fraud", "days", "euros", "score")},
                "known_at": row["settled_at"].isoformat(),
            }
            for row in data.outcomes(window).to_dict("records")
        ]
        assert self.intake.take(records).accepted == 4 * len(records)


@pytest.mark.parametrize("moved", [False, True])
def test_a_gateway_alone_is_evidence_like_tables(tmp_path: Path, moved: bool) -> None:
    """The same answers, inputs and labels come to the same evidence."""
    (tmp_path / "tables").mkdir()
    site = quick_site(tmp_path / "tables")
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    window = Window(start=NOW, end=NOW + 3 * DAY)
    BatchServer(site).answer(window, now=window.end)
    gateway = Gateway(tmp_path / "gateway", site)
    same_fraud(gateway.site)
    assert to_canary(gateway.site, "fraud@2") == rollout
    gateway.answer(window, lambda rows: rows)
    gateway.post(window)
    if moved:
        done = compact(
            tmp_path / "gateway" / "predictions", tmp_path / "gateway" / "serving" / "log.db",
            retention=9_999 * DAY, settled=0 * DAY, waits=0 * DAY,
        )  # fmt: skip
        assert done.rows
    looks = []
    for one in (site, gateway.site):
        advance(one, rollout, NOW + 4 * DAY)
        look = one.state(rollout).look
        assert look is not None
        looks.append(look)
    by_tables, by_gateway = looks
    assert by_gateway.fault is None
    for name, state in by_tables.states.items():
        same = by_gateway.states[name]
        assert (same.n, same.rows, same.unmeasured) == (state.n, state.rows, state.unmeasured)
        # Sums of the same numbers in another order.
        assert same.mean == pytest.approx(state.mean, abs=1e-12)
        assert same.mean_baseline == pytest.approx(state.mean_baseline, rel=1e-12)
    assert [v.outcome for v in by_gateway.verdicts] == [v.outcome for v in by_tables.verdicts]
    assert by_gateway.candidate_units == by_tables.candidate_units
    assert by_gateway.watermark == by_tables.watermark


def test_a_question_that_did_not_ask_for_a_gates_model_is_no_lost_pair(tmp_path: Path) -> None:
    """Every other unit was asked about fraud only: the other gates have half as many pairs."""
    (tmp_path / "tables").mkdir()
    site = quick_site(tmp_path / "tables")
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    window = Window(start=NOW, end=NOW + 2 * DAY)
    BatchServer(site).answer(window, now=window.end)
    gateway = Gateway(tmp_path / "gateway", site)
    same_fraud(gateway.site)
    to_canary(gateway.site, "fraud@2")

    def partly(only_fraud: bool) -> Callable[[pd.DataFrame], pd.DataFrame]:
        def asked(rows: pd.DataFrame) -> pd.DataFrame:
            rows = rows[(rows["unit"].str[-1].astype(int) % 2 == 1) == only_fraud]
            names = [n for n in rows if "." in n and not n.startswith("fraud.")]
            return rows.drop(columns=names) if only_fraud else rows

        return asked

    for only_fraud in (False, True):
        gateway.answer(window, partly(only_fraud))
    gateway.post(window)
    advance(gateway.site, rollout, NOW + 3 * DAY)
    look = gateway.site.state(rollout).look
    assert look is not None
    assert look.fault is None
    pairs: dict[str, Any] = {name: state.rows for name, state in look.states.items()}
    assert pairs["fraud.brier"] == 2 * pairs["cost.mae"] == 2 * pairs["priority.mae"] > 0
