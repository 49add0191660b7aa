"""People answer in the Prefect UI: a real server and worker, answers by the API of its forms."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyotp
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.flow_runs import resume_flow_run

from flows.evaluate_canaries import evaluate_canaries
from flows.rollout import rollout
from sluiceway.rights import ProofFault, new_key
from sluiceway.rollouts.endings import ReasonCode
from sluiceway.secret_blocks import SecretBlockKeys, block_name
from sluiceway.steps import proving, requests
from tests.adapters.mlflow_worlds import QUIET
from tests.driver import variant
from tests.end_to_end.prefect_server import PrefectServer, flows_through, running_program
from tests.end_to_end.shop import JOINT, LIVE, NOW, Shop

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

REPOSITORY = Path(__file__).parents[2]
APPROVALS = (
    ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [ada, ben]}"),
    ("{contact: desk@shop.example}", "{contact: desk@shop.example, people: [ben, cy]}"),
    ("approvals: []", "approvals: {always: [risk, desk], expires: 7d}"),
)
PATIENCE = 120
"""Seconds that a worker may take to start a flow on a busy machine."""


@dataclass(slots=True)
class People:
    """A shop that asks its people, and a worker that shows them the forms."""

    shop: Shop
    environment: Mapping[str, str]
    keys: Mapping[str, str]
    worker: ExitStack

    def start_worker(self) -> None:
        command = ["prefect", "worker", "start", "--pool", "people"]
        log = self.shop.home / f"worker-{time.monotonic_ns()}.log"
        self.worker.enter_context(running_program(command, self.environment, log))

    def ask(self) -> str:
        return rollout(list(JOINT), as_of=NOW, actor="ada")

    def code(self, who: str, later: int = 0) -> str:
        at = datetime.now(UTC) + timedelta(seconds=30 * later)
        return pyotp.TOTP(self.keys[who]).at(at)

    def faults(self) -> list[ProofFault | None]:
        with self.shop.site() as site:
            return [one.fault for one in proving.tries(site)]


@pytest.fixture
def people(
    shop: Shop, prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[People]:
    (tmp_path / "system").mkdir()
    file = variant(tmp_path / "system", *APPROVALS)
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(file))
    environment = {
        **shop.environment,
        **prefect_server.environment,
        "SLUICEWAY_SYSTEM": str(file),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    program = Path(sys.executable).with_name("prefect")
    for command in (
        ("work-pool", "create", "--type", "process", "people", "--overwrite"),
        ("--no-prompt", "deploy", "flows/approve.py:approve", "-n", "approve", "-p", "people"),
    ):
        made = subprocess.run(
            [program, *command],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
    keys = {name: new_key() for name in ("ada", "ben", "cy")}
    with ExitStack() as worker, flows_through(prefect_server):
        for name, key in keys.items():
            SecretBlockKeys().keep(name, key)
        living = People(shop, environment, keys, worker)
        with shop.site() as site:
            requests.adopt(site, LIVE, now=NOW, actor="ada")
        evaluate_canaries(as_of=NOW)
        living.start_worker()
        yield living


def runs(rollout_id: str, question: str = "risk") -> list[FlowRun]:
    tag = f"approval:production:{rollout_id}:{question}"
    tags = FlowRunFilterTags(all_=[f"rollout:{rollout_id}", "approval", tag])
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tags))


def waited(
    rollout_id: str, state: str, *, question: str = "risk", beside: FlowRun | None = None
) -> FlowRun:
    """The question's only flow run, once it is in a state, and in another one than before."""
    before = beside.state.id if beside and beside.state else None
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        (run,) = runs(rollout_id, question)
        found = run.state
        if found is not None and found.name == state and found.id != before:
            return run
        assert found is None or not found.is_final(), found
        time.sleep(0.2)
    raise AssertionError(f"{rollout_id} never came to {state}: {runs(rollout_id)[0].state}")


def answer(run: FlowRun, **given: Any) -> None:
    resume_flow_run(run.id, run_input={"decision": "approve", "reason": "fits", **given})


def form_of(run: FlowRun) -> dict[str, Any]:
    assert run.state is not None
    keyset = run.state.state_details.run_input_keyset
    assert keyset is not None
    with get_client(sync_client=True) as client:
        read = {name: client.read_flow_run_input(run.id, keyset[name]) for name in _FORM}
    return {name: orjson.loads(text) for name, text in read.items()}


