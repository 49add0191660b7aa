"""Which databases the deployed system is tested on: SQLite files, or a real PostgreSQL.

`SLUICEWAY_TEST_DATABASE` says `sqlite` or `postgresql`; unset, it is PostgreSQL where a server can
be started. With PostgreSQL everything is done as docs/operating.md says: its SQL makes roles and
databases, and the lines of deployments/postgres.env stand in the home folder's settings.
"""

import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from dotenv import dotenv_values

from tests.adapters.postgres_server import PostgresServer, is_installed
from tests.end_to_end.shop import Shop, registered_models

REPOSITORY = Path(__file__).parents[2]
PASSWORD = "p@ss/w%rd: 1"
"""What has to be quoted in a URL."""


def is_postgres() -> bool:
    """Whether this run is on PostgreSQL.

    Raises:
        pytest.UsageError: There is no such database.
    """
    name = os.environ.get("SLUICEWAY_TEST_DATABASE")
    if name not in (None, "sqlite", "postgresql"):
        raise pytest.UsageError(f"SLUICEWAY_TEST_DATABASE is {name!r}: sqlite or postgresql")
    in_ci = os.environ.get("CI", "").lower() == "true"  # where it must be there
    return name == "postgresql" or (name is None and (in_ci or is_installed()))


def on_sqlite(registry: Path, folder: Path) -> Shop:
    """A shop whose registry is a SQLite file in its home; so will be all else."""
    return Shop.opened(registry, folder / "home")


def on_postgres(server: PostgresServer, folder: Path) -> Shop:
    """A shop whose settings name three databases of the server, one of them with its registry."""
    shown = (REPOSITORY / "docs" / "operating.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", shown, re.DOTALL)
    for statement in filter(None, map(str.strip, block.split(";"))):
        server.execute(statement.replace("'PASSWORD'", f"'{PASSWORD}'"))
    lines = (REPOSITORY / "deployments" / "postgres.env").read_text(encoding="utf-8")
    assert lines.count(":PASSWORD@127.0.0.1:5432/") == 3
    there = f":{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/"
    shop = Shop(home=folder / "home")
    shop.home.mkdir()
    kept = shop.home / "settings.env"
    kept.write_text(lines.replace(":PASSWORD@127.0.0.1:5432/", there), encoding="utf-8")
    registered_models(folder, dotenv_values(kept)["MLFLOW_BACKEND_STORE_URI"])
    return shop
