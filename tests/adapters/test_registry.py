"""One contract of all registries, then what only the MLflow one can be asked."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sluiceway.adapters.memory_registry import MemoryRegistry
from sluiceway.adapters.mlflow_registry import (
    CONTRACT_HASH_TAG,
    CONTRACT_TAG,
    CONTRACT_VERSION_TAG,
    FEATURES_TAG,
    PATIENCE,
    MlflowRegistry,
)
from sluiceway.adapters.predictors import ArrayPredictor, FramePredictor
from sluiceway.contracts.values import Contract, OutputField
from sluiceway.errors import BadInput
from sluiceway.ports import Registry, RegistryUnavailable, UnknownVersion, UnloadableVersion

from . import mlflow_worlds as worlds

pytestmark = [pytest.mark.filterwarnings(line) for line in worlds.QUIET]

ROWS = {"a": np.array([0.5, -1.0, 2.0]), "b": np.array([1.0, 0.0, -3.0])}
ANSWERS = ROWS["a"] - 2 * ROWS["b"]
CONTRACT = Contract(
    model="line",
    version="1.2.0",
    output=(
        OutputField(
            name="y", position=0, dtype="double", unit="m", low=None, high=9.5, nullable=True,
            promise=None,
        ),
    ),
    inputs=(),
    deadline=timedelta(seconds=2),
    fallback={"y": 0.25},
)  # fmt: skip


class Line:
    """What the MLflow worlds' estimator computes, in memory."""

    inputs = ("a", "b")

    def predict(self, columns: Any) -> Any:
        return columns["a"] - 2 * columns["b"]


@dataclass
class World:
    """A registry with `line` at versions 1 (contract and features) and 2, and `bare` unsigned."""

    registry: Registry
    artifacts: Path | None
    uri: str | None


def memory_world() -> World:
    registry = MemoryRegistry()
    registry.add(
        "line", "1", Line(), ("a", "b"), contract=CONTRACT, features={"speed": "2.0.0"},
        tags={CONTRACT_TAG: CONTRACT.to_json(), FEATURES_TAG: '{"speed": "2.0.0"}'},
    )  # fmt: skip
    registry.add("line", "2", Line(), ("a", "b"))
    registry.add("bare", "1", Line(), None)
    return World(registry=registry, artifacts=None, uri=None)


def mlflow_world(uri: str, artifacts: Path) -> World:
    for _ in range(2):
        worlds.log_estimator(uri, "line")
    worlds.log_estimator(uri, "bare", signed=False)
    client = mlflow.MlflowClient(uri)
    client.set_model_version_tag("line", "1", CONTRACT_TAG, CONTRACT.to_json())
    client.set_model_version_tag("line", "1", FEATURES_TAG, json.dumps({"speed": "2.0.0"}))
    return World(registry=MlflowRegistry(uri), artifacts=artifacts, uri=uri)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("sqlite")
    return mlflow_world(worlds.sqlite_store(folder), folder / "artifacts")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("server")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**PATIENCE, "NO_PROXY": "127.0.0.1"}.items():
            patch.setenv(name, value)
        with worlds.server(folder) as uri:
            yield mlflow_world(uri, folder / "artifacts")


@pytest.fixture(params=["memory", "sqlite", "served"], scope="module")
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return memory_world()
    found: World = request.getfixturevalue(request.param)
    return found


