"""The system whose rollouts are measured: two models, one of which reads the other.

Its rows end today, because what is started by an event looks at the clock.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pandas as pd
from sklearn.linear_model import LinearRegression

from bench.small_system import logged, metric, recorded, written
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


def prepared(folder: Path) -> Settings:
    """Write the system and its rows, and register what serves, and a harmful version of `first`."""
    system = _SYSTEM.replace("METRIC", metric(margin=0.1))
    settings = written(folder, system, ("first", "second"), deadline="2s")
    began = datetime.now(UTC) - timedelta(days=_DAYS)
    given, target = recorded(settings.data_folder, began, days=_DAYS, rows_a_day=_ROWS)
    _registered(settings, given, target)
    return settings


def _registered(settings: Settings, given: pd.DataFrame, target: pd.Series) -> None:
    import mlflow

    client = mlflow.MlflowClient(settings.registry_uri, settings.registry_uri)
    where = (settings.home / "bench-models").absolute().as_uri()
    experiment = client.create_experiment("bench", artifact_location=where)
    mlflow.set_tracking_uri(settings.registry_uri)
    good = LinearRegression().fit(given, target)
    harmful = LinearRegression().fit(given, target + 3)
    fed = pd.DataFrame({"first.value": good.predict(given), "a": given["a"]})
    for model, fitted, columns in (
        ("first", good, given),
        ("first", harmful, given),
        ("second", LinearRegression().fit(fed, target), fed),
    ):
        logged(experiment, model, fitted, columns, registered_model_name=model)
