"""Whatever a candidate does on first contact, the answer comes in time and nothing is left."""

import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from sluiceway.adapters.memory_registry import MemoryRegistry, try_in_process
from sluiceway.adapters.mlflow_registry import MlflowRegistry
from sluiceway.adapters.trial import Trial, TrialCode, meet, try_version
from sluiceway.ports import UnknownVersion

from . import mlflow_worlds as worlds
from .misbehaving import HANGS, Misbehaving

pytestmark = [pytest.mark.filterwarnings(line) for line in worlds.QUIET]

COLUMNS = {"a": np.array([1.0, 2.0, 3.0]), "b": np.zeros(3)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return worlds.sqlite_store(tmp_path_factory.mktemp("trials"))


def registered(store: str, how: str) -> tuple[str, str]:
    """Register a well-behaved twin, then let the stored model misbehave as told."""
    import mlflow
    from mlflow.models import infer_signature

    estimator = Misbehaving(how).fit(worlds.frame())
    with worlds.logging_to(store):
        mlflow.set_experiment("training")
        logged = mlflow.sklearn.log_model(
            estimator,
            name="wild",
            registered_model_name="wild",
            signature=infer_signature(worlds.frame(), np.zeros(3)),
            pip_requirements=[],
            serialization_format="cloudpickle",
        )
    version = str(logged.registered_model_version)
    return version, MlflowRegistry(store).artifact_sha256("wild", version)


def tried(
    store: str, how: str, *, deadline: float = 10, load_deadline: float = 30
) -> tuple[Trial, float]:
    version, digest = registered(store, how)
    started = time.monotonic()
    trial = try_version(
        MlflowRegistry(store), "wild", version, digest, COLUMNS,
        deadline=timedelta(seconds=deadline), load_deadline=timedelta(seconds=load_deadline),
    )  # fmt: skip
    return trial, time.monotonic() - started


def test_a_good_version_answers_with_its_time(store: str) -> None:
    trial, took = tried(store, "well")
    assert trial.fault is None
    assert trial.answers is not None
    np.testing.assert_array_equal(trial.answers, [2.0, 4.0, 6.0])
    assert trial.seconds is not None
    assert trial.load_seconds is not None
    assert 0 < trial.seconds < trial.load_seconds < took


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("raises", TrialCode.RAISED, "raised ZeroDivisionError: a quite private matter"),
        ("segfaults", TrialCode.CRASHED, "was ended by SIGSEGV in predict"),
        ("exits", TrialCode.CRASHED, "ended its process with code 0 in predict"),
        ("raises while loaded", TrialCode.CANNOT_LOAD, "cannot be loaded: RuntimeError: no such"),
        ("dies while loaded", TrialCode.CRASHED, "was ended by SIGSEGV while being loaded"),
        ("too few rows", TrialCode.WRONG_ROWS, "answers 3 rows with an array of shape (2,)"),
        ("too many dimensions", TrialCode.WRONG_ROWS, "an array of shape (3, 1, 1)"),
        ("no array", TrialCode.NO_ARRAY, "answers with object values"),
    ],
)
def test_every_way_to_fail_has_its_name(store: str, how: str, code: TrialCode, said: str) -> None:
    trial, _ = tried(store, how)
    assert trial.fault is not None
    assert trial.fault.code is code
    assert trial.fault.sentence.startswith("wild@")
    assert said in trial.fault.sentence
    assert trial.answers is None


@pytest.mark.parametrize("how", ["sleeps", "spins", "ignores signals"])
def test_a_version_that_hangs_is_stopped_at_its_deadline(store: str, how: str) -> None:
    trial, took = tried(store, how, deadline=0.5)
    assert trial.fault is not None
    assert trial.fault.code is TrialCode.DEADLINE_EXCEEDED
    assert "does not answer 3 rows within 0.5 seconds" in trial.fault.sentence
    assert trial.seconds is not None
    assert 0.5 <= trial.seconds < HANGS / 20
    assert took < HANGS / 20


def test_a_version_that_hangs_while_loaded_is_stopped_too(store: str) -> None:
    trial, _ = tried(store, "hangs while loaded", load_deadline=3)
    assert trial.fault is not None
    assert trial.fault.code is TrialCode.LOAD_DEADLINE_EXCEEDED
    assert trial.seconds is None


def test_nothing_that_a_version_started_is_left(store: str) -> None:
    trial, _ = tried(store, "leaves a child")
    assert trial.fault is None
    # Killed children of a dead parent are reaped by init a moment later.
    until = time.monotonic() + 60
    while time.monotonic() < until and _trials_alive():
        time.sleep(0.05)
    assert not _trials_alive()


