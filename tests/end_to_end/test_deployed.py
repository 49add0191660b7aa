"""The flows under a real Prefect server: deployed from `prefect.yaml`, run by a real worker."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

from tests.adapters.mlflow_worlds import QUIET
from tests.end_to_end.pages import read_self_contained
from tests.end_to_end.prefect_server import PrefectServer, flows_through, running_program
from tests.end_to_end.shop import LIVE, NOW, Shop

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

REPOSITORY = Path(__file__).parents[2]
AS_OF = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%S}")


def ran(
    program: str, *arguments: str, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture
def deployed(shop: Shop, prefect_server: PrefectServer) -> Iterator[Mapping[str, str]]:
    """What `prefect.yaml` says to do on a clone, and a worker for it."""
    environment = {**shop.environment, **prefect_server.environment}
    environment["PREFECT_WORKER_QUERY_SECONDS"] = "1"
    for command in (
        ("work-pool", "create", "--type", "process", "sluiceway"),
        ("--no-prompt", "deploy", "--all"),
    ):
        made = ran("prefect", *command, environment=environment)
        assert made.returncode == 0, made.stdout + made.stderr
    worker = ["prefect", "worker", "start", "--pool", "sluiceway"]
    with running_program(worker, environment, shop.home / "worker.log"):
        yield environment


def test_a_rollout_asked_for_by_command_is_run_by_a_worker(
    shop: Shop, deployed: Mapping[str, str], prefect_server: PrefectServer
) -> None:
    adopted = ran("sluiceway", "adopt", *LIVE, "--deployed", *AS_OF, environment=deployed)
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert shop.champion()[0] == 1
    assert not shop.state("adoption").unconfirmed

    asked = ran("sluiceway", "rollout", "fraud@2", "--json", *AS_OF, environment=deployed)
    assert asked.returncode == 1, asked.stdout + asked.stderr
    said = json.loads(asked.stdout)
    assert (said["ending"], said["phase"]) == ("rejected", "shadow")
    read_self_contained(shop.home / "production" / "rollouts" / said["rollout"] / "report.html")

    back = ran("sluiceway", "rollback", "--reason", "why", "--to", "7", environment=deployed)
    assert back.returncode == 3, "the server knows why it failed, this program does not"
    assert "did not complete: " in back.stderr
    assert "generation 7" in back.stderr

    runs = [run for run in flow_runs(prefect_server, said["rollout"]) if run.deployment_id]
    assert [run.name for run in runs] == ["rollout ['fraud@2']"]
    assert runs[0].work_pool_name == "sluiceway"
    assert runs[0].state is not None
    assert runs[0].state.is_completed()


def flow_runs(server: PrefectServer, rollout_id: str) -> list[FlowRun]:
    tags = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"rollout:{rollout_id}"]))
    with flows_through(server), get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=tags)
