"""Two workers at one rollout write one history, however their steps fall between each other."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from sluiceway.journal import JournalConflict
from sluiceway.ports import Window
from sluiceway.rollouts.actions import Action, Reconcile, Rest, Wait
from sluiceway.steps import deciding
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.world import differing, wanted_projection
from tests.driver import add, advance, live_days, perform

from .worlds import NOW, ask, better_fraud, ended, kinds, quick_site, same_fraud, second_feed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("harmful", [False, True], ids=["promoted", "rolled back"])
def test_two_workers_write_one_history(tmp_path: Path, seed: int, harmful: bool) -> None:
    chance = Random(seed)
    feed = second_feed("stuck" if harmful else "scores")
    ours = quick_site(tmp_path, *feed)
    same_fraud(ours, features={"signal": "3.0.0"})
    theirs = replace(ours)
    sites = (ours, theirs)
    rollout = ask(ours, "fraud@2")
    now = NOW
    pending: list[Action | None] = [None, None]
    for _ in range(900):
        me = chance.randrange(2)
        if pending[me] is None:
            pending[me] = deciding.decide(sites[me], rollout, now=now)
            continue  # the other one may act before we carry it out
        action, pending[me] = pending[me], None
        if isinstance(action, Rest | Wait):
            fresh = deciding.decide(ours, rollout, now=now)
            if isinstance(fresh, Rest):
                break
            if isinstance(fresh, Wait) and all(one is None for one in pending):
                window = Window(start=now, end=now + timedelta(days=1))
                BatchServer(ours).answer(window, now=window.end)
                now = window.end
            continue
        assert action is not None
        try:
            perform(sites[me], rollout, action, now)
        except JournalConflict:
            continue
    told = Counter(kinds(ours, rollout))
    once = {"planned", "contracts_checked", "shadow_measured", "ended"}
    once |= {"rollback_decided", "diagnosed", "incident_opened"} if harmful else {"promoted"}
    assert {kind: told[kind] for kind in once} == dict.fromkeys(once, 1)
    assert told["step_entered"] <= 2
    assert ended(ours, rollout).ending.value == ("rolled_back" if harmful else "promoted")
    assert ours.champion().generation == (1 if harmful else 2)
    assert differing(ours, wanted_projection(ours)) == []


def test_a_step_that_was_decided_on_an_older_history_is_not_carried_out(tmp_path: Path) -> None:
    """Whoever comes second with the same action is told to decide again."""
    site = quick_site(tmp_path)
    better_fraud(site)
    add(site, "cost", "2", site.registry._kept["cost"]["1"].predictor)  # type: ignore[attr-defined]
    rollout = ask(site, "fraud@2", "cost@2")
    seen = 0
    while not isinstance(action := deciding.decide(site, rollout, now=NOW), Rest | Wait):
        perform(site, rollout, action, NOW)
        before = site.journal.head(site.environment)
        if not isinstance(action, Reconcile):
            with pytest.raises(JournalConflict, match="has moved on; decide again"):
                perform(site, rollout, action, NOW)
            seen += 1
        else:
            perform(site, rollout, action, NOW)
        assert site.journal.head(site.environment) == before
    assert seen >= 4


def test_a_second_worker_at_the_end_of_a_rollback_restores_nothing_twice(tmp_path: Path) -> None:
    site = quick_site(tmp_path, *second_feed("stuck"))
    same_fraud(site, features={"signal": "3.0.0"})
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    live_days(site, rollout, NOW, 20)
    head = site.journal.head(site.environment)
    advance(replace(site), rollout, NOW + timedelta(days=30))
    assert site.journal.head(site.environment) == head
