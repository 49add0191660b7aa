"""Whole rollouts on the tiny system, without an orchestrator."""

from datetime import timedelta
from pathlib import Path

from sluiceway.rollouts.actions import Rest
from sluiceway.rollouts.endings import Ending, Phase
from sluiceway.steps import requests
from tests.driver import (
    FITTED_COST,
    TRAINED,
    add,
    adopt_live,
    advance,
    live_days,
    memory_site,
)
from tests.orders.data import day

NOW = day(40)


def test_harm_down_the_chain_is_stopped_in_shadow_and_explained(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    adopt_live(site, NOW)
    add(site, "fraud", "2", TRAINED)
    rollout = requests.request_rollout(site, ["fraud@2"], now=NOW, actor="ada")
    assert isinstance(advance(site, rollout, NOW), Rest)
    ended = site.state(rollout).ended
    assert ended is not None
    assert (ended.ending, ended.phase) == (Ending.REJECTED, Phase.SHADOW), ended.reason
    assert ended.origin is not None
    assert (ended.origin.kind, ended.origin.name) == ("model", "fraud")
    found = site.state(rollout).shadows[-1].attribution
    assert found is not None
    assert found.must_not_go_alone
    assert found.partners[0] == "cost"
    assert "handling" not in found.partners
    assert site.champion().generation == 1


def test_a_joint_release_is_promoted_at_once(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    adopt_live(site, NOW)
    add(site, "fraud", "2", TRAINED)
    add(site, "cost", "2", FITTED_COST)
    rollout = requests.request_rollout(site, ["fraud@2", "cost@2"], now=NOW, actor="ada")
    advance(site, rollout, NOW)
    assert site.state(rollout).phase is Phase.CANARY, site.state(rollout).ended
    live_days(site, rollout, NOW, 25)
    ended = site.state(rollout).ended
    assert ended is not None
    assert ended.ending is Ending.PROMOTED, ended.reason
    champion = site.champion()
    assert champion.generation == 2
    assert champion.release.versions == {
        "cost": "2",
        "fraud": "2",
        "handling": "1",
        "priority": "1",
    }
    assert site.registry.aliases("fraud") == {"champion": "2", "previous": "1"}
    assert NOW + timedelta(days=10) > NOW
