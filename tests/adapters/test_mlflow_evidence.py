"""A rollout's evidence in MLflow is one run, however often it is written."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import ViewType

from sluiceway.adapters.mlflow_evidence import ENVIRONMENT_TAG, HEAD_TAG, MlflowEvidence
from sluiceway.errors import BadInput
from sluiceway.ports import ReplayedSource, UnknownVersion, Window

from . import mlflow_worlds as worlds

pytestmark = [pytest.mark.filterwarnings(line) for line in worlds.QUIET]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return worlds.sqlite_store(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="module")
def evidence(store: str, tmp_path_factory: pytest.TempPathFactory) -> MlflowEvidence:
    root = tmp_path_factory.mktemp("artifacts").as_uri()
    return MlflowEvidence(store, artifact_root=root)


def record(evidence: MlflowEvidence, rollout: str, **changes: object) -> str:
    given = {
        "metrics": {"arr_delay.minutes/mae harm": 0.25},
        "params": {"alpha": "0.05"},
        "tags": {HEAD_TAG: f"head-of-{rollout}", ENVIRONMENT_TAG: "production"},
        "artifacts": {"report.html": "<p>ü</p>", "plan/plan.json": b"{}"},
        "models": (),
        "sources": (),
        **changes,
    }
    return evidence.record("orders", rollout, **given)  # type: ignore[arg-type]


def test_recording_twice_makes_one_run_without_doubles(
    evidence: MlflowEvidence, store: str
) -> None:
    version = worlds.log_estimator(store, "line")
    models = (("line", version),)
    first = record(evidence, "r-1", models=models)
    assert record(evidence, "r-1", models=models) == first
    client = mlflow.MlflowClient(store)
    run = client.get_run(first)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"alpha": "0.05"}
    assert len(client.get_metric_history(first, "arr_delay.minutes/mae harm")) == 1
    assert len(run.inputs.model_inputs) == 1
    note = f"Rollout r-1 of [line {version}](#/models/line/versions/{version}); its report is"
    assert run.data.tags["mlflow.note.content"].startswith(note)
    client.set_tag(first, "mlflow.note.content", "what people think of it")
    record(evidence, "r-1", models=models)
    assert client.get_run(first).data.tags["mlflow.note.content"] == "what people think of it"
    assert {file.path for file in client.list_artifacts(first)} == {"report.html", "plan"}


def test_replayed_sources_are_datasets_of_the_run_each_once(
    evidence: MlflowEvidence, store: str
) -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    orders, longer = (
        ReplayedSource(
            name="orders", digest=digest, loader="sql:postgresql://db/shop#orders",
            window=Window(start=end - timedelta(days=days), end=end),
        )
        for digest, days in (("d" * 32, 20), ("e" * 32, 30))
    )  # fmt: skip
    record(evidence, "r-7", sources=(orders,))
    run_id = record(evidence, "r-7", sources=(orders, longer))
    inputs = mlflow.MlflowClient(store).get_run(run_id).inputs.dataset_inputs
    assert sorted((i.dataset.name, i.dataset.digest) for i in inputs) == [
        ("orders", orders.digest),
        ("orders", longer.digest),
    ]
    (first,) = [i for i in inputs if i.dataset.digest == orders.digest]
    assert first.dataset.source_type == "sql"
    assert json.loads(first.dataset.source) == {
        "loader": orders.loader,
        "start": "2026-02-09T00:00:00+00:00",
        "end": "2026-03-01T00:00:00+00:00",
    }
    assert [(tag.key, tag.value) for tag in first.tags] == [("mlflow.data.context", "shadow")]


def test_what_changed_is_added_or_overwritten(
    evidence: MlflowEvidence, store: str, tmp_path: Path
) -> None:
    record(evidence, "r-2")
    run_id = record(
        evidence, "r-2", metrics={"arr_delay.minutes/mae harm": 0.5, "new": 1.0},
        tags={HEAD_TAG: "later"}, artifacts={"report.html": "second"}, params={"more": "1"},
    )  # fmt: skip
    client = mlflow.MlflowClient(store)
    run = client.get_run(run_id)
    points = client.get_metric_history(run_id, "arr_delay.minutes/mae harm")
    assert sorted(point.value for point in points) == [0.25, 0.5]
    assert run.data.metrics["new"] == 1.0
    assert run.data.tags[HEAD_TAG] == "later"
    assert run.data.params == {"alpha": "0.05", "more": "1"}
    assert (run.info.artifact_uri or "").startswith("file:///")
    assert "/artifacts0/sluiceway/orders/" in str(run.info.artifact_uri)
    report = client.download_artifacts(run_id, "report.html", str(tmp_path))
    assert Path(report).read_text() == "second"


def test_a_param_does_not_change_behind_anyones_back(evidence: MlflowEvidence, store: str) -> None:
    record(evidence, "r-3")
    with pytest.raises(BadInput, match=r"param alpha: is '0.05' for good and cannot become '0.1'"):
        record(evidence, "r-3", params={"alpha": "0.1"})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_evidence_is_not_recorded(
    evidence: MlflowEvidence, store: str, value: float
) -> None:
    with pytest.raises(BadInput, match=r"metric harm: is .* no evidence"):
        record(evidence, "r-4", metrics={"harm": value})


def test_an_artifact_stays_inside_the_run(evidence: MlflowEvidence, store: str) -> None:
    for name in ("../x", "/x", ""):
        with pytest.raises(BadInput, match="no relative file name"):
            record(evidence, "r-4", artifacts={name: "x"})


def test_a_model_that_is_not_there_is_unknown(evidence: MlflowEvidence, store: str) -> None:
    with pytest.raises(UnknownVersion):
        record(evidence, "r-4", models=(("no_such", "1"),))


def test_heads_of_deleted_runs_are_still_known(evidence: MlflowEvidence, store: str) -> None:
    run_id = record(evidence, "r-5")
    mlflow.MlflowClient(store).delete_run(run_id)
    heads = evidence.heads("orders", environment="production")
    assert heads["head-of-r-5"] == f"MLflow run {run_id} of rollout r-5"
    assert evidence.heads("unheard_of", environment="production") == {}


def test_a_deleted_run_is_not_written_to(evidence: MlflowEvidence, store: str) -> None:
    deleted = record(evidence, "r-6")
    mlflow.MlflowClient(store).delete_run(deleted)
    again = record(evidence, "r-6")
    assert again != deleted
    client = mlflow.MlflowClient(store)
    experiment = client.get_experiment_by_name("sluiceway/orders")
    found = client.search_runs(
        [experiment.experiment_id], "tags.`sluiceway.rollout` = 'r-6'", ViewType.ALL
    )
    assert {run.info.run_id for run in found} == {deleted, again}