class TestEveryRegistry:
    def test_a_version_tells_its_inputs_contract_and_features(self, world: World) -> None:
        found = world.registry.version("line", "1")
        assert found.inputs == ("a", "b")
        assert found.contract == CONTRACT
        assert found.features == {"speed": "2.0.0"}
        assert found.tags[CONTRACT_TAG] == CONTRACT.to_json()

    def test_a_version_without_tags_has_no_contract_of_its_own(self, world: World) -> None:
        found = world.registry.version("line", "2")
        assert found.contract is None
        assert found.features == {}

    def test_without_a_signature_nobody_knows_the_inputs_and_nothing_is_loaded(
        self, world: World
    ) -> None:
        assert world.registry.version("bare", "1").inputs is None
        digest = world.registry.artifact_sha256("bare", "1")
        with pytest.raises(UnloadableVersion, match="no signature"):
            world.registry.load("bare", "1", artifact_sha256=digest)

    @pytest.mark.parametrize(("model", "version"), [("line", "9"), ("no_such", "1"), ("line", "x")])
    def test_what_is_not_there_is_unknown_to_every_question(
        self, world: World, model: str, version: str
    ) -> None:
        registry = world.registry
        for ask in (
            lambda: registry.version(model, version),
            lambda: registry.artifact_sha256(model, version),
            lambda: registry.load(model, version, artifact_sha256="0" * 64),
            lambda: registry.set_alias(model, "champion", version),
            lambda: registry.set_tag(model, version, "sluiceway.stage", "shadow"),
        ):
            with pytest.raises(UnknownVersion, match=f"{model}@{version}"):
                ask()

    def test_what_is_loaded_is_what_was_verified(self, world: World) -> None:
        digest = world.registry.artifact_sha256("line", "1")
        assert world.registry.artifact_sha256("line", "1") == digest
        predictor = world.registry.load("line", "1", artifact_sha256=digest)
        assert predictor.inputs == ("a", "b")
        np.testing.assert_allclose(predictor.predict({**ROWS, "unused": ROWS["a"]}), ANSWERS)
        with pytest.raises(UnloadableVersion, match="verified was"):
            world.registry.load("line", "1", artifact_sha256="0" * 64)

    def test_aliases_move_and_the_last_writer_wins(self, world: World) -> None:
        registry = world.registry
        registry.set_alias("line", "champion", "1")
        registry.set_alias("line", "champion", "2")
        registry.set_alias("line", "previous", "1")
        assert registry.aliases("line") == {"champion": "2", "previous": "1"}
        registry.remove_alias("line", "previous")
        registry.remove_alias("line", "previous")
        registry.remove_alias("no_such", "champion")
        assert registry.aliases("line") == {"champion": "2"}
        assert registry.aliases("no_such") == {}

    def test_a_tag_is_read_back_and_overwritten(self, world: World) -> None:
        for stage in ("shadow", "canary"):
            world.registry.set_tag("line", "2", "sluiceway.stage", stage)
            assert world.registry.version("line", "2").tags["sluiceway.stage"] == stage

    def test_the_tags_of_the_contract_it_was_verified_against_make_no_contract_of_its_own(
        self, world: World
    ) -> None:
        for version, own in (("1", CONTRACT), ("2", None)):
            world.registry.set_tag("line", version, CONTRACT_HASH_TAG, "c" * 64)
            world.registry.set_tag("line", version, CONTRACT_VERSION_TAG, "3.0.0")
            found = world.registry.version("line", version)
            assert found.tags[CONTRACT_HASH_TAG] == "c" * 64
            assert found.tags[CONTRACT_VERSION_TAG] == "3.0.0"
            assert found.contract == own

    def test_the_latest_version_is_the_highest_number(self, world: World) -> None:
        assert world.registry.latest_version("line") == "2"
        assert world.registry.latest_version("no_such") is None


def test_a_version_number_is_compared_as_a_number() -> None:
    registry = MemoryRegistry()
    for version in ("9", "10"):
        registry.add("m", version, Line(), ("a",))
    assert registry.latest_version("m") == "10"


def test_a_memory_registry_that_does_not_answer_says_nothing() -> None:
    world = memory_world()
    assert isinstance(world.registry, MemoryRegistry)
    world.registry.available = False
    for ask in (
        lambda: world.registry.version("line", "1"),
        lambda: world.registry.aliases("line"),
        lambda: world.registry.latest_version("line"),
    ):
        with pytest.raises(RegistryUnavailable):
            ask()


def test_a_server_and_local_files_give_one_digest(served: World, tmp_path: Path) -> None:
    """What the server hands out has the digest of what it stores."""
    from sluiceway.adapters.model_files import digest_of

    assert served.artifacts is not None
    (stored,) = {
        file.parent
        for file in served.artifacts.rglob("MLmodel")
        if digest_of(file.parent) == served.registry.artifact_sha256("line", "1")
    }
    assert stored.is_dir()


