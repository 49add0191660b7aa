"""How a candidate is served can stop it: slower, more errors, more stand-ins, fewer answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from sluiceway.adapters.prediction_log import MemoryPredictionLog
from sluiceway.gates import Reason, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.driver import advance
from tests.steps.worlds import NOW, ended, quick_site, same_fraud, to_canary

DAY = timedelta(days=1)
Dress = Callable[[pd.DataFrame], pd.DataFrame]


class Served(MemoryPredictionLog):
    """A log whose rows say how they were served, as a gateway's do."""

    def __init__(self, dress: Dress) -> None:
        super().__init__()
        self._dress = dress

    def write(self, batch_id: str, rows: pd.DataFrame) -> None:
        named = rows.assign(request_id=rows["unit"], session="s", together=1)
        super().write(batch_id, self._dress(named))


def gate(metric: str, margin: float, unit: str, *more: str, role: str = "guard") -> tuple[str, str]:
    """One more gate on fraud."""
    lines = [f"metric: {metric}", *more, f"margin: {margin}", f"unit: {unit}", f"role: {role}"]
    because = "because: The desk waits for the list, and sees what is missing."
    text = "\n        ".join([*lines, because])
    return "- metric: brier", f"- {text}\n      - metric: brier"


@dataclass(frozen=True)
class Played:
    """A canary of fraud@2, which answers what fraud@1 does."""

    site: Site
    rollout: str

    def verdict(self, metric: str) -> Verdict:
        look = self.site.state(self.rollout).look
        assert look is not None
        return next(one for one in look.verdicts if one.gate.metric == metric)


def played(folder: Path, declared: tuple[str, str], dress: Dress, days: int) -> Played:
    site = replace(quick_site(folder, declared), predictions=Served(dress))
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    server = BatchServer(site)
    for day in range(days):
        window = Window(start=NOW + day * DAY, end=NOW + (day + 1) * DAY)
        server.answer(window, now=window.end)
        advance(site, rollout, window.end)
        if site.state(rollout).ended is not None:
            break
    return Played(site, rollout)


def took(rows: pd.DataFrame, baseline: float, candidate: float, mirror: float) -> pd.DataFrame:
    """Milliseconds of fraud by arm, with some noise; another time for what nobody waited for."""
    draw = np.random.default_rng(len(rows))
    usual = np.where(rows["arm"] == "candidate", candidate, baseline)
    usual = np.where(rows["path"] == "mirror", mirror, usual)
    return rows.assign(**{"seconds:fraud": usual * draw.uniform(0.8, 1.2, len(rows)) / 1e3})


def test_a_candidate_that_answers_right_but_slower_is_rolled_back_by_its_gate(
    tmp_path: Path,
) -> None:
    found = played(
        tmp_path,
        gate("latency_mean", 5, "ms"),
        lambda rows: took(rows, baseline=10, candidate=30, mirror=10),
        days=20,
    )
    end = ended(found.site, found.rollout)
    assert (end.ending, end.code) == (Ending.ROLLED_BACK, ReasonCode.HARM_IN_CANARY)
    assert "fraud.latency_mean" in end.reason
    verdict = found.verdict("latency_mean")
    assert verdict.outcome is Outcome.FAILED
    assert verdict.estimate is not None
    assert 15 < verdict.estimate.harm < 25


def test_what_nobody_waited_for_is_no_latency(tmp_path: Path) -> None:
    """Mirrored rows wait for company: the candidate's are as slow here as nobody's answer is."""
    found = played(
        tmp_path,
        gate("latency_mean", 5, "ms"),
        lambda rows: took(rows, baseline=10, candidate=10, mirror=500),
        days=20,
    )
    assert ended(found.site, found.rollout).ending is Ending.PROMOTED


def test_a_chain_is_as_slow_as_all_that_feeds_it(tmp_path: Path) -> None:
    """The gate is the consumer's, the slow model feeds it."""
    declared = (
        "- metric: mae\n        field: score",
        gate("latency_mean", 5, "ms")[1].replace("- metric: brier", "")
        + "- metric: mae\n        field: score",
    )

    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        rows = took(rows, baseline=10, candidate=30, mirror=10)
        return rows.assign(**{"seconds:priority": 0.001})

    end = ended(*_parts(played(tmp_path, declared, dress, days=20)))
    assert end.ending is Ending.ROLLED_BACK
    assert "priority.latency_mean" in end.reason


def test_passes_are_compared_with_passes_of_about_as_many_rows(tmp_path: Path) -> None:
    """With a tenth of the rows the candidate's passes are smaller, which is no merit of it."""

    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        small = rows["unit"].str[-1].isin(list("012"))
        small |= rows["arm"] == "candidate"
        rows = took(rows, baseline=10, candidate=30, mirror=10)
        slow = np.where(small, 1.0, 50.0)
        return rows.assign(
            **{"seconds:fraud": rows["seconds:fraud"] * slow}, together=np.where(small, 1, 900)
        )

    found = played(tmp_path, gate("latency_mean", 5, "ms"), dress, days=20)
    assert ended(found.site, found.rollout).ending is Ending.ROLLED_BACK
    estimate = found.verdict("latency_mean").estimate
    assert estimate is not None
    assert 15 < estimate.harm < 25


