"""Estimators that go wrong by what they are asked; pickled by reference, so a worker imports them.

The first column says what happens, so that the first, harmless questions are answered.
"""

import ctypes
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

WELL: Final = 0.0
RAISES: Final = 1.0
HANGS: Final = 2.0
NAN: Final = 3.0
WRONG_SHAPE: Final = 4.0
SEGFAULTS: Final = 5.0
LEAKS: Final = 6.0
EXITS: Final = 7.0
SPINS: Final = 8.0
NO_ARRAY: Final = 9.0
TEXTS: Final = 10.0
SLOW: Final = 11.0
LIES: Final = 12.0
HUGE_LIE: Final = 13.0
FORKS: Final = 14.0
HANGS_UP: Final = 15.0

_KEPT: list[Any] = []


class Strange(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Does what the first column says, and else answers its second column."""

    def fit(self, x: Any, y: Any = None) -> "Strange":
        self.fitted_ = True
        return self

    def predict(self, x: Any) -> Any:
        table = np.asarray(x, dtype=np.float64)
        answers = table[:, 1].copy()
        match table[0, 0]:
            case 1.0:
                raise ZeroDivisionError("a quite\nprivate \x1b[31m matter")
            case 2.0:
                time.sleep(600)
            case 3.0:
                answers[:] = np.nan
            case 4.0:
                return np.zeros((len(table) + 1, 3))
            case 5.0:
                ctypes.string_at(0)
            case 6.0:
                _KEPT.append(np.ones(40 << 20))  # 320 MiB that nobody gives back
            case 7.0:
                sys.exit(3)
            case 8.0:
                while True:
                    pass
            case 9.0:
                return np.array([{"a": 1}] * len(table), dtype=object)
            case 10.0:
                return np.array(["late", None, "on time"] * len(table), dtype=object)[: len(table)]
            case 11.0:
                time.sleep(0.3)
            case 12.0:
                os.write(_line(), b"\x04" + b"\x07" * 40)
            case 13.0:
                os.write(_line(), b"\x04" + b"\x00\x00\x00\x00" + b"\xff" * 8)
            case 14.0:
                if os.fork() == 0:
                    time.sleep(600)
                os.kill(os.getpid(), 9)
            case 15.0:
                os.close(_line())
                time.sleep(600)
        return answers


def _line() -> int:
    """The worker's line to its parent: a model may write to it as well."""
    for place in Path("/proc/self/fd").iterdir():
        try:
            if str(place.readlink()).startswith("socket:"):
                return int(place.name)
        except OSError:
            continue
    raise AssertionError("no line")