@pytest.mark.parametrize("change", ["alter", "add", "remove", "rename"])
def test_any_changed_file_is_found_before_it_is_loaded(tmp_path: Path, change: str) -> None:
    uri = worlds.sqlite_store(tmp_path)
    worlds.log_estimator(uri, "line")
    registry = MlflowRegistry(uri)
    digest = registry.artifact_sha256("line", "1")
    (requirements,) = (tmp_path / "artifacts").rglob("requirements.txt")
    if change == "alter":
        requirements.write_text("something-else")
    elif change == "add":
        requirements.with_name("extra.txt").write_text("")
    elif change == "remove":
        requirements.unlink()
    else:
        requirements.rename(requirements.with_name("other.txt"))
    with pytest.raises(UnloadableVersion, match="line@1: files have digest"):
        registry.load("line", "1", artifact_sha256=digest)


@pytest.mark.parametrize("kind", ["estimator", "own code"])
def test_what_somebody_loads_with_mlflow_is_the_same_version_afterwards(
    tmp_path: Path, kind: str
) -> None:
    """MLflow's own loading leaves a note among the files of a store that is a folder."""
    uri = worlds.sqlite_store(tmp_path)
    if kind == "estimator":
        worlds.log_estimator(uri, "line")
    else:
        worlds.log_python(uri, "line", Sum())
    registry = MlflowRegistry(uri)
    digest = registry.artifact_sha256("line", "1")
    with worlds.logging_to(uri):
        mlflow.pyfunc.load_model("models:/line/1")
    assert list((tmp_path / "artifacts").rglob("registered_model_meta"))
    assert registry.artifact_sha256("line", "1") == digest
    assert len(registry.load("line", "1", artifact_sha256=digest).predict(ROWS)) == len(ROWS["a"])


def test_missing_files_are_told_as_such(tmp_path: Path) -> None:
    import shutil

    uri = worlds.sqlite_store(tmp_path)
    worlds.log_estimator(uri, "line")
    shutil.rmtree(tmp_path / "artifacts")
    registry = MlflowRegistry(uri)
    for ask in (
        lambda: registry.version("line", "1"),
        lambda: registry.artifact_sha256("line", "1"),
        lambda: registry.load("line", "1", artifact_sha256="0" * 64),
    ):
        with pytest.raises(UnloadableVersion, match="files are missing"):
            ask()


def test_files_missing_behind_a_server_are_told_as_such(served: World) -> None:
    import shutil

    assert served.uri is not None
    assert served.artifacts is not None
    before = set(served.artifacts.rglob("MLmodel"))
    worlds.log_estimator(served.uri, "gone")
    (made,) = set(served.artifacts.rglob("MLmodel")) - before
    shutil.rmtree(made.parent)
    for ask in (
        lambda: served.registry.version("gone", "1"),
        lambda: served.registry.artifact_sha256("gone", "1"),
    ):
        with pytest.raises(UnloadableVersion, match="gone@1"):
            ask()


def test_a_dead_server_is_unavailable_and_not_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**PATIENCE, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        registry = MlflowRegistry(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(RegistryUnavailable):
            registry.version("line", "1")
        with pytest.raises(RegistryUnavailable):
            registry.latest_version("line")


def test_a_broken_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database, it is a text of some length")
    with pytest.raises(RegistryUnavailable):
        MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}").version("line", "1")


def test_a_database_that_takes_nothing_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    uri = f"sqlite:///file:{tmp_path / 'mlflow.db'}?mode=ro&uri=true"
    with pytest.raises(RegistryUnavailable) as told:
        MlflowRegistry(uri).version("line", "1")
    assert "attempt to write a readonly database" in str(told.value)
    assert "\n" not in str(told.value)
    assert "CREATE" not in str(told.value)


@pytest.mark.parametrize("tag", [CONTRACT_TAG, FEATURES_TAG])
def test_a_tag_that_cannot_be_read_is_named(sqlite: World, tag: str) -> None:
    assert sqlite.uri is not None
    version = worlds.log_estimator(sqlite.uri, "badly_tagged")
    sqlite.registry.set_tag("badly_tagged", version, tag, '["no"')
    with pytest.raises(BadInput, match=f"badly_tagged@{version}: tag {tag}"):
        sqlite.registry.version("badly_tagged", version)


