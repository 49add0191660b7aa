"""How a candidate is served can stop it: slower, more errors, more stand-ins, fewer answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluiceway.adapters.prediction_log import MemoryPredictionLog
from sluiceway.gates import Reason, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.ports import Window
from sluiceway.statistics.sequential import SequentialState
from sluiceway.steps.served_evidence import enter_served
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from tests.driver import advance
from tests.steps.worlds import NOW, quick_site, same_fraud, to_canary

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


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, str, pd.DataFrame]:
    """A canary that is at its first step, and six days of what both arms answered."""
    gates = [
        gate("latency_mean", 5, "ms"),
        gate("error_rate", 0.001, "share"),
        gate("fallback_rate", 0.001, "share"),
        gate("null_rate", 0.02, "share", "field: probability"),
    ]
    text = "".join(one[1].removesuffix("- metric: brier") for one in gates) + "- metric: brier"
    score = "- metric: mae\n        field: score"
    of_priority = gate("latency_mean", 5, "ms")[1].removesuffix("- metric: brier") + score
    site = quick_site(
        tmp_path_factory.mktemp("served"), ("- metric: brier", text), (score, of_priority)
    )
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    window = Window(start=NOW, end=NOW + DAYS * DAY)
    BatchServer(site).answer(window, now=window.end)
    return site, rollout, site.predictions.read(window)


Canary = tuple[Site, str, pd.DataFrame]
DAYS = 6


def entered(canary: Canary, dress: Dress, days: int = DAYS) -> dict[str, SequentialState]:
    """Each gate's evidence after some days whose rows say this of how they were served."""
    site, rollout, rows = canary
    site = replace(site, predictions=Served(dress))
    site.predictions.write("all", rows)
    plan = site.plan(rollout)
    return enter_served(
        site,
        plan,
        rollout,
        {gate.name: gate.evidence.begin(gate.margin) for gate in plan.serving},
        since=NOW,
        first=plan.calendar.name(NOW),
        until=NOW + days * DAY,
    )


def test_a_slower_candidate_is_worse_by_what_it_takes_longer(canary: Canary) -> None:
    found = entered(canary, lambda rows: took(rows, baseline=10, candidate=30, mirror=10))
    state = found["fraud.latency_mean"]
    assert (state.n, state.unmeasured) == (DAYS, 0)
    assert 17 < state.mean < 23
    assert state.log_e_harm(5) > 3
    assert state.log_e_safety(5) < 0


def test_what_nobody_waited_for_is_no_latency(canary: Canary) -> None:
    """Mirrored rows wait for company: they are as slow here as nobody's answer is."""
    found = entered(canary, lambda rows: took(rows, baseline=10, candidate=10, mirror=500))
    assert abs(found["fraud.latency_mean"].mean) < 2


def test_a_chain_is_as_slow_as_all_that_feeds_it(canary: Canary) -> None:
    """The gate is the consumer's, the slow model feeds it."""

    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        rows = took(rows, baseline=10, candidate=30, mirror=10)
        return rows.assign(**{"seconds:priority": 0.001})

    state = entered(canary, dress)["priority.latency_mean"]
    assert 17 < state.mean < 23
    assert 9 < state.mean_baseline < 13


def test_passes_are_compared_with_passes_of_about_as_many_rows(canary: Canary) -> None:
    """With a tenth of the rows the candidate's passes are smaller, which is no merit of it."""

    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        small = rows["unit"].str[-1].isin(list("012")) | (rows["arm"] == "candidate")
        rows = took(rows, baseline=10, candidate=30, mirror=10)
        slow = np.where(small, 1.0, 50.0)
        return rows.assign(
            **{"seconds:fraud": rows["seconds:fraud"] * slow}, together=np.where(small, 1, 900)
        )

    assert 15 < entered(canary, dress)["fraud.latency_mean"].mean < 25


