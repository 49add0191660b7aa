"""The sweep means what exists, comes to it, and sees what does not hold."""

import multiprocessing
import signal
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from bench.chaos import seam
from bench.chaos.claims import broken
from bench.chaos.points import QUICK, all_points
from bench.chaos.traffic import Seen
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import _KINDS, Ended, Promoted, draft
from sluiceway.steps import requests
from tests.driver import LIVE, TRAINED, add, memory_site

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_there_are_forty_points_and_each_is_another_one() -> None:
    names = [str(one) for one in all_points()]
    assert len(set(names)) == len(names) >= 40
    assert set(QUICK) <= set(names)


def test_every_point_is_at_a_call_and_an_event_that_exist() -> None:
    for name, place in seam.CALLS.items():
        module, _, path = place.partition(":")
        found = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        assert callable(found), name
    moments = [one.moment for one in all_points() if one.moment is not None]
    assert {one.call for one in moments} <= set(seam.CALLS)
    assert {one.event for one in moments if one.event is not None} <= set(_KINDS)


@pytest.mark.parametrize(("when", "events"), [("before", 0), ("after", 1)])
def test_a_process_dies_before_or_after_a_call_took_effect(
    tmp_path: Path, when: str, events: int
) -> None:
    moment = seam.Moment(call="append", when=when, event="ended")  # type: ignore[arg-type]
    seam.arm(tmp_path, moment, then="die")
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    dying = multiprocessing.get_context("fork").Process(target=wrapped, args=(tmp_path, url))
    dying.start()
    dying.join(120)
    assert dying.exitcode == -signal.SIGKILL
    assert seam.reached(tmp_path)
    journal = SqlJournal(url)
    assert len(journal.events("test", "r1")) == events
    written(url, after=events)
    assert len(journal.events("test", "r1")) == events + 1, "it is armed once"
    journal.close()


def wrapped(folder: Path, url: str) -> None:
    """What a flow run does, behind the seam."""
    seam.wrap(folder)
    written(url)


def written(url: str, after: int = 0) -> None:
    """Write the end of a rollout."""
    journal = SqlJournal(url)
    end = Ended(
        ending=Ending.ABORTED, phase=Phase.PLAN, code=ReasonCode.ABORTED_BY_HAND, reason="a test"
    )
    journal.append("test", "r1", [draft(end, at=NOW)], after=after)
    journal.close()


def test_what_does_not_hold_is_seen(tmp_path: Path) -> None:
    site = memory_site(tmp_path)
    add(site, "fraud", "2", TRAINED)
    requests.adopt(site, [f"{model}@1" for model in LIVE], now=NOW, actor="ada")
    rollout = requests.request_rollout(site, ["fraud@2"], now=NOW, actor="ada")
    sound = broken(site, Seen(generations={1: {1}, 2: {2}}), ["fraud@2"])
    assert sound == type(sound)(chain=(), split_brain=(), events=(), promoted_without_verdict=())

    promoted = Promoted(release="0" * 64, previous_release="1" * 64)
    site.tell(rollout, promoted, after=1, now=NOW)
    site.tell(rollout, promoted, after=2, now=NOW)
    found = broken(site, Seen(generations={1: {1, 2}}), ["fraud@2", "fraud@3"])
    assert found.split_brain == ("under revision 1 the generations [1, 2] were champion",)
    assert found.events == (
        "fraud@3 has 0 rollouts",
        f"{rollout}: promoted stands there 2 times",
    )
    lacking = f"{rollout}: promoted without ContractsChecked, ShadowMeasured, Looked"
    assert found.promoted_without_verdict == (lacking, lacking)
