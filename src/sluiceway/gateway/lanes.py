"""Where questions wait for a version's turn, and are answered together once it comes.

While a pass is under way, further rows gather; the next pass takes them all. A row that finds the
lane idle is asked at once, so nobody waits for company; under load a hundred rows cost one predict.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from sluiceway.contracts.values import Trigger
from sluiceway.gateway.hanging import Hanging
from sluiceway.gateway.passes import RESERVE, Job, Pass, PassThread, together
from sluiceway.serving.evaluating import Evaluation
from sluiceway.serving.inputs import Features
from sluiceway.serving.layout import Layout
from sluiceway.serving.ports import Backend, BackendFailed, BackendTimeout, Timed
from sluiceway.serving.served import Version
from sluiceway.serving.values import Values

_LOG: Final = logging.getLogger("sluiceway.gateway")
MOST_ROWS: Final = 4_096
"""Rows of one pass, unless a contract allows fewer."""
_PASSES: Final = 4
"""Passes at once through versions in other processes."""

Begin = Callable[[Layout, Features, Sequence[str]], Evaluation]
"""Starts an evaluation with what is known of its versions by now."""
Tell = Callable[[Evaluation], None]
"""Is told what came of a pass."""


class Lane:
    """Answers the questions of one layout.

    Args:
        layout: What is asked.
        longest: Longest time for one question, in seconds; the contract may only shorten it.
        begin: Starts each pass.
        finish: Is told of each pass once it is over, before the jobs are.
        afterwards: Is told of it after the jobs are, if they are.
        is_awaited: Whether somebody waits for the answers; else the time of a question begins with
            its turn.

    Attributes:
        waiting_rows: Rows that wait for their pass.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        longest: float,
        begin: Begin,
        finish: Tell,
        afterwards: Tell | None = None,
        is_awaited: bool = True,
    ) -> None:
        self.layout = layout
        self.waiting_rows = 0
        self._limit = min(layout.steps[-1].contract.deadline.total_seconds(), longest)
        self._loop = asyncio.get_running_loop()
        self._begin = begin
        self._finish = finish
        self._afterwards = afterwards
        self._is_awaited = is_awaited
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._starts = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: PassThread | None = None
        self._hanging: dict[Version, Hanging] = {}
        batches = [step.contract.max_batch for step in layout.steps]
        self._most = min([MOST_ROWS, *(most for most in batches if most is not None)])
        self._is_local = layout.is_local

    def job(
        self,
        features: Features,
        units: Sequence[str],
        done: Callable[[Evaluation, slice], None],
        failed: Callable[[Exception], None],
    ) -> Job:
        """Rows as they are asked here, of a question that comes now."""
        return Job(
            features={key: features[key] for key in self.layout.features if key in features},
            units=units,
            ends_at=self._loop.time() + self._limit,
            limit=self._limit,
            done=done,
            failed=failed,
        )

    def put(self, *jobs: Job) -> None:
        """Let rows wait for their pass."""
        self._waiting += jobs
        self.waiting_rows += sum(len(job.units) for job in jobs)
        self._next()

    def close(self) -> None:
        """End the thread, once it is idle."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    def _next(self) -> None:
        if self._starts:
            return  # a pass that ends as it starts comes back here; the loop below goes on
        self._starts = True
        most = 1 if self._is_local else _PASSES
        try:
            while self._waiting and self._running < most:
                jobs = self._taken()
                self._running += 1
                try:
                    self._start(jobs)
                except Exception as error:  # noqa: BLE001 - the others are still to be asked
                    self._fail(jobs, error)
        finally:
            self._starts = False

    def _taken(self) -> list[Job]:
        first = self._waiting.popleft()
        is_late = self._is_late(first)
        jobs, rows = [first], len(first.units)
        while self._waiting and not first.alone:
            job = self._waiting[0]
            # What one question lacks would be a missing value to a version that takes those.
            alike = job.features.keys() == first.features.keys() and not job.alone
            if not alike or rows + len(job.units) > self._most or self._is_late(job) != is_late:
                break
            jobs.append(self._waiting.popleft())
            rows += len(job.units)
        self.waiting_rows -= rows
        return jobs

    def _is_late(self, job: Job) -> bool:
        """Whether it waited so long that nobody can be asked any more."""
        return self._is_awaited and self._loop.time() >= job.ends_at - RESERVE * job.limit

    def _start(self, jobs: list[Job]) -> None:
        features, units = together(jobs)
        evaluation = self._begin(self.layout, features, units)
        limit, now = min(job.limit for job in jobs), self._loop.time()
        begun = Pass(
            jobs=jobs,
            evaluation=evaluation,
            ends_at=min(job.ends_at for job in jobs) if self._is_awaited else now + limit,
            reserve=RESERVE * limit,
            step_began=now,
            limit=limit,
        )
        if self._is_late(jobs[0]):
            self._lose_rest(begun, "was not asked: no time was left")
        elif not self._is_local:
            task = self._loop.create_task(self._drive(begun))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            evaluation.block(self._hanging_versions(evaluation, now))
            self._ask(begun)

    # -- versions of this process: one thread goes through all steps ----------------------------

    def _ask(self, begun: Pass) -> None:
        if self._thread is None:
            self._thread = PassThread(self._loop, self._answered)
        begun.step_began = self._loop.time()
        self._thread.ask(begun)
        begun.timer = self._loop.call_at(self._overdue_at(begun), self._overdue, begun)

    def _overdue_at(self, begun: Pass) -> float:
        evaluation = begun.evaluation
        last = begun.ends_at - begun.reserve
        if evaluation.is_done:
            return last
        own = evaluation.step.contract.deadline.total_seconds()
        return min(begun.step_began + own, last)

    def _overdue(self, begun: Pass) -> None:
        now = self._loop.time()
        if (due := self._overdue_at(begun)) > now:
            # Another step has begun since the timer was set.
            begun.timer = self._loop.call_at(due, self._overdue, begun)
            return
        # The thread cannot be ended: it is left to itself, and what it may still give to nobody.
        hanging = begun.evaluation
        counted = Hanging() if hanging.is_done else self._hanging_of(hanging.step.key)
        if self._thread is not None:
            self._thread.abandon(counted.came_back)
            self._thread = None
        counted.hung(now)
        took = now - begun.step_began
        what = f"gave no answer within {took:.3g} s"
        begun.evaluation = hanging.without(
            Trigger.TIMEOUT, what, asked=begun.is_fair(took), seconds=took
        )
        begun.evaluation.skip_blocked()
        if begun.evaluation.is_done:
            self._end(begun)
        elif now >= begun.ends_at - begun.reserve / 2:
            self._lose_rest(begun, "was not asked: no time was left")
        else:
            begun.reserve /= 2
            self._ask(begun)

    def _hanging_of(self, version: Version) -> Hanging:
        return self._hanging.setdefault(version, Hanging("@".join(version)))

    def _hanging_versions(self, evaluation: Evaluation, now: float) -> list[Version]:
        """Versions that hang and are not to be tried again yet."""
        return [
            version
            for version, one in self._hanging.items()
            if not evaluation.is_blocked(version) and not one.may_begin(now)
        ]

    def _answered(
        self, begun: Pass, evaluation: Evaluation, error: Exception | None = None
    ) -> None:
        if begun.evaluation is not evaluation:
            return  # it was overdue, and somebody else went on
        for version in evaluation.tallies.keys() & self._hanging.keys():
            self._hanging[version].answered()
        if begun.timer is not None:
            begun.timer.cancel()
        if error is not None:
            self._fail(begun.jobs, error)
            self._next()
            return
        if not begun.spoilt:
            self._end(begun)
            return
        for job in reversed(begun.jobs):
            job.alone = True
            self._waiting.appendleft(job)
            self.waiting_rows += len(job.units)
        self._running -= 1
        self._next()

    # -- versions elsewhere ----------------------------------------------------------------------

    async def _drive(self, begun: Pass) -> None:
        try:
            await self._through(begun)
        except Exception as error:  # noqa: BLE001 - or nobody would ever be told
            self._fail(begun.jobs, error)
            self._next()
        else:
            self._end(begun)

    async def _through(self, begun: Pass) -> None:
        evaluation = begun.evaluation
        evaluation.skip_blocked()
        while not evaluation.is_done:
            step = evaluation.step
            now = self._loop.time()
            began = time.perf_counter()  # the loop's clock counts in milliseconds
            left = begun.ends_at - begun.reserve - now
            columns = evaluation.columns()
            if columns is None:
                what = f"the question lacks what {step.model} reads"
                evaluation.lose(Trigger.ERROR, what, asked=False)
            elif left <= 0:
                evaluation.lose(Trigger.TIMEOUT, "was not asked: no time was left", asked=False)
            else:
                budget = min(left, step.contract.deadline.total_seconds())
                try:
                    answer, own = await _asked(step.backend, columns, budget)
                    took = time.perf_counter() - began
                    evaluation.give(answer, took if own is None else min(own, took))
                except Exception as error:  # noqa: BLE001 - whatever it gave, it is no answer
                    trigger, what = _fault_of(error)
                    took = time.perf_counter() - began
                    blamed = trigger is not Trigger.TIMEOUT or begun.is_fair(budget)
                    evaluation.lose(trigger, what, asked=blamed, seconds=took)
                begun.reserve /= 2
            evaluation.skip_blocked()

    # -- the end of a pass -----------------------------------------------------------------------

    def _lose_rest(self, begun: Pass, what: str) -> None:
        while not begun.evaluation.is_done:
            begun.evaluation.lose(Trigger.TIMEOUT, what, asked=False)
        self._end(begun)

    def _end(self, begun: Pass) -> None:
        self._running -= 1
        try:
            self._finish(begun.evaluation)
        except Exception:  # noqa: BLE001 - the answers go out all the same
            _LOG.exception("what came of a pass could not be told")
        start = 0
        for job in begun.jobs:
            stop = start + len(job.units)
            try:
                job.done(begun.evaluation, slice(start, stop))
            except Exception as error:  # noqa: BLE001 - the others are told all the same
                job.failed(error)
            start = stop
        if self._afterwards is not None:
            self._afterwards(begun.evaluation)
        self._next()

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        """Tell jobs that we failed; the pass is over."""
        self._running -= 1
        for job in jobs:
            job.failed(error)


async def _asked(
    backend: Backend, columns: Mapping[str, Values], deadline: float
) -> tuple[np.ndarray, float | None]:
    """What a version elsewhere answered, and what it took itself where somebody there says so."""
    if isinstance(backend, Timed):
        return await backend.timed(columns, deadline=deadline)
    return await backend.predict(columns, deadline=deadline), None


def _fault_of(error: Exception) -> tuple[Trigger, str]:
    if isinstance(error, BackendTimeout):
        return Trigger.TIMEOUT, str(error)
    said = str(error)
    return Trigger.ERROR, said if isinstance(
        error, BackendFailed
    ) else f"{type(error).__name__}: {said}"
