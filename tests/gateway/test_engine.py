"""Chains are answered whole, by one release a unit, and nobody waits for who cannot answer."""

import asyncio
import gc
import threading
import time
from dataclasses import replace
from weakref import WeakSet

import numpy as np
import pytest

from sluiceway.gateway.standing import Standing
from sluiceway.routing import in_canary
from sluiceway.serving.breaker import BreakerPolicy, BreakerState
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.served import Detour
from sluiceway.serving.values import ArmName, Path
from tests.gateway.diner import (
    Clock,
    Elsewhere,
    Hang,
    Here,
    Odd,
    canary,
    given,
    question,
    refund_of,
    run,
    seen,
    served,
    sleeping,
    with_deadlines,
)
from tests.replay import diamond

NEW = diamond.release(demand="2")


@pytest.fixture
def system(tmp_path):
    return diamond.shop(tmp_path)


def test_a_question_for_the_last_model_evaluates_the_whole_chain_once(system):
    async def play(engine, notes):
        models = diamond.predictors()
        engine.serve(served(system, {key: Here(model) for key, model in models.items()}))
        reply = await engine.answer(question(rows=3, first=5))
        return reply, notes, {key: model.calls for key, model in models.items() if model.calls}

    reply, notes, calls = run(play)
    np.testing.assert_allclose(reply.values("refund.units"), refund_of(np.array([5.0, 6, 7])))
    assert calls == {(name, "1"): 1 for name in diamond.MODELS}
    ((_, recorded),) = notes.recorded
    assert set(recorded.fields) == {f"{name}.units" for name in diamond.MODELS}
    assert (recorded.generation, recorded.revision, recorded.path) == (3, 7, Path.PRIMARY)


def test_a_single_model_is_answered_by_what_feeds_it_alone(system):
    async def play(engine, _notes):
        models = diamond.predictors()
        engine.serve(served(system, {key: Here(model) for key, model in models.items()}))
        reply = await engine.answer(question("demand"))
        return reply, [name for (name, _), model in models.items() if model.calls]

    reply, asked = run(play)
    assert asked == ["demand"]
    assert reply.values("demand.units").tolist() == [2.0]


def test_questions_that_wait_together_cost_one_call(system):
    slow = Odd(("clicks", "weight"), lambda c: time.sleep(0.05) or c["clicks"] + c["weight"])
    calls = []

    def counted(columns):
        calls.append(len(columns["clicks"]))
        return slow.predict(columns)

    async def play(engine, _notes):
        engine.serve(served(system, {("demand", "1"): Here(Odd(slow.inputs, counted))}))
        return await asyncio.gather(
            *(engine.answer(question("demand", first=n)) for n in range(40))
        )

    replies = run(play)
    assert [reply.values("demand.units").item() for reply in replies] == [
        n + 2.0 for n in range(40)
    ]
    assert sum(calls) == 40
    assert len(calls) == 2  # the first alone, then all who came meanwhile


def test_a_row_that_makes_a_version_raise_spoils_no_other_question(system):
    def picky(columns):
        time.sleep(0.02)
        if (columns["clicks"] == 13).any():
            raise ZeroDivisionError("thirteen")
        return columns["clicks"]

    async def play(engine, _notes):
        engine.serve(served(system, {("demand", "1"): Here(Odd(("clicks",), picky))}))
        return await asyncio.gather(
            *(engine.answer(question("demand", first=n)) for n in range(20))
        )

    replies = run(play)
    odd = [n for n, reply in enumerate(replies) if reply.arms[0].stand_ins]
    assert odd == [13]
    assert replies[13].arms[0].stand_ins["demand"].tolist() == ["error"]


