"""Fitted versions of the flights models into an MLflow registry."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import Final

import mlflow
from mlflow import MlflowClient
from mlflow.models import infer_signature
from sklearn.ensemble import HistGradientBoostingClassifier

from examples.flights.training import Fitted
from sluiceway.stamping import feature_tag, trained_on_tag
from sluiceway.system.file import read_system
from sluiceway.system.values import System

# Pinned exactly: a pickled tree opens only in the version that wrote it.
_REQUIRED: Final = ("scikit-learn", "numpy", "pandas", "cloudpickle")
_SETTINGS: Final = ("max_iter", "learning_rate", "min_samples_leaf", "max_leaf_nodes")


def log_models(
    registry_uri: str,
    versions: Sequence[Fitted],
    *,
    artifacts: str,
    release_name: str | None = None,
    experiment: str = "flights-training",
) -> dict[str, str]:
    """Log fitted versions to MLflow and register each as a new version of its model.

    Points this program's MLflow at the store while it runs, and back afterwards.

    Args:
        registry_uri: Tracking and registry store, such as ``sqlite:///registry.db``.
        versions: What to register, in this order; whatever one was trained on before it.
        artifacts: Where the experiment's artifacts go, if the experiment is made here.
        release_name: Written to each version's tag ``sluiceway.release_name``, if given.
        experiment: The experiment that holds the training runs.

    Returns:
        The registered version, as MLflow's string, by the name of the fitted version.
    """
    client = MlflowClient(registry_uri, registry_uri)
    found = client.get_experiment_by_name(experiment)
    experiment_id = (
        found.experiment_id
        if found is not None
        else client.create_experiment(experiment, artifact_location=artifacts)
    )
    known = {model.name for model in client.search_registered_models()}
    for model in dict.fromkeys(one.model for one in versions):
        if model not in known:
            client.create_registered_model(model)
    with _logging_to(registry_uri):
        registered: dict[str, str] = {}
        for one in versions:
            tags = _tags(one, registered, release_name)
            registered[one.name] = _log(client, experiment_id, one, tags)
        return registered


def _tags(
    fitted: Fitted, registered: Mapping[str, str], release_name: str | None
) -> dict[str, str]:
    tags = feature_tag(_system(), fitted.model, fitted.feature_versions)
    if fitted.trained_on:
        fed_by = {model: registered[name] for model, name in fitted.trained_on.items()}
        tags |= trained_on_tag(fed_by)
    if release_name is not None:
        tags["sluiceway.release_name"] = release_name
    return tags


@cache
def _system() -> System:
    return read_system(Path(__file__).parent / "system.yaml")


@contextmanager
def _logging_to(uri: str) -> Iterator[None]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _log(client: MlflowClient, experiment_id: str, fitted: Fitted, tags: dict[str, str]) -> str:
    settings = fitted.estimator.get_params()
    with mlflow.start_run(experiment_id=experiment_id, run_name=fitted.name):
        mlflow.log_params({key: settings[key] for key in _SETTINGS})
        logged = mlflow.sklearn.log_model(
            fitted.estimator,
            name=fitted.model,
            signature=infer_signature(fitted.example, fitted.answers(fitted.example)),
            pip_requirements=[f"{package}=={installed(package)}" for package in _REQUIRED],
            pyfunc_predict_fn="predict_proba"
            if isinstance(fitted.estimator, HistGradientBoostingClassifier)
            else "predict",
            serialization_format="cloudpickle",
        )
    # Registered with its tags in one step: what listens for registrations sees them complete.
    version = client.create_model_version(
        fitted.model, logged.model_uri, tags=tags, model_id=logged.model_id
    )
    return str(version.version)