def _trials_alive() -> list[str]:
    alive = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            ended = (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
            ours = os.fsencode("sluiceway-trial-") in b" ".join(command)
        except OSError:
            continue
        if ours and not ended:
            alive.append(entry.name)
    return alive


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("shouts", [2.0, 4.0, 6.0]),
        ("nan", [np.nan] * 3),
        ("boxed", [1.5, np.nan, 1.5]),
        ("words", ["late"] * 3),
    ],
)
def test_odd_answers_come_back_to_be_judged_by_the_contract(
    store: str, how: str, expected: list[object]
) -> None:
    trial, _ = tried(store, how)
    assert trial.fault is None
    assert trial.answers is not None
    np.testing.assert_array_equal(trial.answers, np.array(expected))


def test_files_that_changed_since_are_not_even_opened(store: str) -> None:
    version, _ = registered(store, "dies while loaded")
    trial = try_version(
        MlflowRegistry(store), "wild", version, "0" * 64, COLUMNS,
        deadline=timedelta(seconds=5), load_deadline=timedelta(seconds=30),
    )  # fmt: skip
    assert trial.fault is not None
    assert trial.fault.code is TrialCode.FILES_CHANGED


def test_a_version_that_is_not_there_is_unknown(store: str) -> None:
    with pytest.raises(UnknownVersion):
        try_version(
            MlflowRegistry(store), "wild", "999", "0" * 64, COLUMNS,
            deadline=timedelta(seconds=5), load_deadline=timedelta(seconds=5),
        )  # fmt: skip


class InMemory:
    """A predictor that misbehaves as told, in memory."""

    inputs = ("a", "b")

    def __init__(self, how: str) -> None:
        self.how = how

    def predict(self, columns: object) -> object:
        if self.how == "slow":
            time.sleep(0.05)
        return Misbehaving(self.how).predict(columns_as_frame(columns))


def columns_as_frame(columns: object) -> object:
    import pandas as pd

    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("well", None),
        ("raises", TrialCode.RAISED),
        ("too few rows", TrialCode.WRONG_ROWS),
        ("slow", TrialCode.DEADLINE_EXCEEDED),
    ],
)
def test_the_trial_in_memory_has_the_same_names(how: str, code: TrialCode | None) -> None:
    registry = MemoryRegistry()
    registry.add("wild", "1", InMemory(how), ("a", "b"))  # type: ignore[arg-type]
    digest = registry.artifact_sha256("wild", "1")
    trial = try_in_process(
        registry, "wild", "1", digest, COLUMNS,
        deadline=timedelta(milliseconds=30), load_deadline=timedelta(seconds=1),
    )  # fmt: skip
    assert (trial.fault and trial.fault.code) == code
    assert (trial.answers is None) == (code is not None)


def test_in_memory_too_other_files_are_not_loaded() -> None:
    registry = MemoryRegistry()
    registry.add("wild", "1", None, ("a",))
    digest = registry.artifact_sha256("wild", "1")
    limits = {"deadline": timedelta(seconds=1), "load_deadline": timedelta(seconds=1)}
    trial = try_in_process(registry, "wild", "1", digest, COLUMNS, **limits)
    assert trial.fault is not None
    assert trial.fault.code is TrialCode.CANNOT_LOAD
    trial = try_in_process(registry, "wild", "1", "0" * 64, COLUMNS, **limits)
    assert trial.fault is not None
    assert trial.fault.code is TrialCode.FILES_CHANGED


def asked_in_turn(store: str, how: str, *rows: list[float]) -> list[Trial]:
    version, digest = registered(store, how)
    files = MlflowRegistry(store)
    with meet(files, "wild", version, digest, load_deadline=timedelta(seconds=30)) as ask:
        return [
            ask(
                {"a": np.array(one, dtype=float), "b": np.zeros(len(one))},
                deadline=timedelta(seconds=10),
            )
            for one in rows
        ]


def test_one_process_answers_many_questions_and_is_loaded_once(store: str) -> None:
    trials = asked_in_turn(store, "well", [1.0], [2.0, 3.0], [])
    answered = [None if trial.answers is None else trial.answers.tolist() for trial in trials]
    assert answered == [[2.0], [4.0, 6.0], []]
    assert len({trial.load_seconds for trial in trials}) == 1


def test_a_version_that_raises_goes_on_to_the_next_question(store: str) -> None:
    trials = asked_in_turn(store, "raises", [1.0], [2.0])
    assert [trial.fault and trial.fault.code for trial in trials] == [TrialCode.RAISED] * 2
    assert len({trial.load_seconds for trial in trials}) == 1


def test_a_version_that_dies_over_a_question_is_started_again_for_the_next(store: str) -> None:
    trials = asked_in_turn(store, "segfaults", [1.0], [2.0])
    assert [trial.fault and trial.fault.code for trial in trials] == [TrialCode.CRASHED] * 2
    assert len({trial.load_seconds for trial in trials}) == 2
    assert not _trials_alive()
