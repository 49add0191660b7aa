"""Estimators that go wrong on first contact; pickled by reference, so the child imports them."""

import os
import signal
import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

HANGS = 600
"""Seconds for which one that hangs does; whoever waits a fraction of that has not waited for it."""


class Misbehaving(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Does what `how` says when it is asked."""

    def __init__(self, how: str = "well") -> None:
        self.how = how

    def fit(self, x: pd.DataFrame, y: Any = None) -> "Misbehaving":
        self.fitted_ = True
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.how == "raises while loaded":
            raise RuntimeError("no such library")
        if self.how == "hangs while loaded":
            time.sleep(HANGS)
        if self.how == "dies while loaded":
            os.kill(os.getpid(), signal.SIGSEGV)

    def predict(self, x: pd.DataFrame) -> Any:
        rows = len(x)
        match self.how:
            case "raises":
                raise ZeroDivisionError("a quite private matter")
            case "sleeps":
                time.sleep(HANGS)
            case "spins":
                while True:
                    pass
            case "ignores signals":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                time.sleep(HANGS)
            case "leaves a child":
                if os.fork() == 0:
                    time.sleep(HANGS)
            case "segfaults":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "exits":
                sys.exit(0)
            case "shouts":
                print("x" * 1_000_000)
                sys.stderr.write("y" * 1_000_000)
            case "too few rows":
                return np.zeros(rows - 1)
            case "too many dimensions":
                return np.zeros((rows, 1, 1))
            case "no array":
                return [{"a": 1}] * rows
            case "boxed":
                return np.array([1.5, None] * rows, dtype=object)[:rows]
            case "words":
                return ["late"] * rows
        return np.full(rows, np.nan) if self.how == "nan" else np.asarray(x["a"] * 2)