@pytest.mark.parametrize("weight", [5, 50])
def test_each_row_of_a_batch_has_the_arm_of_its_unit_and_no_answer_mixes_two(system, weight):
    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=weight, mirror=0),)))
        reply = await engine.answer(question(rows=200))
        assert await engine.settled()
        return reply, notes.recorded

    reply, recorded = run(play)
    chosen = in_canary("r0001-demand-2", [f"o{n}" for n in range(200)], weight)
    clicks = np.arange(200.0) % 50
    expected = np.where(chosen, refund_of(clicks, demand_shift=5.0), refund_of(clicks))
    np.testing.assert_allclose(reply.values("refund.units"), expected)
    primary = {a.arm: a for _, a in recorded if a.path is Path.PRIMARY}
    np.testing.assert_array_equal(primary[ArmName.CANDIDATE].rows, np.flatnonzero(chosen))
    mirrored = [a for _, a in recorded if a.path is Path.MIRROR]
    # Who received the candidate's answer is answered by the champion too.
    assert [(a.arm, len(a.rows)) for a in mirrored] == [(ArmName.BASELINE, int(chosen.sum()))]


def test_a_tester_gets_the_arm_asked_for_and_is_no_evidence(system):
    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=0),)))
        reply = await engine.answer(question(rows=2, forced=ArmName.CANDIDATE))
        assert await engine.settled()
        return reply, notes.recorded

    reply, recorded = run(play)
    (arm,) = reply.arms
    assert (arm.arm, arm.rollout_id) == (ArmName.CANDIDATE, "")
    assert len(recorded) == 1


def test_a_pinned_version_answers_where_it_serves_and_else_is_unknown(system):
    async def play(engine, _notes):
        engine.serve(served(system, pairings=(canary(system, NEW),)))
        reply = await engine.answer(question("demand", version="2"))
        with pytest.raises(Refused) as refused:
            await engine.answer(question("demand", version="9"))
        return reply, refused.value

    reply, refused = run(play)
    assert reply.values("demand.units").tolist() == [7.0]
    assert refused.code is RefusalCode.UNKNOWN_VERSION
    assert "demand@9 does not serve; there is: 1, 2" in refused.what


def raises(_columns):
    raise ValueError("no")


FAILING = {
    "raises": (raises, "error"),
    "hangs": (None, "timeout"),
    "answers NaN": (lambda c: np.full(len(c["clicks"]), np.nan), "out_of_contract"),
    "answers infinity": (lambda c: np.full(len(c["clicks"]), np.inf), "out_of_contract"),
    "answers too few": (lambda _c: np.zeros(17), "out_of_contract"),
    "answers texts": (lambda c: np.full(len(c["clicks"]), "x"), "out_of_contract"),
    "answers nothing": (lambda _c: None, "out_of_contract"),
    "leaves its range": (lambda c: np.full(len(c["clicks"]), 5000.0), "out_of_contract"),
}


@pytest.mark.parametrize("place", [Here, Elsewhere])
@pytest.mark.parametrize("name", FAILING)
def test_where_a_version_fails_its_consumers_get_the_safe_default_in_time(tmp_path, name, place):
    answer, reason = FAILING[name]
    system, hang = diamond.shop(tmp_path, deadline="1.5s"), Hang()

    async def play(engine, _notes):
        engine.serve(served(system, {("demand", "1"): place(Odd(("clicks",), answer or hang))}))
        clock = Clock()
        asked = asyncio.create_task(engine.answer(question(rows=2)))
        try:
            if answer is None:
                assert await seen(hang.begun)
                assert not asked.done()
                clock.move(1.4)
            return await given(asked)  # before the clock reaches the deadline
        finally:
            hang.over.set()

    (arm,) = run(play).arms
    assert arm.stand_ins["demand"].tolist() == [reason, reason]
    assert arm.fields["demand.units"].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(arm.fields["price.units"], [0.0, 0.5])


def test_only_the_rows_that_break_the_promise_get_stand_ins(system):
    async def play(engine, _notes):
        odd = Odd(("clicks",), lambda c: np.where(c["clicks"] == 1, np.nan, c["clicks"]))
        engine.serve(served(system, {("demand", "1"): Here(odd)}))
        return await engine.answer(question("demand", rows=3))

    (arm,) = run(play).arms
    assert arm.fields["demand.units"].tolist() == [0.0, 0.0, 2.0]
    assert arm.stand_ins["demand"].tolist() == ["", "out_of_contract", ""]


