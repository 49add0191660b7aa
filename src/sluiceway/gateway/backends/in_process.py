"""A version in this process, asked in threads of its own."""

import asyncio
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sluiceway.gateway.hanging import Hanging
from sluiceway.ports import Predictor
from sluiceway.serving.ports import BackendFailed, BackendTimeout
from sluiceway.serving.values import Values


@dataclass(slots=True, eq=False)
class _Job:
    """One question on its way through a thread.

    Attributes:
        thread: Who answers it; None while it waits.
        began: When that began, monotonic seconds.
    """

    columns: Mapping[str, Values]
    answer: "asyncio.Future[np.ndarray]"
    thread: "_Thread | None" = None
    began: float = 0.0


@dataclass(slots=True, eq=False)
class _Thread:
    """A thread that answers; an abandoned one ends when it comes back."""

    abandoned: threading.Event = field(default_factory=threading.Event)


class InProcessBackend:
    """Implements :class:`sluiceway.serving.ports.Backend` by a predictor in this process.

    A thread that does not come back by its deadline cannot be ended: it is left alone and another
    takes its place.

    Args:
        name: How people call the version, such as ``dep_delay@2``.
        predictor: The version, loaded.
        threads: How many questions it answers at once.
        most_waiting: Most questions that wait for a thread.
    """

    def __init__(
        self, name: str, predictor: Predictor, *, threads: int = 2, most_waiting: int = 64
    ) -> None:
        self._name = name
        self._predictor: Predictor | None = predictor
        self._inputs = predictor.inputs
        self._most_waiting = most_waiting
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._most_threads = threads
        self._running = 0
        self._stuck: set[_Thread] = set()
        self._hanging = Hanging(name)
        self._counting = threading.Lock()
        self.abandoned = 0
        """How many threads were left alone so far."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in the order of its signature."""
        return self._inputs

    @property
    def local(self) -> Predictor | None:
        """The predictor itself; None once it is closed."""
        return self._predictor

    @property
    def stuck(self) -> int:
        """How many threads are inside a question whose time is over."""
        return len(self._stuck)

    async def predict(self, columns: Mapping[str, Values], *, deadline: float) -> np.ndarray:
        """Answer rows; see :meth:`sluiceway.serving.ports.Backend.predict`.

        Raises:
            BackendTimeout: It gave no answer in time.
            BackendFailed: It raised, is closed, or too many of its threads are stuck.
        """
        if self._predictor is None:
            raise BackendFailed(f"{self._name} is closed")
        if not self._hanging.may_begin(time.monotonic()):
            said = f"{self._name} has {len(self._stuck)} threads that do not come back"
            raise BackendFailed(f"{said}; it is tried again")
        if self._jobs.qsize() >= self._most_waiting:
            raise BackendFailed(f"{self._name} has {self._most_waiting} questions waiting already")
        if self._running < self._most_threads:
            self._start_thread()
        job = _Job(columns, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        try:
            async with asyncio.timeout(deadline):
                answer = await job.answer
        except TimeoutError:
            self._leave(job, deadline)
            said = f"{self._name} does not answer within {deadline:g} seconds"
            raise BackendTimeout(said) from None
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(deadline, self._leave, job, deadline)
            raise
        except BackendFailed:
            self._hanging.answered()  # it raised: it does not hang
            raise
        self._hanging.answered()
        return answer

    async def close(self) -> None:
        """Let the model and the threads go; those that are stuck go when they come back."""
        self._predictor = None
        for _ in range(self._running):
            self._jobs.put(None)

    def _start_thread(self) -> None:
        # Daemons: one that is stuck must not keep the whole process from ending.
        thread = _Thread()
        self._running += 1
        threading.Thread(
            target=self._live, args=(thread, self._predictor), name=self._name, daemon=True
        ).start()

    def _leave(self, job: _Job, deadline: float) -> None:
        """Replace the thread of a question whose time is over, unless it has only begun."""
        thread = job.thread
        if thread is None or thread.abandoned.is_set():
            return
        left = job.began + deadline - time.monotonic()
        if left > 0.001:  # it waited for a thread first
            asyncio.get_running_loop().call_later(left, self._leave, job, deadline)
            return
        with self._counting:
            if job.thread is None:
                return  # it came back just now
            thread.abandoned.set()
            self._stuck.add(thread)
            self._hanging.hung(time.monotonic())
        self.abandoned += 1
        self._running -= 1
        if self._predictor is not None and not self._jobs.empty():
            self._start_thread()

    def _live(self, thread: _Thread, predictor: Predictor) -> None:
        while not thread.abandoned.is_set():
            job = self._jobs.get()
            if job is None:
                return
            # In this order: whoever gives up on the question next sees who has it.
            job.began, job.thread = time.monotonic(), thread
            if job.answer.done():
                continue
            answer = _answer(self._name, predictor, job.columns)
            with self._counting:
                job.thread = None
                if thread in self._stuck:
                    self._stuck.discard(thread)
                    self._hanging.came_back()
            try:
                job.answer.get_loop().call_soon_threadsafe(_settle, job.answer, answer)
            except RuntimeError:
                return  # the loop is closed, and nobody waits


def _answer(
    name: str, predictor: Predictor, columns: Mapping[str, Values]
) -> np.ndarray | BackendFailed:
    try:
        return predictor.predict(columns)
    except BaseException as error:  # noqa: BLE001 - a model may raise anything; it is told
        return BackendFailed(f"{name} raised {type(error).__name__}: {error}")


def _settle(future: "asyncio.Future[np.ndarray]", answer: np.ndarray | BackendFailed) -> None:
    if future.done():
        return
    if isinstance(answer, BackendFailed):
        future.set_exception(answer)
    else:
        future.set_result(answer)
