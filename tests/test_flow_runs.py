"""Which runs are dead, and when another may follow."""

from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext

from sluiceway.flow_runs import Over, Place, Seen, may_follow, why_dead
from tasks import flow_runs

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


def test_what_was_missed_and_what_is_dead_is_judged_by_the_clock_of_the_prefect_server() -> None:
    """A worker whose clock ran an hour ahead cancelled the schedules of the hour to come."""
    by_its_server = datetime.now(UTC) - timedelta(hours=1)
    run = FlowRun(flow_id=uuid4(), state=State(type="RUNNING", timestamp=by_its_server))
    asked: list[FlowRunFilter] = []

    class Server:
        """Says what it knows of the run that asks, and that nothing was missed."""

        def read_flow_run(self, _run_id: UUID) -> FlowRun:
            return run

        def read_flow_runs(self, flow_run_filter: FlowRunFilter, **_page: int) -> list[FlowRun]:
            asked.append(flow_run_filter)
            return []

    server = cast(SyncPrefectClient, Server())
    with FlowRunContext.model_construct(flow_run=run):
        flow_runs._drop_missed(server, uuid4(), flow_runs._now(server))
    before = asked[0].expected_start_time.before_
    assert before < by_its_server
