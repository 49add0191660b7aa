"""Which runs are dead, and when another may follow."""

from datetime import UTC, datetime, timedelta

import pytest

from sluiceway.flow_runs import Over, Place, Seen, may_follow, why_dead

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HERE = Place(host="here", pid=7, began=123.45)
THERE = Place(host="there", pid=7, began=123.45)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def dead(run: Seen, *, alive: bool = True) -> bool:
    return why_dead(run, now=NOW, here="here", lives=lambda _: alive) is not None


def test_a_run_whose_process_has_died_is_dead_at_once_and_any_other_is_not() -> None:
    run = Seen(pending=False, since=ago(500), place=HERE)
    assert not dead(run)
    assert dead(run, alive=False)


def test_a_run_elsewhere_is_dead_once_it_has_been_silent_for_long() -> None:
    for place in (THERE, None):
        assert not dead(Seen(pending=False, since=ago(14), place=place), alive=False)
        assert dead(Seen(pending=False, since=ago(16), place=place))
        assert not dead(Seen(pending=False, since=ago(500), place=place, heard=ago(5)))


def test_a_run_that_never_begins_is_dead() -> None:
    assert not dead(Seen(pending=True, since=ago(4), place=None))
    assert dead(Seen(pending=True, since=ago(6), place=None))


@pytest.mark.parametrize("text", ["", "here", "here x 1", "here 7 now", "a b c d"])
def test_a_place_is_read_as_it_was_written(text: str) -> None:
    assert Place.read(str(HERE)) == HERE
    assert Place.read(text) is None


def test_what_fails_again_and_again_is_tried_ever_more_rarely() -> None:
    assert may_follow([], NOW)
    assert may_follow([Over(failed=False, at=NOW)], NOW)
    assert may_follow([Over(failed=True, at=NOW)], NOW), "one that was killed is no pattern"
    assert not may_follow([Over(failed=True, at=ago(m)) for m in (0.5, 2)], NOW)
    assert may_follow([Over(failed=True, at=ago(m)) for m in (1, 2)], NOW)
    three = [Over(failed=True, at=ago(m)) for m in (2, 30, 60)]
    assert not may_follow(three, NOW)
    assert may_follow(three, NOW + timedelta(minutes=1))
    many = [Over(failed=True, at=ago(60 + m)) for m in range(40)]
    assert may_follow(many, NOW), "never for good"
    assert may_follow([Over(failed=False, at=ago(1)), *three], NOW)
