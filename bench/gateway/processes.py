"""The servers under test, each a real process that is ended by its id."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from sluiceway.settings import Settings

_STARTS_WITHIN: Final = 120.0
"""Seconds a server may take to answer."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
QUIET: Final = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "DO_NOT_TRACK": "1",
    "NO_PROXY": "127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        port: Where it listens on 127.0.0.1.
        process: Its process, which leads a group of its own.
    """

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time of its process and of all that it started."""
        return sum(_cpu(pid) for pid in _family(self.process.pid))

    def kill(self) -> None:
        """kill -9, of itself alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def gateway(
    settings: Settings, *, port: int | None = None, more: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """``sluiceway serve``, ready to answer."""
    port = port or free_port()
    command = [
        str(Path(sys.executable).with_name("sluiceway")),
        "--home", str(settings.home), "--system", str(settings.system),
        "serve", "--port", str(port),
    ]  # fmt: skip
    environment = {"SLUICEWAY_DATA": str(settings.data_folder), **(more or {})}
    log = settings.home / "gateway.log"
    with _running(command, port, "/v2/health/ready", environment, log) as server:
        yield server


@contextmanager
def mlflow_server(settings: Settings, model: str) -> Iterator[Server]:
    """``mlflow models serve``, ready to answer."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{model}/1",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    environment = {
        "MLFLOW_TRACKING_URI": settings.registry_uri,
        "MLFLOW_REGISTRY_URI": settings.registry_uri,
    }
    with _running(command, port, "/ping", environment, settings.home / "mlflow.log") as server:
        yield server


@contextmanager
def _running(
    command: Sequence[str], port: int, ready: str, environment: Mapping[str, str], log: Path
) -> Iterator[Server]:
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env={**os.environ, **QUIET, **environment, "PATH": _path()},
        )
    server = Server(port, process)
    try:
        _wait(server, ready, log)
        yield server
    finally:
        for pid in _family(process.pid):
            _end(pid)
        process.wait()


def _path() -> str:
    """Programs of this environment first: mlflow starts uvicorn by its name."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _wait(server: Server, ready: str, log: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if httpx.get(server.url + ready, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    last = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
    raise RuntimeError(f"{server.process.args} does not answer {ready}:\n{last}")


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _family(pid: int) -> list[int]:
    """A process and all that it started, as far as they live."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
