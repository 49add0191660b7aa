"""The system whose rollouts are measured: two models, one of which reads the other.

Its rows end today, because what is started by an event looks at the clock.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from sluiceway.settings import Settings

_DAYS: Final = 40
_ROWS: Final = 200
"""Rows a day."""
_SYSTEM: Final = """
system: bench
timezone: UTC
unit: id
owners:
  bench: {contact: bench@example.com}
sources:
  rows: {owner: bench, loader: "parquet:{data}/rows.parquet", event_time: at}
  truth:
    owner: bench
    loader: "parquet:{data}/truth.parquet"
    event_time: at
    labels: {known_at: known, maturity: 1d}
features:
  a: {owner: bench, version: 1.0.0, reads: [rows.a]}
  b: {owner: bench, version: 1.0.0, reads: [rows.b]}
models:
  first: {owner: bench, risk: low, inputs: [a, b], contract: first.yaml, metrics: [METRIC]}
  second:
    owner: bench
    risk: low
    inputs: [first.value, a]
    contract: second.yaml
    metrics: [METRIC]
policies:
  shadow: {window: 20d, extension: 5d}
  canary: {steps: [{weight: 50, bake: 1d}], deadline: 15d, mirror: 100}
  watch: {window: 1d}
"""
_METRIC: Final = (
    "{metric: mae, field: value, label: truth.value, margin: 0.1, unit: units, "
    "because: nobody acts on what a bench answers}"
)
_CONTRACT: Final = """
model: {name}
version: 1.0.0
output:
  value: {{position: 0, dtype: double, unit: units, range: [-1000, 1000], nullable: false}}
inputs: {{}}
latency: {{deadline: 2s}}
fallback: {{value: 0.0}}
"""


def prepared(folder: Path) -> Settings:
    """Write the system and its rows, and register what serves, and a harmful version of `first`."""
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "system.yaml").write_text(_SYSTEM.replace("METRIC", _METRIC), encoding="utf-8")
    for name in ("first", "second"):
        (folder / f"{name}.yaml").write_text(_CONTRACT.format(name=name), encoding="utf-8")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(_DAYS * _ROWS, 2)), columns=["a", "b"])
    rows["id"] = [f"u{n}" for n in range(len(rows))]
    began = datetime.now(UTC) - timedelta(days=_DAYS)
    rows["at"] = pd.date_range(began, periods=len(rows), freq=timedelta(days=1) / _ROWS)
    target = rows["a"] + 2 * rows["b"] + rng.normal(size=len(rows))
    rows.to_parquet(data / "rows.parquet", index=False)
    truth = rows[["id", "at"]].assign(value=target, known=rows["at"] + timedelta(hours=1))
    truth.to_parquet(data / "truth.parquet", index=False)
    settings = Settings(
        system=folder / "system.yaml",
        home=folder / "home",
        data=data,
        environment="production",
        progress=False,
    )
    _registered(settings, rows[["a", "b"]], target)
    return settings


def _registered(settings: Settings, given: pd.DataFrame, target: pd.Series) -> None:
    from mlflow import MlflowClient

    settings.home.mkdir(parents=True)
    client = MlflowClient(settings.registry_uri, settings.registry_uri)
    where = (settings.home / "bench-models").absolute().as_uri()
    experiment = client.create_experiment("bench", artifact_location=where)
    good = LinearRegression().fit(given, target)
    harmful = LinearRegression().fit(given, target + 3)
    _log(settings, experiment, "first", good, given)
    _log(settings, experiment, "first", harmful, given)
    fed = pd.DataFrame({"first.value": good.predict(given), "a": given["a"]})
    _log(settings, experiment, "second", LinearRegression().fit(fed, target), fed)


def _log(
    settings: Settings, experiment: str, model: str, fitted: Any, columns: pd.DataFrame
) -> None:
    import mlflow
    from mlflow.models import infer_signature

    mlflow.set_tracking_uri(settings.registry_uri)
    with mlflow.start_run(experiment_id=experiment):
        mlflow.sklearn.log_model(
            fitted,
            name=model,
            registered_model_name=model,
            signature=infer_signature(columns, fitted.predict(columns)),
            pip_requirements=[],
            serialization_format="cloudpickle",
        )
