"""Who waits for whom, and what is one rollout and what are two."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sluiceway.adapters.memory_journal import MemoryJournal
from sluiceway.errors import BadInput
from sluiceway.journal import Event
from sluiceway.rollouts.actions import Rest, Wait
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import Waited
from sluiceway.steps import deciding, going_back, requests
from sluiceway.steps.site import Site
from sluiceway.steps.world import reconcile
from tests.driver import (
    LIVE,
    QUICK,
    Line,
    add,
    adopt_live,
    advance,
    live_days,
    memory_site,
    variant,
)
from tests.orders.data import day

from .worlds import NOW, ask, better_fraud, ended, kinds, quick_site, same_fraud, to_canary, told


def test_an_overlapping_rollout_waits_says_for_whom_and_goes_on(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site)
    add(site, "cost", "2", LIVE["cost"])
    first = to_canary(site, "fraud@2")
    second = ask(site, "cost@2")
    for _ in range(3):
        waits = advance(site, second, NOW)
        assert isinstance(waits, Wait)
        assert (waits.behind, waits.reason) == (first, f"waits for {first}")
    assert told(site, second, Waited) == [Waited(behind=first)], "written down once"
    assert site.state(second).plan is None
    requests.abort(site, first, reason="never mind", now=NOW, actor="ada")
    assert isinstance(advance(site, first, NOW), Rest)
    advance(site, second, NOW)
    assert site.state(second).step == 0, site.state(second).ended
    assert deciding.unfinished(site) == (second,)


def test_the_later_of_three_waits_for_the_first_that_is_not_over(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    for version in ("2", "3", "4"):
        same_fraud(site, version)
    rollouts = [ask(site, f"fraud@{version}") for version in ("2", "3", "4")]
    assert requests.behind(site, rollouts[2]) == rollouts[0]
    requests.abort(site, rollouts[0], reason="no", now=NOW, actor="ada")
    advance(site, rollouts[0], NOW)
    assert requests.behind(site, rollouts[2]) == rollouts[1]
    assert requests.behind(site, rollouts[1]) is None


def test_rollouts_are_numbered_from_one_whatever_else_the_journal_holds(tmp_path: Path) -> None:
    """An adoption and a rollback by hand are no rollouts."""
    site = quick_site(tmp_path)
    for version in ("2", "3"):
        same_fraud(site, version)
    first = ask(site, "fraud@2")
    assert first == "r0001-fraud2"
    for day_number in range(40):
        advance(site, first, day(40 + day_number))
        live_days(site, first, day(40 + day_number), 1)
    assert site.champion().generation == 2, site.state(first).ended
    going_back.request_rollback(site, to=1, reason="back", now=day(80), actor="ada")
    assert len(site.journal.rollouts(site.environment)) == 3
    assert ask(site, "fraud@3") == "r0002-fraud3"


@dataclass
class Overtaken(MemoryJournal):
    """A journal whose first event of a rollout comes too late: somebody asks just before."""

    overtaking: Callable[[], None]

    def __post_init__(self) -> None:
        super().__init__()

    def append(self, *arguments: Any, after: int, **more: Any) -> tuple[Event, ...]:
        overtaking, self.overtaking = self.overtaking, lambda: None
        overtaking()
        return super().append(*arguments, after=after, **more)


@pytest.mark.parametrize("names", [("fraud@3",), ("fraud@2", "cost@2")])
def test_two_who_ask_at_once_never_get_one_number(tmp_path: Path, names: tuple[str, ...]) -> None:
    asked: list[str] = []
    site = memory_site(tmp_path)
    site = replace(site, journal=Overtaken(lambda: asked.append(ask(site, *names))))
    asked.append(ask(site, "fraud@2"))
    assert [rollout.partition("-")[0] for rollout in asked] == ["r0001", "r0002"]
    assert site.journal.rollouts(site.environment) == tuple(asked)


def test_two_who_ask_for_the_same_at_once_get_one_rollout(tmp_path: Path) -> None:
    asked: list[str] = []
    site = memory_site(tmp_path)
    site = replace(site, journal=Overtaken(lambda: asked.append(ask(site, "cost@2", "fraud@2"))))
    asked.append(ask(site, "fraud@2", "cost@2"))
    assert asked == ["r0001-cost2-fraud2"] * 2


def test_two_who_find_at_once_that_a_rollout_waits_write_it_once(tmp_path: Path) -> None:
    journal = Overtaken(lambda: None)
    site = replace(memory_site(tmp_path), journal=journal)
    adopt_live(site, NOW)
    same_fraud(site, "2")
    same_fraud(site, "3")
    first, second = ask(site, "fraud@2"), ask(site, "fraud@3")
    journal.overtaking = lambda: deciding.decide(site, second, now=NOW)
    waits = deciding.decide(site, second, now=NOW)
    assert isinstance(waits, Wait)
    assert waits.behind == first
    assert told(site, second, Waited) == [Waited(behind=first)]


SPLIT = (
    ("consumers:\n  worklist:", "consumers:\n  finance-report:\n    owner: finance\n"
     "    description: Monthly costs.\n"
     "    reads:\n      - {reads: cost.euros, relies_on: [numeric]}\n  worklist:"),
    ("      - {reads: cost.euros, relies_on: [numeric]}\n    contract: contracts/priority.yaml",
     "    contract: contracts/priority.yaml"),
)  # fmt: skip
"""Without this edge, cost and handling have nothing behind them in common."""


def split_site(tmp_path: Path) -> Site:
    (tmp_path / "system").mkdir()
    file = variant(tmp_path / "system", *QUICK)
    contract = file.parent / "contracts" / "priority.yaml"
    demands = contract.read_text(encoding="utf-8")
    contract.write_text(demands.replace("  cost.euros: {unit: EUR}\n", ""), encoding="utf-8")
    text = file.read_text(encoding="utf-8")
    for old, new in SPLIT:
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    site = memory_site(tmp_path, file=file)
    add(site, "priority", "1", Line({"handling.days": 0.5}, offset=5.0))
    adopt_live(site, NOW)
    add(site, "handling", "2", LIVE["handling"])
    add(site, "cost", "2", LIVE["cost"])
    return site


def test_disjoint_rollouts_run_side_by_side_and_end_in_one_release_with_both(
    tmp_path: Path,
) -> None:
    site = split_site(tmp_path)
    one, other = to_canary(site, "handling@2"), to_canary(site, "cost@2")
    table = site.router.observed()
    assert table is not None
    assert [route.rollout_id for route in table.canaries] == [one, other]
    for number in range(20):
        live_days(site, one, day(40 + number), 1)
        advance(site, other, day(41 + number))
    assert ended(site, one).ending is ended(site, other).ending is Ending.PROMOTED
    versions = site.champion().release.versions
    assert versions == {"cost": "2", "fraud": "1", "handling": "2", "priority": "1"}
    assert site.champion().generation == 3
    for model in ("cost", "handling"):
        assert site.registry.aliases(model) == {"champion": "2", "previous": "1"}


def test_a_rollout_neither_moves_nor_waits_for_what_another_one_reserves(tmp_path: Path) -> None:
    site = split_site(tmp_path)
    one = to_canary(site, "cost@2")
    site.registry.set_alias("handling", "shadow", "2")  # as another process is about to observe
    reconcile(site, one, now=NOW)
    assert site.registry.aliases("handling") == {"champion": "1", "shadow": "2"}


def test_the_first_of_two_promotions_can_still_go_back_without_the_second(
    tmp_path: Path,
) -> None:
    site = split_site(tmp_path)
    one, other = to_canary(site, "handling@2"), to_canary(site, "cost@2")
    for number in range(20):
        live_days(site, one, day(40 + number), 1)
        advance(site, other, day(41 + number))
    rolled = going_back.request_rollback(site, to=None, reason="x", now=day(70), actor="ada")
    advance(site, rolled, day(70))
    versions = site.champion().release.versions
    assert (versions["handling"], versions["cost"]) == ("2", "1"), "the one before had handling"


def test_asking_again_while_it_runs_gives_the_same_rollout_in_any_order(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    better_fraud(site)
    add(site, "cost", "2", LIVE["cost"])
    first = ask(site, "fraud@2", "cost@2")
    assert ask(site, "cost@2", "fraud@2") == first
    assert kinds(site, first) == ["requested"]
    assert ask(site, "fraud@2") != first


def test_the_same_content_after_a_rejection_is_a_new_rollout(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    better_fraud(site)
    first = ask(site, "fraud@2")
    advance(site, first, NOW)
    assert ended(site, first).ending is Ending.REJECTED
    second = ask(site, "fraud@2")
    assert second != first
    advance(site, second, NOW)
    assert ended(site, second).code is ReasonCode.HARM_IN_SHADOW
    assert kinds(site, second) == kinds(site, first)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["frod@2"], "frod is no model of orders (there are: fraud, handling, cost, priority)"),
        (["fraud"], "'fraud' names no version; write MODEL@VERSION"),
        (["fraud@2", "fraud@3"], "fraud is named twice"),
        ([], "names no version; write MODEL@VERSION"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_and_not_journalled(
    tmp_path: Path, names: list[str], says: str
) -> None:
    site = quick_site(tmp_path)
    head = site.journal.head(site.environment)
    with pytest.raises(BadInput) as refused:
        ask(site, *names)
    assert says in str(refused.value)
    assert site.journal.head(site.environment) == head


def test_time_in_the_queue_is_not_taken_from_the_canary(tmp_path: Path) -> None:
    site = quick_site(tmp_path)
    same_fraud(site, "2")
    same_fraud(site, "3")
    first, second = to_canary(site, "fraud@2"), ask(site, "fraud@3")
    later = NOW + timedelta(days=9)
    advance(site, second, later)
    requests.abort(site, first, reason="no", now=later, actor="ada")
    advance(site, first, later)
    advance(site, second, later)
    state = site.state(second)
    assert state.first_step_at == later
    assert state.plan is not None
    assert state.plan.shadow_end == later - timedelta(days=1), "the plan is made when it is due"
