"""A metric with parameters has a name that a real MLflow takes for its measurements."""

from pathlib import Path

import pytest

from sluiceway.adapters.mlflow_evidence import MlflowEvidence
from sluiceway.statistics.metrics import METRIC_NAMES
from sluiceway.steps.publishing import measurement_name
from tests.adapters import mlflow_worlds as worlds

pytestmark = [pytest.mark.filterwarnings(line) for line in worlds.QUIET]


def test_parameters_are_told_in_letters_that_mlflow_takes() -> None:
    cost = "fraud.expected_cost(miss=5, false_alarm=1, threshold=0.3)"
    assert measurement_name(cost) == "fraud.expected_cost miss 5 false_alarm 1 threshold 0.3"
    assert measurement_name("fraud.brier") == "fraud.brier"


def test_mlflow_takes_the_measurements_of_every_metric(tmp_path: Path) -> None:
    names = [measurement_name(f"fraud.{name.replace('…', '0.5')}") for name in METRIC_NAMES]
    assert len(set(names)) == len(names)
    evidence = MlflowEvidence(
        worlds.sqlite_store(tmp_path), artifact_root=(tmp_path / "evidence").as_uri()
    )
    assert evidence.record(
        "orders",
        "r0001",
        metrics={f"canary.{name}.harm": 0.25 for name in names},
        params={},
        tags={},
        artifacts={},
        models=(),
        sources=(),
    )
