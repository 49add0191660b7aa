"""The deployed system, as `sluiceway up` starts it: real servers, a worker, a receiver, a gateway.

Everything here happens by the clock, and nobody calls a flow: versions are registered in a real
MLflow server, and what follows is waited for. Only a minute of the reconciler is let pass at once.
Journal, Prefect and MLflow keep what they know in PostgreSQL, or in SQLite files: see
:mod:`tests.end_to_end.databases`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import httpx
import mlflow
import psutil
import pytest
import sqlalchemy
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.flow_runs import resume_flow_run
from prefect.states import Running

from flows.reap import reap as reap_flow
from flows.reconcile import reconcile as reconcile_flow
from sluiceway.adapters.journal_database import opened_engine
from sluiceway.flow_runs import Place
from sluiceway.rollouts.endings import Ending, Phase
from sluiceway.rollouts.state import RolloutState
from sluiceway.settings import Settings
from sluiceway.steps.chain import JournalAltered
from tasks.flow_runs import reap
from tests.adapters.mlflow_worlds import QUIET
from tests.driver import variant
from tests.end_to_end import databases
from tests.end_to_end.pages import read_self_contained
from tests.end_to_end.prefect_server import PrefectServer, flows_through
from tests.end_to_end.shop import LIVE, NOW, Shop

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

REPOSITORY = Path(__file__).parents[2]
T = TypeVar("T")
PATIENCE = 180
"""Seconds in which something must have happened on a busy machine."""
APPROVALS = (
    ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [ada, ben]}"),
    (
        "approvals: []",
        "approvals: {always: [risk], proof: none}\n  registrations: {release_window: 5s}",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What runs, and where."""

    shop: Shop
    system: Path
    environment: Mapping[str, str]
    services: Mapping[str, Mapping[str, str | int]]

    @property
    def server(self) -> PrefectServer:
        return PrefectServer(api_url=f"{self.services['prefect']['url']}/api", home=self.shop.home)

    @property
    def mlflow(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(str(self.services["mlflow"]["url"]))

    @property
    def settings(self) -> Settings:
        given = self.shop.settings
        return given.model_copy(update={"system": self.system})

    def register(self, name: str, **tags: str) -> str:
        """Register once more what another version is, as a training job would."""
        model, version = name.split("@")
        there = self.mlflow.get_model_version(model, version)
        made = self.mlflow.create_model_version(
            model,
            there.source,
            model_id=there.source.rpartition("/")[2],
            tags={f"sluiceway.{key}": value for key, value in tags.items()},
        )
        return f"{model}@{made.version}"

    def kill(self, service: str) -> int:
        """End one as it is now, however often it was replaced; gives its process id."""
        said = ran("services", "--json", environment=self.environment)
        pid = next(int(one["pid"]) for one in json.loads(said.stdout) if one["name"] == service)
        psutil.Process(pid).send_signal(signal.SIGKILL)
        return pid

    def let_a_minute_pass(self) -> None:
        """The reconciler's schedule comes round now, and the worker runs it as ever."""
        with flows_through(self.server), get_client(sync_client=True) as client:
            reconciler = client.read_deployment_by_name("reconcile/reconcile")
            (each,) = reconciler.schedules
            assert (each.active, each.schedule.interval) == (True, timedelta(minutes=1))
            client.create_flow_run_from_deployment(reconciler.id)

    def rollouts(self, *members: str) -> list[str]:
        """Every rollout that was ever asked for these versions."""
        with self.shop.site() as site:
            known = site.journal.rollouts(site.environment)
            states = {rollout_id: site.state(rollout_id) for rollout_id in known}
        wanted = tuple(sorted(members))
        return [r for r, s in states.items() if s.requested and s.requested.members == wanted]

    def rollout_of(self, *members: str) -> str:
        (found,) = waited_for(lambda: self.rollouts(*members), f"a rollout of {members}")
        return found

    def until(self, rollout_id: str, what: Callable[[RolloutState], bool]) -> RolloutState:
        return waited_for(
            lambda: state if what(state := self.shop.state(rollout_id)) else None,
            f"{rollout_id}: {self.shop.kinds(rollout_id)}",
        )

    def runs(self, *tags: str) -> list[FlowRun]:
        wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=list(tags)))
        with flows_through(self.server), get_client(sync_client=True) as client:
            return client.read_flow_runs(flow_run_filter=wanted)


def waited_for(look: Callable[[], T | None], what: str) -> T:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.5)
    raise AssertionError(f"never seen: {what}")