def test_a_candidate_that_fails_loses_its_traffic_at_once_and_the_journal_is_told(system):
    async def play(engine, notes):
        bad = {("demand", "2"): Elsewhere(Odd(("clicks", "weight"), raises))}
        engine.serve(served(system, bad, pairings=(canary(system, NEW, weight=50),)))
        for n in range(40):
            await engine.answer(question(first=n))
        assert await engine.settled()
        replies = [await engine.answer(question(first=n)) for n in range(40)]
        return notes, replies, engine.served

    notes, replies, now = run(play)
    (rule,) = notes.rules
    assert (rule.rollout_id, rule.model, rule.version) == ("r0001-demand-2", "demand", "2")
    assert rule.code == "breaker_open"
    assert "ValueError: no" in rule.what
    assert {arm.arm for reply in replies for arm in reply.arms} == {ArmName.BASELINE}
    assert now.pairings[0].halted.startswith("breaker_open: demand@2")


def test_a_halted_candidate_stays_halted_when_the_table_changes_and_not_in_another_rollout(system):
    async def play(engine, _notes):
        one = canary(system, NEW, weight=5)
        engine.serve(served(system, pairings=(one,)))
        engine.halt("r0001-demand-2", "because")
        engine.serve(served(system, pairings=(replace(one, weight=50),)))
        kept = engine.served.pairings[0].halted
        other = replace(one, candidate=diamond.release(demand="2", price="2"))
        engine.serve(served(system, pairings=(other,)))
        return kept, engine.served.pairings[0].halted

    assert run(play) == ("because", None)


def test_a_few_contract_breaking_answers_halt_a_candidate_that_is_mostly_well(system):
    async def play(engine, notes):
        odd = Odd(("clicks", "weight"), lambda c: np.where(c["clicks"] % 10 == 0, 1e9, c["clicks"]))
        engine.serve(
            served(system, {("demand", "2"): Here(odd)}, pairings=(canary(system, NEW, weight=0),))
        )
        await engine.answer(question(rows=150))
        assert await engine.settled()
        return notes.rules

    (rule,) = run(play)
    assert (rule.code, rule.broken, rule.rows) == ("contract_broken", 15, 150)
    assert rule.what == "demand.units" or "units is 1e+09" in rule.what


def test_a_breaker_opens_asks_again_after_its_pause_and_closes(system):
    sick = [True]

    def answer(columns):
        if sick[0]:
            raise ValueError("sick")
        return columns["clicks"]

    async def play(engine, notes):
        model = Odd(("clicks",), answer)
        engine.serve(served(system, {("demand", "1"): Here(model)}))
        for n in range(8):
            await engine.answer(question("demand", first=n))
        sick[0] = False
        blocked = await engine.answer(question("demand", first=3))
        await asyncio.sleep(0.15)
        await engine.answer(question("demand", first=3))
        well = await engine.answer(question("demand", first=3))
        return notes.moves, blocked, well

    moves, blocked, well = run(play, breaker=BreakerPolicy(pause=0.1))
    assert [state for _, state in moves] == [BreakerState.OPEN, BreakerState.CLOSED]
    assert blocked.arms[0].stand_ins["demand"].tolist() == ["error"]
    assert well.values("demand.units").tolist() == [3.0]


def test_a_cut_edge_feeds_its_consumer_the_safe_default_and_nobody_else(system):
    async def play(engine, _notes):
        engine.serve(served(system, cut=frozenset({"demand.units → price"})))
        return await engine.answer(question(rows=2, first=10))

    (arm,) = run(play).arms
    np.testing.assert_allclose(arm.fields["price.units"], [5.0, 5.5])
    np.testing.assert_allclose(arm.fields["stock.units"], [24.0, 26.0])
    assert arm.stand_ins["demand"].tolist() == ["isolated", "isolated"]