FILE = """\
model: tagged
version: 1.2.0
output:
  minutes: {position: 0, unit: minutes, range: [0, 90]}
latency: {deadline: 5s}
fallback: {minutes: 12}
"""


def test_a_tag_holds_the_text_of_a_contract_file_as_well_as_its_json(sqlite: World) -> None:
    assert sqlite.uri is not None
    version = worlds.log_estimator(sqlite.uri, "tagged")
    sqlite.registry.set_tag("tagged", version, CONTRACT_TAG, FILE)
    from_file = sqlite.registry.version("tagged", version).contract
    assert from_file is not None
    assert (from_file.version, from_file.fallback) == ("1.2.0", {"minutes": 12.0})
    sqlite.registry.set_tag("tagged", version, CONTRACT_TAG, from_file.to_json())
    assert sqlite.registry.version("tagged", version).contract == from_file


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (FILE.replace("minutes: 12", "minutes: 99"),
         "fallback.minutes: 99 lies outside the promised range"),
        (FILE.replace("version: 1.2.0", "version: 1.2"),
         "version: is no semantic version; write it like 1.0.0 (found 1.2)"),
        ("dep_delay.yaml",
         "is no contract; it takes the text of a contract file, or what "
         "sluiceway.stamping.contract_tag writes"),
        (CONTRACT.to_json().replace('"fallback":{', '"fall_back":{'), "fallback: is missing"),
        (CONTRACT.to_json().replace('"fallback":{', '"fallback":{"z":3.0,'),
         "fallback.z: is no output field"),
    ],
)  # fmt: skip
def test_a_tag_that_holds_no_contract_says_what_is_wrong_in_our_words(
    sqlite: World, written: str, why: str
) -> None:
    assert sqlite.uri is not None
    version = worlds.log_estimator(sqlite.uri, "wrongly_tagged")
    sqlite.registry.set_tag("wrongly_tagged", version, CONTRACT_TAG, written)
    with pytest.raises(BadInput) as told:
        sqlite.registry.version("wrongly_tagged", version)
    assert str(told.value.faults[0]).startswith(
        f"wrongly_tagged@{version}: tag {CONTRACT_TAG}: {why}"
    )
    assert "pydantic" not in str(told.value)


def _flags(frame: pd.DataFrame) -> Any:
    return frame["a"] > 0


@pytest.mark.parametrize(
    ("make", "predict"),
    [
        (lambda x: HistGradientBoostingRegressor(max_iter=5).fit(x, x["a"]), "predict"),
        (lambda x: HistGradientBoostingClassifier(max_iter=5).fit(x, _flags(x)), "predict_proba"),
        (lambda x: make_pipeline(StandardScaler(), LogisticRegression()).fit(x, _flags(x)),
         "predict_proba"),
        (lambda x: RandomForestRegressor(n_estimators=3).fit(x, x["b"]), "predict"),
        (lambda x: CalibratedClassifierCV(LogisticRegression(), cv=2).fit(x, _flags(x)),
         "predict_proba"),
        (lambda x: LinearRegression().fit(x, x[["a", "b"]]), "predict"),
    ],
)  # fmt: skip
def test_an_estimator_on_a_matrix_answers_what_mlflow_answers_on_a_frame(
    sqlite: World, make: Any, predict: str
) -> None:
    assert sqlite.uri is not None
    given = worlds.frame(200)
    version = worlds.log_estimator(sqlite.uri, "any", make(given), columns=given, predict=predict)
    digest = sqlite.registry.artifact_sha256("any", version)
    predictor = sqlite.registry.load("any", version, artifact_sha256=digest)
    assert isinstance(predictor, ArrayPredictor)
    with worlds.logging_to(sqlite.uri):
        reference = mlflow.pyfunc.load_model(f"models:/any/{version}").predict(given)
    columns = {name: given[name].to_numpy() for name in reversed(given.columns)}
    # A frame is stored by columns, so sums of products may round in another order.
    np.testing.assert_allclose(predictor.predict(columns), np.asarray(reference), rtol=1e-12)