def ran(*arguments: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(Path(sys.executable).with_name("sluiceway")), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def free_shift() -> int:
    """A shift under which nobody listens on any of the ports."""
    for shift in range(1_000 + os.getpid() % 500, 15_000, 500):
        if not any(_is_taken(port + shift) for port in (4200, 5000, 8080, 8787)):
            return shift
    raise AssertionError("every port is taken")


def _is_taken(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@contextmanager
def up(environment: Mapping[str, str]) -> Iterator[Mapping[str, Mapping[str, str | int]]]:
    try:
        started = ran("up", "--shift", str(free_shift()), "--json", environment=environment)
        assert started.returncode == 0, started.stdout + started.stderr
        yield json.loads(started.stdout)
    finally:
        ran("down", environment=environment)


@pytest.fixture(scope="module")
def new_shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Shop]:
    """A folder, and in it a shop with its models registered, on the databases of this run."""
    folder = tmp_path_factory.mktemp("deployed")
    if databases.is_postgres():
        return folder, databases.on_postgres(request.getfixturevalue("postgres"), folder)
    return folder, databases.on_sqlite(request.getfixturevalue("shop_registry"), folder)


@pytest.fixture(scope="module")
def deployed(new_shop: tuple[Path, Shop]) -> Iterator[Deployed]:
    """Everything, with a shop in it that asks its people, and whose first release is adopted."""
    folder, shop = new_shop
    (folder / "system").mkdir()
    system = variant(folder / "system", *APPROVALS)
    environment = {**shop.environment, "SLUICEWAY_SYSTEM": str(system)}
    with pytest.MonkeyPatch.context() as patch, up(environment) as services:
        for name, value in environment.items():
            patch.setenv(name, value)
        everything = Deployed(shop=shop, system=system, environment=environment, services=services)
        at = {
            "PREFECT_API_URL": everything.server.api_url,
            "SLUICEWAY_TRACKING_URI": str(services["mlflow"]["url"]),
            "NO_PROXY": "127.0.0.1",
        }
        for name in ("NO_PROXY", "SLUICEWAY_TRACKING_URI"):
            patch.setenv(name, at[name])
        everything = replace(everything, environment={**environment, **at})
        adopted = ran("adopt", *LIVE, "--deployed", environment=everything.environment)
        assert adopted.returncode == 0, adopted.stdout + adopted.stderr
        yield everything


def test_what_was_there_before_it_was_adopted_serves_and_starts_nothing(
    deployed: Deployed,
) -> None:
    assert deployed.shop.champion()[0] == 1
    assert not deployed.shop.state("adoption").unconfirmed
    waited_for(
        lambda: httpx.get(f"{deployed.services['gateway']['url']}/v2/health/ready").is_success,
        "a gateway that is ready",
    )
    assert deployed.rollouts("fraud@2") == []


def test_a_past_that_is_replayed_by_command_is_judged_by_its_own_clock(
    deployed: Deployed,
) -> None:
    """The worker's schedules, which go by the clock, leave it alone."""
    as_of = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%S}")
    asked = ran("rollout", "fraud@2", "--json", *as_of, environment=deployed.environment)
    assert asked.returncode == 1, asked.stdout + asked.stderr
    said = json.loads(asked.stdout)
    assert (said["ending"], said["phase"]) == ("rejected", "shadow")
    with deployed.shop.site() as site:
        events = site.journal.events(site.environment, said["rollout"])
    assert {event.at for event in events} == {NOW}

    back = ran("rollback", "--reason", "why", "--to", "7", environment=deployed.environment)
    assert back.returncode == 2, "what cannot be is told before any run begins"
    assert back.stderr == "✗ rollback: generation 7 cannot be gone back to (there are: none)\n"


def test_a_registered_version_is_rolled_out_by_itself(deployed: Deployed) -> None:
    name = deployed.register("fraud@2")
    rollout = deployed.rollout_of(name)
    ended = deployed.until(rollout, lambda s: s.ended is not None and not s.unconfirmed).ended
    assert ended is not None
    assert (ended.ending, ended.phase) == (Ending.REJECTED, Phase.SHADOW)
    report = deployed.shop.home / "production" / "rollouts" / rollout / "report.html"
    waited_for(report.exists, "the report")
    read_self_contained(report)
    assert deployed.mlflow.get_model_version(*name.split("@")).tags["sluiceway.stage"] == "rejected"

    runs = waited_for(
        lambda: [r for r in deployed.runs(f"rollout:{rollout}") if r.deployment_id], "its run"
    )
    assert [run.name for run in runs] == [f"rollout {rollout}"]
    assert runs[0].work_pool_name == "sluiceway"
    with flows_through(deployed.server), get_client(sync_client=True) as client:
        key = ArtifactFilterKey(any_=[f"rollout-{rollout}"])
        found = waited_for(
            lambda: client.read_artifacts(artifact_filter=ArtifactFilter(key=key)), "its page"
        )
    assert {one.type for one in found} == {"markdown"}
    with deployed.shop.site() as site:
        heard = site.journal.events(site.environment, "registrations")
    assert len(heard) == 1, "the webhook told of it"


