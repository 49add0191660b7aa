"""The system whose rollouts are broken: two models, one of which reads the other.

Its rows follow from the clock alone, five a second, so that any window of the past can be made
again and live requests are the rows that the record will have of them. Blocks are minutes: a whole
canary takes a quarter of an hour by the real clock.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from bench.small_system import logged, metric, written
from sluiceway.ports import Window
from sluiceway.settings import Settings

ROWS_A_MINUTE: Final = 300
LIVE: Final = ("first@1", "second@1")
"""What is adopted."""
_MINUTE: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SYSTEM: Final = """
system: chaos
timezone: UTC
unit: id
owners:
  chaos: {contact: chaos@example.com}
sources:
  rows: {owner: chaos, loader: "python:bench.chaos.shop:rows", event_time: at}
  truth:
    owner: chaos
    loader: "python:bench.chaos.shop:truth"
    event_time: at
    labels: {known_at: known, maturity: 5s}
features:
  a: {owner: chaos, version: 1.0.0, reads: [rows.a]}
  b: {owner: chaos, version: 1.0.0, reads: [rows.b]}
models:
  first: {owner: chaos, risk: low, inputs: [a, b], contract: first.yaml, metrics: [METRIC]}
  second:
    owner: chaos
    risk: low
    inputs: [first.value, a]
    contract: second.yaml
    metrics: [METRIC]
policies:
  shadow: {window: 20m, extension: 5m}
  canary: {steps: [{weight: 50, bake: 1m}], deadline: 1d, mirror: 100, block: 1m}
  watch: {window: 2m}
  approvals: []
  drift: off
  registrations: {release_window: 1s}
"""


def table(window: Window) -> pd.DataFrame:
    """All that is known of the rows of a window."""
    first = (window.start - _EPOCH) // _MINUTE
    last = (window.end - _EPOCH) // _MINUTE
    found = pd.concat([_minute(number) for number in range(first, last + 1)], ignore_index=True)
    inside = (found["at"] >= window.start) & (found["at"] < window.end)
    return found[inside].reset_index(drop=True)


def rows(window: Window) -> pd.DataFrame:
    """What is known when a row is asked about."""
    return table(window)[["id", "at", "a", "b"]]


def truth(window: Window) -> pd.DataFrame:
    """What became of them, a second later."""
    found = table(window)
    return found[["id", "at", "value"]].assign(known=found["at"] + timedelta(seconds=1))


def _minute(number: int) -> pd.DataFrame:
    draw = np.random.default_rng(number)
    a, b, noise = draw.normal(size=(3, ROWS_A_MINUTE))
    step = _MINUTE / ROWS_A_MINUTE
    return pd.DataFrame(
        {
            "id": [f"{number}-{n}" for n in range(ROWS_A_MINUTE)],
            "at": pd.date_range(_EPOCH + number * _MINUTE, periods=ROWS_A_MINUTE, freq=step),
            "a": a,
            "b": b,
            "value": a + 2 * b + noise,
        }
    )


class Stock:
    """Versions of `first` that are fitted and logged, and not yet registered.

    Args:
        uri: Of the MLflow server.
        logged: URI and id of the logged models, each a little unlike the others, none harmful.
    """

    def __init__(self, uri: str, logged: list[tuple[str, str]]) -> None:
        self._uri, self._logged = uri, logged
        self._taken = 0

    def at(self, uri: str) -> "Stock":
        """The same, registered elsewhere."""
        return Stock(uri, self._logged)

    def register(self) -> str:
        """Register the next one, as a training job would; ``first@VERSION``."""
        from mlflow import MlflowClient

        source, model_id = self._logged[self._taken % len(self._logged)]
        client = MlflowClient(self._uri, self._uri)
        made = client.create_model_version("first", source, model_id=model_id)
        self._taken += 1
        return f"first@{made.version}"


def prepared(folder: Path, *, versions: int) -> tuple[Settings, Stock]:
    """Write the system, fit and log its models, and register what is adopted.

    Args:
        versions: How many more versions of `first` there are to be.
    """
    system = _SYSTEM.replace("METRIC", metric(margin=0.2))
    settings = written(folder, system, ("first", "second"), deadline="2s")
    return settings, _logged(settings, folder / "models", versions)


def _logged(settings: Settings, where: Path, versions: int) -> Stock:
    import mlflow
    from mlflow import MlflowClient

    uri = settings.registry_uri
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment("chaos", artifact_location=where.absolute().as_uri())
    mlflow.set_tracking_uri(uri)

    now = datetime.now(UTC)
    fitting = table(Window(start=now - 10 * _MINUTE, end=now))
    given, target = fitting[["a", "b"]], fitting["value"]
    draw = np.random.default_rng(0)

    def first() -> LinearRegression:
        return LinearRegression().fit(given, target + draw.normal(scale=2, size=len(given)))

    serving = first()
    fed = pd.DataFrame({"first.value": serving.predict(given), "a": given["a"]})
    for model, fitted, columns in (
        ("first", serving, given),
        ("second", LinearRegression().fit(fed, target), fed),
    ):
        made = logged(experiment, model, fitted, columns[:5])
        client.create_registered_model(model)
        client.create_model_version(model, made.model_uri, model_id=made.model_id)
    more = [logged(experiment, "first", first(), given[:5]) for _ in range(versions)]
    return Stock(uri, [(one.model_uri, one.model_id) for one in more])