def test_a_question_counts_once_for_each_arm_however_many_rows_it_had(canary: Canary) -> None:
    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        rows = took(rows, baseline=10, candidate=10, mirror=10)
        return rows.assign(request_id=rows["event_time"].dt.date.astype(str))

    assert entered(canary, dress)["fraud.latency_mean"].rows == 2 * DAYS


def failing(every: int, trigger: str) -> Dress:
    """The candidate of one in so many units gives no usable answer, mirrored or not."""

    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        lost = (rows["unit"].str[-4:].astype(int) % every == 0) & (rows["arm"] == "candidate")
        why = np.where(lost, trigger, None)
        return rows.assign(**{"stand_in:fraud": why, "fallback": lost})

    return dress


@pytest.mark.parametrize("trigger", ["error", "timeout", "out_of_contract"])
def test_errors_and_stand_ins_are_seen_in_pairs(canary: Canary, trigger: str) -> None:
    found = entered(canary, failing(12, trigger))
    for name in ("error_rate", "fallback_rate"):
        state = found[f"fraud.{name}"]
        assert 0.07 < state.mean < 0.1
        assert state.mean_baseline == 0
        assert state.log_e_harm(0.001) > 3
        assert state.rows > 100 * DAYS, "mirrored units count as well"


def test_what_somebody_isolated_is_no_error(canary: Canary) -> None:
    state = entered(canary, failing(9, "isolated"))["fraud.error_rate"]
    assert (state.mean, state.mean_candidate) == (0, 0)


def test_an_answer_that_is_missing_more_often_is_harm(canary: Canary) -> None:
    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        lost = (rows["unit"].str[-4:].astype(int) % 3 == 0) & (rows["arm"] == "candidate")
        return rows.assign(**{"fraud.probability": rows["fraud.probability"].mask(lost)})

    state = entered(canary, dress)["fraud.null_rate"]
    assert 0.3 < state.mean < 0.37
    assert state.log_e_harm(0.02) > 3


def test_of_a_field_that_the_log_lacks_nothing_is_known(canary: Canary) -> None:
    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.drop(columns="fraud.probability")

    assert entered(canary, dress)["fraud.null_rate"].n == 0


def test_a_block_enters_once_it_has_closed_and_only_once(canary: Canary) -> None:
    def dress(rows: pd.DataFrame) -> pd.DataFrame:
        return took(rows, baseline=10, candidate=10, mirror=10)

    site, rollout, _ = canary
    plan = site.plan(rollout)
    early = entered(canary, dress, days=2)["fraud.latency_mean"]
    assert (early.n, early.last_block) == (2, plan.calendar.name(NOW + DAY))
    assert entered(canary, dress)["fraud.latency_mean"].n == DAYS


def test_a_gate_of_serving_that_nothing_was_seen_of_is_no_pass(tmp_path: Path) -> None:
    """Batches say nothing of latency: unknown is never a pass."""
    declared = gate("latency_mean", 5, "ms", role="required")
    found = played(tmp_path, declared, lambda rows: rows, days=16)
    assert found.site.state(found.rollout).promoted_at is None
    verdict = found.verdict("latency_mean")
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.NO_EVIDENCE)


def test_serving_does_not_wait_for_labels(tmp_path: Path) -> None:
    found = played(
        tmp_path,
        gate("latency_mean", 5, "ms"),
        lambda rows: took(rows, baseline=10, candidate=10, mirror=10),
        days=3,
    )
    look = found.site.state(found.rollout).look
    assert look is not None
    assert look.states["fraud.brier"].last_block == look.watermark
    assert str(look.states["fraud.latency_mean"].last_block) > str(look.watermark)
    assert found.site.state(found.rollout).measured == look.states["fraud.brier"].n


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


@pytest.mark.parametrize(("every", "days"), [(1, 3), (10, 8)])
def test_a_candidate_whose_demands_clients_do_not_meet_is_neither_passed_nor_blamed(
    tmp_path: Path, every: int, days: int
) -> None:
    """All of them, and a part of them: once promoted it would refuse these clients."""
    found = played(tmp_path, gate("latency_mean", 5, "ms"), lacking(every), days=days)
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
