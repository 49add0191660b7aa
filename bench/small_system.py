"""What the systems of several benches share: their files, their rows, and models that are lines."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from sluiceway.settings import Settings

_CONTRACT: Final = """
model: {name}
version: 1.0.0
output:
  value: {{position: 0, dtype: double, unit: units, range: [-1000, 1000], nullable: false}}
inputs: {{}}
latency: {{deadline: {deadline}}}
fallback: {{value: 0.0}}
"""


def metric(margin: float) -> str:
    """How a model is judged that answers `value`, as it stands in a system file.

    Args:
        margin: The harm that is tolerated, in units.
    """
    return (
        f"{{metric: mae, field: value, label: truth.value, margin: {margin}, unit: units, "
        "because: nobody acts on what a bench answers}"
    )


def written(folder: Path, system: str, models: Iterable[str], *, deadline: str) -> Settings:
    """Write a system file and its models' contracts; settings of a home and data beside them.

    Args:
        deadline: Of each contract, such as ``2s``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "system.yaml").write_text(system, encoding="utf-8")
    for name in models:
        contract = _CONTRACT.format(name=name, deadline=deadline)
        (folder / f"{name}.yaml").write_text(contract, encoding="utf-8")
    settings = Settings(
        system=folder / "system.yaml",
        home=folder / "home",
        data=folder / "data",
        environment="production",
        progress=False,
    )
    for made in (settings.home, settings.data_folder):
        made.mkdir(parents=True, exist_ok=True)
    return settings


def recorded(
    folder: Path, began: datetime, *, days: int, rows_a_day: int
) -> tuple[pd.DataFrame, pd.Series]:
    """Write rows and what became of each an hour later: a line of two columns, and noise.

    Returns:
        The columns ``a`` and ``b``, and the target, a row for each.
    """
    rng = np.random.default_rng(0)
    count = days * rows_a_day
    rows = pd.DataFrame(rng.normal(size=(count, 2)), columns=["a", "b"])
    rows["id"] = [f"u{number}" for number in range(count)]
    rows["at"] = pd.date_range(began, periods=count, freq=timedelta(days=1) / rows_a_day)
    target = rows["a"] + 2 * rows["b"] + rng.normal(size=count)
    rows.to_parquet(folder / "rows.parquet", index=False)
    truth = rows[["id", "at"]].assign(value=target, known=rows["at"] + timedelta(hours=1))
    truth.to_parquet(folder / "truth.parquet", index=False)
    return rows[["a", "b"]], target


def logged(experiment: str, name: str, fitted: Any, columns: pd.DataFrame, **more: Any) -> Any:
    """Log an estimator in a run of its own; what MLflow says of it.

    Args:
        experiment: Id of the experiment, in the store that MLflow's fluent API points at.
        columns: What it was fitted to, or the first rows of that.
        more: Further arguments of ``mlflow.sklearn.log_model``.
    """
    import mlflow
    from mlflow.models import infer_signature

    with mlflow.start_run(experiment_id=experiment):
        return mlflow.sklearn.log_model(
            fitted,
            name=name,
            signature=infer_signature(columns, fitted.predict(columns)),
            pip_requirements=[],
            serialization_format="cloudpickle",
            **more,
        )
