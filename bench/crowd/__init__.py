"""What many rollouts at once come to: side by side where they share nothing, else one by one.

Twenty processes work on one environment, on a journal in a SQLite file and again on a PostgreSQL
server. Twenty models that share nothing have a better version each, and a process each. Ten
versions, good and harmful ones, race for a model; each is asked for, and brought on, by two
processes at once. All go by the steps of the flows, without Prefect, until they are over; then the
journal is read.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from sluiceway.settings import Settings

_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}


def run(*, quick: bool) -> dict[str, float | int]:
    from tests.adapters.postgres_server import running_postgres

    os.environ.update(_QUIET)
    measured = _both("sqlite", lambda settings: settings, quick=quick)
    with running_postgres() as server:

        def on_postgres(settings: Settings) -> Settings:
            return settings.model_copy(update={"database_url": server.new_database()})

        return {**measured, **_both("postgresql", on_postgres, quick=quick)}


def _both(
    database: str, on: Callable[[Settings], Settings], *, quick: bool
) -> dict[str, float | int]:
    disjoint, racing = (6, 4) if quick else (20, 10)
    found: dict[str, float | int] = {}
    for what, models, versions, hands in (("disjoint", disjoint, 1, 1), ("racing", 1, racing, 2)):
        with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as folder:
            came = _measured(Path(folder), on, models=models, racing=versions, hands=hands)
        found |= {f"{database}_{what}_{key}": value for key, value in came.items()}
        say(f"{database}, {what}: {came}")
    return found


def _measured(
    folder: Path, on: Callable[[Settings], Settings], *, models: int, racing: int, hands: int
) -> dict[str, float | int]:
    from bench.crowd import playing, system
    from bench.crowd.steps import by_steps

    settings = on(system.prepared(folder, models=models, racing=racing))
    rollouts = models - 1 + racing
    with playing.processes(hands * rollouts, preload="bench.crowd.steps") as pool:
        crowd = playing.Crowd(settings, by_steps, pool, hands)
        began = time.monotonic()
        seen = crowd.gone_through(system.names_of(models, racing))
        took = time.monotonic() - began
    for fault in seen.faults:
        say(f"fault: {fault}")
    return {
        "rollouts": rollouts,
        "promoted": seen.promoted,
        "rejected": seen.rejected,
        "lost": len(seen.lost),
        "overlaps": len(seen.overlaps),
        "out_of_order": len(seen.out_of_order),
        "doubled": len(seen.doubled),
        "chain_faults": len(seen.chain),
        "world_faults": len(seen.world),
        "ask_s": round(median(crowd.seconds["ask"]), 2),
        "ask_max_s": round(max(crowd.seconds["ask"]), 2),
        "seconds": round(took, 1),
    }


def say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
