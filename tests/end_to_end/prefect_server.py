"""A real Prefect server on a free port of loopback, ended by its process id."""

import inspect
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.utilities.asyncutils import run_coro_as_sync

START_SECONDS = 120
STOP_SECONDS = 20
_TETHERED = (
    "import ctypes, os, sys;"
    "ctypes.CDLL(None).prctl(1, 15);"  # PR_SET_PDEATHSIG, SIGTERM
    "os.execv(sys.argv[1], sys.argv[1:])"
)
TETHER = [sys.executable, "-c", _TETHERED] if sys.platform == "linux" else []
"""Before a command: where the kernel can do it, no program outlives tests that were killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefectServer:
    """Where it is, and what a program needs in its environment to use it."""

    api_url: str
    home: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "PREFECT_API_URL": self.api_url,
            "PREFECT_HOME": str(self.home),
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_CLI_COLORS": "false",
            "NO_PROXY": "127.0.0.1,localhost",
        }


@contextmanager
def running_server(home: Path) -> Iterator[PrefectServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = PrefectServer(api_url=f"http://127.0.0.1:{port}/api", home=home)
    command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with running_program(command, server.environment, home / "server.log") as started:
        _wait_for(f"{server.api_url}/health", started, home / "server.log")
        yield server


@contextmanager
def running_program(
    command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program of this installation in a process group of its own, ended with all it started."""
    program = Path(sys.executable).with_name(command[0])
    with log.open("wb") as written:
        started = subprocess.Popen(
            [*TETHER, str(program), *command[1:]],
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    try:
        yield started
    finally:
        _end(started)


def _end(started: "subprocess.Popen[bytes]") -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        if started.poll() is None:
            os.killpg(started.pid, how)
            try:
                started.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def flows_through(server: PrefectServer) -> Iterator[None]:
    """Flows of this process report to the server, without the second that heartbeats cost each."""
    settings = {PREFECT_API_URL: server.api_url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(settings):
        yield
        # What is not sent before the server ends would be tried again for a minute.
        run_coro_as_sync(_sent())


async def _sent() -> None:
    for waiting in (APILogWorker.instance().drain(), EventsWorker.drain_all()):
        if inspect.isawaitable(waiting):
            await waiting


def _wait_for(url: str, started: "subprocess.Popen[bytes]", log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and started.poll() is None:
        try:
            with direct.open(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the Prefect server did not come up: {log.read_text()[-2000:]}")
