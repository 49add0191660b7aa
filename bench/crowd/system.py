"""The system that many rollouts take part in: models that have nothing in common, and their rows.

Each model has the version that serves, and a better one. The first has many more: even numbers are
better, odd ones harmful, so that of those who race for it some win and some are rejected in shadow.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pandas as pd
from sklearn.linear_model import LinearRegression

from bench.small_system import logged, metric, recorded, written
from sluiceway.settings import Settings

NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
"""When the rollouts are asked for."""
_BEFORE, _AFTER, _ROWS = 20, 130, 60
"""Days of rows before and after that, and rows a day."""
_SYSTEM: Final = """
system: crowd
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
    labels: {known_at: known, maturity: 2h}
features:
  a: {owner: bench, version: 1.0.0, reads: [rows.a]}
  b: {owner: bench, version: 1.0.0, reads: [rows.b]}
models:
MODELS
policies:
  alpha: 0.2
  shadow: {window: 12d, extension: 4d}
  canary:
    steps: [{weight: 10, bake: 4h}, {weight: 50, bake: 4h}]
    deadline: 20d
    mirror: 100
    block: 4h
  watch: {window: 4h}
"""
_MODEL: Final = """
  NAME:
    owner: bench
    risk: low
    inputs: [a, b]
    contract: NAME.yaml
    metrics: [METRIC]
"""
_DEADLINE: Final = "60s"
"""Of each contract; it is that of a crowd on two cores."""


def models_of(count: int) -> tuple[str, ...]:
    """Names of so many models."""
    return tuple(f"m{number:02d}" for number in range(count))


def names_of(models: int, racing: int) -> tuple[tuple[str, ...], ...]:
    """The candidates, one tuple for each model: the first model's race, the others have one."""
    first, *others = models_of(models)
    race = tuple(f"{first}@{number}" for number in range(2, 2 + racing))
    return (race, *((f"{name}@2",) for name in others))


def is_better(version: str) -> bool:
    """Whether a candidate version is one that is promoted."""
    return int(version) % 2 == 0


def prepared(folder: Path, *, models: int, racing: int) -> Settings:
    """Write the system and its rows, and register every version.

    Args:
        models: How many models there are.
        racing: How many candidates the first one has; the others have one.
    """
    names = models_of(models)
    model = _MODEL.replace("METRIC", metric(margin=0.1))
    declared = "".join(model.replace("NAME", name) for name in names)
    settings = written(folder, _SYSTEM.replace("MODELS", declared), names, deadline=_DEADLINE)
    began = NOW - timedelta(days=_BEFORE)
    given, target = recorded(settings.data_folder, began, days=_BEFORE + _AFTER, rows_a_day=_ROWS)
    candidates = {names[0]: [str(number) for number in range(2, 2 + racing)]}
    others = {name: ["2"] for name in names[1:]}
    _registered(settings, given, target, {**candidates, **others})
    return settings


def _registered(
    settings: Settings,
    given: pd.DataFrame,
    target: pd.Series,
    candidates: Mapping[str, Sequence[str]],
) -> None:
    """Three kinds of files, and every version's source is one of them."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(settings.registry_uri)
    try:
        client = mlflow.MlflowClient()
        where = (settings.home / "crowd-models").absolute().as_uri()
        experiment = client.create_experiment("crowd", artifact_location=where)
        served = LinearRegression().fit(given, target)
        served.coef_ = served.coef_ * 0.5  # as if it had been trained on little
        better = LinearRegression().fit(given, target)
        harmful = LinearRegression().fit(given, target + 3)
        kinds = {
            name: str(logged(experiment, name, fitted, given).model_id)
            for name, fitted in (("served", served), ("better", better), ("harmful", harmful))
        }
        for model, versions in candidates.items():
            client.create_registered_model(model)
            for version in ("1", *versions):
                kind = "better" if is_better(version) else "harmful"
                model_id = kinds["served" if version == "1" else kind]
                client.create_model_version(model, f"models:/{model_id}", model_id=model_id)
    finally:
        mlflow.set_tracking_uri(before)
