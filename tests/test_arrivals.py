"""Which registered versions want a rollout, and which go as one release."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sluiceway.arrivals import Arrival, batches
from sluiceway.system.arriving import ArrivalPolicy

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
POLICY = ArrivalPolicy()
TOGETHER = ArrivalPolicy(window=timedelta(seconds=20))


def arrival(name: str, seconds: float, *, release: str | None = None, by: str = "") -> Arrival:
    model, version = name.split("@")
    at = BEGAN + timedelta(seconds=seconds)
    return Arrival(model=model, version=version, at=at, release=release, by=by)


def members(*arrivals: Arrival, policy: ArrivalPolicy = POLICY, known: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
    found = batches(arrivals, known=known, since=BEGAN, policy=policy)
    return [batch.members for batch in found]


def test_each_version_goes_by_itself_where_nothing_says_otherwise() -> None:
    came = (arrival("b@2", 5), arrival("a@2", 5), arrival("a@3", 9))
    assert members(*came) == [("a@2",), ("b@2",), ("a@3",)]
    (first, *_) = batches(came, known=(), since=BEGAN, policy=POLICY)
    assert first.due == BEGAN + timedelta(seconds=5), "at once"


def test_what_was_registered_before_the_adoption_is_history() -> None:
    assert members(arrival("a@1", -1), arrival("a@2", 0)) == [("a@2",)]


def test_what_has_a_rollout_or_served_wants_none() -> None:
    came = (arrival("a@2", 1), arrival("b@2", 2))
    assert members(*came, known=("a@2", "b@2", "c@1")) == []
    assert members(*came, known=("a@2",)) == [("b@2",)]


def test_versions_with_one_name_are_one_release_once_the_last_has_settled() -> None:
    came = (
        arrival("a@2", 1, release="spring", by="kim"),
        arrival("c@7", 3),
        arrival("b@2", 100, release="spring", by="ada"),
        arrival("d@2", 100, release="autumn"),
    )
    found = batches(came, known=(), since=BEGAN, policy=POLICY)
    assert [(one.members, one.by) for one in found] == [
        (("c@7",), ""),
        (("a@2", "b@2"), "ada, kim"),
        (("d@2",), ""),
    ]
    assert found[1].due == BEGAN + timedelta(seconds=130)


def test_versions_that_came_close_together_are_one_release() -> None:
    came = (arrival("a@2", 1), arrival("b@2", 20), arrival("c@2", 40), arrival("d@2", 61))
    assert members(*came, policy=TOGETHER) == [("a@2", "b@2", "c@2"), ("d@2",)]


def test_of_one_model_the_newest_goes_and_the_older_never_does() -> None:
    came = (arrival("a@2", 1, release="x"), arrival("a@3", 2, release="x"), arrival("b@2", 3))
    assert members(*came) == [("b@2",), ("a@3",)]
    assert members(*came, known=("a@3",)) == [("b@2",)]


def test_what_comes_after_its_release_began_goes_by_itself() -> None:
    came = (arrival("a@2", 1, release="x"), arrival("b@2", 300, release="x"))
    assert members(*came, known=("a@2",)) == [("b@2",)]


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(-9, 90), st.sampled_from([None, "x", "y"])),
        max_size=12,
    ),
    st.sampled_from([POLICY, TOGETHER]),
)
def test_no_version_is_in_two_batches_and_what_began_is_never_asked_again(
    drawn: list[tuple[str, int, str | None]], policy: ArrivalPolicy
) -> None:
    came = [
        arrival(f"{model}@{number}", seconds, release=release)
        for number, (model, seconds, release) in enumerate(drawn, 1)
    ]
    found = batches(came, known=(), since=BEGAN, policy=policy)
    names = [name for batch in found for name in batch.members]
    assert len(names) == len(set(names))
    for batch in found:
        models = [name.partition("@")[0] for name in batch.members]
        assert len(models) == len(set(models))
    assert batches(came, known=names, since=BEGAN, policy=policy) == ()
