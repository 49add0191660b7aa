"""A version is told what its times do to consumers it has never heard of."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.contracts.values import Contract
from sluiceway.ports import Window
from sluiceway.replay.faults import HistoryFaultCode, UnusableHistory
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ContractCheck
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from sluiceway.system.time_changes import shortfalls_by_model
from sluiceway.system.timing import TimeNeed
from sluiceway.system.values import System
from tests.driver import LIVE, add, advance
from tests.orders.data import day
from tests.steps.worlds import NOW, ask, ended, quick_site, same_fraud

SECOND = timedelta(seconds=1)
# Each of the three models on the way to the worklist has a deadline of 20 s, and promises no p99.
WITHIN_A_MINUTE = (
    "relies_on: [numeric, behavioural], operating_threshold: 12",
    "relies_on: [numeric, behavioural], operating_threshold: 12, needs: {latency_p99: 1m}",
)
READS_LATER = (
    "inputs: [amount, hour, signal]",
    "inputs: [amount, hour, signal, {reads: priority.score, delayed: 1d}]",
)


def contract(site: Site, model: str, **times: timedelta) -> Contract:
    """The model's contract with other times, honestly a new major version."""
    declared = site.systems.current().models[model].contract
    return replace(declared, version="2.0.0", **times)


def checked(site: Site, *names: str) -> tuple[ContractCheck, ...]:
    rollout = ask(site, *names)
    advance(site, rollout, NOW)
    found = site.state(rollout).contracts
    assert found is not None
    return found.checks


def test_a_slower_version_is_refused_for_a_need_three_models_down(tmp_path: Path) -> None:
    site = quick_site(tmp_path, WITHIN_A_MINUTE)
    same_fraud(site, contract=contract(site, "fraud", deadline=25 * SECOND))
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    over = ended(site, rollout)
    assert (over.ending, over.phase) == (Ending.REJECTED, Phase.CONTRACTS)
    assert over.code is ReasonCode.TIMES_NOT_KEPT
    assert over.reason == (
        "fraud@2: fraud: may take 25s instead of 20s; "
        "priority.score → worklist needs: latency_p99 1m is not kept: the answer may take "
        "65s: fraud 25s (its deadline: it promises no p99) + handling 20s (its deadline: it "
        "promises no p99) + priority 20s (its deadline: it promises no p99)"
    )


def test_a_faster_version_makes_room_for_a_slower_one_of_the_same_release(tmp_path: Path) -> None:
    site = quick_site(tmp_path, WITHIN_A_MINUTE)
    same_fraud(site, contract=contract(site, "fraud", deadline=25 * SECOND))
    quicker = contract(site, "priority", latency_p99=SECOND)
    add(site, "priority", "2", LIVE["priority"], contract=quicker)
    assert [c.shortfalls for c in checked(site, "fraud@2", "priority@2")] == [(), ()]


def test_a_need_that_was_missed_before_is_not_the_fault_of_who_leaves_it_as_it_was(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path, WITHIN_A_MINUTE)
    system = site.systems.current()
    before = {name: model.contract for name, model in system.models.items()}
    before["cost"] = replace(before["cost"], deadline=90 * SECOND)
    same = {**before, "fraud": replace(before["fraud"], version="1.0.1")}
    assert shortfalls_by_model(system, before, same) == {}
    quicker = {**before, "fraud": replace(before["fraud"], deadline=10 * SECOND)}
    assert shortfalls_by_model(system, before, quicker) == {}
    slower = {**before, "fraud": replace(before["fraud"], deadline=21 * SECOND)}
    (short,) = shortfalls_by_model(system, before, slower)["fraud"]
    assert short.total == 131 * SECOND


def test_only_the_version_that_takes_longer_is_told(tmp_path: Path) -> None:
    site = quick_site(tmp_path, WITHIN_A_MINUTE)
    same_fraud(site, contract=contract(site, "fraud", deadline=25 * SECOND))
    quicker = contract(site, "priority", latency_p99=19 * SECOND)
    add(site, "priority", "2", LIVE["priority"], contract=quicker)
    found = {c.model: c for c in checked(site, "fraud@2", "priority@2")}
    assert len(found["fraud"].shortfalls) == 1
    assert found["priority"].shortfalls == ()


def fresh(system: System) -> dict[str, Contract]:
    return {
        name: replace(model.contract, freshness=timedelta(hours=1))
        for name, model in system.models.items()
    }


def test_a_version_that_promises_no_age_any_more_is_undecided_and_never_passed(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    system = site.systems.current()
    consumer = system.consumers["worklist"]
    edge = consumer.reads[0]
    needing = replace(edge, needs=replace(edge.needs, freshness=timedelta(hours=3)))
    consumers = {"worklist": replace(consumer, reads=(needing,))}
    system = replace(system, consumers=consumers)
    before = fresh(system)
    after = {**before, "fraud": replace(before["fraud"], freshness=None)}
    (short,) = shortfalls_by_model(system, before, after)["fraud"]
    assert (short.need, short.certain) == (TimeNeed.FRESHNESS, False)
    assert short.unknown == ("fraud",)
    older = {**before, "fraud": replace(before["fraud"], freshness=timedelta(hours=2))}
    (short,) = shortfalls_by_model(system, before, older)["fraud"]
    assert short.certain


def test_a_rollout_that_would_need_earlier_answers_ends_errored_and_says_which(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path, READS_LATER)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    over = ended(site, rollout)
    assert (over.ending, over.phase) == (Ending.ERRORED, Phase.PLAN)
    assert over.code is ReasonCode.EARLIER_ANSWERS_NOT_REPLAYED
    assert over.reason == (
        "priority.score → fraud reads an answer given 1d earlier; a replay has no earlier answers "
        "to give, so nothing can be judged"
    )


def test_who_only_feeds_a_model_with_earlier_answers_touches_them_too(tmp_path: Path) -> None:
    site = quick_site(tmp_path, READS_LATER)
    add(site, "handling", "2", LIVE["handling"])
    rollout = ask(site, "handling@2")
    advance(site, rollout, NOW)
    assert ended(site, rollout).code is ReasonCode.EARLIER_ANSWERS_NOT_REPLAYED


def test_live_rows_are_not_answered_with_something_else_than_the_earlier_answer(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path, READS_LATER)
    with pytest.raises(UnusableHistory) as refused:
        BatchServer(site).answer(Window(start=day(40), end=day(41)), now=day(42))
    (fault,) = refused.value.faults
    assert fault.code is HistoryFaultCode.EARLIER_ANSWERS
    assert str(fault) == (
        "priority.score: fraud reads what priority answered 1d earlier, which a replay cannot "
        "give it"
    )
