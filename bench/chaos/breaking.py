"""Breaking one thing, for as long as it takes."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from bench.chaos.clock import FILE
from bench.chaos.deployed import Deployed
from bench.chaos.points import SERVICES, Break
from bench.chaos.proxy import Mode, Proxy

_HELD_FOR: Final = 40.0
"""Seconds for which the database stays locked: longer than SQLite's writers wait."""
_GONE_FOR: Final = 25.0
"""Seconds for which MLflow does not answer, the disk is full, the clock is off."""
_JUMP: Final = 3600


@contextmanager
def breaking(what: Break, deployed: Deployed, proxy: Proxy) -> Iterator[dict[str, int]]:
    """Break it, and at the end of the block undo what does not mend itself.

    Yields:
        The processes that were killed, by service.
    """
    if what in SERVICES:
        if what is Break.BOTH:
            for one in flow_runs(deployed):
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGKILL)
        whole = what is not Break.MLFLOW_PARENT
        yield {name: deployed.kill(name, whole=whole) for name in SERVICES[what]}
        return
    if what is Break.FLOW:
        yield {}
        return
    with {
        Break.FULL: lambda: _full(deployed.settings.home),
        Break.LOCKED: lambda: _locked(deployed.settings.home / "journal.db"),
        Break.FAILS: lambda: _away(proxy, Mode.FAILS),
        Break.HANGS: lambda: _away(proxy, Mode.HANGS),
        Break.AHEAD: lambda: _clock(deployed, _JUMP),
        Break.BEHIND: lambda: _clock(deployed, -_JUMP),
    }[what]():
        yield {}


def lasts(what: Break) -> float:
    """For how long it is broken (s)."""
    if what in SERVICES or what is Break.FLOW:
        return 0.0
    return _HELD_FOR if what is Break.LOCKED else _GONE_FOR


def flow_runs(deployed: Deployed) -> list[psutil.Process]:
    """The processes of flow runs."""
    worker = int(deployed.services()["worker"]["pid"])
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(worker).children(recursive=True)
    return []


@contextmanager
def _full(home: Path) -> Iterator[None]:
    """No byte is left where everything is kept."""
    ballast = home / "ballast"
    with ballast.open("wb") as written, suppress(OSError):
        while True:
            os.write(written.fileno(), b"\0" * 65_536)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def _locked(journal: Path) -> Iterator[None]:
    """Somebody else writes to the journal and does not come to an end."""
    with closing(sqlite3.connect(journal, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def _away(proxy: Proxy, mode: Mode) -> Iterator[None]:
    proxy.mode = mode
    try:
        yield
    finally:
        proxy.mode = Mode.PASSES


@contextmanager
def _clock(deployed: Deployed, seconds: int) -> Iterator[None]:
    clock = deployed.seam / FILE
    clock.write_text(str(seconds), encoding="utf-8")
    try:
        yield
    finally:
        clock.unlink()
