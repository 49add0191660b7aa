"""The PostgreSQL server that the journal is tested on."""

import os
from collections.abc import Iterator

import pytest

from tests.adapters.postgres_server import PostgresMissing, PostgresServer, running_postgres


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
