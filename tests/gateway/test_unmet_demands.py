"""What only a candidate demands of a question is the client's affair: nobody is blamed for it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sluiceway.adapters.live_log.recorder import Keeping
from sluiceway.contracts.values import InputDemand
from sluiceway.releases import Release
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.rows import frame_of, packed
from sluiceway.serving.values import CHAMPION, ArmName, Asked, Path, Question
from tests.gateway.diner import canary, question, refund_of, served
from tests.gateway.test_engine import run
from tests.replay import diamond

NEW = diamond.release(demand="2")
OTHER_FEED = diamond.release({"demand": {"weight": "2.0.0"}}, demand="2")


@pytest.fixture
def system(tmp_path):
    return diamond.shop(tmp_path)


def demand(name: str, **more: Any) -> InputDemand:
    return InputDemand(name=name, unit=None, **{"low": None, "high": None, "nullable": True} | more)


def asked(
    system: Any,
    release: Release,
    demands: tuple[InputDemand, ...],
    one: Question,
    *,
    weight: int = 100,
    forced: bool = False,
) -> tuple[Any, Any, Mapping[Any, Any]]:
    """A question to a canary whose candidate demands this of its inputs."""

    async def play(engine, notes):
        what = served(system, pairings=(canary(system, release, weight=weight),))
        contract = replace(what.contracts["demand", "2"], inputs=demands)
        # A version whose demands nobody meets must not be asked: it would raise, and be halted.
        engine.serve(replace(what, contracts={**what.contracts, ("demand", "2"): contract}))
        reply = await engine.answer(replace(one, forced=ArmName.CANDIDATE) if forced else one)
        assert await engine.settled()
        return reply, notes, engine.breakers

    return run(play)


NARROW = (demand("clicks", low=0.0, high=9.0),)


@pytest.mark.parametrize(
    ("release", "demands", "rows_kept", "says"),
    [
        (NEW, NARROW, 10, "demand@2 demands more of clicks: 10 is outside; 0 to 9"),
        (NEW, (demand("weight", nullable=False),), 6, "weight may not be missing"),
        (OTHER_FEED, (), 0, "there is no column weight@2.0.0 with a number in it"),
    ],
)
def test_rows_that_do_not_bring_what_a_candidate_demands_are_the_champions(
    system, release, demands, rows_kept, says
):
    one = question("refund", rows=12)
    one.columns["weight"][6:] = np.nan  # clicks are 0, 1, 2 …

    reply, notes, breakers = asked(system, release, demands, one)
    lacking = [arm for arm in reply.arms if arm.withheld is not None]
    assert [arm.arm for arm in lacking] == [ArmName.BASELINE]
    assert lacking[0].rollout_id == CHAMPION
    assert not lacking[0].paired.any()
    assert len(lacking[0].rows) == 12 - rows_kept
    assert says in lacking[0].withheld.what
    assert (lacking[0].withheld.model, lacking[0].withheld.version) == ("demand", "2")
    evidence = [arm for arm in reply.arms if arm.withheld is None]
    assert sum(len(arm.rows) for arm in evidence) == rows_kept
    assert {arm.arm for arm in evidence} <= {ArmName.CANDIDATE}
    assert all(not arm.stand_ins for arm in reply.arms)
    assert (notes.rules, notes.moves) == ([], [])
    assert breakers["demand", "2"].broken == 0
    values = reply.values("refund.units")
    weight = np.nan_to_num(one.columns["weight"])
    shift = np.where(np.isin(np.arange(12), lacking[0].rows), 0.0, 5.0)
    expected = refund_of(one.columns["clicks"], demand_shift=0.0) + 3 * (weight - 2.0 + shift)
    np.testing.assert_allclose(values, expected)


def test_they_are_no_evidence_whichever_arm_their_unit_has(system):
    """Else only the candidate's share would be without them, and the sample ratio broken."""
    _, notes, _ = asked(system, NEW, NARROW, question("refund", rows=40), weight=50)
    mirrors = [a for _, a in notes.recorded if a.path is Path.MIRROR]
    told = [a for _, a in notes.recorded if a.rollout_id != CHAMPION]
    assert sum(len(a.rows) for a in mirrors) == 10
    assert sum(len(a.rows) for a in told if a.path is Path.PRIMARY) == 10


def test_a_tester_who_asks_for_the_candidate_is_told_what_it_demands(system):
    with pytest.raises(Refused) as refused:
        asked(system, NEW, NARROW, question("refund", rows=12), forced=True)
    assert refused.value.code is RefusalCode.OUT_OF_CONTRACT
    (fault,) = refused.value.faults
    assert (fault.field, fault.rule, fault.rows, fault.count) == ("clicks", "range", (10, 11), 2)
    with pytest.raises(Refused, match="demand@2 demands more of clicks"):
        asked(system, NEW, NARROW, question("demand", rows=12, version="2"))


def test_a_halted_candidate_demands_nothing(system):
    async def play(engine, _notes):
        pairing = canary(system, OTHER_FEED, weight=100, halted="it was bad")
        engine.serve(served(system, pairings=(pairing,)))
        return await engine.answer(question("refund", rows=3))

    reply = run(play)
    assert [arm.withheld for arm in reply.arms] == [None]


def test_the_log_names_the_rollout_that_could_not_learn(system):
    _, notes, _ = asked(system, NEW, NARROW, question("refund", rows=12))
    entries = []
    for one, arm in notes.recorded:
        first = sum(len(entry["unit"]) for entry in entries)
        entries.append(packed([Asked(one, arm.rows)], arm, seq=first, at=0, keeping=Keeping()))
    rows = frame_of(entries, "s")
    lacking = rows[rows["withheld"].notna()]
    assert set(lacking["withheld"]) == {"r0001-demand-2"}
    assert sorted(lacking["unit"]) == ["o10", "o11"]
    assert set(lacking["rollout_id"]) == {CHAMPION}
    assert "demands more of clicks" in lacking["withheld_what"].iloc[0]
