"""Model files as MLflow writes them, without a registry."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sluiceway.adapters.model_files import digest_of
from tests.adapters import mlflow_worlds  # noqa: F401 - MLflow must not tell anybody that it ran
from tests.gateway.backends.strange import Strange

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.sklearn
from mlflow.models import infer_signature

GIVEN = pd.DataFrame(np.zeros((5, 2)), columns=["how", "value"])


def saved(folder: Path, estimator: Any = None, *, given: pd.DataFrame = GIVEN) -> tuple[Path, str]:
    """Files of an estimator, by default the strange one, and their digest."""
    fitted = estimator or Strange().fit(given)
    mlflow.sklearn.save_model(
        fitted,
        str(folder),
        signature=infer_signature(given, np.zeros(len(given))),
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    return folder, digest_of(folder)


def rows(how: float, *values: float) -> dict[str, np.ndarray]:
    """A question to the strange estimator."""
    return {"how": np.full(len(values), how), "value": np.array(values, dtype=np.float64)}
