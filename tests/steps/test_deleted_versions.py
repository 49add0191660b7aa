"""What somebody deletes in the registry: told once, written down, and no way for harm to get in."""

from pathlib import Path

import pytest

from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.steps import by_hand, going_back
from sluiceway.steps.notifying import notices_since
from sluiceway.steps.site import Site
from sluiceway.system.notifications import NoticeCode
from tests.driver import LIVE, advance, live_days

from .worlds import NOW, ask, ended, kinds, quick_site, same_fraud, to_canary


def delete(site: Site, model: str, version: str) -> None:
    assert isinstance(site.registry, MemoryRegistry)
    site.registry.remove(model, version)


def told(site: Site) -> list[tuple[NoticeCode, tuple[str, ...], str]]:
    found = notices_since(site, site.systems.current(), now=NOW)
    return [(one.code, one.owners, one.title) for one in found]


def test_a_deleted_champion_is_told_once_and_keeps_nothing_from_going_on(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    delete(site, "fraud", "1")
    (said,) = by_hand.settle(site, now=NOW)
    assert said == "fraud@1 (champion) was deleted in the registry"
    wanted = (NoticeCode.VERSION_DELETED, ("risk",), "fraud@1 was deleted in the registry")
    assert told(site) == [wanted]
    assert by_hand.settle(site, now=NOW) == []
    assert kinds(site, "registry") == ["version_deleted"]
    assert site.champion().release.versions["fraud"] == "1", "what serves is the journal's to say"
    rollout = ask(site, "handling@2")
    site.registry.add("handling", "2", LIVE["handling"], LIVE["handling"].inputs)  # type: ignore[attr-defined]
    advance(site, rollout, NOW)
    assert site.state(rollout).ended is not None or site.state(rollout).step == 0


def test_a_model_that_was_deleted_whole_is_told_version_by_version(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    to_canary(site, "fraud@2")
    delete(site, "fraud", "1")
    delete(site, "fraud", "2")
    assert by_hand.settle(site, now=NOW) == [
        "fraud@1 (champion) was deleted in the registry",
        "fraud@2 (canary) was deleted in the registry",
    ]
    assert by_hand.settle(site, now=NOW) == []


def test_a_version_that_is_deleted_is_no_excuse_for_an_alias_moved_beside_it(
    tmp_path: Path,
) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    delete(site, "fraud", "1")
    site.registry.set_alias("fraud", "champion", "2")
    deleted, moved = by_hand.settle(site, now=NOW)
    assert deleted == "fraud@1 (champion) was deleted in the registry"
    assert moved.endswith("is put back")
    assert site.registry.aliases("fraud") == {}, "no other version is called the champion"


def test_a_candidate_deleted_before_shadow_ends_and_the_champion_serves(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    delete(site, "fraud", "2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.code) == (Ending.REJECTED, ReasonCode.BAD_INPUT)
    assert end.reason == "fraud@2: there is no such version"


def test_a_candidate_deleted_in_canary_is_never_promoted(tmp_path: Path) -> None:
    """Safe defaults stand in for it where nobody has its files, and do harm; or a step ends it."""
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    delete(site, "fraud", "2")
    assert by_hand.settle(site, now=NOW) == ["fraud@2 (canary) was deleted in the registry"]
    live_days(site, rollout, NOW, 12)
    end = ended(site, rollout)
    assert end.ending in (Ending.REJECTED, Ending.ROLLED_BACK)
    assert site.champion().generation == 1
    table = site.router.observed()
    assert table is not None
    assert (table.generation, table.canaries) == (1, ())
    assert not site.state(rollout).unconfirmed


@pytest.mark.parametrize("where", ["contracts", "shadow"])
def test_a_candidate_deleted_half_way_is_never_promoted(tmp_path: Path, where: str) -> None:
    """Whatever step finds out ends the rollout with a name for it, and raises nothing for ever."""
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    from sluiceway.steps import deciding
    from tests.driver import perform

    while True:
        action = deciding.decide(site, rollout, now=NOW)
        perform(site, rollout, action, NOW)
        if (
            kinds(site, rollout)[-1]
            == {"contracts": "planned", "shadow": "contracts_checked"}[where]
        ):
            break
    delete(site, "fraud", "2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert end.ending in (Ending.REJECTED, Ending.ERRORED)
    assert "fraud@2" in end.reason
    assert site.champion().generation == 1


def test_a_rollback_to_a_deleted_version_is_confirmed_all_the_same(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 30)
    assert site.champion().generation == 2
    delete(site, "fraud", "1")
    back = going_back.request_rollback(site, to=1, reason="no", now=NOW, actor="ada")
    advance(site, back, NOW)
    assert site.champion().generation == 1
    assert not site.state(back).unconfirmed
