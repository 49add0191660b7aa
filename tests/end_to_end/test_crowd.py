"""Many rollouts at once, in processes of their own, on one journal, registry and routing table.

By the steps of the flows, without Prefect; `python -m bench crowd` does the same with more of them.
"""

import time
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from bench.crowd import playing, system
from sluiceway.adapters.memory_registry import try_in_process
from sluiceway.settings import Settings
from sluiceway.wiring import opened
from tasks.retrying import TRANSIENT
from tests.adapters.mlflow_worlds import QUIET
from tests.adapters.postgres_server import PostgresServer
from tests.driver import advance

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]


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


@pytest.mark.parametrize(
    ("database", "disjoint", "racing", "hands"), [("sqlite", 1, 4, 2), ("postgresql", 6, 4, 1)]
)
def test_disjoint_rollouts_go_side_by_side_and_racing_ones_one_by_one(
    database: str,
    disjoint: int,
    racing: int,
    hands: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = system.prepared(tmp_path, models=disjoint, racing=racing)
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings = settings.model_copy(update={"database_url": server.new_database()})
    with playing.processes(4, preload=__name__) as pool:
        crowd = playing.Crowd(settings, by_steps, pool, hands)
        seen = crowd.gone_through(system.names_of(disjoint, racing))
    assert seen.faults == ()
    assert (seen.promoted, seen.rejected) == (disjoint - 1 + racing // 2, racing // 2)
