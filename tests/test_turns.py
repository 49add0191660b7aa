"""What fails keeps nobody else from their turn, and is told in the end."""

import pytest

from tasks.turns import Turns


def test_everything_has_its_turn_and_all_failures_are_told() -> None:
    turns, done = Turns(), []

    def fails(what: str) -> None:
        done.append(what)
        raise ValueError(what)

    assert turns.take(fails, "first") is None
    assert turns.take(str.upper, "second") == "SECOND"
    assert turns.take(fails, what="third") is None
    with pytest.raises(ExceptionGroup, match="what could not be done") as told:
        turns.end("what could not be done")
    assert done == ["first", "third"]
    assert [str(one) for one in told.value.exceptions] == ["first", "third"]


def test_where_nothing_failed_nothing_is_raised() -> None:
    turns = Turns()
    turns.take(print, end="")
    turns.end("nothing")
