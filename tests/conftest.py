"""What whole rollouts need: one server a session of Prefect and of PostgreSQL, a made-up shop.

Settings that must stand before Prefect or MLflow are imported stand here.
"""

import os
import tempfile

# Nothing that tests start may read a developer's profile, or tell anybody that it ran.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="sluiceway-tests-prefect-")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
os.environ["DO_NOT_TRACK"] = "1"
os.environ.pop("PREFECT_API_URL", None)

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.adapters.postgres_server import PostgresMissing, PostgresServer, running_postgres
from tests.end_to_end.prefect_server import PrefectServer, flows_through, running_server
from tests.end_to_end.shop import Shop, registered_models

# How long an example takes says how busy the machine is, and nothing about the claim. The same
# examples every time, so that a red suite speaks of the change at hand; new ones are looked for by
# `make search`.
settings.register_profile("sluiceway", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "sluiceway"))


def pytest_unconfigure() -> None:
    """Remove this run's PREFECT_HOME."""
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One for the session; where there is none, its tests are skipped, but never in CI."""
    running = running_postgres()
    try:
        server = running.__enter__()
    except PostgresMissing as missing:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"in CI this must be tested: {missing}")
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A real Prefect server on loopback; it takes seconds to start, so there is one a session."""
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def prefect_flows(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Flows called in this process report to the server."""
    with flows_through(prefect_server):
        yield prefect_server


@pytest.fixture(scope="session")
def shop_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an MLflow store that holds every version of the shop's models."""
    folder = tmp_path_factory.mktemp("shop")
    registered_models(folder)
    return folder


@pytest.fixture
def shop(shop_registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop with its models registered and nothing adopted yet; settings point at it."""
    shop = Shop.opened(shop_registry, tmp_path / "home")
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("SLUICEWAY_DATABASE_URL", "SLUICEWAY_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return shop
