"""Starting flows: by deployment name where a Prefect server is set, else in this process.

The flows are found by their file and never imported by name, so that the library knows no
orchestration of its own.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast
from uuid import uuid4

import typer

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
        BadInput: It is, and its file is not in this folder.
    """
    if here is None:
        here = "PREFECT_API_URL" not in os.environ
    if here and not (file := Path(ENTRYPOINTS[name].partition(":")[0])).exists():
        what = f"there is no {file} in {Path.cwd()}; run it where your flows/ is, or --deployed"
        raise BadInput([Fault(where=name, what=what)])
    return here


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
    import httpx
    from prefect.client.schemas.objects import FlowRun
    from prefect.deployments import run_deployment  # takes seconds; most commands need no Prefect
    from prefect.exceptions import ObjectNotFound
    from prefect.flows import load_flow_from_entrypoint

    try:
        if here:
            load_flow_from_entrypoint(ENTRYPOINTS[name])(**parameters)
            return
        started = run_deployment(
            f"{name}/{name}",
            parameters=parameters,
            poll_interval=1,
            idempotency_key=str(uuid4()),  # Prefect's client tries again where a server is busy
        )
    except ObjectNotFound as error:
        what = f"there is no deployment {name}/{name}; make it with: prefect --no-prompt deploy"
        raise FlowRunFailed(f"{what} --all") from error
    except httpx.HTTPError as error:  # Prefect's own are among them
        said = " ".join(str(error).split()) or type(error).__name__
        kept = "what was done so far is in the journal; the next run goes on from there"
        raise FlowRunFailed(f"Prefect does not answer for {name}: {said}; {kept}") from error
    run = cast(FlowRun, started)
    if run.state is None or not run.state.is_completed():
        raise FlowRunFailed(f"the flow run {run.name} did not complete: {run.state}")


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=moment.tzinfo or UTC)
