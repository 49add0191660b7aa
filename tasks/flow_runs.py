"""The tasks about flow runs themselves: where they run, which are dead, and what goes on.

The journal says how far each rollout is; a flow run only brings it further. So one that died is
followed by another, which begins where the journal says.
"""

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psutil
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Crashed

from sluiceway.flow_runs import Over, Place, Seen, may_follow, why_dead
from sluiceway.rollouts.actions import Rest, Wait
from sluiceway.settings import Settings
from sluiceway.steps import deciding
from sluiceway.wiring import opened
from tasks.retrying import side_effect

DEPLOYMENT: Final = "rollout/rollout"
FLOWS: Final = (
    "approve",
    "evaluate-canaries",
    "on-registration",
    "reap",
    "reconcile",
    "retain",
    "rollback",
    "rollout",
    "score-batch",
)
"""Runs of these are looked after; those of others are somebody else's."""
_PLACE: Final = "sluiceway.process"
"""Label of a flow run: the process in which it runs."""
_APPROVAL: Final = "approval"
_PAGE: Final = 200
_MISSED: Final = timedelta(seconds=5)
_OPEN: Final = (
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
)
_FAILED: Final = (StateType.FAILED, StateType.CRASHED)


def sign_on() -> bool:
    """Let the flow run that calls this say in which process it runs, for the reaper.

    One that was missed by its schedule, and stands behind a newer one, is not worth a second run:
    others of the same deployment that are late are cancelled.

    Returns:
        Whether its schedule began it.
    """
    if flow_run.id is None or get_current_settings().api.url is None:
        return False
    run_id, own = UUID(flow_run.id), psutil.Process()
    place = Place(host=socket.gethostname(), pid=own.pid, began=own.create_time())
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(run_id, {_PLACE: str(place)})
        run = client.read_flow_run(run_id)
        if run.auto_scheduled and run.deployment_id is not None:
            _drop_missed(client, run.deployment_id, _by_its_server(run))
        return run.auto_scheduled


def _by_its_server(run: FlowRun) -> datetime:
    """The time by the clock of the Prefect server, as of when it last heard of a run.

    Schedules and states are in its time. A clock here that runs ahead would have runs cancelled
    that are yet to come, and runs ended that have only just begun.
    """
    return datetime.now(UTC) if run.state is None else run.state.timestamp


def _now(client: SyncPrefectClient) -> datetime:
    """The same, of the flow run that calls this; of the clock here where none does."""
    if flow_run.id is None:
        return datetime.now(UTC)
    return _by_its_server(client.read_flow_run(UUID(flow_run.id)))


def _drop_missed(client: SyncPrefectClient, deployment: UUID, now: datetime) -> None:
    """A worker that was away finds a run for each minute; one of them does what all would."""
    missed = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=now - _MISSED),
        ),
        limit=_PAGE,
    )
    said: State[None] = Cancelled(message="It was missed, and one that began later does the same.")
    for run in missed:
        if run.auto_scheduled:
            client.set_flow_run_state(run.id, said, force=True)


@side_effect("reap")
def reap() -> tuple[str, ...]:
    """End the flow runs that can never end by themselves any more.

    Suspended approvals live without a process, and are left alone.

    Returns:
        Their names.
    """
    if get_current_settings().api.url is None:
        return ()
    here, ended = socket.gethostname(), []
    with get_client(sync_client=True) as client:
        now = _now(client)
        for run in _unfinished(client):
            why = why_dead(_seen(client, run), now=now, here=here, lives=_lives)
            if why is None or str(run.id) == flow_run.id:
                continue
            said: State[None] = Crashed(message=f"Ended by sluiceway: {why}.")
            client.set_flow_run_state(run.id, said, force=True)
            get_run_logger().warning("%s is ended: %s", run.name, why)
            ended.append(run.name)
    return tuple(ended)


