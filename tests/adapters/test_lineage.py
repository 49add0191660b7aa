"""One contract of all registries for who reads whom, then what only MLflow's runs can show."""

import json
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import LoggedModelInput
from mlflow.models import infer_signature

from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.adapters.mlflow_registry import MlflowRegistry
from sluiceway.errors import BadInput
from sluiceway.lineage import READS_TAG, TRAINED_ON_TAG, Reading, Trace
from sluiceway.ports import Registry, RegistryUnavailable

from . import mlflow_worlds as worlds

pytestmark = [pytest.mark.filterwarnings(line) for line in worlds.QUIET]

# ``up`` feeds ``down``; of its four versions the second has an alias, and the last is the newest.
TAGS = {
    "1": {TRAINED_ON_TAG: json.dumps({"up": "1"})},
    "2": {READS_TAG: json.dumps(["up.y", "elsewhere"])},
    "3": {TRAINED_ON_TAG: "up 1", READS_TAG: '{"up": 1}'},
    "4": {},
}
COLUMNS = {"1": ("a", "up.x"), "2": ("a", "up.z"), "3": ("a", "up.x"), "4": ("a", "no.model")}


class Nothing:
    inputs = ("a",)

    def predict(self, columns):  # type: ignore[no-untyped-def]
        return columns["a"]


def memory_registry() -> MemoryRegistry:
    registry = MemoryRegistry()
    registry.add("up", "1", Nothing(), ("a", "b"))
    for version, tags in TAGS.items():
        registry.add("down", version, Nothing(), COLUMNS[version], tags=tags)
    registry.set_alias("down", "champion", "2")
    return registry


def logged(uri: str, columns: tuple[str, ...], *, fed_by: str | None = None) -> tuple[str, str]:
    """A model logged by a run of its own, fed by a logged model; its source and its run."""
    given = worlds.frame().rename(columns=dict(zip("ab", columns, strict=True)))
    fitted = worlds.LinearRegression().fit(given, given[columns[0]])
    with worlds.logging_to(uri):
        mlflow.set_experiment("training")
        with mlflow.start_run() as run:
            if fed_by is not None:
                mlflow.MlflowClient(uri).log_inputs(
                    run.info.run_id, models=[LoggedModelInput(model_id=fed_by)]
                )
            model = mlflow.sklearn.log_model(
                fitted,
                name="model",
                signature=infer_signature(given, fitted.predict(given)),
                pip_requirements=["scikit-learn"],
                serialization_format="cloudpickle",
            )
    return model.model_uri, run.info.run_id


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = worlds.sqlite_store(tmp_path_factory.mktemp("lineage"))
    client = mlflow.MlflowClient(uri)
    up, run = logged(uri, ("a", "b"))
    for name in ("up", "down"):
        client.create_registered_model(name)
    with worlds.logging_to(uri):
        client.create_model_version("up", up, run_id=run)
    opened = {version: logged(uri, COLUMNS[version]) for version in ("2", "4")}
    with worlds.logging_to(uri):  # MLflow resolves a logged model at the store it points at
        for version, tags in TAGS.items():
            source, made_by = opened.get(version, (up, run))
            client.create_model_version("down", source, run_id=made_by, tags=tags)
    client.set_registered_model_alias("down", "champion", "2")
    return uri


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest) -> Registry:
    if request.param == "memory":
        return memory_registry()
    return MlflowRegistry(request.getfixturevalue("store"))


def reading(version: str, shown_by: Trace, **more: str | None) -> Reading:
    told = {"producer": "up", "field": None, "producer_version": None} | more
    return Reading(reader="down", version=version, shown_by=shown_by, **told)


def test_tags_of_all_versions_and_signatures_of_those_that_matter_are_read(
    registry: Registry,
) -> None:
    found = registry.lineage()
    assert set(found.readings) == {
        reading("1", Trace.TRAINED_ON, producer_version="1"),
        reading("2", Trace.READS, field="y"),
        reading("2", Trace.READS, producer="elsewhere"),
        reading("2", Trace.SIGNATURE, field="z"),
    }
    assert (found.models, found.versions, found.opened) == (2, 5, 3)


def test_a_tag_that_cannot_be_read_is_told_and_hides_nothing_else(registry: Registry) -> None:
    assert registry.lineage().unreadable == (
        'down@3: tag sluiceway.trained_on is no JSON object of versions by model, like {"dep_delay"'
        ': "2"}',
        'down@3: tag sluiceway.reads is no JSON list of models or fields, like ["dep_delay.minutes"'
        "]",
    )


def test_a_version_says_what_it_was_trained_on(registry: Registry) -> None:
    assert registry.version("down", "1").trained_on == {"up": "1"}
    assert registry.version("down", "2").trained_on == {}
    with pytest.raises(BadInput, match=r"down@3: tag sluiceway.trained_on: is no JSON object"):
        registry.version("down", "3")


def test_the_model_that_a_run_had_as_an_input_is_read_by_what_the_run_made(store: str) -> None:
    client = mlflow.MlflowClient(store)
    up = client.get_model_version("up", "1").source.removeprefix("models:/")
    source, run = logged(store, ("a", "b"), fed_by=up)
    client.create_registered_model("fed")
    try:
        with worlds.logging_to(store):
            client.create_model_version("fed", source, run_id=run)
        found = [one for one in MlflowRegistry(store).lineage().readings if one.reader == "fed"]
    finally:
        client.delete_registered_model("fed")
    assert found == [
        Reading(
            reader="fed",
            version="1",
            producer="up",
            field=None,
            producer_version="1",
            shown_by=Trace.RUN_INPUT,
        )
    ]


def test_a_version_whose_files_and_run_are_gone_hides_no_other(store: str, tmp_path: Path) -> None:
    client = mlflow.MlflowClient(store)
    client.create_registered_model("gone")
    try:
        client.create_model_version("gone", (tmp_path / "gone").as_uri(), run_id="0" * 32)
        found = MlflowRegistry(store).lineage()
    finally:
        client.delete_registered_model("gone")
    assert found.versions == 6
    files, run = (said for said in found.unreadable if said.startswith("gone@1"))
    assert files.startswith("gone@1: its files are missing")
    assert run.startswith(f"gone@1: its run {'0' * 32} cannot be read")


def test_a_registry_that_does_not_answer_says_so() -> None:
    registry = memory_registry()
    registry.available = False
    with pytest.raises(RegistryUnavailable):
        registry.lineage()
