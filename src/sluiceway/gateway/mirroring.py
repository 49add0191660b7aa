"""Rows that the other arm answers behind the answers that were given: nobody waits for them.

Whoever answers only notes them. Everything else, from their features to the log, is made once for
all rows of a pass, so that it weighs on few of the requests in between.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sluiceway.gateway.answers import arm_answers
from sluiceway.gateway.lanes import Begin, Lane, Tell
from sluiceway.gateway.passes import Job
from sluiceway.gateway.paths import Paths, Way, rows_of
from sluiceway.gateway.watching import Limits
from sluiceway.serving.evaluating import Evaluation
from sluiceway.serving.served import Served
from sluiceway.serving.values import ArmAnswers, ArmName, Asked, Path, Question

_LOG: Final = logging.getLogger("sluiceway.gateway")
_LINGER: Final = 0.25
"""Seconds for which rows wait for company."""
_COMPANY: Final = 512
"""Rows that are company enough: they wait for no more."""
_MOST_HELD: Final = 10
"""Times the rows that may wait: beyond that no further large question is held."""

Record = Callable[[Sequence[Asked], ArmAnswers], None]
"""Writes down what was answered to rows of several questions."""


@dataclass(slots=True, eq=False)
class _Piece:
    """Rows of a question that are asked at once.

    Attributes:
        number: Of the question, in the order in which they were taken.
        way: The way on which the question was answered.
        rows: Which of its rows, by their places in it, ``intp``, ascending.
        rest: The pieces of the same question that follow, one after the other.
    """

    number: int
    question: Question
    way: Way
    rows: NDArray[np.intp]
    rest: Sequence[NDArray[np.intp]]


class Mirrors:
    """Has one arm answer rows that the other has answered.

    Args:
        served: What answers.
        paths: The paths of both arms.
        arm: The arm that answers here.
        begin: Starts each pass.
        finish: Is told of each pass.
        record: Is given its answers.
        limits: What may wait.
        drained: Is called whenever nothing is left to be answered.

    Attributes:
        taken: Parts of questions that were taken so far.
    """

    def __init__(
        self,
        served: Served,
        paths: Paths,
        arm: ArmName,
        *,
        begin: Begin,
        finish: Tell,
        record: Record,
        limits: Limits,
        drained: Callable[[], None],
    ) -> None:
        self.taken = 0
        self._unanswered: dict[int, None] = {}
        self._served = served
        self._arm = arm
        self._record = record
        self._most = limits.mirrored_rows
        self._drained = drained
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False
        self._noted: list[_Piece] = []
        self._noted_rows = 0
        self._held_rows = 0
        self._answered: list[_Piece] = []
        self._lane = Lane(
            paths.layouts[arm],
            longest=limits.longest,
            begin=begin,
            finish=finish,
            afterwards=self._write_down,
            is_awaited=False,
        )

    def take(self, question: Question, way: Way) -> bool:
        """Have a way's rows answered that are to be mirrored; False where too many wait."""
        rows = np.flatnonzero(way.mirrored)
        waiting = self._noted_rows + self._held_rows + self._lane.waiting_rows
        size = len(rows)
        if waiting + size > self._most:
            if size <= self._most or self._held_rows > _MOST_HELD * self._most:
                return False
            # A question that could never fit goes piece after piece, the next once one is answered.
            size = max(self._most // 2, 1)
        number = self.taken
        self.taken += 1
        self._unanswered[number] = None
        self._held_rows += len(rows)
        pieces = [rows[at : at + size] for at in range(0, len(rows), size)]
        self._note(number, question, way, pieces)
        return True

    @property
    def is_idle(self) -> bool:
        """Whether all that was taken is answered."""
        return not self._unanswered

    def is_behind(self, taken: int) -> bool:
        """Whether one of the first so many that were taken is still to be answered."""
        return next(iter(self._unanswered), taken) < taken

    def hurry(self) -> None:
        """Ask what waits for company now: somebody wants to see it."""
        if self._noted:
            self._ask()

    def close(self) -> None:
        """End what answers here, once it is idle."""
        self._lane.close()

    def _note(
        self, number: int, question: Question, way: Way, pieces: Sequence[NDArray[np.intp]]
    ) -> None:
        """Let the first piece of a question wait for company."""
        rows, *rest = pieces
        self._noted.append(_Piece(number, question, way, rows, rest))
        self._held_rows -= len(rows)
        self._noted_rows += len(rows)
        if self._noted_rows >= _COMPANY:
            if not self._is_due:
                self._is_due = True
                self._loop.call_soon(self._ask)  # the answer goes out first
        elif self._timer is None:
            self._timer = self._loop.call_later(_LINGER, self._ask)

    def _ask(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._is_due = None, False
        pieces, self._noted = self._noted, []
        self._noted_rows = 0
        jobs: list[Job] = []
        for piece in pieces:
            try:
                jobs.append(self._job(piece))
            except Exception as error:  # noqa: BLE001 - or whoever waits for mirrors would for ever
                self._failed(piece, error)
        self._lane.put(*jobs)

    def _job(self, piece: _Piece) -> Job:
        way = rows_of(piece.way, piece.rows)

        def done(_evaluation: Evaluation, _rows: slice) -> None:
            self._answered.append(piece)

        return self._lane.job(way.features, way.units, done, partial(self._failed, piece))

    def _write_down(self, evaluation: Evaluation) -> None:
        """Record the answers of a pass, all at once, and go on with what follows its rows."""
        pieces, self._answered = self._answered, []
        count = len(evaluation.units)
        # All go the same way: through these paths, for the rollout that has them mirrored.
        way = replace(pieces[0].way, arm=self._arm, rows=np.arange(count))
        paired = np.ones(count, dtype=np.bool_)
        try:
            self._record(
                [Asked(piece.question, piece.way.rows[piece.rows]) for piece in pieces],
                arm_answers(self._served, way, evaluation, slice(0, count), Path.MIRROR, paired),
            )
        except Exception as error:  # noqa: BLE001 - what waits for them is told all the same
            _LOG.error("mirrored answers could not be kept: %s", error, exc_info=error)
        for piece in pieces:
            self._go_on(piece)

    def _failed(self, piece: _Piece, error: Exception) -> None:
        _LOG.error("rows could not be mirrored: %s", error, exc_info=error)
        self._go_on(piece)

    def _go_on(self, piece: _Piece) -> None:
        if piece.rest:
            self._note(piece.number, piece.question, piece.way, piece.rest)
            return
        del self._unanswered[piece.number]
        if self.is_idle:
            self._drained()