_FORM = ("schema", "description")


def test_people_reject_approve_and_let_expire(people: People) -> None:
    shop = people.shop
    first = people.ask()
    asked = waited(first, "Suspended")
    assert asked.name == f"approve {first} for risk"
    form = form_of(asked)
    assert form["schema"]["required"] == ["decision", "approver"]
    assert form["schema"]["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert "# May cost@2 and fraud@2 go live, as far as risk is concerned?" in form["description"]
    assert "| fraud: Brier" in form["description"]
    assert "risk (ada, ben)" in form["description"]

    for empty in ({}, {"decision": None}, {"decision": "maybe", "approver": "ben"}):
        with pytest.raises(RuntimeError, match="Cannot resume this run"):
            resume_flow_run(asked.id, run_input=empty)
    assert waited(first, "Suspended").state == asked.state, "an empty answer is none"

    evaluate_canaries(as_of=NOW)
    assert len(runs(first)) == 1, "who was asked is not asked twice"

    answer(asked, approver="ben", one_time_code="000000")
    again = waited(first, "Suspended", beside=asked)
    said = form_of(again)["description"]
    assert said.startswith("**The last answer did not count:** the code is not one of ben's")
    assert people.faults() == [ProofFault.WRONG]

    people.worker.close()  # every worker dies while somebody thinks
    code = people.code("ben", later=1)
    answer(again, approver="ben", one_time_code=code, decision="reject", reason="too soon")
    people.start_worker()
    done = waited(first, "Completed")
    assert done.id == asked.id
    assert people.faults() == [ProofFault.WRONG, None], "the first answer was not judged anew"
    evaluate_canaries(as_of=NOW)
    ended = shop.state(first).ended
    assert ended is not None
    assert (ended.code, ended.reason) == (ReasonCode.APPROVAL_REFUSED, "too soon")

    second = people.ask()
    asked = waited(second, "Suspended")
    desk = waited(second, "Suspended", question="desk")
    answer(asked, approver="ada", one_time_code=people.code("ada"))
    own = waited(second, "Suspended", beside=asked)
    assert "ada asked for it" in form_of(own)["description"]
    code = people.code("ben", later=1)
    answer(own, approver="ben", one_time_code=code)
    waited(second, "Completed")
    answer(desk, approver="ben", one_time_code=code)
    again = waited(second, "Suspended", question="desk", beside=desk)
    assert "was used already" in form_of(again)["description"]
    answer(again, approver="cy", one_time_code=people.code("cy"))
    waited(second, "Completed", question="desk")
    assert people.faults()[2:] == [None, ProofFault.REUSED, None]
    evaluate_canaries(as_of=NOW)
    assert shop.state(second).step == 0
    assert shop.kinds(second).count("approved") == 2

    with shop.site() as site:
        requests.abort(site, second, reason="the next one", now=NOW, actor="ada")
    evaluate_canaries(as_of=NOW)
    third = people.ask()
    waited(third, "Suspended")
    evaluate_canaries(as_of=NOW + timedelta(days=7))
    ended = shop.state(third).ended
    assert ended is not None
    assert ended.code is ReasonCode.APPROVAL_EXPIRED
    assert ended.reason.startswith("nobody answered for risk, desk by ")
    waited_for = runs(third)[0].state
    assert waited_for is not None
    assert waited_for.is_cancelled(), "nobody is asked what nobody waits for"

    key = f"approval-{first}-risk"
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(like_=f"{key}%"))
        )
    assert {one.key for one in found} == {key, f"{key}-graph", f"{key}-harm"}
    assert all(str(one.data).startswith("data:image/svg") for one in found if one.type == "image")


def test_keys_are_kept_as_blocks_of_the_server(prefect_flows: PrefectServer) -> None:
    store = SecretBlockKeys()
    names = ("Ada Löw <ada@shop.example>", "ada-low-ada-shop-example", "李")
    for name in names:
        store.keep(name, f"KEY{len(name)}")
    store.keep("李", "NEW")
    assert [store.key(name) for name in (*names, "dee")] == ["KEY26", "KEY24", "NEW", None]
    assert set(names) <= set(store.approvers())
    assert len({block_name(name) for name in names}) == len(names)
    assert store.forget("李")
    assert not store.forget("李")
    assert store.key("李") is None
