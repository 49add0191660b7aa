"""A hard rule takes the candidate's traffic at once, and the rollout back without statistics."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from sluiceway.outcomes import Outcome
from sluiceway.reports import explain
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import CandidateHalted, PartReplayed
from sluiceway.steps import requests
from sluiceway.steps.halting import halt
from sluiceway.steps.site import Site
from sluiceway.steps.world import bring_routing
from tests.driver import advance, live_days
from tests.orders.data import day

from .test_way_back import JOINT, joint_site
from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud, to_canary, told


@dataclass(frozen=True, kw_only=True)
class Broken:
    rollout_id: str
    model: str = "fraud"
    version: str = "2"
    code: str = "breaker_open"
    broken: int = 18
    rows: int = 20
    what: str = "raised RuntimeError"
    revision: int = 10_000


def halted(site: Site, rule: Broken, *, now: datetime = NOW, instance: str = "gw-1") -> bool:
    written = halt(site, rule, instance=instance, now=now)
    bring_routing(site)
    return written


def test_a_halted_canary_loses_its_traffic_at_once_and_goes_back(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    assert halted(site, Broken(rollout_id=rollout))
    (route,) = site.router.observed().canaries  # type: ignore[union-attr]
    said = "breaker open: fraud@2 gave no usable answer to 18 of its last 20 rows; the first: "
    assert (route.weight, route.halted) == (0, f"{said}raised RuntimeError")
    assert not site.state(rollout).rollback, "nobody waits for a flow"
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.phase, end.code) == (
        Ending.ROLLED_BACK,
        Phase.CANARY,
        ReasonCode.BREAKER_OPEN,
    )
    assert end.reason == f"{said}raised RuntimeError"
    assert end.origin is not None
    assert end.origin.name == "fraud"
    assert site.router.observed().canaries == ()  # type: ignore[union-attr]
    assert site.champion().generation == 1
    assert kinds(site, rollout).count("incident_opened") == 1
    text = explain(site.journal.events(site.environment, rollout), site.systems.kept(rollout))
    assert "gw-1 halted the candidate: breaker open: fraud@2" in " ".join(text.split())


def test_a_halt_after_the_promotion_puts_the_previous_generation_back(tmp_path: Path) -> None:
    site = quick_site(tmp_path, ("{window: 1d}", "{window: 5d}"))
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 14)
    assert site.champion().generation == 2
    now = day(54)
    assert halted(site, Broken(rollout_id=rollout, code="contract_broken"), now=now)
    (watch,) = site.router.observed().watches  # type: ignore[union-attr]
    assert watch.halted is not None
    assert watch.halted.startswith("contract broken: fraud@2 broke its contract in 18 of")
    # Until the pointer has moved back, servers know that the promoted release answers nobody.
    requests.hold(site, rollout, reason="look", now=now, actor="ada")
    advance(site, rollout, now)
    end = ended(site, rollout)
    assert (end.ending, end.phase, end.code) == (
        Ending.ROLLED_BACK,
        Phase.WATCH,
        ReasonCode.CONTRACT_BROKEN,
    )
    assert site.champion().release.versions["fraud"] == "1"
    assert site.router.observed().watches == ()  # type: ignore[union-attr]


def test_what_was_promoted_and_halted_never_answers_on_its_way_back(tmp_path: Path) -> None:
    site = quick_site(tmp_path, ("{window: 1d}", "{window: 5d}"))
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 14)
    seen = []
    apply = site.router.apply

    def watched(table) -> None:  # type: ignore[no-untyped-def]
        seen.append(table)
        apply(table)

    site.router.apply = watched  # type: ignore[method-assign]
    halted(site, Broken(rollout_id=rollout), now=day(54))
    advance(site, rollout, day(54))
    served = [one for one in seen if one.release == seen[0].release]
    assert served, "it is the promoted release that is halted"
    assert all(watch.halted for table in served for watch in table.watches)
    assert all(table.watches for table in served)


def test_several_gateways_report_one_halt(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    assert halted(site, Broken(rollout_id=rollout), instance="gw-1")
    assert not halted(site, Broken(rollout_id=rollout), instance="gw-2")
    advance(site, rollout, NOW)
    assert not halted(site, Broken(rollout_id=rollout), instance="gw-3"), "it is over"
    assert len(told(site, rollout, CandidateHalted)) == 1


def test_a_rollout_that_answers_nobody_cannot_be_halted(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    assert not halt(site, Broken(rollout_id=rollout), instance="gw-1", now=NOW)
    assert not halt(site, Broken(rollout_id="r0099-none"), instance="gw-1", now=NOW)


def test_a_person_who_stopped_it_first_is_the_reason(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    requests.abort(site, rollout, reason="enough", now=NOW, actor="ada")
    assert site.router.observed().canaries == (), "at once"  # type: ignore[union-attr]
    halted(site, Broken(rollout_id=rollout))
    advance(site, rollout, NOW)
    assert ended(site, rollout).ending is Ending.ABORTED


def failing(columns):  # type: ignore[no-untyped-def]
    raise RuntimeError("no connection to the embedding store")


@pytest.mark.parametrize("days", [0, 4], ids=["at once", "later"])
def test_of_a_joint_release_the_member_that_broke_the_rule_goes_back_alone(
    tmp_path: Path, days: int
) -> None:
    """It answers nobody any more, not even a replay; what stays is replayed by itself."""
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    live_days(site, rollout, NOW, days)
    before = site.router.observed()
    assert before is not None
    object.__setattr__(predictors["priority"], "answer", failing)
    broken = Broken(rollout_id=rollout, model="priority", revision=before.revision)
    now = day(40 + days)
    assert halted(site, broken, now=now)
    advance(site, rollout, now)
    plan = site.plan(rollout)
    assert [one.name for one in plan.members] == ["cost@2", "fraud@2"], kinds(site, rollout)
    (route,) = site.router.observed().canaries  # type: ignore[union-attr]
    assert (route.weight, route.halted, route.release) == (10, None, plan.release)
    (replayed,) = told(site, rollout, PartReplayed)
    assert isinstance(replayed, PartReplayed)
    assert replayed.outcome is Outcome.PASSED
    # A gateway that still followed the whole release says what is known already.
    assert not halted(site, broken, now=now, instance="gw-2")
    assert site.state(rollout).halted is None
    live_days(site, rollout, now, 3)
    assert site.state(rollout).measured > 0


def test_what_does_not_work_without_the_member_that_broke_the_rule_goes_back_whole(
    tmp_path: Path,
) -> None:
    """A cost model that was fitted to a better fraud model is harmful with the old one."""
    site, predictors = joint_site(tmp_path)
    rollout = to_canary(site, *JOINT)
    object.__setattr__(predictors["fraud"], "answer", failing)
    assert halted(site, Broken(rollout_id=rollout))
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.code) == (Ending.ROLLED_BACK, ReasonCode.BREAKER_OPEN)
    assert end.origin is not None
    assert end.origin.name == "fraud"
    assert "canary_narrowed" not in kinds(site, rollout)
    assert site.router.observed().canaries == ()  # type: ignore[union-attr]
