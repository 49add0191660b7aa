"""A real PostgreSQL server on a free port of loopback, ended by its process id."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError

START_SECONDS = 60
STOP_SECONDS = 20


_WHO_MAY_ENTER = """
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
"""Whoever owns the cluster needs no password; everybody else does."""


class PostgresMissing(Exception):
    """This machine has no PostgreSQL server that could be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A cluster of its own, which nobody else uses and which keeps nothing."""

    port: int
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str = "postgres") -> str:
        """As people write it: no driver is named."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database; give its URL."""
        name = f"journal_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Run one statement as the owner of everything, outside of any transaction."""
        url = URL.create(
            "postgresql+psycopg", "postgres", host="127.0.0.1", port=self.port, database="postgres"
        )
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a cluster in a folder of its own, and take both away again.

    Raises:
        PostgresMissing: There are no binaries to start.
    """
    binaries = _binaries()
    # Not below pytest's own folder: that one only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="sluiceway-tests-postgres-"))
    try:
        as_somebody = _as_somebody_else_than_root(folder)
        subprocess.run(
            [
                *as_somebody, binaries / "initdb", "--pgdata", folder / "data", "--username",
                "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync",
            ],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=START_SECONDS,
        )  # fmt: skip
        (folder / "data" / "pg_hba.conf").write_text(_WHO_MAY_ENTER, encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (folder / "server.log").open("wb") as log:
            running = subprocess.Popen(
                [
                    *as_somebody, binaries / "postgres", "-D", folder / "data", "-h", "127.0.0.1",
                    "-p", str(port), "-k", "", "-F", "-c", "max_connections=100",
                ],
                cwd=folder,
                stdout=log,
                stderr=log,
            )  # fmt: skip
        server = PostgresServer(port=port)
        try:
            _wait_for(server, running, folder / "server.log")
            yield server
        finally:
            running.send_signal(signal.SIGQUIT)  # at once; there is nothing to keep
            try:
                running.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_installed() -> bool:
    """Whether a server could be started on this machine."""
    try:
        _binaries()
        _as_somebody_else_than_root(None)
    except PostgresMissing:
        return False
    return True


def _binaries() -> Path:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    on_path = shutil.which("initdb")
    found = [
        *sorted(debian, key=lambda folder: float(folder.parent.name), reverse=True),
        *([Path(on_path).parent] if on_path else []),
    ]
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise PostgresMissing("no PostgreSQL server on this machine (Debian: apt install postgresql)")


def _as_somebody_else_than_root(folder: Path | None) -> list[str]:
    """What to put before a command: a server refuses root, and none may outlive killed tests.

    Args:
        folder: Is given to that somebody.
    """
    setpriv = shutil.which("setpriv")
    tethered = [setpriv, "--pdeathsig", "INT"] if setpriv else []
    if os.geteuid() != 0:
        return tethered
    if not setpriv:
        raise PostgresMissing("PostgreSQL does not run as root, and there is no setpriv")
    known = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in known else "nobody")
    if folder is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return [*tethered, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _wait_for(server: PostgresServer, running: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and running.poll() is None:
        try:
            server.execute("SELECT 1")
        except OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not come up: {log.read_text(errors='replace')}")
