"""The demo's gateway: ``sluiceway serve`` in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx

_STARTS_WITHIN: Final = 120.0
"""Seconds in which it must answer: it loads every model first."""
_ENDS_WITHIN: Final = 20.0


@contextmanager
def running_gateway(log: Path) -> Iterator[str]:
    """Start it where the environment's settings point; gives its URL once it answers.

    Args:
        log: Where it writes what it says.

    Raises:
        RuntimeError: It did not come up.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("sluiceway")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(program), "serve", "--port", str(port)],
            stdout=written,
            stderr=subprocess.STDOUT,
            env=os.environ | {"SLUICEWAY_PROGRESS": "false"},
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.HTTPError):
            ready = httpx.get(f"{url}/v2/health/ready", timeout=2, trust_env=False)
            if ready.status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
    raise RuntimeError(f"the gateway did not come up:\n{said}")