def test_a_block_of_serving_enters_before_its_labels_are_known(tmp_path: Path) -> None:
    found = played(
        tmp_path,
        gate("latency_mean", 5, "ms"),
        lambda rows: took(rows, baseline=10, candidate=10, mirror=10),
        days=3,
    )
    look = found.site.state(found.rollout).look
    assert look is not None
    assert look.states["fraud.latency_mean"].last_block is not None
    assert look.states["fraud.brier"].last_block == look.watermark
    assert look.states["fraud.latency_mean"].last_block > str(look.watermark)
    assert found.site.state(found.rollout).measured == look.states["fraud.brier"].n


def failing(every: int, trigger: str) -> Dress:
    """The candidate of one in so many units gives no usable answer, mirrored or not."""

    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        lost = (rows["unit"].str[-4:].astype(int) % every == 0) & (rows["arm"] == "candidate")
        why = np.where(lost, trigger, None)
        return rows.assign(**{"stand_in:fraud": why, "fallback": lost})

    return dress


def test_a_few_more_errors_than_the_champions_are_seen_in_pairs(tmp_path: Path) -> None:
    """Too few for any hard rule: less than one in a hundred."""
    declared = gate("error_rate", 0.001, "share", role="required")
    found = played(tmp_path, declared, failing(120, "error"), days=24)
    end = ended(found.site, found.rollout)
    assert (end.ending, end.code) == (Ending.ROLLED_BACK, ReasonCode.HARM_IN_CANARY)
    assert "fraud.error_rate" in end.reason


def test_what_somebody_isolated_is_no_error(tmp_path: Path) -> None:
    found = played(tmp_path, gate("error_rate", 0.001, "share"), failing(9, "isolated"), days=12)
    assert found.site.state(found.rollout).rollback is None
    verdict = found.verdict("error_rate")
    assert verdict.estimate is not None
    assert verdict.estimate.harm == 0


def test_an_answer_that_is_missing_more_often_fails_its_gate(tmp_path: Path) -> None:
    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        lost = (rows["unit"].str[-4:].astype(int) % 3 == 0) & (rows["arm"] == "candidate")
        return rows.assign(**{"fraud.probability": rows["fraud.probability"].mask(lost)})

    declared = gate("null_rate", 0.02, "share", "field: probability")
    found = played(tmp_path, declared, dress, days=6)
    assert found.verdict("null_rate").outcome is Outcome.FAILED


def test_a_gate_of_serving_that_nothing_was_seen_of_blocks_only_where_it_is_required(
    tmp_path: Path,
) -> None:
    """Batches say nothing of latency: unknown is never a pass."""
    for role in ("guard", "required"):
        folder = tmp_path / role
        folder.mkdir()
        declared = gate("latency_mean", 5, "ms", role=role)
        found = played(folder, declared, lambda rows: rows, days=16)
        promoted = found.site.state(found.rollout).promoted_at is not None
        assert promoted is (role == "guard")
        verdict = found.verdict("latency_mean")
        assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.NO_EVIDENCE)


def _parts(found: Played) -> tuple[Site, str]:
    return found.site, found.rollout


def lacking(every: int, because: str = "unmet_demand") -> Dress:
    """One in so many units is withheld from the rollout: the champion alone answers it."""

    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        lacks = rows["unit"].str[-4:].astype(int) % every == 0
        rows = rows.assign(
            withheld=rows["rollout_id"].where(lacks),
            withheld_because=np.where(lacks, because, None),
            withheld_what=np.where(lacks, "fraud@2 demands more of amount", None),
            rollout_id=rows["rollout_id"].mask(lacks, ""),
        )
        return rows[~(lacks & (rows["arm"] == "candidate"))]

    return dress


def test_a_candidate_whose_demands_clients_do_not_meet_is_neither_passed_nor_blamed(
    tmp_path: Path,
) -> None:
    """All of them, and a part of them: once promoted it would refuse these clients."""
    for every in (1, 10):
        folder = tmp_path / f"{every}"
        folder.mkdir()
        found = played(folder, gate("latency_mean", 5, "ms"), lacking(every), days=8)
        state = found.site.state(found.rollout)
        assert state.ended is None
        assert (state.rollback, state.weight > 0) == (None, True)
        assert state.look is not None
        assert state.look.outcome is Outcome.INCONCLUSIVE
        assert "do not bring what a candidate demands" in str(state.look.fault)
        assert "fraud@2 demands more of amount" in state.look.notes[-1]


def test_units_whose_path_a_flag_chose_are_named_and_hold_nothing_else_up(tmp_path: Path) -> None:
    """Pinned for everybody nobody is evidence, which is no fault of who answers or logs."""
    found = played(tmp_path, gate("latency_mean", 5, "ms"), lacking(1, because="flag"), days=3)
    look = found.site.state(found.rollout).look
    assert look is not None
    assert (look.outcome, look.fault) == (Outcome.INCONCLUSIVE, None)
    assert any("units are no evidence (flag)" in note for note in look.notes)
