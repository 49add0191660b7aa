"""The four outcomes of looking at evidence, and the one order that combines them."""

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """What one look at evidence came to. Combined by :func:`worst`, never by hand."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    FAILED = "failed"

    @property
    def severity(self) -> int:
        """Place in the order PASSED < INCONCLUSIVE < ERROR < FAILED, from 0."""
        return _ORDER.index(self)


_ORDER = (Outcome.PASSED, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.FAILED)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Combine outcomes by their order. No outcome at all is INCONCLUSIVE, never a pass."""
    return max(outcomes, key=lambda outcome: outcome.severity, default=Outcome.INCONCLUSIVE)
