"""A model that turns slow, or wrong now and then, while it serves; pickled by reference."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

SLOW = 0.06
"""Seconds that it takes longer while it is slow."""


class Moody(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers as another estimator does, and as its mood is.

    Args:
        answering: The other one, fitted.
        moods: Folder in which a file ``slow`` says that it is slow, and ``wrong`` to which amounts
            it answers with what is no probability (a JSON list).
    """

    def __init__(self, answering: Any = None, moods: str = "") -> None:
        self.answering = answering
        self.moods = moods

    @property
    def feature_names_in_(self) -> "np.ndarray[Any, Any]":
        """What it reads, in order."""
        return np.asarray(self.answering.feature_names_in_)

    @property
    def classes_(self) -> Any:
        """The other one's."""
        return self.answering.classes_

    def fit(self, x: pd.DataFrame, y: Any = None) -> "Moody":
        self.answering.fit(x, y)
        return self

    def predict_proba(self, x: Any) -> Any:
        answers = np.array(self.answering.predict_proba(x), dtype=float)
        if (Path(self.moods) / "slow").exists():
            time.sleep(SLOW)
        if (wrong := Path(self.moods) / "wrong").exists():
            amount = np.asarray(x, dtype=float)[:, 0]
            answers[np.isin(amount, json.loads(wrong.read_text()))] = 2.0
        return answers
