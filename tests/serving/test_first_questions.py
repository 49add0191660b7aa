"""What a version is asked first lies inside what is declared of its inputs."""

from dataclasses import replace

import numpy as np
import pytest

from sluiceway.contracts.values import Contract, InputDemand
from sluiceway.serving.first_questions import BATCH, first_questions
from sluiceway.system.file import read_system
from sluiceway.system.values import System
from tests.driver import ORDERS


@pytest.fixture(scope="module")
def system() -> System:
    return read_system(ORDERS / "system.yaml")


def contract(system: System, model: str, *demands: InputDemand) -> Contract:
    return replace(system.models[model].contract, inputs=demands)


def demand(name: str, **said: object) -> InputDemand:
    nothing = {"unit": None, "low": None, "high": None, "nullable": False}
    return InputDemand(**{"name": name, **nothing, **said})  # type: ignore[arg-type]


def test_one_row_lies_in_the_middle_and_a_batch_goes_from_end_to_end(system: System) -> None:
    one, batch = first_questions(system, "fraud", contract(system, "fraud"))
    assert {name: values.tolist() for name, values in one.items()} == {
        "amount": [500.0],
        "hour": [11.0],
        "signal": [0.0],
    }
    assert {len(values) for values in batch.values()} == {BATCH}
    assert batch["signal"][[0, -1]].tolist() == [-8.0, 8.0]


def test_what_feeds_a_model_counts_unless_its_version_demands_less(system: System) -> None:
    one, _ = first_questions(system, "cost", contract(system, "cost"))
    assert one["fraud.probability"].tolist() == [0.0]
    narrow = contract(system, "cost", demand("fraud.probability", low=0.0, high=0.25))
    _, batch = first_questions(system, "cost", narrow)
    assert batch["fraud.probability"][[0, -1]].tolist() == [0.0, 0.25]


def test_texts_and_whole_numbers_are_such(system: System) -> None:
    demands = (
        demand("amount", dtype="string", categories=("a", "b")),
        demand("hour", dtype="long", low=0.5, high=3.5),
        demand("signal", dtype="boolean"),
    )
    one, batch = first_questions(system, "fraud", contract(system, "fraud", *demands))
    assert one["amount"].tolist() == ["a"]
    assert set(batch["amount"]) == {"a", "b"}
    assert set(batch["hour"]) == {1.0, 2.0, 3.0}
    assert set(batch["signal"]) == {0.0, 1.0}


def test_wide_ranges_give_whole_numbers_for_signatures_that_read_nothing_else(
    system: System,
) -> None:
    for question in first_questions(system, "fraud", contract(system, "fraud")):
        for values in question.values():
            np.testing.assert_array_equal(values, np.trunc(values))
    odd = contract(system, "fraud", demand("amount", low=0.25, high=2.75))
    for question in first_questions(system, "fraud", odd):
        assert set(question["amount"]) <= {1.0, 2.0}


def test_far_ends_do_not_overflow(system: System) -> None:
    far = demand("amount", low=-1.7e308, high=1.7e308)
    for question in first_questions(system, "fraud", contract(system, "fraud", far)):
        assert np.isfinite(question["amount"]).all()
