"""Registered versions get a rollout by themselves: each once, and together where they belong so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluiceway.arrivals import REGISTERED_BY_TAG, RELEASE_NAME_TAG
from sluiceway.errors import BadInput, Fault
from sluiceway.journal import Draft, Event
from sluiceway.steps import by_hand, deciding, requests
from sluiceway.steps.notifying import notices_since
from sluiceway.steps.site import Site
from sluiceway.steps.starting import Started, start_due
from sluiceway.system.file import read_system
from sluiceway.system.notifications import NoticeCode
from sluiceway.system.values import System
from tests.driver import FITTED_COST, LIVE, TRAINED, add, adopt_live, memory_site, variant
from tests.steps.worlds import NOW, same_fraud, to_canary

SECOND = timedelta(seconds=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = memory_site(tmp_path)
    for model, predictor in LIVE.items():
        add(site, model, "1", predictor, at=NOW - SECOND)
    adopt_live(site, NOW)
    return site


def policy(site: Site, folder: Path, text: str) -> Site:
    folder.mkdir()
    file = variant(folder, ("  approvals: []", f"  approvals: []\n  registrations: {text}"))
    system = read_system(file) if "perhaps" not in text else None
    kept = site.systems.kept if system is None else lambda _rollout: system
    systems = replace(site.systems, current=lambda: read_system(file), kept=kept)
    return replace(site, systems=systems)


def started(site: Site, seconds: float) -> list[tuple[str, ...]]:
    return [one.members for one in start_due(site, now=NOW + seconds * SECOND)]


def test_a_new_version_gets_a_rollout_and_what_was_there_before_gets_none(site: Site) -> None:
    assert started(site, 0) == []
    add(site, "fraud", "2", TRAINED, at=NOW + SECOND, tags={REGISTERED_BY_TAG: "kim"})
    (one,) = start_due(site, now=NOW + 2 * SECOND)
    assert one == Started(rollout_id="r0001-fraud2", members=("fraud@2",))
    assert site.state(one.rollout_id).requested_by == "kim"
    assert started(site, 99) == [], "it has one"


def test_nothing_starts_before_something_serves(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    add(site, "fraud", "2", TRAINED, at=NOW)
    assert started(site, 99) == []


def test_a_version_whose_rollout_has_ended_is_not_tried_again(site: Site) -> None:
    add(site, "fraud", "2", TRAINED, at=NOW + SECOND)
    (one,) = start_due(site, now=NOW + SECOND)
    requests.abort(site, one.rollout_id, reason="no", now=NOW, actor="ada")
    assert started(site, 99) == []


def test_what_bears_one_release_name_is_one_rollout(site: Site) -> None:
    spring = {RELEASE_NAME_TAG: "spring"}
    add(site, "fraud", "2", TRAINED, at=NOW + SECOND, tags=spring)
    assert started(site, 2) == [], "its other half may be on the way"
    add(site, "cost", "2", FITTED_COST, at=NOW + 20 * SECOND, tags=spring)
    assert started(site, 45) == []
    assert started(site, 50) == [("cost@2", "fraud@2")]
    assert started(site, 500) == []


def test_policy_may_leave_starting_to_people(site: Site, tmp_path: Path) -> None:
    add(site, "fraud", "2", TRAINED, at=NOW + SECOND)
    assert started(policy(site, tmp_path / "manual", "{start: manual}"), 99) == []
    close = policy(site, tmp_path / "window", "{window: 1m, release_window: 5m}")
    add(site, "cost", "2", FITTED_COST, at=NOW + 60 * SECOND)
    assert started(close, 100) == []
    assert started(close, 120) == [("cost@2", "fraud@2")]


def test_a_policy_that_is_none_is_refused(site: Site, tmp_path: Path) -> None:
    wrong = policy(site, tmp_path / "wrong", "{start: perhaps, window: 3, by_hand: ask}")
    with pytest.raises(BadInput) as refused:
        wrong.systems.current()
    said = str(refused.value)
    for place in ("start", "window", "by_hand"):
        assert f"system.yaml: policies.registrations.{place}" in said


@dataclass
class Beaten:
    """A journal in which somebody else starts the same just before the first who would."""

    site: Site
    times: int = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.site.journal, name)

    def append(
        self,
        environment: str,
        rollout_id: str,
        drafts: Sequence[Draft],
        *,
        after: int,
        head: str | None = None,
    ) -> tuple[Event, ...]:
        if self.times:
            self.times -= 1
            start_due(self.site, now=NOW + 2 * SECOND)
        return self.site.journal.append(environment, rollout_id, drafts, after=after, head=head)


def test_two_that_start_at_once_start_one(site: Site) -> None:
    add(site, "fraud", "2", TRAINED, at=NOW + SECOND)
    late = replace(site, journal=Beaten(site))
    assert start_due(late, now=NOW + 2 * SECOND) == ()
    known = site.journal.rollouts(site.environment)
    assert [one for one in known if one.startswith("r0")] == ["r0001-fraud2"]


def test_who_registered_it_may_not_approve_it(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    people = ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [kim, ben]}")
    asks = ("approvals: []", "approvals: {always: [risk], proof: none}")
    site = memory_site(tmp_path, file=variant(tmp_path / "system", people, asks))
    for model, predictor in LIVE.items():
        add(site, model, "1", predictor, at=NOW - SECOND)
    adopt_live(site, NOW)
    tags = {RELEASE_NAME_TAG: "x"}
    add(site, "fraud", "2", LIVE["fraud"], at=NOW, tags={**tags, REGISTERED_BY_TAG: "kim"})
    add(site, "handling", "2", LIVE["handling"], at=NOW, tags={**tags, REGISTERED_BY_TAG: "lee"})
    (one,) = start_due(site, now=NOW + timedelta(minutes=1))
    from tests.driver import advance

    advance(site, one.rollout_id, NOW + timedelta(minutes=1))
    assert site.state(one.rollout_id).approval_requested is not None
    with pytest.raises(BadInput, match="kim asked for it"):
        requests.approve(site, one.rollout_id, reason="", now=NOW, actor="kim")
    requests.approve(site, one.rollout_id, reason="", now=NOW, actor="ben")


def moved(site: Site, now: datetime) -> list[tuple[NoticeCode, tuple[str, ...]]]:
    found = notices_since(site, site.systems.current(), now=now)
    return [(n.code, n.owners) for n in found if n.code is NoticeCode.MOVED_BY_HAND]


def test_an_alias_moved_by_hand_is_journalled_told_and_put_back(site: Site) -> None:
    same_fraud(site)
    assert by_hand.settle(site, now=NOW) == []
    site.registry.set_alias("fraud", "champion", "2")
    (said,) = by_hand.settle(site, now=NOW)
    assert said.endswith("is put back")
    assert site.registry.aliases("fraud")["champion"] == "1"
    assert moved(site, NOW) == [(NoticeCode.MOVED_BY_HAND, ("risk",))]
    assert by_hand.settle(site, now=NOW) == []
    assert len(moved(site, NOW)) == 1


def test_an_alias_that_policy_accepts_stays_until_the_journal_wants_another(
    site: Site, tmp_path: Path
) -> None:
    site = policy(site, tmp_path / "accept", "{by_hand: accept, start: manual}")
    same_fraud(site)
    site.registry.set_alias("fraud", "champion", "2")
    (said,) = by_hand.settle(site, now=NOW)
    assert said.endswith("is left so")
    assert by_hand.settle(site, now=NOW) == []
    assert site.registry.aliases("fraud")["champion"] == "2"
    rollout = to_canary(site, "fraud@2")
    aliases = {"champion": "1", "canary": "2"}
    assert site.registry.aliases("fraud") == aliases, "the journal wants something else now"
    requests.abort(site, rollout, reason="no", now=NOW, actor="ada")


def test_what_a_rollout_is_about_to_change_was_changed_by_nobody(site: Site) -> None:
    same_fraud(site)
    rollout = to_canary(site, "fraud@2")
    requests.abort(site, rollout, reason="no", now=NOW, actor="ada")
    assert site.state(rollout).unconfirmed
    by_hand.settle(site, now=NOW)
    assert moved(site, NOW) == []


def test_what_is_moved_while_the_system_file_cannot_be_read_goes_back(
    site: Site, tmp_path: Path
) -> None:
    """No policy can be read, so none accepts it; and nothing waits for whoever edits the file."""

    def broken() -> System:
        raise BadInput([Fault(where="system.yaml", what="is no YAML")])

    same_fraud(site)
    site = replace(site, systems=replace(site.systems, current=broken))
    site.registry.set_alias("fraud", "champion", "2")
    (said,) = by_hand.settle(site, now=NOW)
    assert said.endswith("is put back")
    assert site.registry.aliases("fraud")["champion"] == "1"


def test_a_replay_of_the_past_is_left_alone_by_the_clock(site: Site) -> None:
    same_fraud(site)
    names = ("fraud@2",)
    rollout = requests.request_rollout(site, names, now=NOW, actor="ada", replayed=True)
    assert deciding.unfinished(site) == (rollout,)
    assert deciding.unfinished(site, by_clock=True) == ()
