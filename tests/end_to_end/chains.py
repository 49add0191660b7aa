"""What each release of the shop answers, worked out by its models alone: what mixes shows."""

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    # Importing it warns about MLflow's own type hints, before any test can say that it is known.
    warnings.simplefilter("ignore")
    import mlflow.sklearn

from tests.adapters.mlflow_worlds import logging_to


@cache
def _model(uri: str, name: str, version: str) -> Any:
    with logging_to(uri):
        return mlflow.sklearn.load_model(f"models:/{name}/{version}")


def chained(uri: str, versions: Mapping[str, str], orders: pd.DataFrame) -> pd.DataFrame:
    """Every model's answer to the orders, each fed by the others of the same release.

    Args:
        versions: By model.
        orders: With a column for each name that a version of fraud or handling reads.
    """
    models = {name: _model(uri, name, version) for name, version in versions.items()}
    answers = pd.DataFrame(index=orders.index)

    def ask(model: str, field: str, method: str = "predict") -> None:
        fitted = models[model]
        given = orders.join(answers)[list(fitted.feature_names_in_)].astype(np.float64)
        said = np.asarray(getattr(fitted, method)(given))
        answers[f"{model}.{field}"] = said if said.ndim == 1 else said[:, 1]

    ask("fraud", "probability", "predict_proba")
    ask("handling", "days")
    ask("cost", "euros")
    ask("priority", "score")
    return answers
