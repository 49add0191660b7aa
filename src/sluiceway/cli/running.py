"""Starting flows: by deployment name where a Prefect server is set, else in this process.

The flows are found by their file and never imported by name, so that the library knows no
orchestration of its own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, cast
from uuid import uuid4

import typer

from sluiceway.addresses import address_fault, shown
from sluiceway.errors import BadInput, Fault, SluicewayError

Here = Annotated[
    bool | None,
    typer.Option(
        "--here/--deployed",
        help="Run in this process, or by the deployment. Default: deployed where PREFECT_API_URL "
        "is set.",
    ),
]


ENTRYPOINTS = {
    "rollout": "flows/rollout.py:rollout",
    "evaluate-canaries": "flows/evaluate_canaries.py:evaluate_canaries",
    "rollback": "flows/rollback.py:rollback",
    "score-batch": "flows/score_batch.py:score_batch",
}
"""Where each flow is, by its name, which is also its deployment's."""


_PREFECT: Final = "PREFECT_API_URL"


class FlowRunFailed(SluicewayError):
    """The flow run that a command started did not complete."""


def rollout(
    rollout_id: str,
    members: list[str],
    *,
    as_of: datetime | None,
    actor: str,
    here: bool | None = None,
) -> None:
    """Run the rollout flow for a rollout that was asked for."""
    parameters = {
        "members": members,
        "as_of": _utc(as_of),
        "actor": actor,
        "rollout_id": rollout_id,
    }
    _run("rollout", parameters, here)


def evaluate(as_of: datetime | None, *, here: bool | None = None) -> None:
    """Run the flow that looks at every open rollout."""
    _run("evaluate-canaries", {"as_of": _utc(as_of)}, here)


def rollback(
    *, to: int | None, reason: str, actor: str, as_of: datetime | None, here: bool | None = None
) -> None:
    """Run the flow that puts an earlier generation back."""
    parameters = {"to": to, "reason": reason, "actor": actor, "as_of": _utc(as_of)}
    _run("rollback", parameters, here)


def score(
    rows: Path, model: str, answers: Path, *, consumer: str | None, here: bool | None = None
) -> None:
    """Run the flow that answers a table of units."""
    parameters = {
        "rows": str(rows.absolute()),
        "model": model,
        "answers": str(answers.absolute()),
        "consumer": consumer,
    }
    _run("score-batch", parameters, here)


def can_run(name: str, *, here: bool | None) -> bool:
    """Whether a flow is to run in this process; asked before anything is written for it.

    Raises:
        BadInput: It is, and its file is not in this folder; or it is not, and no server is named.
        FlowRunFailed: The server does not answer, or has no such deployment.
    """
    if here is None:
        here = _PREFECT not in os.environ
    if not here:
        _refuse_unable(name)
    if here and not (file := Path(ENTRYPOINTS[name].partition(":")[0])).exists():
        what = f"there is no {file} in {Path.cwd()}; run it where your flows/ is, or --deployed"
        raise BadInput([Fault(where=name, what=what)])
    return here


def refuse_prefect_away(what: str) -> None:
    """Refuse to begin what nobody could go on with.

    Args:
        what: What was to begin, in words.

    Raises:
        BadInput: `PREFECT_API_URL` names no server.
        FlowRunFailed: It does not answer.
    """
    _refuse_no_prefect()
    from prefect.client.orchestration import get_client

    with _answering(what, "nothing was done"), get_client(sync_client=True) as client:
        client.hello().raise_for_status()


def _refuse_unable(name: str) -> None:
    _refuse_no_prefect()
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    kept = "nothing was done; start it, correct the address, or unset it to run flows here"
    with _answering(name, kept), get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(f"{name}/{name}")
        except ObjectNotFound as error:
            what = f"there is no deployment {name}/{name}; make it with: prefect --no-prompt deploy"
            raise FlowRunFailed(f"{what} --all") from error


def _refuse_no_prefect() -> None:
    url = os.environ.get(_PREFECT)
    example = "http://127.0.0.1:4200/api"
    if url is None:
        what = f"is not set; it says where the Prefect server is, such as {example}"
        raise BadInput([Fault(where=_PREFECT, what=what)])
    if fault := address_fault(url, example=example):
        raise BadInput([Fault(where=_PREFECT, what=fault)])


@contextmanager
def _answering(what: str, kept: str) -> Iterator[None]:
    """Say in words that the server does not answer, where it is, and what became of it all."""
    import httpx

    try:
        yield
    except httpx.HTTPError as error:  # Prefect's own are among them
        said = " ".join(str(error).split()) or type(error).__name__
        at = shown(os.environ.get(_PREFECT, "no address"))
        where = f"Prefect does not answer for {what} at {at} (PREFECT_API_URL)"
        raise FlowRunFailed(f"{where}: {shown(said)}; {kept}") from error


def _run(name: str, parameters: dict[str, Any], here: bool | None) -> None:
    here = can_run(name, here=here)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    # What a flow raises is told in words by this program; Prefect's log keeps the traceback.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # Prefect's own server of this process starts slowly on a busy machine.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    # On a busy machine a thread that spins takes the core from the one it waits for.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from prefect.client.schemas.objects import FlowRun
    from prefect.deployments import run_deployment  # takes seconds; most commands need no Prefect
    from prefect.flows import load_flow_from_entrypoint

    kept = "what was done so far is in the journal; the next run goes on from there"
    with _answering(name, kept):
        if here:
            load_flow_from_entrypoint(ENTRYPOINTS[name])(**parameters)
            return
        started = run_deployment(
            f"{name}/{name}",
            parameters=parameters,
            poll_interval=1,
            idempotency_key=str(uuid4()),  # Prefect's client tries again where a server is busy
        )
    run = cast(FlowRun, started)
    if run.state is None or not run.state.is_completed():
        raise FlowRunFailed(f"the flow run {run.name} did not complete: {run.state}")


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=moment.tzinfo or UTC)