def test_a_producer_that_is_asked_by_nobody_any_more_has_its_own_versions_safe_default(system):
    async def play(engine, _notes):
        both = frozenset({"demand.units → price", "demand.units → stock"})
        everything = served(system, cut=both)
        own = replace(system.models["demand"].contract, fallback={"units": 4.0})
        contracts = {**everything.contracts, ("demand", "1"): own}
        engine.serve(replace(everything, contracts=contracts))
        return await engine.answer(question())

    (arm,) = run(play).arms
    assert "demand.units" not in arm.fields
    assert arm.fields["stock.units"].tolist() == [8.0]


def test_an_outside_consumer_whose_edge_is_cut_receives_the_safe_default(system):
    async def play(engine, _notes):
        engine.serve(served(system, cut=frozenset({"refund.units → till"})))
        till = await engine.answer(question(rows=2, first=10, consumer="till"))
        other = await engine.answer(question(rows=2, first=10))
        return till, other

    till, other = run(play)
    assert till.values("refund.units").tolist() == [0.0, 0.0]
    assert till.arms[0].stand_ins["refund"].tolist() == ["isolated", "isolated"]
    assert not other.arms[0].stand_ins


def test_a_detour_answers_its_rows_by_the_pinned_version(system):
    async def play(engine, notes):
        engine.serve(
            served(
                system,
                pairings=(canary(system, NEW, weight=0, mirror=0),),
                detours=lambda _q: [(np.array([1]), Detour(versions={"demand": "2"}))],
            )
        )
        reply = await engine.answer(question("demand", rows=3))
        return reply, [a.rollout_id for _, a in notes.recorded]

    reply, rollouts = run(play)
    assert reply.values("demand.units").tolist() == [2.0, 8.0, 4.0]
    assert sorted(rollouts) == ["", "r0001-demand-2"]


def test_what_a_flag_pins_in_a_canary_is_withheld_from_it_by_name(system):
    async def play(engine, notes):
        pinned = Detour(versions={"demand": "1"})
        detours = {"detours": lambda q: [(np.arange(q.rows), pinned)]}
        engine.serve(served(system, pairings=(canary(system, NEW, weight=50),), **detours))
        await engine.answer(question("refund", rows=3))
        return [answers for _, answers in notes.recorded]

    (arm,) = run(play)
    assert arm.rollout_id == ""
    assert arm.withheld is not None
    assert (arm.withheld.rollout_id, arm.withheld.because) == ("r0001-demand-2", "flag")
    assert arm.withheld.what == "a flag pins demand@1, a model that the rollout compares"


def test_a_pinned_version_reads_the_features_that_it_was_trained_with(system):
    """Not those of the version whose place it takes."""

    async def play(engine, _notes):
        other = Detour(versions={"demand": "2"}, features={"demand": {"weight": "2.0.0"}})
        engine.serve(served(system, detours=lambda _q: [(np.array([1]), other)]))
        one = question("demand", rows=2)
        feeds = {"goods_2.weight": np.array([7.0, 7.0])}
        return await engine.answer(replace(one, columns={**one.columns, **feeds}))

    assert run(play).values("demand.units").tolist() == [2.0, 1.0 + 7.0 + 5.0]


def test_a_pinned_version_that_is_not_loaded_keeps_nobody_from_an_answer(system):
    async def play(engine, _notes):
        away = Detour(versions={"demand": "9"})
        engine.serve(served(system, detours=lambda _q: [(np.array([0]), away)]))
        return await engine.answer(question("demand"))

    assert run(play).values("demand.units").tolist() == [2.0]


def test_a_feature_that_is_switched_off_is_not_asked_for(system):
    async def play(engine, _notes):
        off = Detour(cut=frozenset({"weight → demand"}))
        engine.serve(served(system, detours=lambda _q: [(np.array([0]), off)]))
        asked = question("demand")
        rest = {name: v for name, v in asked.columns.items() if name != "weight"}
        return await engine.answer(replace(asked, columns=rest))

    (arm,) = run(play).arms
    assert arm.fields["demand.units"].tolist() == [0.0]  # nothing is known of the weight
    assert arm.stand_ins["weight"].tolist() == ["isolated"]