def _unfinished(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs of ours that are about to begin, or run."""
    types = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
    flows = FlowFilter(name=FlowFilterName(any_=list(FLOWS)))
    wanted = FlowRunFilter(state=FlowRunFilterState(type=types))
    return list(_pages(client, wanted, flows))


def _seen(client: SyncPrefectClient, run: FlowRun) -> Seen:
    state = run.state
    since = state.timestamp if state is not None else run.created or datetime.now(UTC)
    place = Place.read(str(run.labels.get(_PLACE, "")))
    pending = run.state_type is StateType.PENDING
    elsewhere = place is None or place.host != socket.gethostname()
    heard = _heartbeat(client, run.id) if elsewhere and not pending else None
    return Seen(pending=pending, since=since, place=place, heard=heard)


def _heartbeat(client: SyncPrefectClient, run_id: UUID) -> datetime | None:
    """When a run last gave a sign of life."""
    asked: dict[str, Any] = {
        "filter": {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "any_resource": {"id": [f"prefect.flow-run.{run_id}"]},
            "order": "DESC",
        },
        "limit": 1,
    }
    answer = client.request("POST", "/events/filter", json=asked)
    found = answer.json()["events"]
    return datetime.fromisoformat(found[0]["occurred"]) if found else None


def _lives(place: Place) -> bool:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(place.pid)
        same = abs(process.create_time() - place.began) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    return False


@side_effect("take up")
def take_up(
    settings: Settings, rollout_ids: Iterable[str] | None, as_of: datetime | None
) -> tuple[str, ...]:
    """Let a flow run begin for each rollout that has something to do and that nobody brings on.

    Whoever asks at the same time starts the same run. One whose runs fail again and again waits
    longer each time; the scheduled look at all rollouts takes it along meanwhile.

    Args:
        rollout_ids: Those that are looked at; None for all that are not over.

    Returns:
        Those for which one was started.
    """
    if get_current_settings().api.url is None:
        return ()
    now = as_of or datetime.now(UTC)
    due: dict[str, tuple[int, list[str]]] = {}
    with opened(settings) as site:
        open_ids = deciding.unfinished(site, by_clock=as_of is None and rollout_ids is None)
        for rollout_id in open_ids if rollout_ids is None else rollout_ids:
            if rollout_id not in open_ids:
                continue
            if isinstance(deciding.decide(site, rollout_id, now=now), Rest | Wait):
                continue
            state = site.state(rollout_id)
            due[rollout_id] = (state.seq, list(state.requested.members) if state.requested else [])
    with get_client(sync_client=True) as client:
        return tuple(
            rollout_id
            for rollout_id, (seq, members) in due.items()
            if _begin(client, settings, rollout_id, seq, members, as_of)
        )


def _begin(
    client: SyncPrefectClient,
    settings: Settings,
    rollout_id: str,
    seq: int,
    members: list[str],
    as_of: datetime | None,
) -> bool:
    runs = [one for one in _runs_of(client, settings, rollout_id) if _APPROVAL not in one.tags]
    if any(run.state_type in _OPEN for run in runs):
        return False
    over = [
        Over(failed=run.state_type in _FAILED, at=run.end_time or run.state.timestamp)
        for run in runs
        if run.state is not None
    ]
    if not may_follow(over, _now(client)):
        return False
    try:
        run_deployment(
            DEPLOYMENT,
            parameters={"members": members, "rollout_id": rollout_id, "as_of": as_of},
            timeout=0,
            tags=tags_of(settings, rollout_id),
            idempotency_key=f"{settings.environment}:{rollout_id}:{seq}:{len(runs)}",
            as_subflow=False,
        )
    except ObjectNotFound:
        get_run_logger().warning("there is no deployment %s for %s", DEPLOYMENT, rollout_id)
        return False
    return True


def tags_of(settings: Settings, rollout_id: str) -> list[str]:
    """The tags by which all flow runs of a rollout are found."""
    return [f"rollout:{rollout_id}", f"environment:{settings.environment}"]


def _runs_of(client: SyncPrefectClient, settings: Settings, rollout_id: str) -> list[FlowRun]:
    tags = FlowRunFilterTags(all_=tags_of(settings, rollout_id))
    return list(_pages(client, FlowRunFilter(tags=tags)))


def _pages(
    client: SyncPrefectClient, wanted: FlowRunFilter, flows: FlowFilter | None = None
) -> Iterator[FlowRun]:
    start = 0
    while found := client.read_flow_runs(
        flow_filter=flows,
        flow_run_filter=wanted,
        sort=FlowRunSort.ID_DESC,
        limit=_PAGE,
        offset=start,
    ):
        start += len(found)
        yield from found
