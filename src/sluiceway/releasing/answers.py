"""Three answers, and the one order that combines them."""

from collections.abc import Iterable
from enum import StrEnum


class Answer(StrEnum):
    """What is known: yes, no, or not enough. Combined by :func:`together`, never by hand."""

    YES = "yes"
    UNKNOWN = "unknown"
    NO = "no"

    @property
    def severity(self) -> int:
        """Place in the order YES < UNKNOWN < NO, from 0."""
        return _ORDER.index(self)


_ORDER = (Answer.YES, Answer.UNKNOWN, Answer.NO)


def together(answers: Iterable[Answer]) -> Answer:
    """Combine answers by their order. No answer at all is UNKNOWN, never a yes."""
    return max(answers, key=lambda answer: answer.severity, default=Answer.UNKNOWN)