def test_every_question_under_way_is_finished_by_what_it_began_with(system):
    async def play(engine, _notes):
        slow = Odd(("clicks", "weight"), lambda c: time.sleep(0.2) or c["clicks"] + c["weight"])
        engine.serve(served(system, {("demand", "1"): Here(slow)}))
        before = asyncio.create_task(engine.answer(question()))
        await asyncio.sleep(0.05)
        engine.serve(served(system, champion=NEW))
        after = await engine.answer(question())
        assert not before.done()
        await engine.drained()
        assert before.done()
        return await before, after

    before, after = run(play)
    assert before.arms[0].release == diamond.release().content_hash
    assert after.arms[0].release == NEW.content_hash


def test_more_questions_than_may_wait_are_refused_with_a_time_to_come_back(system):
    async def play(engine, _notes):
        slow = Odd(("clicks",), sleeping(0.2))
        engine.serve(served(system, {("demand", "1"): Here(slow)}))
        asked = [asyncio.create_task(engine.answer(question("demand", first=n))) for n in range(6)]
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = run(play, questions=4)
    refused = [one for one in outcomes if isinstance(one, Refused)]
    assert [(one.code, one.retry_after) for one in refused] == [(RefusalCode.OVERLOADED, 1)] * 2


def test_nothing_is_answered_before_anything_is_loaded():
    async def play(engine, _notes):
        with pytest.raises(Refused) as refused:
            await engine.answer(question())
        return refused.value.code

    assert run(play) is RefusalCode.NOT_READY


def test_an_unknown_model_is_told_with_those_there_are(system):
    async def play(engine, _notes):
        engine.serve(served(system))
        with pytest.raises(Refused) as refused:
            await engine.answer(question("demnad"))
        return refused.value

    refused = run(play)
    assert refused.code is RefusalCode.UNKNOWN_MODEL
    assert refused.what == "there is no model demnad; there are: demand, price, stock, refund"


def test_a_champion_that_hangs_for_good_does_not_eat_all_threads(tmp_path):
    system, hang = diamond.shop(tmp_path, deadline="0.1s"), Hang()

    async def play(engine, _notes):
        engine.serve(served(system, {("demand", "1"): Here(Odd(("clicks",), hang))}))
        clock, replies = Clock(), []
        try:
            for n in range(30):
                hang.begun.clear()
                asked = asyncio.create_task(engine.answer(question("demand", first=n)))
                asked.add_done_callback(lambda _: hang.begun.set())
                assert await seen(hang.begun)
                clock.move(0.095)
                replies.append(await given(asked))
        finally:
            hang.over.set()
        return replies

    fewest = BreakerPolicy().fewest
    reasons = [reply.arms[0].stand_ins["demand"].item() for reply in run(play)]
    assert reasons[:fewest] == ["timeout"] * fewest
    assert set(reasons[fewest:]) <= {"timeout", "error"}
    assert hang.asked < 10, "each of the thirty took a thread"


def test_a_champion_that_hangs_for_a_while_is_asked_again_without_a_restart(tmp_path):
    """Its threads never come back, and those that its consumers need are not lost with them."""
    system = diamond.shop(tmp_path, deadline="0.1s")
    well, over = threading.Event(), threading.Event()

    def answer(columns):
        if not well.is_set():
            over.wait(60)
        return columns["clicks"] + 2.0

    async def play(engine, _notes):
        engine.serve(served(system, {("demand", "1"): Here(Odd(("clicks",), answer))}))
        hanging = [await engine.answer(question("refund", first=n)) for n in range(12)]
        well.set()
        until = time.monotonic() + 90
        while True:
            last = await engine.answer(question("refund", first=7))
            if not last.arms[0].stand_ins or time.monotonic() > until:
                over.set()
                return hanging, last
            await asyncio.sleep(0.05)

    hanging, last = run(play)
    assert all(set(reply.arms[0].stand_ins) >= {"demand"} for reply in hanging)
    assert hanging[-1].arms[0].stand_ins.keys() == {"demand"}  # the others are asked all the same
    assert last.arms[0].stand_ins == {}
    np.testing.assert_array_equal(last.values("refund.units"), refund_of(np.array([7.0])))


