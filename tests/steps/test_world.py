"""The world is compared with the journal and put right; what is not observed is not confirmed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sluiceway.adapters.mlflow_registry import (
    CONTRACT_HASH_TAG,
    CONTRACT_TAG,
    CONTRACT_VERSION_TAG,
)
from sluiceway.outcomes import Outcome
from sluiceway.ports import Registry, Window
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.routing import RoutingTable
from sluiceway.steps import deciding, planning, requests
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site
from sluiceway.steps.world import NotYetObserved, differing, reconcile, wanted_projection
from tests.driver import LIVE, add, advance, live_days, memory_site
from tests.orders.data import day

from .worlds import NOW, ask, better_fraud, ended, kinds, quick_site, same_fraud, to_canary


@pytest.mark.parametrize(
    "by_hand",
    [
        lambda registry: registry.set_alias("fraud", "champion", "2"),
        lambda registry: registry.remove_alias("fraud", "champion"),
        lambda registry: registry.remove_alias("fraud", "canary"),
        lambda registry: registry.set_alias("cost", "canary", "1"),
        lambda registry: registry.set_tag("fraud", "2", "sluiceway.stage", "champion"),
    ],
)
def test_what_somebody_moved_by_hand_is_put_back(
    tmp_path: Path, by_hand: Callable[[object], None]
) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    site.registry.set_alias("fraud", "team-favourite", "1")
    head = site.journal.head(site.environment)
    by_hand(site.registry)
    reconcile(site, rollout, now=NOW)
    aliases = {"champion": "1", "canary": "2", "team-favourite": "1"}
    assert site.registry.aliases("fraud") == aliases, "aliases of others are left alone"
    assert site.registry.aliases("cost") == {"champion": "1"}
    assert site.registry.version("fraud", "2").tags["sluiceway.stage"] == "canary"
    assert site.journal.head(site.environment) == head, "nothing was decided by it"


def test_each_version_says_which_contract_it_was_verified_against(tmp_path: Path) -> None:
    """Its own, where it carries one, stays as it was registered."""
    site = quick_site(tmp_path)
    declared = site.systems.current().models["fraud"].contract
    own = replace(declared, version="1.9.9")
    same_fraud(site, "2")
    same_fraud(site, "3", contract=own, tags={CONTRACT_TAG: own.to_json()})
    for version, contract in (("2", declared), ("3", own)):
        rollout = to_canary(site, f"fraud@{version}")
        tags = site.registry.version("fraud", version).tags
        assert tags[CONTRACT_HASH_TAG] == contract.content_hash
        assert tags[CONTRACT_VERSION_TAG] == contract.version
        site.registry.set_tag("fraud", version, CONTRACT_HASH_TAG, "another")
        reconcile(site, rollout, now=NOW)
        tags = site.registry.version("fraud", version).tags
        assert tags[CONTRACT_HASH_TAG] == contract.content_hash
        requests.abort(site, rollout, reason="next", now=NOW, actor="ada")
        advance(site, rollout, NOW)
    assert site.registry.version("fraud", "3").tags[CONTRACT_TAG] == own.to_json()
    live = site.registry.version("fraud", "1").tags
    assert live[CONTRACT_HASH_TAG] == declared.content_hash, "what was adopted says so too"


@dataclass
class Deaf:
    """A router that accepts every table and goes on as before."""

    table: RoutingTable | None

    def apply(self, table: RoutingTable) -> None:
        return None

    def observed(self) -> RoutingTable | None:
        return self.table

    def edited_by_hand(self) -> tuple[str, ...]:
        return ()

    def lagging(self) -> tuple[str, ...]:
        return ()


def test_an_accepted_table_that_is_not_in_force_is_not_confirmed(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    deaf = replace(site, router=Deaf(site.router.observed()))
    rollout = ask(site, "fraud@2")
    with pytest.raises(NotYetObserved, match=r"routing is revision \d+, wanted is revision \d+"):
        advance(deaf, rollout, NOW)
    assert kinds(site, rollout)[-1] == "step_entered"
    assert site.state(rollout).unconfirmed
    with pytest.raises(NotYetObserved):
        advance(deaf, rollout, NOW)
    assert kinds(site, rollout)[-1] == "step_entered", "nothing goes on meanwhile"
    advance(site, rollout, NOW)
    assert kinds(site, rollout)[-1] == "confirmed"


class Late:
    """A registry in which one alias comes late: somebody else is through in between."""

    def __init__(self, registry: Registry, meanwhile: Callable[[], None]) -> None:
        self._registry = registry
        self._meanwhile = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def set_alias(self, *arguments: str) -> None:
        if self._meanwhile:
            self._meanwhile.pop()()
        self._registry.set_alias(*arguments)


def test_who_writes_what_the_journal_has_left_behind_looks_again(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")

    def ended_meanwhile() -> None:
        requests.abort(site, rollout, reason="no", now=NOW, actor="ada")
        advance(site, rollout, NOW)

    advance(replace(site, registry=Late(site.registry, ended_meanwhile)), rollout, NOW)
    assert kinds(site, rollout)[-1] == "confirmed"
    assert site.registry.aliases("fraud") == {"champion": "1"}, "what came late is taken back"
    assert differing(site, wanted_projection(site)) == []


@dataclass
class Full:
    """A router whose disk is full."""

    table: RoutingTable | None

    def apply(self, table: RoutingTable) -> None:
        raise OSError(28, "No space left on device")

    def observed(self) -> RoutingTable | None:
        return self.table

    def edited_by_hand(self) -> tuple[str, ...]:
        return ()

    def lagging(self) -> tuple[str, ...]:
        return ()


def test_a_full_disk_stops_the_rollout_where_it_is_and_says_so(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    full = replace(site, router=Full(site.router.observed()))
    rollout = ask(site, "fraud@2")
    with pytest.raises(OSError, match="No space left on device"):
        advance(full, rollout, NOW)
    assert site.state(rollout).unconfirmed
    answered = BatchServer(full).answer(Window(start=NOW, end=day(41)), now=day(41))
    assert answered == 120, "the champion answers by the table in force"
    log = site.predictions.read(Window(start=NOW, end=day(41)))
    assert set(log["arm"]) == {"baseline"}
    advance(site, rollout, NOW)
    assert not site.state(rollout).unconfirmed


def test_files_changed_after_the_plan_are_never_asked(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    planning.plan_rollout(site, rollout, now=NOW)
    site.registry.change_files("fraud", "2", b"other")  # type: ignore[attr-defined]
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.code, end.phase) == (ReasonCode.ARTIFACT_CHANGED, Phase.CONTRACTS)
    assert "fraud@2: its files are " in end.reason


@pytest.mark.parametrize("files", [b"other", None], ids=["changed", "gone"])
def test_files_changed_before_the_canary_are_never_served(
    tmp_path: Path, files: bytes | None
) -> None:
    site = quick_site(tmp_path, ("approvals: []", "approvals: [risk]"))
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    site.registry.change_files("fraud", "2", files)  # type: ignore[attr-defined]
    requests.approve(site, rollout, reason="fine", now=NOW, actor="ada")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.code) == (Ending.REJECTED, ReasonCode.ARTIFACT_CHANGED)
    assert end.phase is Phase.CANARY
    assert "step_entered" not in kinds(site, rollout)
    assert site.champion().generation == 1


@pytest.mark.parametrize("files", [b"other", None], ids=["changed", "gone"])
def test_files_changed_in_canary_are_never_promoted(tmp_path: Path, files: bytes | None) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 10)
    state = site.state(rollout)
    assert (state.step, state.promoted) == (1, None)
    BatchServer(site).answer(Window(start=day(50), end=day(51)), now=day(51))
    site.registry.change_files("fraud", "2", files)  # type: ignore[attr-defined]
    advance(site, rollout, day(51))
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.PROMOTION)
    assert end.code is ReasonCode.ARTIFACT_CHANGED
    assert site.state(rollout).look.outcome is Outcome.PASSED  # type: ignore[union-attr]
    assert site.champion().generation == 1
    assert site.router.observed().canaries == ()  # type: ignore[union-attr]


def test_a_version_deleted_after_its_rejection_is_in_nobodys_way(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    better_fraud(site)
    first = ask(site, "fraud@2")
    advance(site, first, NOW)
    assert ended(site, first).ending is Ending.REJECTED
    del site.registry._kept["fraud"]["2"]  # type: ignore[attr-defined]
    add(site, "cost", "2", LIVE["cost"])
    second = to_canary(site, "cost@2")
    assert site.state(second).unconfirmed is False


def test_what_is_loaded_goes_on_answering_while_the_registry_is_away(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    to_canary(site, "fraud@2")
    server = BatchServer(site)
    assert server.answer(Window(start=NOW, end=day(41)), now=day(41)) == 120
    site.registry.available = False  # type: ignore[attr-defined]
    assert server.answer(Window(start=day(41), end=day(42)), now=day(42)) == 120


def test_whole_numbers_are_as_good_a_unit_as_text(tmp_path: Path) -> None:
    site = numbered_site(tmp_path)
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    live_days(site, rollout, NOW, 3)
    look = site.state(rollout).look
    assert look is not None
    assert look.fault is None
    assert {look.states[v.gate.name].rows for v in look.verdicts} == {240}
    # The amounts of an order are cut into three slices, and each order is in one.
    for verdict in look.verdicts:
        parts = [one for one in look.slices if one.gate.name.startswith(f"{verdict.gate.name} [")]
        declared = [one for one in parts if one.gate.slice and one.gate.slice.variable == "amount"]
        assert len(declared) == 3
        assert sum(look.states[one.gate.name].rows for one in declared) == 240
    assert {state.unlabelled for state in look.states.values()} == {0}


def numbered_site(tmp_path: Path) -> Site:
    numbers = ("python:tests.orders.data:orders", "python:tests.orders.feeds:numbered_orders")
    truths = ("python:tests.orders.data:outcomes", "python:tests.orders.feeds:numbered_outcomes")
    return quick_site(tmp_path, numbers, truths)


def test_an_environment_without_a_champion_refuses_and_comes_to_rest(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    end = ended(site, rollout)
    assert (end.ending, end.code) == (Ending.REJECTED, ReasonCode.NO_CHAMPION)
    assert "adopt what serves first" in end.reason
    assert deciding.unfinished(site) == ()


def test_nothing_differs_once_a_rollout_waits(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    to_canary(site, "fraud@2")
    assert differing(site, wanted_projection(site)) == []
