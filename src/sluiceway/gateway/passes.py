"""Passes of rows through versions: what one is, and the thread that goes through those of here."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import numpy as np

from sluiceway.contracts.values import Trigger
from sluiceway.serving.evaluating import Evaluation
from sluiceway.serving.inputs import Features

RESERVE: Final = 0.1
"""Share of a question's time that is kept for what comes after a step that hangs."""
_FAIR: Final = 0.25
"""Share of the time that it may usually take which a version must have had to be blamed."""


@dataclass(slots=True, eq=False)
class Job:
    """Rows of one question.

    Attributes:
        ends_at: When it must be answered, on the loop's clock (s).
        limit: Its whole time (s).
        done: Is given the pass in which it was answered, and its rows there.
        failed: Is given what keeps it from any answer; a fault of ours, never of a version.
        alone: Whether it is asked by itself, because some row of its last pass spoilt it for all.
    """

    features: Features
    units: Sequence[str]
    ends_at: float
    limit: float
    done: Callable[[Evaluation, slice], None]
    failed: Callable[[Exception], None]
    alone: bool = False


@dataclass(slots=True, eq=False)
class Pass:
    """Rows of several questions on their way through a layout together.

    Attributes:
        ends_at: When the first of them must be answered, on the loop's clock (s).
        reserve: What of that is kept back for what comes after a step that hangs (s).
        step_began: When the step that is under way began, on the same clock.
        limit: The shortest whole time of one of the questions (s).
        spoilt: Whether some row made a version raise, so that each question is asked alone.
        timer: Goes off when the step is overdue.
    """

    jobs: list[Job]
    evaluation: Evaluation
    ends_at: float
    reserve: float
    step_began: float
    limit: float
    spoilt: bool = False
    timer: asyncio.TimerHandle | None = None

    def is_fair(self, given: float) -> bool:
        """Whether the version that is next was given time enough to be blamed for being late.

        Args:
            given: Seconds; the rest went to waiting, or to the versions before it.
        """
        if self.evaluation.is_done:
            return True
        own = self.evaluation.step.contract.deadline.total_seconds()
        return given >= _FAIR * min(own, (1 - RESERVE) * self.limit)


class PassThread:
    """One thread that goes through passes, one after the other."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answered: Callable[[Pass, Evaluation, Exception | None], None],
    ) -> None:
        self._loop = loop
        self._answered = answered
        self._asked: SimpleQueue[Pass | None] = SimpleQueue()
        self._came_back: Callable[[], None] | None = None
        self.ask = self._asked.put
        threading.Thread(target=self._live, name="sluiceway-lane", daemon=True).start()

    def end(self) -> None:
        """Let it end, once it has nothing more to do."""
        self._asked.put(None)

    def abandon(self, came_back: Callable[[], None]) -> None:
        """Let it end once it comes back from where it hangs, and be told of it."""
        self._came_back = came_back
        self._asked.put(None)

    def _live(self) -> None:
        while (begun := self._asked.get()) is not None:
            evaluation, fault = begun.evaluation, None
            try:
                _go_through(begun, evaluation, self._loop.time)
            except Exception as error:  # noqa: BLE001 - or nobody would ever be told
                fault = error
            self._tell(self._answered, begun, evaluation, fault)
        if self._came_back is not None:
            self._tell(self._came_back)

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)


def _go_through(begun: Pass, evaluation: Evaluation, clock: Callable[[], float]) -> None:
    """Ask every version in turn; whatever one does is that version's fault."""
    evaluation.skip_blocked()
    while not evaluation.is_done:
        step = evaluation.step
        columns = evaluation.columns()
        if columns is None:
            what = f"the question lacks what {step.model} reads"
            evaluation.lose(Trigger.ERROR, what, asked=False)
        else:
            began = time.perf_counter()
            try:
                answer = step.backend.local.predict(columns)  # type: ignore[union-attr]
                evaluation.give(answer, time.perf_counter() - began)
            except BaseException as error:  # noqa: BLE001 - a model may raise anything
                if len(begun.jobs) > 1:
                    begun.spoilt = True
                    return
                what = f"raised {type(error).__name__}: {error}"
                evaluation.lose(Trigger.ERROR, what, seconds=time.perf_counter() - began)
            begun.step_began = clock()
        evaluation.skip_blocked()


def together(jobs: Sequence[Job]) -> tuple[Features, Sequence[str]]:
    """The rows of all jobs, which hold the same features, one after the other."""
    first = jobs[0]
    if len(jobs) == 1:
        return first.features, first.units
    units = [unit for job in jobs for unit in job.units]
    return {
        key: np.concatenate([job.features[key] for job in jobs]) for key in first.features
    }, units
