"""What people say counts at once, is written down under their name, refused when too late."""

from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.errors import BadInput
from sluiceway.journal import JournalConflict
from sluiceway.ports import Window
from sluiceway.rollouts.actions import Promote, Rest, Wait
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.steps import deciding, going_back, promotion, requests
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from sluiceway.steps.world import differing, wanted_projection
from tests.driver import advance, live_days, perform
from tests.orders.data import day

from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud, to_canary

APPROVALS = ("approvals: []", "approvals: [risk]")
ADA = {"reason": "because", "now": NOW, "actor": "ada"}


def promoted_site(tmp_path: Path, *changes: tuple[str, str]) -> tuple[Site, str]:
    site = quick_site(tmp_path, *changes)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 20)
    assert ended(site, rollout).ending is Ending.PROMOTED
    return site, rollout


def test_a_held_canary_keeps_its_step_and_a_resumed_one_goes_on(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    requests.hold(site, rollout, **ADA)
    live_days(site, rollout, NOW, 16)
    state = site.state(rollout)
    assert (state.step, state.weight, state.promoted) == (0, 10, None)
    assert state.looks > 10, "evidence is gathered all the while"
    requests.resume(site, rollout, **ADA)
    live_days(site, rollout, day(56), 6)
    assert ended(site, rollout).ending is Ending.PROMOTED


def test_a_rollout_held_before_its_canary_touches_no_traffic(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    requests.hold(site, rollout, **ADA)
    waits = advance(site, rollout, NOW)
    assert isinstance(waits, Wait)
    assert waits.reason == "is held: because"
    assert site.state(rollout).first_step_at is None
    assert site.router.observed().canaries == ()  # type: ignore[union-attr]
    requests.resume(site, rollout, **ADA)
    advance(site, rollout, NOW)
    assert site.state(rollout).weight == 10


@pytest.mark.parametrize("phase", ["queue", "plan", "canary"])
def test_an_abort_ends_it_wherever_it_is(tmp_path: Path, phase: str) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    same_fraud(site, "3")
    if phase == "queue":
        to_canary(site, "fraud@3")
    rollout = to_canary(site, "fraud@2") if phase == "canary" else ask(site, "fraud@2")
    if phase == "queue":
        advance(site, rollout, NOW)
    requests.abort(site, rollout, **ADA)
    assert isinstance(advance(site, rollout, NOW), Rest)
    end = ended(site, rollout)
    assert (end.ending, end.reason) == (Ending.ABORTED, "because")
    table = site.router.observed()
    assert table is not None
    assert rollout not in [route.rollout_id for route in table.canaries]
    with pytest.raises(BadInput, match="has ended: aborted"):
        requests.hold(site, rollout, **ADA)


def test_nothing_live_is_touched_before_the_owners_agree(tmp_path: Path) -> None:
    site = quick_site(tmp_path, APPROVALS)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    waits = advance(site, rollout, NOW)
    assert isinstance(waits, Wait)
    assert waits.reason == "waits for the approval of risk"
    assert site.state(rollout).phase is Phase.APPROVAL
    assert isinstance(advance(site, rollout, day(90)), Wait), "silence is no approval"
    requests.approve(site, rollout, **ADA)
    advance(site, rollout, NOW)
    assert site.state(rollout).step == 0
    with pytest.raises(BadInput, match="does not wait for an approval"):
        requests.refuse(site, rollout, **ADA)
    approved = [e for e in site.journal.chain(site.environment) if e.kind == "approved"]
    assert [event.actor for event in approved] == ["ada"]


def test_a_refusal_rejects(tmp_path: Path) -> None:
    site = quick_site(tmp_path, APPROVALS)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    with pytest.raises(BadInput, match="does not wait for an approval"):
        requests.approve(site, rollout, **ADA)
    advance(site, rollout, NOW)
    requests.refuse(site, rollout, **ADA)
    with pytest.raises(BadInput, match="does not wait for an approval"):
        requests.approve(site, rollout, **ADA)
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.APPROVAL)
    assert end.code is ReasonCode.APPROVAL_REFUSED


def test_an_abort_between_decision_and_promotion_wins(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    now = NOW
    while not isinstance(deciding.decide(site, rollout, now=now), Promote):
        action = deciding.decide(site, rollout, now=now)
        if isinstance(action, Wait):
            window = Window(start=now, end=now + timedelta(days=1))
            now = window.end
            BatchServer(site).answer(window, now=now)
        else:
            perform(site, rollout, action, now)
    requests.abort(site, rollout, reason="stop", now=now, actor="ada")
    with pytest.raises(JournalConflict):
        promotion.promote(site, rollout, now=now)
    advance(site, rollout, now)
    assert ended(site, rollout).ending is Ending.ABORTED
    assert site.champion().generation == 1


def test_what_was_promoted_is_not_aborted_but_rolled_back(tmp_path: Path) -> None:
    site = quick_site(tmp_path, ("{window: 1d}", "{window: 20d}"))
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 14)
    assert site.champion().generation == 2
    with pytest.raises(BadInput, match="was promoted already; use: sluiceway rollback"):
        requests.abort(site, rollout, **ADA)
    now = day(54)
    rolled = going_back.request_rollback(site, to=None, reason="odd", now=now, actor="bob")
    for one in deciding.unfinished(site):
        advance(site, one, now)
    assert ended(site, rolled).code is ReasonCode.ROLLED_BACK_BY_HAND
    assert ended(site, rollout).ending is Ending.ROLLED_BACK
    assert "diagnosed" not in kinds(site, rollout)
    assert site.champion().generation == 1
    assert differing(site, wanted_projection(site)) == []
    assert site.registry.aliases("fraud") == {"champion": "1"}
    assert site.registry.version("fraud", "2").tags["sluiceway.stage"] == "rolled_back"
    assert deciding.unfinished(site) == ()


def test_a_rollback_by_hand_aborts_what_is_under_way(tmp_path: Path) -> None:
    site, _ = promoted_site(tmp_path)
    same_fraud(site, "3")
    under_way = requests.request_rollout(site, ["fraud@3"], now=day(61), actor="ada")
    advance(site, under_way, day(61))
    assert site.state(under_way).step == 0
    going_back.request_rollback(site, to=1, reason="odd", now=day(61), actor="bob")
    for one in deciding.unfinished(site):
        advance(site, one, day(61))
    assert ended(site, under_way).ending is Ending.ABORTED
    assert site.champion().generation == 1
    assert site.router.observed().canaries == ()  # type: ignore[union-attr]
    assert site.registry.version("fraud", "2").tags["sluiceway.stage"] == "rolled_back"
    assert site.registry.version("fraud", "1").tags["sluiceway.stage"] == "champion"


def test_what_was_rolled_back_is_never_what_one_goes_back_to_by_default(tmp_path: Path) -> None:
    site, _ = promoted_site(tmp_path)
    going_back.request_rollback(site, to=None, reason="bad", now=day(61), actor="ada")
    assert site.champion().generation == 1
    with pytest.raises(BadInput, match=r"generation 1 replaced none \(there are: 2\)"):
        going_back.request_rollback(site, to=None, reason="x", now=day(61), actor="ada")
    for one in deciding.unfinished(site):
        advance(site, one, day(61))
    same_fraud(site, "3")
    third = requests.request_rollout(site, ["fraud@3"], now=day(61), actor="ada")
    advance(site, third, day(61))
    live_days(site, third, day(61), 20)
    assert site.champion().generation == 3, ended(site, third)
    going_back.request_rollback(site, to=None, reason="bad too", now=day(85), actor="ada")
    assert site.champion().generation == 1, "not 2, which was rolled back"


@pytest.mark.parametrize("to", [0, 1, 7, -1])
def test_a_generation_that_is_not_there_or_serves_already_cannot_be_gone_back_to(
    tmp_path: Path, to: int
) -> None:
    site = quick_site(tmp_path)
    head = site.journal.head(site.environment)
    with pytest.raises(BadInput, match="cannot be gone back to"):
        going_back.request_rollback(site, to=to, reason="x", now=NOW, actor="ada")
    assert site.journal.head(site.environment) == head


def test_people_are_told_that_there_is_no_such_rollout(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    for word in (requests.hold, requests.abort, requests.approve, requests.refuse, requests.resume):
        with pytest.raises(BadInput, match=r"r0099: is no rollout \(there are: adoption\)"):
            word(site, "r0099", **ADA)
    with pytest.raises(LookupError, match="there is no rollout r0099 in test"):
        deciding.decide(site, "r0099", now=NOW)


def test_an_environment_is_adopted_once_and_whole(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    with pytest.raises(BadInput, match="a release holds every model; missing: handling"):
        requests.adopt(site, ["fraud@1"], now=NOW, actor="ada")
    names = [f"{model}@1" for model in site.champion().release.members]
    with pytest.raises(BadInput, match="has champion generation 1; use a rollout"):
        requests.adopt(site, names, now=NOW, actor="ada")
