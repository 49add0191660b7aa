"""What the file of a killed process tells of the rows that it had numbered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluiceway.adapters.live_log.counter import Counted, Counter, counted


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Counter]:
    made = Counter(tmp_path, "s", began=7)
    yield made
    made.close(remove=False)


def left(tmp_path: Path) -> Counted:
    found = counted(tmp_path / "s.seq")
    assert found is not None
    return found


def test_rows_that_wait_and_rows_that_are_being_committed_are_bounded_together(
    counter: Counter, tmp_path: Path
) -> None:
    assert left(tmp_path).bounds(0) is None
    counter.issue(3, 100, 120)
    assert left(tmp_path).bounds(0) == (100, 120)
    counter.turn()
    counter.issue(2, 200, 210)
    assert left(tmp_path).issued == 5
    assert left(tmp_path).bounds(0) == (100, 210)


def test_killed_between_a_commit_and_its_settling_only_what_came_after_is_missing(
    counter: Counter, tmp_path: Path
) -> None:
    counter.issue(3, 100, 120)
    counter.turn()
    assert left(tmp_path).bounds(3) is None
    counter.issue(2, 200, 210)
    assert left(tmp_path).bounds(3) == (200, 210)
    # Fewer rows are committed than were numbered before the turn: that commit was not this one.
    assert left(tmp_path).bounds(2) == (100, 210)


def test_settled_rows_are_forgotten_and_the_sides_change_places(
    counter: Counter, tmp_path: Path
) -> None:
    for number in range(4):
        counter.issue(1, 10 * number, 10 * number + 5)
        counter.turn()
        assert left(tmp_path).bounds(number) == (10 * number, 10 * number + 5)
        assert left(tmp_path).bounds(number + 1) is None
        counter.settle()
        assert left(tmp_path).bounds(number) is None
