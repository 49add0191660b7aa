"""A rollout whose candidate hangs, in a process of its own and from a real registry."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
from mlflow.models import infer_signature

from sluiceway.adapters.mlflow_registry import MlflowRegistry
from sluiceway.adapters.trial import Trial, try_version
from sluiceway.outcomes import Outcome
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from tests.adapters import mlflow_worlds as worlds
from tests.adapters.misbehaving import HANGS, Misbehaving
from tests.driver import add, advance

from .worlds import NOW, ask, ended, quick_site

pytestmark = [pytest.mark.filterwarnings(line) for line in worlds.QUIET]


def test_a_candidate_that_hangs_is_ended_at_its_deadline_and_rejected(tmp_path: Path) -> None:
    store = worlds.sqlite_store(tmp_path)
    rows = pd.DataFrame({"signal": [0.5, 1.5], "amount": [3.0, 4.0]})
    with worlds.logging_to(store):
        mlflow.set_experiment("training")
        mlflow.sklearn.log_model(
            Misbehaving("sleeps").fit(rows),
            name="fraud",
            registered_model_name="fraud",
            signature=infer_signature(rows, np.zeros(2)),
            pip_requirements=[],
            serialization_format="cloudpickle",
        )
    registry = MlflowRegistry(store)
    site = quick_site(tmp_path)
    contract = replace(
        site.systems.current().models["fraud"].contract, deadline=timedelta(seconds=1)
    )
    # Known in memory as version 2 with the contract; its files and its process are real.
    add(site, "fraud", "2", Unasked(), contract=contract)

    def tried(
        model: str,
        version: str,
        artifact_sha256: str,
        columns: Mapping[str, np.ndarray],
        *,
        deadline: timedelta,
    ) -> Trial:
        assert (model, version) == ("fraud", "2")
        return try_version(
            registry,
            model,
            "1",
            registry.artifact_sha256(model, "1"),
            columns,
            deadline=deadline,
            load_deadline=timedelta(seconds=30),
        )

    site = replace(site, try_version=tried)
    rollout = ask(site, "fraud@2")
    before = set(psutil.Process().children(recursive=True))
    began = time.monotonic()
    advance(site, rollout, NOW)
    assert time.monotonic() - began < HANGS / 20, "it was waited for"
    end = ended(site, rollout)
    assert (end.ending, end.phase) == (Ending.REJECTED, Phase.CONTRACTS)
    assert end.code is ReasonCode.PROMISE_BROKEN
    assert "does not answer 1,440 rows within 1 second" in end.reason
    checked = site.state(rollout).contracts
    assert checked is not None
    assert checked.outcome is Outcome.FAILED
    assert site.champion().generation == 1
    assert set(psutil.Process().children(recursive=True)) <= before, "its process is gone"


class Unasked:
    """Stands for the version in memory; nobody may ask it here."""

    inputs = ("signal", "amount")

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        raise AssertionError("the candidate was asked outside its own process")
