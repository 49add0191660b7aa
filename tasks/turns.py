"""Letting everything have its turn, whatever becomes of the others."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Turns:
    """What one flow run does for several that have nothing to do with each other."""

    def __init__(self) -> None:
        self._failed: list[Exception] = []

    def take(self, what: Callable[P, R], /, *args: P.args, **more: P.kwargs) -> R | None:
        """Do it; None where it fails, which is kept for the end."""
        try:
            return what(*args, **more)
        except Exception as error:  # noqa: BLE001 - whatever it was, the others have their turn
            self._failed.append(error)
            return None

    def end(self, what: str) -> None:
        """Tell of all that failed.

        Raises:
            ExceptionGroup: With the errors of those that failed.
        """
        if self._failed:
            raise ExceptionGroup(what, self._failed)
