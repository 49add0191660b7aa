"""What answering needs of the world."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from sluiceway.errors import SluicewayError
from sluiceway.ports import Predictor
from sluiceway.serving.values import ArmAnswers, Asked, Question, Reply, Values


class BackendFailed(SluicewayError):
    """A model version gave no answer: it raised, died, or cannot be reached."""


class BackendTimeout(BackendFailed):
    """It gave none in time."""


class Backend(Protocol):
    """One model version that can be asked, wherever it lives."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in the order of its signature."""

    @property
    def local(self) -> Predictor | None:
        """Itself where it lives in this process: asked in a thread, without crossing to another."""

    async def predict(self, columns: Mapping[str, Values], *, deadline: float) -> np.ndarray:
        """Answer rows.

        Args:
            columns: Values of shape (rows,), at least those of `inputs`.
            deadline: Seconds from now within which the answer must be there.

        Returns:
            Array of shape (rows,) or (rows, fields).

        Raises:
            BackendTimeout: It gave no answer in time.
            BackendFailed: It gave none at all.
        """

    async def close(self) -> None:
        """Free all it holds; nobody asks it again."""


@runtime_checkable
class Timed(Protocol):
    """A backend that knows what its version took itself, without the way there and back.

    Where a version lives for its canary says nothing about how fast it will be once promoted.
    """

    async def timed(
        self, columns: Mapping[str, Values], *, deadline: float
    ) -> tuple[np.ndarray, float]:
        """Answer rows as :meth:`Backend.predict` does; and say how many seconds that took."""


class Answering(Protocol):
    """Whoever answers questions: the engine, behind every protocol."""

    async def answer(self, question: Question) -> Reply:
        """Answer a question, through the whole chain that its model needs.

        Raises:
            Refused: It is not answered; the refusal says why.
        """


class Recorder(Protocol):
    """Who writes down what was answered. Never waits and never raises: an answer is not held up."""

    def record(self, question: Question, answers: ArmAnswers) -> None:
        """Take one arm's answers to a question; what cannot be taken is counted as lost."""

    def record_together(self, asked: Sequence[Asked], answers: ArmAnswers) -> None:
        """Take one arm's answers to rows of several questions about the same model."""
