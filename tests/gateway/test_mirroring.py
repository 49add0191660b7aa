"""Rows that the other arm answers behind the answers: as pairs, within bounds, at nobody's cost."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from sluiceway.contracts.values import FallbackKind, FallbackRule
from sluiceway.serving.values import ArmName, Path
from tests.gateway.diner import (
    Elsewhere,
    Hang,
    Here,
    Odd,
    canary,
    given,
    question,
    refund_of,
    run,
    served,
    with_deadlines,
)
from tests.replay import diamond

NEW = diamond.release(demand="2")


@pytest.fixture
def system(tmp_path):
    return diamond.shop(tmp_path)


def test_mirrored_rows_are_answered_by_the_other_arm_and_logged_as_pairs(system):
    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=0, mirror=100),)))
        await engine.answer(question(rows=4))
        assert await engine.settled()
        return notes.recorded

    (_, primary), (_, mirror) = run(play)
    assert (primary.arm, primary.path) == (ArmName.BASELINE, Path.PRIMARY)
    assert (mirror.arm, mirror.path) == (ArmName.CANDIDATE, Path.MIRROR)
    assert primary.paired.all()
    assert mirror.paired.all()
    np.testing.assert_allclose(mirror.fields["demand.units"], primary.fields["demand.units"] + 5)


def test_mirrored_rows_of_several_questions_are_written_down_together(system):
    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=50, mirror=100),)))
        passes = []
        told = notes.record_together

        def noted(asked, answers):
            passes.append(answers.arm)
            told(asked, answers)

        notes.record_together = noted
        engine.serve(engine.served)  # what stands keeps whom it tells
        for n in range(6):
            await engine.answer(question(rows=10, first=10 * n))
        assert await engine.settled()
        return passes, notes.recorded

    passes, recorded = run(play)
    assert sorted(passes) == [ArmName.BASELINE, ArmName.CANDIDATE], "one entry an arm"
    primary = [(q, a) for q, a in recorded if a.path is Path.PRIMARY]
    mirrored = [(q, a) for q, a in recorded if a.path is Path.MIRROR]

    def rows_of(some, arm):
        return sorted(
            (q.request_id, q.units[row]) for q, a in some if a.arm is arm for row in a.rows
        )

    assert rows_of(mirrored, ArmName.CANDIDATE) == rows_of(primary, ArmName.BASELINE)
    assert rows_of(mirrored, ArmName.BASELINE) == rows_of(primary, ArmName.CANDIDATE)
    for asked, arm in mirrored:
        clicks = asked.columns["clicks"][arm.rows]
        shift = 5.0 if arm.arm is ArmName.CANDIDATE else 0.0
        np.testing.assert_allclose(
            arm.fields["refund.units"], refund_of(clicks, demand_shift=shift)
        )


def test_many_mirrored_rows_are_company_enough_and_wait_for_no_more(system, monkeypatch):
    monkeypatch.setattr("sluiceway.gateway.mirroring._LINGER", 3_600.0)

    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=0, mirror=100),)))
        await engine.answer(question(rows=500))
        await asyncio.sleep(0.2)
        assert len(notes.recorded) == 1, "they wait for company"
        await engine.answer(question(rows=20, first=500))
        async with asyncio.timeout(30):
            while len(notes.recorded) < 4:
                await asyncio.sleep(0.01)
        return [len(a.rows) for _, a in notes.recorded if a.path is Path.MIRROR]

    assert run(play) == [500, 20]


def test_whoever_wants_the_mirrors_so_far_waits_for_no_company_and_for_no_later_ones(
    system, monkeypatch
):
    monkeypatch.setattr("sluiceway.gateway.mirroring._LINGER", 3_600.0)

    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=0, mirror=100),)))
        await engine.answer(question(rows=3))
        settled = asyncio.create_task(engine.settled())
        await asyncio.sleep(0)
        for n in range(1, 50):  # more come all the time
            await engine.answer(question(first=3 * n))
        return await settled, [len(a.rows) for _, a in notes.recorded if a.path is Path.MIRROR]

    assert run(play) == (True, [3])


def test_mirrors_beyond_the_bound_are_dropped_and_their_rows_are_no_pairs(tmp_path):
    system = diamond.shop(tmp_path, deadline="600s")

    async def play(engine, notes):
        candidate = Hang()
        slow = {("demand", "2"): Elsewhere(Odd(("clicks", "weight"), candidate))}
        engine.serve(served(system, slow, pairings=(canary(system, NEW, weight=0),)))
        try:
            for n in range(10):
                asked = asyncio.create_task(engine.answer(question(rows=4, first=4 * n)))
                await given(asked)  # no primary answer waits for the candidate, which hangs
        finally:
            candidate.over.set()
        return notes

    notes = run(play, mirrored_rows=8)
    assert notes.dropped >= 8
    primary = [a for _, a in notes.recorded if a.path is Path.PRIMARY]
    assert sum(int((~a.paired).sum()) for a in primary) == notes.dropped


def test_a_question_larger_than_the_mirrors_bound_is_mirrored_piece_by_piece(system):
    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=50),)))
        await engine.answer(question(rows=50))
        assert await engine.settled()
        return notes

    notes = run(play, mirrored_rows=8)
    assert notes.dropped == 0
    mirrored = [answers for _, answers in notes.recorded if answers.path is Path.MIRROR]
    assert sum(len(one.rows) for one in mirrored) == 50
    assert max(len(one.rows) for one in mirrored) <= 8
    for arm in ArmName:
        rows = np.concatenate([one.rows for one in mirrored if one.arm is arm])
        primary = [a for _, a in notes.recorded if a.path is Path.PRIMARY and a.arm is not arm]
        assert sorted(rows) == sorted(primary[0].rows)


@pytest.mark.parametrize("place", [Here, Elsewhere])
def test_mirrors_that_wait_for_company_longer_than_a_deadline_blame_nobody(system, place):
    hasty = with_deadlines(system, 80)

    async def play(engine, notes):
        candidate = {("demand", "2"): place(diamond.predictors()["demand", "2"])}
        engine.serve(served(hasty, candidate, pairings=(canary(hasty, NEW, weight=50),)))
        for n in range(12):
            await engine.answer(question(rows=2, first=2 * n))
        assert await engine.settled()
        return notes

    notes = run(play)
    mirrored = [answers for _, answers in notes.recorded if answers.path is Path.MIRROR]
    assert mirrored
    assert [answers.stand_ins for answers in mirrored] == [{}] * len(mirrored)
    assert (notes.rules, notes.moves) == ([], [])


def test_mirrored_answers_are_nobodys_last_known_answers(tmp_path):
    system = diamond.shop(tmp_path)
    contract = system.models["demand"].contract
    rule = FallbackRule(kind=FallbackKind.LAST_KNOWN_GOOD, max_age=timedelta(minutes=1))
    remembering = replace(contract, fallback_rules={"units": rule})
    demand = replace(system.models["demand"], contract=remembering)
    system = replace(system, models={**system.models, "demand": demand})
    sick = [False]

    def answer(columns):
        if sick[0]:
            raise ValueError("sick")
        return columns["clicks"]

    async def play(engine, _notes):
        champion = {("demand", "1"): Here(Odd(("clicks",), answer))}
        engine.serve(served(system, champion, pairings=(canary(system, NEW, weight=0),)))
        first = await engine.answer(question("demand", first=3))
        assert await engine.settled()
        sick[0] = True
        second = await engine.answer(question("demand", first=3))
        return first.values("demand.units").item(), second.values("demand.units").item()

    assert run(play) == (3.0, 3.0)


def test_a_fault_of_ours_inside_a_pass_is_told_to_everybody_who_waits(system):
    async def play(engine, notes):
        engine.serve(served(system, pairings=(canary(system, NEW, weight=0),)))

        def full(asked, answers):
            if answers.path is Path.MIRROR:
                raise MemoryError
            notes.recorded.append((asked, answers))

        notes.record = full
        await engine.answer(question())
        return await engine.settled()

    assert run(play)  # a mirror whose answer cannot be kept is over all the same
