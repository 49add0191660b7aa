"""The system that the gateway's bench serves: one logistic pipeline, and a chain of three models.

Its rows are drawn, so that two generations' answers to each of them are known beforehand: whoever
mixes two generations in one answer gives a number that neither of them gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sluiceway.settings import Settings

FEATURES: Final = tuple(f"x{n}" for n in range(10))
FEW: Final = FEATURES[:3]
ROWS: Final = 256
NOW: Final = datetime(2026, 1, 5, tzinfo=UTC)

_SYSTEM: Final = """
system: bench
timezone: UTC
unit: id
owners:
  bench: {{contact: bench@example.com}}
sources:
  rows: {{owner: bench, loader: "parquet:{{data}}/rows.parquet", event_time: at}}
  truth:
    owner: bench
    loader: "parquet:{{data}}/truth.parquet"
    event_time: at
    labels: {{known_at: known, maturity: 1d}}
features:
{features}
models:
  score: {{owner: bench, risk: low, inputs: [{all}], contract: score.yaml, metrics: [{metric}]}}
  first: {{owner: bench, risk: low, inputs: [{all}], contract: first.yaml, metrics: [{metric}]}}
  second:
    owner: bench
    risk: low
    inputs: [first.value, {few}]
    contract: second.yaml
    metrics: [{metric}]
  third:
    owner: bench
    risk: low
    inputs: [second.value, {few}]
    contract: third.yaml
    metrics: [{metric}]
policies:
  shadow: {{window: 20d, extension: 5d}}
  canary: {{steps: [{{weight: 50, bake: 1d}}], deadline: 5d, mirror: 100}}
  watch: {{window: 1d}}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The bench's environment on disk.

    Attributes:
        estimators: The fitted estimator by model and version.
        matrices: What each version reads of the rows, (rows, columns).
        answers: What each generation answers to the rows, by model.
    """

    settings: Settings
    frame: pd.DataFrame
    estimators: Mapping[tuple[str, str], Any]
    matrices: Mapping[tuple[str, str], np.ndarray]
    answers: Mapping[str, Mapping[str, np.ndarray]]

    def bodies(self, *, salt: str = "") -> list[bytes]:
        """One MLflow body a row, with all that any chain reads."""
        names = ["id", *FEATURES]
        values = self.frame[list(FEATURES)].to_numpy()
        return [
            orjson.dumps(
                {"dataframe_split": {"columns": names, "data": [[f"{salt}u{n}", *row.tolist()]]}}
            )
            for n, row in enumerate(values)
        ]


def prepared(folder: Path) -> Shop:
    """Draw rows, fit two versions of each model, register them, and adopt the first ones."""
    from sluiceway.steps import requests
    from sluiceway.steps.world import restore
    from sluiceway.wiring import opened

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(4_000, len(FEATURES))), columns=list(FEATURES))
    target = frame.sum(axis=1).to_numpy()
    frame["id"] = [f"u{n}" for n in range(len(frame))]
    frame["at"] = pd.date_range(NOW, periods=len(frame), freq="s")
    settings = _written(folder, frame, target)
    estimators, matrices, answers = _fitted(frame, target)
    _registered(settings, estimators, matrices)
    with opened(settings) as site:
        names = [f"{model}@1" for model in ("score", "first", "second", "third")]
        requests.adopt(site, names, now=NOW, actor="bench")
        restore(site)
    return Shop(
        settings=settings,
        frame=frame[:ROWS],
        estimators=estimators,
        matrices={key: matrix[:ROWS] for key, matrix in matrices.items()},
        answers={
            number: {model: values[:ROWS] for model, values in one.items()}
            for number, one in answers.items()
        },
    )


def _written(folder: Path, frame: pd.DataFrame, target: np.ndarray) -> Settings:
    data = folder / "data"
    data.mkdir(parents=True)
    features = "\n".join(
        f"  {name}: {{owner: bench, version: 1.0.0, reads: [rows.{name}]}}" for name in FEATURES
    )
    text = _SYSTEM.format(
        features=features, all=", ".join(FEATURES), few=", ".join(FEW), metric=_METRIC
    )
    (folder / "system.yaml").write_text(text, encoding="utf-8")
    for name in ("score", "first", "second", "third"):
        (folder / f"{name}.yaml").write_text(_CONTRACT.format(name=name), encoding="utf-8")
    frame.to_parquet(data / "rows.parquet", index=False)
    truth = frame[["id", "at"]].assign(value=target, known=frame["at"])
    truth.to_parquet(data / "truth.parquet", index=False)
    return Settings(
        system=folder / "system.yaml",
        home=folder / "home",
        data=data,
        environment="production",
        progress=False,
    )


def _fitted(frame: pd.DataFrame, target: np.ndarray) -> tuple[Any, Any, Any]:
    """Two generations, each fitted on its own chain; the second is shifted by ten."""
    given = frame[list(FEATURES)].to_numpy()
    few = frame[list(FEW)].to_numpy()
    estimators: dict[tuple[str, str], Any] = {}
    matrices: dict[tuple[str, str], np.ndarray] = {}
    answers: dict[str, dict[str, np.ndarray]] = {}
    for number, shift in (("1", 0.0), ("2", 10.0)):
        fed, answered = given, {}
        pipeline = make_pipeline(StandardScaler(), LogisticRegression())
        estimators["score", number] = pipeline.fit(given, target > shift / 10)
        matrices["score", number] = given
        answered["score"] = pipeline.predict(given).astype(float)
        for model in ("first", "second", "third"):
            fitted = HistGradientBoostingRegressor(max_iter=40, early_stopping=False)
            fitted.fit(fed[:1_000], target[:1_000] + shift)
            estimators[model, number], matrices[model, number] = fitted, fed
            answered[model] = fitted.predict(fed)
            fed = np.column_stack([answered[model], few])
        answers[number] = answered
    return estimators, matrices, answers


def _registered(
    settings: Settings, estimators: Mapping[tuple[str, str], Any], matrices: Mapping[Any, Any]
) -> None:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.models import infer_signature

    settings.home.mkdir(parents=True)
    client = MlflowClient(settings.registry_uri, settings.registry_uri)
    experiment = client.create_experiment(
        "bench", artifact_location=(settings.home / "mlartifacts").absolute().as_uri()
    )
    mlflow.set_tracking_uri(settings.registry_uri)
    for model, number in sorted(estimators, key=lambda key: key[1]):
        fitted = estimators[model, number]
        columns = _columns(model)
        example = pd.DataFrame(matrices[model, number][:5], columns=list(columns))
        if number == "1":
            client.create_registered_model(model)
        with mlflow.start_run(experiment_id=experiment):
            logged = mlflow.sklearn.log_model(
                fitted,
                name=model,
                signature=infer_signature(example, fitted.predict(example.to_numpy())),
                pip_requirements=[f"scikit-learn=={installed('scikit-learn')}"],
                serialization_format="cloudpickle",
            )
        client.create_model_version(model, logged.model_uri, model_id=logged.model_id)


def _columns(model: str) -> Sequence[str]:
    return {
        "score": FEATURES,
        "first": FEATURES,
        "second": ("first.value", *FEW),
        "third": ("second.value", *FEW),
    }[model]
