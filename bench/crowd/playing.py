"""A crowd of processes that ask for rollouts at once and bring them on, day after day."""

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import forkserver
from typing import Final

from bench.crowd.system import NOW
from sluiceway.ports import Window
from sluiceway.settings import Settings
from sluiceway.steps import deciding, requests
from sluiceway.steps.serving import BatchServer
from sluiceway.wiring import opened

Advance = Callable[[Settings, str, datetime], None]
"""Brings one rollout on, as far as it can go at a time; a function that a process can import."""
_LONGEST: Final = 100
"""Days after which every rollout must be over."""
_PROCESSES: Final = multiprocessing.get_context("forkserver")
"""Forks of a process that has imported everything and started nothing."""


@dataclass(slots=True)
class Crowd:
    """Processes that work on one environment.

    Attributes:
        advance: How a rollout is brought on.
        pool: The processes.
        seconds: How long each call of a kind took in its process (s).
        days: How many days of live traffic were answered.
    """

    settings: Settings
    advance: Advance
    pool: ProcessPoolExecutor
    seconds: dict[str, list[float]] = field(default_factory=dict)
    days: int = 0

    def ask(self, names: Sequence[str]) -> dict[str, str]:
        """Ask for all of them at once, each twice.

        Returns:
            Rollout id by ``MODEL@VERSION``.
        """
        asked = [(name, self.pool.submit(_asked, self.settings, name)) for name in (*names, *names)]
        found: dict[str, set[str]] = {name: set() for name in names}
        for name, future in asked:
            found[name].add(self._timed("ask", future))
        twice = {name: ids for name, ids in found.items() if len(ids) != 1}
        assert not twice, f"who asks twice gets one rollout: {twice}"
        return {name: ids.pop() for name, ids in found.items()}

    def play(self) -> None:
        """Bring every rollout on, each by two processes at once, until all are over."""
        now = NOW
        for _ in range(_LONGEST):
            with opened(self.settings) as site:
                while True:
                    open_ids = deciding.unfinished(site)
                    begun = [
                        self.pool.submit(_advanced, self.advance, self.settings, one, now)
                        for one in (*open_ids, *open_ids)
                    ]
                    for future in begun:
                        self._timed("advance", future)
                    if deciding.unfinished(site) == open_ids:
                        break  # else it is the turn of those that waited for what is over now
                if not open_ids:
                    return
                after = now + timedelta(days=1)
                BatchServer(site).answer(Window(start=now, end=after), now=after)
            now = after
            self.days += 1
        raise AssertionError(f"after {_LONGEST} days these are not over: {open_ids}")

    def _timed(self, kind: str, future: "Future[tuple[str, float]]") -> str:
        came, seconds = future.result(timeout=900)
        self.seconds.setdefault(kind, []).append(seconds)
        return came


def adopted(settings: Settings, names: Sequence[str]) -> None:
    """Let what is registered first be generation 1."""
    with opened(settings) as site:
        requests.adopt(site, names, now=NOW, actor="bench")


def processes(count: int, environment: Mapping[str, str], *, preload: str) -> ProcessPoolExecutor:
    """So many processes, which begin as forks of one that has imported a module."""
    _PROCESSES.set_forkserver_preload([preload])
    forkserver.ensure_running()
    pool = ProcessPoolExecutor(
        count, mp_context=_PROCESSES, initializer=_living, initargs=(dict(environment),)
    )
    for future in [pool.submit(time.sleep, 0.2) for _ in range(count)]:
        future.result(timeout=300)
    return pool


def _living(environment: dict[str, str]) -> None:
    os.environ.update(environment)


def _asked(settings: Settings, name: str) -> tuple[str, float]:
    began = time.monotonic()
    with opened(settings) as site:
        rollout_id = requests.request_rollout(site, [name], now=NOW, actor=f"pid {os.getpid()}")
    return rollout_id, time.monotonic() - began


def _advanced(
    advance: Advance, settings: Settings, rollout_id: str, now: datetime
) -> tuple[str, float]:
    began = time.monotonic()
    advance(settings, rollout_id, now)
    return rollout_id, time.monotonic() - began
