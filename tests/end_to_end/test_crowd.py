"""Many rollouts at once, in processes of their own, on one journal, registry and routing table.

Each is asked for twice and brought on by two processes at once, by the steps of the flows without
Prefect; `make crowd` does the same with more of them, as real flows.
"""

import time
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bench.crowd import checking, playing, system
from sluiceway.adapters.memory_registry import try_in_process
from sluiceway.settings import Settings
from sluiceway.wiring import opened
from tasks.retrying import TRANSIENT
from tests.adapters.mlflow_worlds import QUIET
from tests.adapters.postgres_server import PostgresServer
from tests.driver import advance

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

DISJOINT, RACING = 6, 4


def by_steps(settings: Settings, rollout_id: str, now: datetime) -> None:
    """As the flow does; candidates are tried in this process, which costs no start of another."""
    with opened(settings) as site:
        tried = partial(try_in_process, site.registry, load_deadline=timedelta(minutes=2))
        for remaining in reversed(range(4)):  # as often as a task of the flow is tried
            try:
                advance(replace(site, try_version=tried), rollout_id, now)
            except TRANSIENT:
                if not remaining:
                    raise
                time.sleep(1)
            else:
                return


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_disjoint_rollouts_go_side_by_side_and_racing_ones_one_by_one(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = system.prepared(tmp_path, models=DISJOINT, racing=RACING)
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings = settings.model_copy(update={"database_url": server.new_database()})
    first, *others = system.models_of(DISJOINT)
    playing.adopted(settings, [f"{name}@1" for name in (first, *others)])
    racing = [f"{first}@{2 + number}" for number in range(RACING)]
    with playing.processes(4, {}, preload=__name__) as pool:
        crowd = playing.Crowd(settings, by_steps, pool)
        found = crowd.ask([*racing, *(f"{name}@2" for name in others)])
        crowd.play()
    queue = sorted(found[name] for name in racing)
    with opened(settings) as site:
        seen = checking.checked(site, [queue, *([found[f"{name}@2"]] for name in others)])
    assert seen.faults == ()
    assert (seen.promoted, seen.rejected) == (DISJOINT - 1 + RACING // 2, RACING // 2)