def test_versions_of_one_release_go_together_and_a_person_approves_them(
    deployed: Deployed,
) -> None:
    first = deployed.register("fraud@2", release_name="spring", registered_by="kim")
    second = deployed.register("cost@2", release_name="spring", registered_by="ada")
    rollout = deployed.rollout_of(first, second)
    assert deployed.rollouts(first) == deployed.rollouts(second) == []
    deployed.until(rollout, lambda s: s.approval_requested is not None)

    asked = f"approval:production:{rollout}:risk"

    def suspended(beside: UUID | None = None) -> FlowRun | None:
        found = [r for r in deployed.runs(asked) if r.state and r.state.name == "Suspended"]
        return next((r for r in found if r.state and r.state.id != beside), None)

    form = waited_for(suspended, "the form")
    assert form.name == f"approve {rollout} for risk"
    assert form.state is not None
    answer = {"decision": "approve", "reason": "fits"}
    with flows_through(deployed.server):
        resume_flow_run(form.id, run_input={**answer, "approver": "ada"})
        again = waited_for(lambda: suspended(form.state.id), "the form, once more")
        resume_flow_run(again.id, run_input={**answer, "approver": "ben"})
    state = deployed.until(rollout, lambda s: s.step == 0 and not s.unconfirmed)
    assert [one.actor for one in state.given] == ["ben"], "ada registered a part of it"
    aliases = deployed.mlflow.get_registered_model("fraud").aliases
    assert str(aliases["canary"]) == first.partition("@")[2]

    deployed.mlflow.set_registered_model_alias("cost", "champion", second.partition("@")[2])
    deployed.let_a_minute_pass()
    waited_for(lambda: "aliases_moved" in deployed.shop.kinds("registry"), "who moved it is told")
    waited_for(
        lambda: str(deployed.mlflow.get_registered_model("cost").aliases["champion"]) == "1",
        "the champion's alias",
    )


def test_a_worker_that_dies_is_started_again(deployed: Deployed) -> None:
    killed = deployed.kill("worker")
    assert killed == deployed.services["worker"]["pid"], "it died before"

    def again() -> bool:
        said = ran("services", "--json", environment=deployed.environment)
        found = {one["name"]: one for one in json.loads(said.stdout)}["worker"]
        return bool(found["lives"]) and found["pid"] != killed

    waited_for(again, "another worker")


def test_what_a_lost_event_missed_is_started_all_the_same(deployed: Deployed) -> None:
    for one in ("keeper", "receiver"):
        deployed.kill(one)
    name = deployed.register("handling@1")
    deployed.let_a_minute_pass()
    rollout = deployed.rollout_of(name)
    state = deployed.until(rollout, lambda s: s.waits_behind is not None)
    assert state.plan is None, "it reads what is in canary, so that comes first"
    with deployed.shop.site() as site:
        assert len(site.journal.events(site.environment, "registrations")) == 3


def test_a_run_whose_process_died_is_ended_and_another_is_left_alone(deployed: Deployed) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    began = psutil.Process(child.pid).create_time()
    child.wait()
    host, own = socket.gethostname(), psutil.Process()
    dead = Place(host=host, pid=child.pid, began=began)
    alive = Place(host=host, pid=own.pid, began=own.create_time())
    with flows_through(deployed.server), get_client(sync_client=True) as client:
        runs = [client.create_flow_run(reap_flow, state=Running()) for _ in range(2)]
        for run, place in zip(runs, (dead, alive), strict=True):
            client.update_flow_run_labels(run.id, {"sluiceway.process": str(place)})
        assert runs[0].name in reap()
        names = [client.read_flow_run(run.id).state_name for run in runs]
    assert names == ["Crashed", "Running"]


def is_ready(deployed: Deployed) -> bool:
    return httpx.get(f"{deployed.services['gateway']['url']}/v2/health/ready").is_success


def test_a_champion_that_is_deleted_in_the_registry_is_told_once_and_serves_on(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_TRACKING_URI", str(deployed.services["mlflow"]["url"]))
    deployed.mlflow.delete_model_version("priority", "1")
    with flows_through(deployed.server):
        reconcile_flow()
        reconcile_flow()
    assert deployed.shop.kinds("registry").count("version_deleted") == 1
    assert deployed.shop.champion()[1]["priority"] == "1"
    assert is_ready(deployed)


def test_a_journal_that_was_altered_decides_nothing_and_what_serves_goes_on(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes last: nothing in here goes on after it."""
    monkeypatch.setenv("SLUICEWAY_TRACKING_URI", str(deployed.services["mlflow"]["url"]))
    engine = opened_engine(deployed.settings.journal_url)
    with engine.begin() as journal:
        eve = "UPDATE events SET actor = 'eve' WHERE kind = 'adopted'"
        assert journal.execute(sqlalchemy.text(eve)).rowcount == 1
    engine.dispose()
    named = r"event 1 \(adoption #1, adopted\): its content or what came before it was altered"
    with flows_through(deployed.server), pytest.raises(JournalAltered, match=named):
        reconcile_flow()
    asked = ran("rollout", "handling@1", "--here", environment=deployed.environment)
    assert asked.returncode == 3
    assert "the journal is not what was written: event 1 (adoption #1" in asked.stderr
    assert is_ready(deployed)
