"""Estimators that fail in each way a model can, for the candidates of the gateway's bench."""

import ctypes
import time
from typing import Any

import numpy as np


class Raises:
    """Raises in every call."""

    def predict(self, _rows: Any) -> Any:
        raise ValueError("this model always raises")


class Hangs:
    """Never comes back."""

    def predict(self, _rows: Any) -> Any:
        time.sleep(3_600)


class AnswersNaN:
    """Answers with nothing."""

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), np.nan)


class WrongShape:
    """Answers more rows than it was asked for."""

    def predict(self, rows: Any) -> Any:
        return np.zeros((len(rows) + 3, 2))


class Segfaults:
    """Takes its process with it, but for the first calls, so that it can be warmed up."""

    calls = 0

    def predict(self, rows: Any) -> Any:
        type(self).calls += 1
        if type(self).calls > 20:
            ctypes.string_at(0)
        return np.zeros(len(rows))


class Leaks:
    """Keeps 64 MiB of each call."""

    kept: list[Any] = []

    def predict(self, rows: Any) -> Any:
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
