"""Questions and answers, made up."""

from datetime import UTC, datetime, timedelta

import numpy as np

from sluiceway.serving.values import ArmAnswers, ArmName, Path, Question

START = datetime(2013, 9, 1, 22, tzinfo=UTC)


def question(*units: str, after: float = 0.0, request_id: str = "q", **more: object) -> Question:
    """A question about units, so many hours after the start."""
    rows = len(units)
    received = START + timedelta(hours=after)
    columns = {
        "origin": np.arange(rows, dtype=np.float64),
        "schedule.name": np.asarray([f"name of {unit}" for unit in units], dtype=object),
        "schedule.departs": np.full(rows, np.datetime64(received.replace(tzinfo=None), "us")),
    }
    values = {"model": "arr_delay", "consumer": "app", "columns": columns, **more}
    return Question(units=units, request_id=request_id, received=received, **values)  # type: ignore[arg-type]


def answers(asked: Question, *rows: int, **more: object) -> ArmAnswers:
    """One arm's answers to some rows of a question, or to all."""
    chosen = np.asarray(rows or range(asked.rows), dtype=np.intp)
    values = {
        "rollout_id": "r1",
        "arm": ArmName.BASELINE,
        "path": Path.PRIMARY,
        "release": "abc",
        "generation": 3,
        "revision": 7,
        "weight": 5,
        "paired": np.ones(len(chosen), dtype=np.bool_),
        "fields": {
            "dep_delay.minutes": chosen + 0.5,
            "arr_delay.minutes": chosen + 0.25,
        },
        "seconds": {"dep_delay": 0.001, "arr_delay": 0.002},
        **more,
    }
    return ArmAnswers(rows=chosen, **values)  # type: ignore[arg-type]
