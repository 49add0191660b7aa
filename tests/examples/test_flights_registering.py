"""What the registry holds after the flights models were registered."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from examples.flights.registering import log_models
from examples.flights.training import FEED_2, Fitted
from sluiceway.adapters.feature_code import definitions_of
from sluiceway.features import changed_definitions, read_stamps
from sluiceway.lineage import trained_on
from sluiceway.system.file import read_system
from tests.adapters.mlflow_worlds import logging_to

REPOSITORY = Path(__file__).parents[2]
ROWS = pd.DataFrame({"hour": np.arange(100.0), "distance": np.arange(100.0)[::-1]})
LATE = (ROWS["hour"] > 50).astype(int)


# Both are MLflow's own, from importing its store and its pyfunc.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")
def test_versions_are_registered_complete_with_their_feature_versions(tmp_path: Path) -> None:
    delay = Fitted(
        name="dep_delay_feed_2",
        model="dep_delay",
        estimator=HistGradientBoostingRegressor(max_iter=2).fit(ROWS, LATE * 60.0),
        example=ROWS,
        feature_versions=FEED_2,
    )
    missed = Fitted(
        name="missed_connection",
        model="missed_connection",
        estimator=HistGradientBoostingClassifier(max_iter=2).fit(ROWS, LATE),
        example=ROWS,
        trained_on={"dep_delay": "dep_delay_feed_2"},
    )
    registry = f"sqlite:///{tmp_path / 'registry.db'}"
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    registered = log_models(
        registry, [delay, missed], artifacts=str(tmp_path / "artifacts"), release_name="both"
    )
    assert registered == {"dep_delay_feed_2": "1", "missed_connection": "1"}
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before
    client = MlflowClient(registry, registry)
    on_feed_2 = client.get_model_version("dep_delay", "1").tags
    stamped = read_stamps(json.loads(on_feed_2["sluiceway.features"]))
    assert {name: stamped[name].version for name in FEED_2} == FEED_2
    system = read_system(REPOSITORY / "examples" / "flights" / "system.yaml")
    read = {edge.producer for edge in system.models["dep_delay"].inputs if edge.field is None}
    assert stamped.keys() == read
    assert changed_definitions(stamped, definitions_of(system)) == ()
    other = client.get_model_version("missed_connection", "1").tags
    assert set(other) == {
        "sluiceway.features",
        "sluiceway.release_name",
        "sluiceway.trained_on",
    }
    assert trained_on(other) == {"dep_delay": "1"}
    assert "sluiceway.trained_on" not in on_feed_2
    assert other["sluiceway.release_name"] == "both"
    with logging_to(registry):
        served = mlflow.pyfunc.load_model("models:/missed_connection/1").predict(ROWS)
    np.testing.assert_array_equal(served, missed.estimator.predict_proba(ROWS))
