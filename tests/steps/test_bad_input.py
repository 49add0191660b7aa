"""Each kind of bad input ends in a named outcome with a clear message; the champion serves on."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput
from sluiceway.journal import check_chain
from sluiceway.ports import RegistryUnavailable, Window
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from tests.driver import FRAUD, LIVE, Line, Wild, add, advance
from tests.orders.data import day

from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud, to_canary

INPUTS = tuple(FRAUD)


def refused(site: Site, rollout: str) -> tuple[Ending, Phase, ReasonCode, str]:
    """How it ended; what must be so after every bad input is checked on the way."""
    end = ended(site, rollout)
    assert site.champion().generation == 1
    table = site.router.observed()
    assert table is not None
    assert (table.generation, table.canaries) == (1, ())
    assert site.registry.aliases("fraud") == {"champion": "1"}
    assert not {"step_entered", "promoted"} & set(kinds(site, rollout))
    assert kinds(site, rollout)[-1] == "confirmed"
    events = list(site.journal.chain(site.environment))
    assert check_chain(events, known_heads={}).faults == ()
    return end.ending, end.phase, end.code, end.reason


def of_fraud_2(site: Site) -> tuple[Ending, Phase, ReasonCode, str]:
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    return refused(site, rollout)


def test_a_candidate_that_does_not_exist(tmp_path: Path) -> None:
    *where, why = of_fraud_2(quick_site(tmp_path))
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.BAD_INPUT]
    assert why == "fraud@2: there is no such version"


def test_a_candidate_that_is_champion_already(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    rollout = ask(site, "fraud@1", "cost@1")
    advance(site, rollout, NOW)
    *where, why = refused(site, rollout)
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.ALREADY_CHAMPION]
    assert why == "cost@1, fraud@1 are champion already"


def test_a_candidate_without_a_signature(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    site.registry.add("fraud", "2", LIVE["fraud"], None)  # type: ignore[attr-defined]
    *where, why = of_fraud_2(site)
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.BAD_INPUT]
    assert "fraud@2: has no signature; log it with signature=infer_signature(" in why


def test_a_candidate_that_reads_what_nobody_declared(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    add(site, "fraud", "2", Line({**FRAUD, "weather": 1.0}, fields=2))
    *where, why = of_fraud_2(site)
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.BAD_INPUT]
    assert "reads weather, which the system file does not give it (it gives: amount, hour" in why


def test_a_candidate_that_names_unknown_features(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site, features={"signal": "9.9.9", "mood": "1.0.0"})
    *where, why = of_fraud_2(site)
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.BAD_INPUT]
    assert "reads signal 9.9.9, which is not declared (there are: " in why
    assert "reads mood, which is no feature" in why, "all faults are told together"


def test_a_candidate_whose_files_are_gone(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    site.registry.change_files("fraud", "2", None)  # type: ignore[attr-defined]
    *where, why = of_fraud_2(site)
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.BAD_INPUT]
    assert "its files are missing" in why


def test_all_faults_of_all_candidates_are_told_together(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    rollout = ask(site, "fraud@8", "cost@9")
    advance(site, rollout, NOW)
    *_, why = refused(site, rollout)
    assert "fraud@8" in why
    assert "cost@9" in why


def test_a_candidate_that_cannot_be_loaded(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    site.registry.add("fraud", "2", None, INPUTS)  # type: ignore[attr-defined]
    *where, why = of_fraud_2(site)
    assert where == [Ending.REJECTED, Phase.CONTRACTS, ReasonCode.PROMISE_BROKEN]
    assert why == "fraud@2 cannot be loaded"


def raising(_columns: object) -> np.ndarray:
    raise ZeroDivisionError("division by zero")


def nan_in_one_row(columns: dict[str, np.ndarray]) -> np.ndarray:
    answer = LIVE["fraud"].predict(columns).copy()
    answer[7, 1] = np.nan
    return answer


ANSWERS = {
    "raises": (raising, "raised ZeroDivisionError"),
    "too few rows": (lambda c: LIVE["fraud"].predict(c)[:-1], "rows"),
    "one column": (lambda c: LIVE["fraud"].predict(c)[:, 1], "probability"),
    "three dimensions": (lambda c: LIVE["fraud"].predict(c)[:, :, None], "(1440, 2, 1)"),
    "words": (lambda c: np.full(len(c["amount"]), "late"), ""),
    "nan": (nan_in_one_row, "probability"),
    "infinite": (lambda c: LIVE["fraud"].predict(c) * np.inf, "probability"),
    "out of range": (lambda c: LIVE["fraud"].predict(c) * 3, "probability"),
}


@pytest.mark.parametrize("how", ANSWERS)
def test_a_candidate_that_gives_no_usable_answer(tmp_path: Path, how: str) -> None:
    site = quick_site(tmp_path)
    answer, says = ANSWERS[how]
    add(site, "fraud", "2", Wild(INPUTS, answer))
    *where, why = of_fraud_2(site)
    assert where == [Ending.REJECTED, Phase.CONTRACTS, ReasonCode.PROMISE_BROKEN], why
    assert why.startswith("fraud@2")
    assert says in why


def test_a_candidate_that_is_later_than_its_deadline(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    system = read_system(tmp_path / "system" / "system.yaml")
    contract = replace(system.models["fraud"].contract, deadline=timedelta(milliseconds=5))

    def late(columns: dict[str, np.ndarray]) -> np.ndarray:
        time.sleep(0.05)
        return LIVE["fraud"].predict(columns)

    add(site, "fraud", "2", Wild(INPUTS, late), contract=contract)
    *where, why = of_fraud_2(site)
    assert where[:2] == [Ending.REJECTED, Phase.CONTRACTS], why
    assert "does not answer" in why
    assert "within 0.005 seconds" in why


def test_a_candidate_with_the_contract_of_another_model(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    contract: Contract = read_system(tmp_path / "system" / "system.yaml").models["cost"].contract
    same_fraud(site, contract=contract)
    *where, why = of_fraud_2(site)
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.BAD_INPUT]
    assert "carries the contract of cost" in why


HISTORIES = {
    "empty": ("orders", "no row from 2026-"),
    "without_amount": ("orders", "orders.amount: is not there (there are: order_id, placed_at"),
    "infinite": ("orders", "orders.amount: "),
    "doubled": ("orders", "name a unit again"),
    "from_the_future": ("outcomes", "were known (settled_at) before their event (placed_at)"),
    "nowhere": ("orders", "orders: "),
}


@pytest.mark.parametrize("history", HISTORIES)
def test_a_history_that_cannot_be_used_is_nobodys_verdict(tmp_path: Path, history: str) -> None:
    """Tried again, then errored: nothing is known of the candidate, so it is not rejected."""
    table, says = HISTORIES[history]
    loader = f"python:tests.orders.data:{table}"
    site = quick_site(tmp_path, (loader, f"python:tests.orders.feeds:{history}"))
    same_fraud(site)
    ending, phase, code, why = of_fraud_2(site)
    assert ending is Ending.ERRORED, why
    assert phase in (Phase.CONTRACTS, Phase.SHADOW)
    assert code in (ReasonCode.CONTRACT_UNCHECKABLE, ReasonCode.SHADOW_ERRORED)
    assert "the recorded rows cannot be used" in why
    assert says in why


def test_a_new_category_is_nobodys_verdict(tmp_path: Path) -> None:
    site = quick_site(
        tmp_path,
        ("python:tests.orders.data:orders", "python:tests.orders.feeds:with_channel"),
        (
            "  hour: {owner",
            "  channel:\n    {owner: shop-data, dtype: string, categories: [web, shop],"
            " version: 1.0.0, reads: [orders.channel]}\n  hour: {owner",
        ),
        ("inputs: [amount, hour, signal]", "inputs: [amount, hour, signal, channel]"),
    )
    add(site, "fraud", "2", Wild((*INPUTS, "channel"), LIVE["fraud"].predict))
    ending, _, _, why = of_fraud_2(site)
    assert ending is Ending.ERRORED
    assert "fax" in why
    assert "are not among the categories of channel: web, shop" in why


def test_a_registry_that_is_away_leaves_nothing_behind_and_the_rollout_goes_on_later(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    head = site.journal.head(site.environment)
    site.registry.available = False  # type: ignore[attr-defined]
    for _ in range(3):
        with pytest.raises(RegistryUnavailable):
            advance(site, rollout, NOW)
    assert site.journal.head(site.environment) == head
    site.registry.available = True  # type: ignore[attr-defined]
    advance(site, rollout, NOW)
    assert site.state(rollout).step == 0


def test_a_prediction_log_that_takes_nothing_loses_no_answer_silently(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")

    class ReadOnly:
        read = site.predictions.read

        def write(self, batch_id: str, rows: object) -> None:
            raise OSError(30, "Read-only file system")

    broken = replace(site, predictions=ReadOnly())  # type: ignore[arg-type]
    window = Window(start=NOW, end=day(41))
    with pytest.raises(OSError, match="Read-only file system"):
        BatchServer(broken).answer(window, now=day(41))
    advance(broken, rollout, day(45))
    look = site.state(rollout).look
    assert look is not None
    assert look.outcome.value != "passed", "no rows are no evidence"


def test_a_broken_system_file_is_told_and_nothing_is_asked_for(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    head = site.journal.head(site.environment)
    (tmp_path / "system" / "system.yaml").write_text("system: [", encoding="utf-8")
    with pytest.raises(BadInput, match=r"system\.yaml"):
        ask(site, "fraud@2")
    assert site.journal.head(site.environment) == head


def test_a_model_that_the_champion_release_lacks_is_told_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    whole = site.systems.kept(rollout)
    grown = replace(whole, models={**whole.models, "churn": whole.models["cost"]})
    site = replace(site, systems=replace(site.systems, kept=lambda _: grown))
    advance(site, rollout, NOW)
    *where, why = refused(site, rollout)
    assert where == [Ending.REJECTED, Phase.PLAN, ReasonCode.BAD_INPUT]
    assert why == "the champion release lacks churn, which the file declares"
