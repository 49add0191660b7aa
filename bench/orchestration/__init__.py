"""What orchestration costs: from a registration to a rollout's first line, and a whole rollout.

Real servers, a worker, a receiver and a gateway, as `sluiceway up` starts them, in a folder of
their own. What is registered is harmful, so that each rollout ends in shadow by itself; what is
measured stands in MLflow and in the journal.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

from sluiceway.settings import Settings

T = TypeVar("T")
_PATIENCE: Final = 300.0
"""Seconds in which something must have happened."""
_QUIET: Final = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "NO_PROXY": "127.0.0.1"}


def run(*, quick: bool) -> dict[str, float | int]:
    os.environ.update(_QUIET)
    with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as folder:
        return _measured(Path(folder), rollouts=5 if quick else 10)


def _measured(folder: Path, *, rollouts: int) -> dict[str, float | int]:
    from bench.orchestration.system import prepared

    say("fitting and registering the models")
    settings = prepared(folder)
    os.environ.update(
        SLUICEWAY_SYSTEM=str(settings.system),
        SLUICEWAY_HOME=str(settings.home),
        SLUICEWAY_DATA=str(settings.data),
        SLUICEWAY_ENVIRONMENT=settings.environment,
        SLUICEWAY_ACTOR="bench",
    )
    say("starting everything")
    began = time.monotonic()
    try:
        services = json.loads(_ran("up", "--json", "--shift", "7000"))
        up_seconds = time.monotonic() - began
        os.environ["SLUICEWAY_TRACKING_URI"] = services["mlflow"]["url"]
        os.environ["PREFECT_API_URL"] = f"{services['prefect']['url']}/api"
        _ran("adopt", "first@1", "second@1", "--deployed")
        found = [_one(settings, services["mlflow"]["url"]) for _ in range(rollouts)]
    finally:
        _ran("down", check=False)
    return {
        "register_to_start_s": round(median(one["start"] for one in found), 2),
        "register_to_start_max_s": round(max(one["start"] for one in found), 2),
        "overhead_s": round(median(one["overhead"] for one in found), 2),
        "overhead_max_s": round(max(one["overhead"] for one in found), 2),
        "rollouts": rollouts,
        "up_s": round(up_seconds, 1),
    }


def _one(settings: Settings, uri: str) -> Mapping[str, float]:
    """Register a harmful version and wait until its rollout is over."""
    from mlflow import MlflowClient

    from sluiceway.rollouts.state import RolloutState
    from sluiceway.wiring import opened

    client = MlflowClient(uri)
    source = client.get_model_version("first", "2").source
    made = client.create_model_version("first", source, model_id=source.rpartition("/")[2])
    registered = datetime.fromtimestamp(made.creation_timestamp / 1000, tz=UTC)
    wanted = (f"first@{made.version}",)

    def over() -> tuple[str, RolloutState] | None:
        with opened(settings) as site:
            for rollout_id in site.journal.rollouts(site.environment):
                state = site.state(rollout_id)
                asked = state.requested is not None and state.requested.members == wanted
                if asked and state.ended is not None and not state.unconfirmed:
                    return rollout_id, state
        return None

    rollout_id, state = _waited(over)
    with opened(settings) as site:
        events = site.journal.events(site.environment, rollout_id)
    scoring = sum(one.seconds for one in state.shadows)
    start = (events[0].at - registered).total_seconds()
    whole = (events[-1].at - events[0].at).total_seconds()
    took = f"took {whole:.1f} s, {scoring:.1f} s of them scoring"
    say(f"{rollout_id}: began after {start:.1f} s, {took}")
    return {"start": start, "overhead": whole - scoring}


def _waited(look: Callable[[], T | None]) -> T:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(1)
    raise TimeoutError(f"nothing came of it within {_PATIENCE:g} s")


def _ran(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sluiceway", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"sluiceway {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
