"""Estimators that fail in each way a model can, for the candidates of the gateway's bench.

Each answers its first questions well: one that fails when it is warmed up never gets any traffic.
"""

import ctypes
import time
from typing import Any, ClassVar

import numpy as np

_WELL = 10
"""Calls before it fails."""


class Fails:
    """Answers zeros for a while, and then fails."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, rows: Any) -> Any:
        self.calls += 1
        return np.zeros(len(rows)) if self.calls <= _WELL else self.fail(rows)

    def fail(self, rows: Any) -> Any:
        raise NotImplementedError


class Raises(Fails):
    """Raises in every call."""

    def fail(self, _rows: Any) -> Any:
        raise ValueError("this model always raises")


class Hangs(Fails):
    """Never comes back."""

    def fail(self, _rows: Any) -> Any:
        time.sleep(3_600)


class AnswersNaN(Fails):
    """Answers with nothing."""

    def fail(self, rows: Any) -> Any:
        return np.full(len(rows), np.nan)


class WrongShape(Fails):
    """Answers more rows than it was asked for."""

    def fail(self, rows: Any) -> Any:
        return np.zeros((len(rows) + 3, 2))


class Segfaults(Fails):
    """Takes its process with it."""

    def fail(self, _rows: Any) -> Any:
        ctypes.string_at(0)


class Leaks(Fails):
    """Keeps 64 MiB of each call."""

    kept: ClassVar[list[Any]] = []

    def fail(self, rows: Any) -> Any:
        self.kept.append(np.ones(8 << 20))
        return np.zeros(len(rows))


FAULTS = {
    "raises": Raises,
    "hangs": Hangs,
    "nan": AnswersNaN,
    "shape": WrongShape,
    "segfault": Segfaults,
    "leak": Leaks,
}
