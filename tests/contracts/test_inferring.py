"""A drafted contract reads back, is kept by the version it was drafted from, and says why."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluiceway.contracts.cases import outcome_of
from sluiceway.contracts.drafting import drafted_text
from sluiceway.contracts.file import read_contract
from sluiceway.contracts.inferring import AnswerRecord, Draft, InputRecord, infer
from sluiceway.contracts.promises import check_answers
from sluiceway.contracts.questioning import Questioner
from sluiceway.contracts.regions import Seen, Supply, region_of
from sluiceway.contracts.rounding import outward
from sluiceway.contracts.trying import own_cases
from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome
from tests.contracts.test_edge_cases import Model

DRAW = np.random.default_rng(20130901)
ROWS = 600


def record(answers: np.ndarray, **more: Any) -> AnswerRecord:
    given: dict[str, Any] = {
        "answers": answers,
        "again": answers,
        "seconds": 0.01,
        "blocks": np.arange(len(answers)) // 20,
        "said": f"{len(answers)} rows",
    }
    return AnswerRecord(**{**given, **more})


def inputs(**columns: np.ndarray) -> list[InputRecord]:
    return [
        InputRecord(name=name, dtype=None, supply=None, seen=Seen.of(values))
        for name, values in columns.items()
    ]


def drafted(answers: np.ndarray, **more: Any) -> Draft:
    return infer("m", inputs(x=DRAW.normal(size=len(answers))), record(answers), **more)


def read_back(draft: Draft, folder: Path) -> Contract:
    path = folder / "m.yaml"
    path.write_text(drafted_text(draft, heading=["Drafted."]), encoding="utf-8")
    return read_contract(path)


@given(st.floats(-1e12, 1e12), st.floats(0, 1e12))
@example(0.0, 5e-324)
@example(5e-324, 0.0)
def test_a_range_moves_outward_and_never_beyond_zero(low: float, span: float) -> None:
    high = low + span
    least, most, _ = outward(low, high)
    assert least <= low <= high <= most
    assert least >= 0 or low < 0
    assert most <= 0 or high > 0 or low == high == 0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (59.0, 98.06, (48, 108)),
        (0.0, 87.0, (0, 110)),
        (-1.555, 134.6, (-40, 170)),
        (0.0177, 0.7634, (0, 0.95)),
        (7.0, 7.0, (5, 9)),
        (0.0, 0.0, (0, 1)),
    ],
)
def test_ranges_are_rounded_to_numbers_that_people_write(
    low: float, high: float, expected: tuple[float, float]
) -> None:
    assert outward(low, high)[:2] == expected


def test_the_draft_reads_back_as_what_was_drafted(tmp_path: Path) -> None:
    draft = drafted(DRAW.normal(50, 5, ROWS))
    assert read_back(draft, tmp_path) == draft.contract


def test_each_number_has_its_reason_beside_it() -> None:
    draft = drafted(DRAW.normal(50, 5, ROWS))
    text = drafted_text(draft, heading=["Drafted from m@1."])
    lines = text.splitlines()
    assert lines[0] == "# Drafted from m@1."
    for key in ("version:", "range:", "reference:", "ratio:", "tolerance:", "x:", "latency:"):
        place = next(n for n, line in enumerate(lines) if line.strip().startswith(key))
        assert lines[place - 1].strip().startswith("# "), key


Answer = Callable[[Mapping[str, np.ndarray]], Any]
WORLDS: dict[str, Answer] = {
    "numbers": lambda c: 20 + 3 * c["x"],
    "probabilities": lambda c: np.column_stack([1 - 1 / (1 + np.exp(-c["x"])),
                                                1 / (1 + np.exp(-c["x"]))]),
    "classes": lambda c: (np.nan_to_num(c["x"]) > 0).astype(np.int64) + (c["x"] > 1),
    "counts": lambda c: np.round(500 + 100 * np.nan_to_num(c["x"])).astype(np.int64),
    "flags": lambda c: np.asarray(c["x"] > 0),
    "texts": lambda c: np.where(c["x"] > 0, "late", "on time"),
    "one value": lambda c: np.full(len(c["x"]), 4.0),
    "two columns": lambda c: np.column_stack([c["x"], 100 + c["x"]]),
    "at times nothing": lambda c: np.where(c["x"] > 1, np.nan, c["x"]),
}  # fmt: skip


@pytest.mark.parametrize("world", WORLDS)
def test_a_version_keeps_the_contract_that_was_drafted_from_it(world: str, tmp_path: Path) -> None:
    answer = WORLDS[world]
    columns = {"x": np.clip(DRAW.normal(size=ROWS), -3, 3)}
    given = inputs(**columns)
    draft = infer("m", given, record(np.asarray(answer(columns))))
    demand = draft.contract.inputs[0]
    edge = np.array([demand.low, demand.high, 0.0], dtype=float)
    widened = record(np.asarray(answer(columns)), edges=np.asarray(answer({"x": edge})))
    kept = read_back(infer("m", given, widened), tmp_path)
    regions = {"x": region_of("x", demand=demand, supply=None, seen=given[0].seen)}
    version = Questioner(name="m@1", contract=kept, ask=Model(answer), regions=regions)
    results = tuple(own_cases(version, columns))
    assert outcome_of(results) is Outcome.PASSED, results


def test_probabilities_and_classes_and_texts_are_told_apart() -> None:
    columns = {"x": DRAW.normal(size=ROWS)}

    def field(world: str) -> Any:
        answers = np.asarray(WORLDS[world](columns))
        return infer("m", inputs(**columns), record(answers)).contract.output[0]

    probability = field("probabilities")
    assert (probability.name, probability.position) == ("probability", 1)
    assert (probability.unit, probability.low, probability.high) == ("probability", 0, 1)
    assert (field("classes").dtype, field("classes").categories) == ("long", ("0", "1", "2"))
    assert field("texts").categories == ("late", "on time")
    assert field("texts").promise is None
    assert field("flags").dtype == "boolean"
    assert (field("counts").dtype, field("counts").categories) == ("long", None)
    assert field("at times nothing").nullable


def test_an_input_is_demanded_as_its_feed_declares_it() -> None:
    supply = Supply(
        by="amount", dtype="double", unit="EUR", low=0.0, high=1000.0, nullable=True,
        categories=None, fallback=None,
    )  # fmt: skip
    seen = Seen.of(np.array([3.0, 800.0]))
    one = InputRecord(name="amount", dtype="double", supply=supply, seen=seen)
    draft = infer("m", [one], record(DRAW.normal(size=ROWS)))
    demand = draft.contract.inputs[0]
    assert (demand.unit, demand.low, demand.high, demand.nullable) == ("EUR", 0, 1000, True)
    assert draft.reasons["inputs", "amount", "range"] == ("declared of amount; recorded 3 to 800")


def test_texts_become_categories_and_gaps_become_null() -> None:
    texts = np.array(["b", "a", None, "b"], dtype=object)
    demand = infer("m", inputs(s=texts), record(DRAW.normal(size=ROWS))).contract.inputs[0]
    assert (demand.dtype, demand.categories, demand.nullable) == ("string", ("a", "b"), True)


def test_quantiles_are_promised_as_far_as_the_record_itself_moves() -> None:
    still = DRAW.normal(50, 5, ROWS)
    moving = still + np.linspace(0, 40, ROWS)

    def tolerance(answers: np.ndarray) -> float:
        promise = drafted(answers).contract.output[0].promise
        assert promise is not None
        assert promise.quantiles is not None
        return promise.quantiles.tolerance

    assert tolerance(moving) > 3 * tolerance(still)


def test_every_part_of_the_record_keeps_what_the_whole_promises() -> None:
    answers = DRAW.normal(50, 5, ROWS) * (1 + np.arange(ROWS) // 100 / 5)
    contract = drafted(answers).contract
    for begin in range(0, ROWS, 100):
        assert check_answers(contract, answers[begin : begin + 100], seconds=0.0) == ()


def test_too_few_rows_promise_nothing_about_behaviour() -> None:
    draft = drafted(DRAW.normal(size=99))
    assert draft.contract.output[0].promise is None


def test_answers_that_hardly_vary_promise_no_spread() -> None:
    promise = drafted(np.full(ROWS, 4.0)).contract.output[0].promise
    assert promise is not None
    assert promise.scale is None


def test_the_deadline_has_room_for_the_largest_batch_of_a_replay() -> None:
    slow = infer("m", inputs(x=np.zeros(131_072)), record(np.zeros(131_072), seconds=3.0))
    assert slow.contract.deadline == timedelta(seconds=50)
    fast = infer("m", inputs(x=np.zeros(131_072)), record(np.zeros(131_072), seconds=0.001))
    assert fast.contract.deadline == timedelta(seconds=1)


def test_the_fallback_is_the_median_answer_and_lies_in_the_range() -> None:
    contract = drafted(np.concatenate([np.full(300, 2.0), np.full(301, 8.0)])).contract
    assert contract.fallback == {"answer": 8.0}


def test_answers_that_differ_when_asked_twice_are_not_called_deterministic() -> None:
    answers = DRAW.normal(size=ROWS)
    moved = answers.copy()
    moved[7] = np.nextafter(moved[7], 9)
    draft = infer("m", inputs(x=answers), record(answers, again=moved))
    assert draft.contract.deterministic is False


def test_names_units_and_what_cannot_be_measured_stay_as_they_were() -> None:
    first = drafted(DRAW.normal(50, 5, ROWS)).contract
    field = replace(first.output[0], name="minutes", unit="minutes", semantics="delay")
    base = replace(
        first, version="2.3.1", output=(field,), fallback={"minutes": 50.0},
        reserved=("hours",), latency_p99=timedelta(milliseconds=20), description="How late.",
    )  # fmt: skip
    draft = drafted(DRAW.normal(50, 5, ROWS), base=base)
    again = draft.contract
    assert (again.output[0].name, again.output[0].unit) == ("minutes", "minutes")
    assert again.output[0].semantics == "delay"
    assert (again.reserved, again.description) == (("hours",), "How late.")
    assert again.latency_p99 == timedelta(milliseconds=20)
    assert again.version == "3.0.0"


def test_the_same_record_drafts_the_same_version() -> None:
    answers = DRAW.normal(50, 5, ROWS)
    columns = inputs(x=np.linspace(0, 9, ROWS))
    base = replace(infer("m", columns, record(answers)).contract, version="1.4.0")
    assert infer("m", columns, record(answers), base=base).contract == base
