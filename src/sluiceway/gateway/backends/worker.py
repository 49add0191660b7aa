"""A version in a process of its own that may hang, crash, grow or die, and is then replaced."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from sluiceway.gateway.backends.child import Child
from sluiceway.ports import Predictor
from sluiceway.serving.ports import BackendFailed
from sluiceway.serving.values import Values

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a worker may take.

    Attributes:
        load_seconds: Longest time until it has loaded its version.
        warm_seconds: Longest time for each of its first answers.
        memory_bytes: Most resident memory.
        memory_poll_seconds: How often its memory is looked at.
        most_waiting: Most questions that wait for it at once.
        patience_seconds: So long after a question's deadline it is taken to hang, and ended. Until
            then it is slow, which is for whoever counts late answers.
        first_pause: Seconds before it is replaced for the first time; doubled each time after.
        longest_pause: Most seconds before it is replaced.
        steady_seconds: Once it lived so long, its next death counts as the first.
    """

    load_seconds: float = 120.0
    warm_seconds: float = 30.0
    memory_bytes: int = 2 << 30
    memory_poll_seconds: float = 0.25
    most_waiting: int = 64
    patience_seconds: float = 1.0
    first_pause: float = 0.1
    longest_pause: float = 30.0
    steady_seconds: float = 60.0

    def pause(self, deaths: int) -> float:
        """Seconds before the next try after so many deaths in a row, 1 or more."""
        return float(min(self.longest_pause, self.first_pause * 2.0 ** min(deaths - 1, 60)))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """How a worker is.

    Attributes:
        pid: Id of its process; None while it is being replaced.
        rss_bytes: Resident memory when it was looked at last.
        restarts: How often it was replaced.
        memory_kills: How often it was ended because it held too much memory.
        fault: Why it ended last; None where it never did.
    """

    pid: int | None
    rss_bytes: int
    restarts: int
    memory_kills: int
    fault: str | None


class WorkerBackend:
    """Implements :class:`sluiceway.serving.ports.Backend` by a process of its own.

    Questions travel as they come, and are answered one after the other. Made by :meth:`started`.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        artifact_sha256: str,
        *,
        warm: Sequence[Mapping[str, Values]],
        limits: WorkerLimits,
    ) -> None:
        self._name = name
        self._folder = folder
        self._artifact_sha256 = artifact_sha256
        self._warm = warm
        self._limits = limits
        self._child: Child | None = None
        self._inputs: tuple[str, ...] | None = None
        self._keeping: tuple[asyncio.Task[None], ...] = ()
        self._state = WorkerState(pid=None, rss_bytes=0, restarts=0, memory_kills=0, fault=None)

    @classmethod
    async def started(
        cls,
        name: str,
        folder: Path,
        artifact_sha256: str,
        *,
        warm: Sequence[Mapping[str, Values]] = (),
        limits: WorkerLimits | None = None,
    ) -> "WorkerBackend":
        """Start a process that has loaded a version and answered the first questions.

        Args:
            name: How people call the version, such as ``dep_delay@2``.
            folder: Its files; they stay where they are for as long as the worker lives.
            artifact_sha256: Digest of the files that were verified; others are not loaded.
            warm: Questions that it has to answer before it counts as started.

        Raises:
            BackendFailed: It cannot be loaded, or gives one of these no answer.
        """
        worker = cls(name, folder, artifact_sha256, warm=warm, limits=limits or WorkerLimits())
        await worker._replace()
        loop = asyncio.get_running_loop()
        worker._keeping = (
            loop.create_task(worker._keep_alive(), name=f"keeps {name}"),
            loop.create_task(worker._watch_memory(), name=f"watches {name}"),
        )
        return worker

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in the order of its signature."""
        return self._inputs or ()

    @property
    def local(self) -> Predictor | None:
        """None: it lives in another process."""
        return None

    @property
    def state(self) -> WorkerState:
        """How it is now."""
        child = self._child
        return replace(self._state, pid=None if child is None else child.pid)

    async def predict(self, columns: Mapping[str, Values], *, deadline: float) -> np.ndarray:
        """Answer rows; see :meth:`sluiceway.serving.ports.Backend.predict`.

        Raises:
            BackendTimeout: It gave no answer in time; it is replaced where it hangs.
            BackendFailed: It gave none at all, or is being replaced.
        """
        answer, _ = await self.timed(columns, deadline=deadline)
        return answer

    async def timed(
        self, columns: Mapping[str, Values], *, deadline: float
    ) -> tuple[np.ndarray, float]:
        """The same, and what the version took in its process; as in :meth:`predict`."""
        if self._child is None:
            raise BackendFailed(f"{self._name} is being started again: it {self._state.fault}")
        return await self._child.ask(columns, deadline)

    async def close(self) -> None:
        """End the process and all that it started."""
        for task in self._keeping:
            task.cancel()
        for task in self._keeping:
            with suppress(asyncio.CancelledError):
                await task
        child, self._child = self._child, None
        if child is not None:
            await child.end("is not wanted any more")

    async def _replace(self) -> None:
        """Start a process; it is asked by others only once it answered the first questions."""
        limits = self._limits
        child = Child(
            self._name, most_waiting=limits.most_waiting, patience=limits.patience_seconds
        )
        await child.start(self._folder, self._artifact_sha256, seconds=limits.load_seconds)
        try:
            for columns in self._warm:
                await child.ask(columns, limits.warm_seconds)
        except BaseException:
            await child.end("is not wanted any more")
            raise
        self._inputs = child.inputs
        self._child = child
        self._look_at_memory(child)

    async def _keep_alive(self) -> None:
        deaths = 0
        while True:
            child = self._child
            assert child is not None
            born = time.monotonic()
            fault = await asyncio.shield(child.ended)
            self._child = None
            if time.monotonic() - born >= self._limits.steady_seconds:
                deaths = 0
            while self._child is None:
                deaths += 1
                self._state = replace(self._state, fault=fault)
                await asyncio.sleep(self._limits.pause(deaths))
                try:
                    await self._replace()
                except (BackendFailed, OSError) as error:
                    fault = str(error).removeprefix(f"{self._name} ")
            self._state = replace(self._state, restarts=self._state.restarts + 1)

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(self._limits.memory_poll_seconds)
            child = self._child
            if child is not None:
                self._look_at_memory(child)

    def _look_at_memory(self, child: Child) -> None:
        held, may = resident_bytes(child.pid), self._limits.memory_bytes
        self._state = replace(self._state, rss_bytes=held)
        said = f"was ended: it held {held >> 20:,} MiB of memory and may hold {may >> 20:,} MiB"
        if held > may and child.kill(said):
            self._state = replace(self._state, memory_kills=self._state.memory_kills + 1)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where it is gone, or nobody can say."""
    try:
        with Path(f"/proc/{pid}/statm").open("rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
