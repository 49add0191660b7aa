"""Of a joint release only what is bad goes back, where what stays fits and was seen to work."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluiceway.contracts.values import Contract
from sluiceway.journal import check_chain
from sluiceway.ports import Window
from sluiceway.releasing import EvidenceKind, SupportCode
from sluiceway.reports import explain
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import CanaryNarrowed, PartServed, WayBackPlanned
from sluiceway.steps import going_back, requests, returning
from sluiceway.steps.known import facts_of
from sluiceway.steps.site import Site
from sluiceway.steps.world import differing, wanted_projection
from sluiceway.system.file import read_system
from tests.driver import FITTED_COST, LIVE, ORDERS, TRAINED, Wild, add, advance, live_days
from tests.orders.data import day

from .worlds import NOW, ask, ended, kinds, quick_site, to_canary, told

JOINT = ("fraud@2", "cost@2", "priority@2")
CONTRACTS: dict[str, Contract] = {
    name: model.contract for name, model in read_system(ORDERS / "system.yaml").models.items()
}


def joint_site(tmp_path: Path, **more: Any) -> tuple[Site, dict[str, Wild]]:
    """A better fraud model with the cost and priority models fitted to it."""
    site = quick_site(tmp_path, ("{window: 1d}", "{window: 20d}"))
    predictors = {
        "fraud": Wild(TRAINED.inputs, TRAINED.predict),
        "cost": Wild(FITTED_COST.inputs, FITTED_COST.predict),
        "priority": Wild(LIVE["priority"].inputs, LIVE["priority"].predict),
    }
    for model, predictor in predictors.items():
        add(site, model, "2", predictor, **more.get(model, {}))
    return site, predictors


def turns_bad(predictor: Wild, by: float) -> None:
    """From now on it answers too much."""
    good = predictor.answer

    def bad(columns: Mapping[str, np.ndarray]) -> Any:
        return good(columns) + by

    object.__setattr__(predictor, "answer", bad)


def overconfident(predictor: Wild) -> None:
    """From now on every order looks like a fraud."""

    def bad(columns: Mapping[str, np.ndarray]) -> Any:
        likely = 0.5 + 0.5 * TRAINED.predict(columns)[:, 1]
        return np.column_stack([1 - likely, likely])

    object.__setattr__(predictor, "answer", bad)


def test_in_the_watch_only_the_member_that_turned_bad_goes_back(tmp_path: Path) -> None:
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    live_days(site, rollout, NOW, 14)
    assert site.champion().generation == 2, site.state(rollout).look
    turns_bad(predictors["priority"], 8.0)
    live_days(site, rollout, day(54), 20)

    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.ROLLED_BACK, Phase.WATCH), end.reason
    assert end.origin is not None
    assert end.origin.name == "priority"
    assert end.reason.endswith(". priority goes back; cost and fraud stay")
    # The whole release left at once; what may stay came back when that was known.
    story = [k for k in kinds(site, rollout) if k not in ("confirmed", "looked")]
    assert story[-6:] == [
        "champion_restored",
        "diagnosed",
        "way_back_planned",
        "part_served",
        "incident_opened",
        "ended",
    ]
    champion = site.champion()
    assert champion.generation == 3
    assert champion.release.versions == {
        "cost": "2",
        "fraud": "2",
        "handling": "1",
        "priority": "1",
    }
    (served,) = told(site, rollout, PartServed)
    assert isinstance(served, PartServed)
    assert served.release == champion.release.content_hash
    assert site.registry.aliases("fraud") == {"champion": "2", "previous": "1"}
    assert site.registry.aliases("priority") == {"champion": "1"}
    stages = {
        name: site.registry.version(*name.split("@")).tags["sluiceway.stage"]
        for name in ("fraud@1", "fraud@2", "cost@2", "priority@1", "priority@2")
    }
    assert stages == {
        "fraud@1": "retired",
        "fraud@2": "champion",
        "cost@2": "champion",
        "priority@1": "champion",
        "priority@2": "rolled_back",
    }
    assert differing(site, wanted_projection(site)) == []
    facts = facts_of(site, site.systems.current(), (), now=day(80))
    seen = facts.support(champion.release, facts.feeders("priority"), asked="priority")
    assert (seen.code, seen.record and seen.record.kind) == (
        SupportCode.FRESH,
        EvidenceKind.SERVED,
    )
    assert check_chain(site.journal.chain(site.environment), known_heads={}).faults == ()
    text = explain(site.journal.events(site.environment, rollout), site.systems.kept(rollout))
    assert "Priority goes back; cost and fraud stay." in text
    assert "cost@2 and fraud@2 serve on, as a generation of their own." in text
    # By hand one goes back to what served before this generation.
    going_back.request_rollback(site, to=None, reason="a drill", now=day(80), actor="ada")
    assert site.champion().generation == 1


def days_until(site: Site, rollout: str, kind: type) -> datetime:
    """Play live days until something has happened; the moment at which it has."""
    for count in range(20):
        live_days(site, rollout, day(40 + count), 1)
        if told(site, rollout, kind):
            return day(41 + count)
    raise AssertionError(kinds(site, rollout))


def test_in_canary_what_may_stay_goes_on_without_the_member_that_turned_bad(
    tmp_path: Path,
) -> None:
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    whole = site.plan(rollout).release
    turns_bad(predictors["priority"], 8.0)
    now = days_until(site, rollout, CanaryNarrowed)

    (planned,) = told(site, rollout, WayBackPlanned)
    (narrowed,) = told(site, rollout, CanaryNarrowed)
    assert isinstance(planned, WayBackPlanned)
    assert isinstance(narrowed, CanaryNarrowed)
    assert planned.back == ("priority",)
    assert [member.name for member in narrowed.back] == ["priority@2"]
    assert [member.name for member in narrowed.plan.members] == ["cost@2", "fraud@2"]
    part = site.champion().release.with_members(planned.stays)
    assert (planned.release, narrowed.plan.release) == (part.content_hash, part.content_hash)
    # The gateway follows: what may stay answers the first step's units, by its own release.
    table = site.router.observed()
    assert table is not None
    (route,) = table.canaries
    assert (route.release, route.weight) == (part.content_hash, 10)
    assert site.release_by_hash(route.release) == part
    assert site.release_by_hash(whole).versions["priority"] == "2", "it is still known"
    state = site.state(rollout)
    assert (state.look, state.step, state.first_step_at) == (None, 0, now), "on fresh evidence"
    assert site.registry.aliases("priority") == {"champion": "1"}
    assert site.registry.version("priority", "2").tags["sluiceway.stage"] == "rolled_back"
    assert site.registry.version("cost", "2").tags["sluiceway.stage"] == "canary"
    assert kinds(site, rollout).count("incident_opened") == 1

    live_days(site, rollout, now, 16)
    assert site.state(rollout).phase is Phase.WATCH, kinds(site, rollout)
    assert site.champion().release == part
    assert differing(site, wanted_projection(site)) == []
    assert check_chain(site.journal.chain(site.environment), known_heads={}).faults == ()
    text = explain(site.journal.events(site.environment, rollout), site.systems.kept(rollout))
    said = "cost@2 and fraud@2 go on without priority@2, on fresh evidence"
    assert said in " ".join(text.split())


def test_what_was_answered_by_the_whole_release_is_no_evidence_of_what_stays(
    tmp_path: Path,
) -> None:
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    turns_bad(predictors["priority"], 8.0)
    now = days_until(site, rollout, CanaryNarrowed)
    since = site.state(rollout).since_revision
    live_days(site, rollout, now, 1)
    late = site.predictions.read(Window(start=now, end=day(80)))
    late["routing_revision"] = since - 1  # a server that has not loaded the new table
    late["generation"] = 1
    site.predictions.write("late", late.assign(unit=late["unit"] + "-late"))
    live_days(site, rollout, now + timedelta(days=1), 2)
    look = site.state(rollout).look
    assert look is not None
    assert look.fault is None
    assert look.candidate_units + look.champion_units == 120, "of the one day that it looked at"


@pytest.mark.parametrize("by_hand", ["held", "aborted"])
def test_a_canary_that_a_person_stopped_is_not_narrowed(tmp_path: Path, by_hand: str) -> None:
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    turns_bad(predictors["priority"], 8.0)
    narrow_canary = returning.narrow_canary

    def stopped(site: Site, rollout_id: str, *, now: datetime) -> None:
        if by_hand == "held":
            requests.hold(site, rollout_id, reason="freeze", now=now, actor="ada")
        else:
            requests.abort(site, rollout_id, reason="enough", now=now, actor="ada")
        narrow_canary(site, rollout_id, now=now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(returning, "narrow_canary", stopped)
        live_days(site, rollout, NOW, 12)
    assert "canary_narrowed" not in kinds(site, rollout)
    assert site.router.observed().canaries == ()  # type: ignore[union-attr]
    if by_hand == "aborted":
        assert ended(site, rollout).ending is Ending.ROLLED_BACK
        return
    assert site.state(rollout).ended is None
    requests.resume(site, rollout, reason="go on", now=day(60), actor="ada")
    advance(site, rollout, day(60))
    assert site.state(rollout).weight == 10


def test_where_the_producer_is_bad_what_was_fitted_to_it_goes_with_it(tmp_path: Path) -> None:
    """The contracts would let the fitted cost stay; every replay with the old fraud was harmful."""
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    live_days(site, rollout, NOW, 14)
    assert site.champion().generation == 2
    overconfident(predictors["fraud"])
    live_days(site, rollout, day(54), 20)
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.ROLLED_BACK, Phase.WATCH), end.reason
    assert end.origin is not None
    assert end.origin.name == "fraud"
    (planned,) = told(site, rollout, WayBackPlanned)
    assert isinstance(planned, WayBackPlanned)
    assert set(planned.back) >= {"cost", "fraud"}
    versions = site.champion().release.versions
    assert (versions["fraud"], versions["cost"]) == ("1", "1")


def test_a_champion_moved_by_hand_in_between_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    live_days(site, rollout, NOW, 14)
    plan_way_back = returning.plan_way_back

    def and_somebody_moves_the_champion(site: Site, rollout_id: str, *, now: datetime) -> None:
        plan_way_back(site, rollout_id, now=now)
        going_back.request_rollback(site, to=2, reason="it was right", now=now, actor="ada")

    monkeypatch.setattr(returning, "plan_way_back", and_somebody_moves_the_champion)
    turns_bad(predictors["priority"], 8.0)
    live_days(site, rollout, day(54), 20)
    assert site.champion().generation == 2
    assert ended(site, rollout).reason.endswith(
        ". the whole release goes back: the champion was moved since"
    )
    assert "part_served" not in kinds(site, rollout)


def in_percent(contract: Contract) -> Contract:
    field = replace(contract.field("probability"), unit="percent", high=100.0, promise=None)
    return replace(contract, version="2.0.0", output=(field,))


def demanding_percent(contract: Contract) -> Contract:
    inputs = tuple(
        replace(one, unit="percent", high=100.0) if one.name == "fraud.probability" else one
        for one in contract.inputs
    )
    return replace(contract, version="2.0.0", inputs=inputs)


def percent(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    return 100 * LIVE["fraud"].predict(columns)


def of_percent(model: str) -> Wild:
    def answer(columns: Mapping[str, np.ndarray]) -> Any:
        scaled = {**columns, "fraud.probability": columns["fraud.probability"] / 100}
        return LIVE[model].predict(scaled)

    return Wild(LIVE[model].inputs, answer)


def test_a_rollout_that_cannot_go_alone_ends_with_what_must_go_along(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    add(
        site,
        "fraud",
        "2",
        Wild(LIVE["fraud"].inputs, percent),
        contract=in_percent(CONTRACTS["fraud"]),
    )
    for model in ("cost", "handling"):
        add(site, model, "2", of_percent(model), contract=demanding_percent(CONTRACTS[model]))
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.phase, end.code) == (
        Ending.REJECTED,
        Phase.PLAN,
        ReasonCode.MUST_GO_WITH,
    )
    assert end.must_go_with == ("cost@2", "handling@2")
    assert end.reason.startswith("fraud@2 must go with: cost@2, handling@2 (")
    assert "fraud.probability is demanded in probability and promised in percent" in end.reason
    text = explain(site.journal.events(site.environment, rollout), site.systems.kept(rollout))
    assert "Propose them as one release: sluiceway rollout fraud@2 cost@2 handling@2" in text


def test_where_nothing_could_go_along_the_contracts_are_checked_and_tell(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    add(
        site,
        "fraud",
        "2",
        Wild(LIVE["fraud"].inputs, percent),
        contract=in_percent(CONTRACTS["fraud"]),
    )
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.phase, end.code) == (
        Phase.CONTRACTS,
        ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS,
    )
