"""Answers as bodies: types as promised, rows as they were asked, what stood in where it did."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from sluiceway.serving.protocols import mlflow, open_inference
from sluiceway.serving.protocols.provenance import plain
from sluiceway.serving.protocols.tables import Table
from sluiceway.serving.values import CHAMPION, ArmAnswers, ArmName, Path, Question, Reply

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DTYPES = {"days": "long", "late": "boolean", "why": "string", "share": "double"}


def arm(name: ArmName, rows: list[int], fields: dict[str, Any], **more: Any) -> ArmAnswers:
    return ArmAnswers(
        rollout_id=CHAMPION if name is ArmName.BASELINE else "r1",
        arm=name,
        path=Path.PRIMARY,
        release=name.value * 4,
        generation=3,
        revision=7,
        weight=0,
        rows=np.array(rows, dtype=np.intp),
        paired=np.zeros(len(rows), dtype=bool),
        fields={name: np.asarray(values) for name, values in fields.items()},
        **more,
    )


def reply(*arms: ArmAnswers) -> Reply:
    rows = sum(len(one.rows) for one in arms)
    units = tuple(f"u{n}" for n in range(rows))
    question = Question(model="m", columns={}, units=units, request_id="q", received=NOW)
    return Reply(question=question, arms=arms, answered=NOW)


FIELDS = {
    "other.x": [9.0, 9.0],
    "m.days": [3.0, np.nan],
    "m.late": [1.0, 0.0],
    "m.why": np.array(["snow", None], dtype=object),
    "m.share": [0.25, np.inf],
}


def test_each_field_has_its_promised_type_and_null_where_there_is_none() -> None:
    said = json.loads(
        mlflow.body_of(reply(arm(ArmName.BASELINE, [0, 1], FIELDS)), dtypes=DTYPES, sticky=True)
    )
    assert said["predictions"] == [
        {"days": 3, "late": True, "why": "snow", "share": 0.25},
        {"days": None, "late": False, "why": None, "share": None},
    ]
    assert isinstance(said["predictions"][0]["days"], int)


def test_tensors_have_the_datatypes_of_the_contract() -> None:
    request = open_inference.InferenceRequest(
        id=None, table=Table(columns={}, rows=2), outputs=("late", "days")
    )
    answered = reply(arm(ArmName.BASELINE, [0, 1], FIELDS))
    said = json.loads(
        open_inference.body_of(answered, request, dtypes=DTYPES, version="4", sticky=True)
    )
    assert said["outputs"] == [
        {"name": "late", "shape": [2], "datatype": "BOOL", "data": [True, False]},
        {"name": "days", "shape": [2], "datatype": "INT64", "data": [3, None]},
    ]
    assert (said["model_name"], said["model_version"], said["id"]) == ("m", "4", "q")
    assert all(isinstance(value, str | int | bool) for value in said["parameters"].values())


def test_rows_of_several_arms_come_back_in_their_order() -> None:
    reasons = {"m": np.array(["", "timeout"], dtype=object)}
    answered = reply(
        arm(ArmName.BASELINE, [1, 3], {"m.share": [1.0, 3.0]}, stand_ins=reasons),
        arm(ArmName.CANDIDATE, [0, 2], {"m.share": [0.0, 2.0], "m.new": [5.0, 5.0]}),
    )
    said = json.loads(mlflow.body_of(answered, dtypes=DTYPES, sticky=False))
    assert said["predictions"] == [0.0, 1.0, 2.0, 3.0], "a field of one arm only is not answered"
    rows = said["sluiceway"]["rows"]
    assert [row["arm"] for row in rows] == ["candidate", "baseline"] * 2
    assert [row["rollout"] for row in rows] == ["r1", None] * 2
    assert [row["stand_ins"] for row in rows] == [{}, {}, {}, {"m": "timeout"}]
    assert said["sluiceway"]["sticky"] is False


@pytest.mark.parametrize(
    ("values", "dtype", "said"),
    [
        (
            np.array(["2026-01-01T00:00:00"], dtype="datetime64[us]"),
            "string",
            ["2026-01-01T00:00:00Z"],
        ),
        (np.array(["NaT"], dtype="datetime64[us]"), "string", [None]),
        (np.array([[1.0, 2.0]]), "double", [[1.0, 2.0]]),
        (np.array([[1.0, 2.0]]), "long", [[1.0, 2.0]]),
    ],
)
def test_times_and_vectors_are_written_too(values: Any, dtype: str, said: list[Any]) -> None:
    assert plain(values, dtype) == said
