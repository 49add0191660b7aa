"""A crowd of processes that ask for rollouts at once and bring them on, day after day."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing import forkserver
from typing import Final

from bench.crowd.checking import Checked, checked
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
        hands: How many of them ask for each rollout, and bring it on, at the same time.
        seconds: How long each call of a kind took in its process (s).
        days: How many days of live traffic were answered.
    """

    settings: Settings
    advance: Advance
    pool: ProcessPoolExecutor
    hands: int = 1
    seconds: dict[str, list[float]] = field(default_factory=dict)
    days: int = 0

    def gone_through(self, candidates: Sequence[Sequence[str]]) -> Checked:
        """Adopt what serves, ask for all candidates, bring them on to their end, and look.

        Args:
            candidates: ``MODEL@VERSION`` of those that race for a model, for each model.
        """
        served = [f"{race[0].partition('@')[0]}@1" for race in candidates]
        with opened(self.settings) as site:
            requests.adopt(site, served, now=NOW, actor="bench")
        found = self.ask([name for race in candidates for name in race])
        self.play()
        with opened(self.settings) as site:
            # Ids begin with the number that the journal gave, in the order of the questions.
            return checked(site, [sorted(found[name] for name in race) for race in candidates])

    def ask(self, names: Sequence[str]) -> dict[str, str]:
        """Ask for all of them at once.

        Returns:
            Rollout id by ``MODEL@VERSION``.
        """
        asked = [
            (name, self.pool.submit(_asked, self.settings, name))
            for _ in range(self.hands)
            for name in names
        ]
        found: dict[str, set[str]] = {name: set() for name in names}
        for name, future in asked:
            found[name].add(self._timed("ask", future))
        several = {name: ids for name, ids in found.items() if len(ids) != 1}
        assert not several, f"who asks again gets the same rollout: {several}"
        return {name: ids.pop() for name, ids in found.items()}

    def play(self) -> None:
        """Bring every rollout on, all of them at once, until all are over."""
        now = NOW
        for _ in range(_LONGEST):
            with opened(self.settings) as site:
                while True:
                    open_ids = deciding.unfinished(site)
                    begun = [
                        self.pool.submit(_advanced, self.advance, self.settings, one, now)
                        for _ in range(self.hands)
                        for one in open_ids
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


def processes(count: int, *, preload: str) -> ProcessPoolExecutor:
    """So many processes, which begin as forks of one that has imported a module."""
    _PROCESSES.set_forkserver_preload([preload])
    forkserver.ensure_running()
    pool = ProcessPoolExecutor(count, mp_context=_PROCESSES, initializer=_tethered)
    for future in [pool.submit(time.sleep, 0.2) for _ in range(count)]:
        future.result(timeout=300)
    return pool


def _tethered() -> None:
    """No process of the crowd outlives whoever began it, however that one ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


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
