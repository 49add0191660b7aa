"""Real MLflow worlds for tests: a SQLite registry, a server, and models that misbehave."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")

import mlflow
import numpy as np
import pandas as pd

with warnings.catch_warnings():
    # Importing it warns about MLflow's own type hints, before any test can say that it is known.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc
from mlflow.models import ModelSignature, infer_signature
from sklearn.linear_model import LinearRegression

QUIET = (
    "ignore:The ``noload`` loader strategy",  # MLflow's own models under SQLAlchemy 2.1
    "ignore:.*Any type hint is inferred",
    "ignore:.*Add type hints to the `predict` method",
    "ignore:.*An input example was not provided",
)


@contextmanager
def logging_to(uri: str) -> Iterator[None]:
    """MLflow's fluent API, which training code uses, pointed at a store for a while."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


@cache
def _empty_database() -> bytes:
    """A SQLite database with MLflow's tables; to make them takes seconds, so they are made once."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
        return file.read_bytes()


def sqlite_store(folder: Path) -> str:
    """A new SQLite store whose models are files below the folder."""
    (folder / "mlflow.db").write_bytes(_empty_database())
    return new_store(f"sqlite:///{folder / 'mlflow.db'}", folder)


def new_store(uri: str, folder: Path) -> str:
    """A new store in this empty database, whose models are files below the folder."""
    client = mlflow.MlflowClient(uri)
    client.create_experiment("training", artifact_location=(folder / "artifacts").as_uri())
    return uri


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A real MLflow server on loopback, ended by its process group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    (folder / "mlflow.db").write_bytes(_empty_database())
    with (folder / "server.log").open("wb") as log:
        running = subprocess.Popen(
            [
                sys.executable, "-m", "mlflow", "server",
                "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
                "--artifacts-destination", str(folder / "artifacts"),
                "--workers", "1", "--host", "127.0.0.1", "--port", str(port),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )  # fmt: skip
    try:
        _wait_for(uri, running)
        yield uri
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def _wait_for(uri: str, running: subprocess.Popen[bytes]) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + 60
    while time.monotonic() < until and running.poll() is None:
        try:
            with direct.open(f"{uri}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the MLflow server did not come up")


def frame(rows: int = 50) -> pd.DataFrame:
    values = np.random.default_rng(7).normal(size=(rows, 2))
    return pd.DataFrame(values, columns=["a", "b"])


def log_estimator(
    uri: str,
    model: str,
    estimator: Any = None,
    *,
    columns: pd.DataFrame | None = None,
    signed: bool = True,
    predict: str = "predict",
) -> str:
    """Register an estimator, by default a small fitted line; give its version."""
    given = frame() if columns is None else columns
    fitted = estimator or LinearRegression().fit(given, given["a"] - 2 * given["b"])
    with logging_to(uri):
        mlflow.set_experiment("training")
        logged = mlflow.sklearn.log_model(
            fitted,
            name=model,
            registered_model_name=model,
            signature=infer_signature(given, getattr(fitted, predict)(given)) if signed else False,
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
            pyfunc_predict_fn=predict,
        )
    return str(logged.registered_model_version)


def log_python(
    uri: str, model: str, python_model: Any, *, signature: ModelSignature | None = None
) -> str:
    """Register a model of own code that reads `a` and `b`; give its version."""
    given = frame()
    with logging_to(uri):
        mlflow.set_experiment("training")
        logged = mlflow.pyfunc.log_model(
            python_model=python_model,
            name=model,
            registered_model_name=model,
            signature=signature or infer_signature(given, np.zeros(len(given))),
            pip_requirements=[],
        )
    return str(logged.registered_model_version)