@pytest.mark.parametrize("place", [Here, Elsewhere])
def test_a_version_that_was_left_a_few_milliseconds_is_not_blamed_for_being_late(system, place):
    """What feeds it takes the time: most of it, or on a busy machine all."""
    hasty = with_deadlines(system, 400)
    slow = {
        ("demand", "1"): place(Odd(("clicks", "weight"), sleeping(0.33))),
        ("refund", "1"): place(Odd(("price.units", "stock.units"), sleeping(0.3))),
    }

    async def play(engine, _notes):
        engine.serve(served(hasty, slow))
        replies = [await engine.answer(question(first=n)) for n in range(8)]
        return replies, engine.breakers["refund", "1"]

    replies, breaker = run(play, breaker=BreakerPolicy(fewest=1_000))
    assert all("refund" in reply.arms[0].stand_ins for reply in replies)
    assert (breaker.broken, breaker.state) == (0, BreakerState.CLOSED)


def test_a_candidate_that_was_not_asked_for_want_of_time_is_not_blamed(tmp_path):
    system = with_deadlines(diamond.shop(tmp_path), 200)
    later = diamond.release(refund="2")

    async def play(engine, notes):
        models = diamond.predictors()
        hangs = {
            ("demand", "1"): Elsewhere(Odd(("clicks", "weight"), sleeping(0.6))),
            ("refund", "2"): Elsewhere(models["refund", "2"]),
        }
        engine.serve(served(system, hangs, pairings=(canary(system, later, weight=100, mirror=0),)))
        await asyncio.gather(*(engine.answer(question(rows=3, first=n)) for n in range(30)))
        return notes, dict(engine.breakers)

    notes, breakers = run(play)
    assert notes.rules == []
    assert breakers["demand", "1"].opened >= 1
    assert breakers["refund", "2"].broken == 0


def test_a_version_elsewhere_that_fails_in_no_foreseen_way_is_stood_in_for(system):
    class Gone(Elsewhere):
        async def predict(self, columns, *, deadline):
            raise RuntimeError("the client has been closed")

    async def play(engine, _notes):
        engine.serve(served(system, {("demand", "1"): Gone(diamond.predictors()["demand", "1"])}))
        async with asyncio.timeout(60):
            replies = [await engine.answer(question("demand", first=n)) for n in range(6)]
        return [reply.arms[0].stand_ins["demand"].tolist() for reply in replies]

    assert run(play) == [["error"]] * 6


def test_what_was_replaced_is_kept_no_longer_than_somebody_follows_it(system):
    def standing():
        return [one for one in gc.get_objects() if isinstance(one, Standing)]

    async def play(engine, _notes):
        others = WeakSet(standing())  # of tests whose threads still hang
        for _ in range(50):
            engine.serve(served(system))
            await engine.answer(question("demand"))
        async with asyncio.timeout(60):  # threads that are about to end hold what they did last
            while sum(one not in others for one in standing()) > 2:
                await asyncio.sleep(0.05)
                gc.collect()

    run(play)


def test_a_candidate_is_not_halted_for_what_waits_when_the_gateway_ends(system):
    async def play(engine, notes):
        slow = {("demand", "2"): Elsewhere(Odd(("clicks", "weight"), sleeping(0.3)))}
        engine.serve(served(system, slow, pairings=(canary(system, NEW, weight=0),)))
        for n in range(20):
            await engine.answer(question(rows=2, first=2 * n))
        await engine.end(patience=0.0)
        engine.served.backends["demand", "2"].model = Odd((), lambda _columns: 1 / 0)
        await engine.settled()
        return notes.rules

    assert run(play) == []