def test_an_estimator_that_picks_columns_by_name_gets_a_frame(sqlite: World) -> None:
    assert sqlite.uri is not None
    given = pd.DataFrame({"kind": ["x", "y", "x", "y"], "a": [1.0, 2.0, 3.0, 4.0]})
    fitted = make_pipeline(
        ColumnTransformer([("kind", OneHotEncoder(), ["kind"])], remainder="passthrough"),
        LinearRegression(),
    ).fit(given, given["a"])
    version = worlds.log_estimator(sqlite.uri, "by_name", fitted, columns=given)
    digest = sqlite.registry.artifact_sha256("by_name", version)
    predictor = sqlite.registry.load("by_name", version, artifact_sha256=digest)
    assert isinstance(predictor, FramePredictor)
    columns = {"a": given["a"].to_numpy(), "kind": given["kind"].to_numpy(dtype=object)}
    np.testing.assert_array_equal(predictor.predict(columns), fitted.predict(given))


class Sum(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        return model_input["a"] + model_input["b"]


def test_a_model_of_own_code_answers_by_mlflow(sqlite: World) -> None:
    assert sqlite.uri is not None
    version = worlds.log_python(sqlite.uri, "own", Sum())
    digest = sqlite.registry.artifact_sha256("own", version)
    predictor = sqlite.registry.load("own", version, artifact_sha256=digest)
    np.testing.assert_array_equal(predictor.predict(ROWS), ROWS["a"] + ROWS["b"])


def test_whole_numbers_come_as_such_whatever_the_array(sqlite: World) -> None:
    """MLflow's coercion depends on the values; ours on the signature."""
    assert sqlite.uri is not None
    signature = ModelSignature(Schema([ColSpec("long", "a"), ColSpec("double", "b")]))
    version = worlds.log_python(sqlite.uri, "whole", Sum(), signature=signature)
    digest = sqlite.registry.artifact_sha256("whole", version)
    predictor = sqlite.registry.load("whole", version, artifact_sha256=digest)
    sums = predictor.predict({"a": np.array([1.0, 2.0]), "b": np.array([1, 2])})
    np.testing.assert_array_equal(sums, [2.0, 4.0])
    for wrong in ([1.5, 2.0], [np.nan, 2.0]):
        with pytest.raises(ValueError, match="a: missing or fractional"):
            predictor.predict({"a": np.array(wrong), "b": np.array([1.0, 2.0])})


def test_a_missing_or_wordy_column_is_named(sqlite: World) -> None:
    digest = sqlite.registry.artifact_sha256("line", "1")
    predictor = sqlite.registry.load("line", "1", artifact_sha256=digest)
    with pytest.raises(ValueError, match="b: no such column; there are: a"):
        predictor.predict({"a": ROWS["a"]})
    with pytest.raises(ValueError, match=r"b: .* values where double is read"):
        predictor.predict({"a": ROWS["a"], "b": np.array(["1", "2", "3"])})


def test_loading_leaves_mlflows_global_store_alone(sqlite: World) -> None:
    before = mlflow.get_tracking_uri()
    digest = sqlite.registry.artifact_sha256("line", "1")
    sqlite.registry.load("line", "1", artifact_sha256=digest)
    assert mlflow.get_tracking_uri() == before


def test_arrivals_say_when_each_version_came_and_what_it_belongs_to(world: World) -> None:
    found = world.registry.arrivals("line")
    assert [one.name for one in found][:2] == ["line@1", "line@2"]
    assert found[0].at <= found[1].at <= datetime.now(UTC)
    assert (found[1].by, found[1].release) == ("", None)
    world.registry.set_tag("line", "2", "sluiceway.release_name", "spring")
    world.registry.set_tag("line", "2", "sluiceway.registered_by", "kim")
    told = world.registry.arrivals("line")[1]
    assert (told.by, told.release) == ("kim", "spring")
    assert world.registry.arrivals("nothing") == ()
