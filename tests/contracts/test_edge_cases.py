"""Edge cases find what breaks a contract, show the smallest example, and end whatever happens."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.contracts.cases import CaseCode, CaseResult, Why, case_sentence, outcome_of
from sluiceway.contracts.feeding import fed_cases
from sluiceway.contracts.questioning import MOST_DEATHS, Questioner, first_difference
from sluiceway.contracts.regions import (
    NEVER_SEEN,
    Region,
    Seen,
    columns_of,
    drawn,
    ends,
    interior,
    just_inside,
    outside,
    region_of,
    region_of_field,
)
from sluiceway.contracts.trying import own_cases
from sluiceway.contracts.values import Contract, InputDemand, OutputField
from sluiceway.outcomes import Outcome

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Fault:
    code: str
    sentence: str


@dataclass(frozen=True)
class Said:
    answers: np.ndarray | None
    seconds: float | None = 0.001
    fault: Fault | None = None


@dataclass
class Model:
    """A model in this process: a function over columns, whose exceptions are told."""

    answer: Callable[[Columns], Any]
    asked: list[int] = field(default_factory=list)

    def __call__(self, columns: Columns) -> Said:
        self.asked.append(len(next(iter(columns.values()))))
        try:
            return Said(answers=np.asarray(self.answer(columns)))
        except SystemExit:
            return Said(answers=None, fault=Fault("crashed", "m@1 was ended by SIGSEGV"))
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            return Said(answers=None, fault=Fault("raised", f"m@1 raised {error}"))


def demand(name: str, low: float | None = 0, high: float | None = 10, **more: Any) -> InputDemand:
    return InputDemand(name=name, unit=None, low=low, high=high, nullable=False, **more)


OUTPUT = OutputField(
    name="y", position=0, dtype="double", unit="m", low=0, high=100, nullable=False, promise=None
)


def contract(*demands: InputDemand, output: OutputField = OUTPUT, **more: Any) -> Contract:
    return Contract(
        model="m",
        version="1.0.0",
        output=(output,),
        inputs=demands,
        deadline=timedelta(seconds=1),
        fallback={output.name: 5.0},
        **more,
    )


def questions(model: Model, promised: Contract, **seen: np.ndarray) -> Questioner:
    regions = {
        d.name: region_of(
            d.name, demand=d, supply=None, seen=Seen.of(seen[d.name]) if d.name in seen else None
        )
        for d in promised.inputs
    }
    return Questioner(name="m@1", contract=promised, ask=model, regions=regions)


def tried(
    answer: Callable[[Columns], Any], promised: Contract, **recorded: np.ndarray
) -> dict[CaseCode, CaseResult]:
    version = questions(Model(answer), promised, **recorded)
    return {result.code: result for result in own_cases(version, recorded or None)}


# Regions


def test_the_ends_of_a_range_are_its_bounds_and_the_numbers_just_inside_them() -> None:
    region = region_of("x", demand=demand("x", -1.5, 2.5), supply=None, seen=None)
    assert ends(region) == (-1.5, 2.5)
    assert just_inside(region) == (math.nextafter(-1.5, 0), math.nextafter(2.5, 0), 0.0)
    assert interior(region, steps=3) == (-0.5, 0.5, 1.5)


def test_whole_numbers_stay_whole_at_their_ends() -> None:
    region = region_of("x", demand=demand("x", 0.5, 3.5, dtype="long"), supply=None, seen=None)
    assert ends(region) == (1.0, 3.0)
    assert just_inside(region) == (2.0,)


def test_what_nobody_may_give_lies_just_beyond() -> None:
    numbers = region_of("x", demand=demand("x", 0, 1), supply=None, seen=None)
    assert outside(numbers) == (math.nextafter(0, -1), math.nextafter(1, 2), None)
    texts = region_of(
        "x", demand=demand("x", None, None, categories=("a", "b"), dtype="string"),
        supply=None, seen=None,
    )  # fmt: skip
    assert outside(texts) == (NEVER_SEEN, None)


def test_where_nobody_bounds_an_input_the_record_does() -> None:
    seen = Seen.of(np.array([3.0, np.nan, 7.0, 4.0]))
    region = region_of("x", demand=demand("x", None, None), supply=None, seen=seen)
    assert (ends(region), region.typical, region.bounded) == ((3.0, 7.0), 4.0, False)
    assert outside(region) == (None,)


def test_the_typical_text_is_the_most_frequent_one() -> None:
    values = np.array(["b", "a", "b", None], dtype=object)
    seen = Seen.of(values)
    assert (seen.typical, seen.texts, seen.nulls) == ("b", ("b", "a"), 1)


@given(st.data())
def test_whatever_is_drawn_lies_in_the_region(data: st.DataObject) -> None:
    low = data.draw(st.floats(-1e9, 1e9))
    high = data.draw(st.floats(low, 1e9))
    region = replace(
        region_of("x", demand=demand("x", low, high), supply=None, seen=None), nullable=True
    )
    value = data.draw(drawn(region))
    assert value is None or (isinstance(value, float) and low <= value <= high)


def test_rows_become_columns_as_a_replay_gives_them() -> None:
    regions: dict[str, Region] = {
        "x": region_of("x", demand=demand("x"), supply=None, seen=None),
        "s": region_of("s", demand=demand("s", None, None, dtype="string"), supply=None, seen=None),
    }
    columns = columns_of([{"x": 1.0, "s": "a"}, {"x": None, "s": None}], regions)
    np.testing.assert_array_equal(columns["x"], [1.0, np.nan])
    assert columns["s"].tolist() == ["a", None]


# A version's own inputs


def test_a_version_that_keeps_everything_passes_every_case() -> None:
    results = tried(lambda c: 10 * c["x"], contract(demand("x"), max_batch=500))
    assert {result.outcome for result in results.values()} == {Outcome.PASSED}
    assert set(results) == {
        CaseCode.ENDS, CaseCode.INSIDE, CaseCode.OUTSIDE, CaseCode.DRAWN, CaseCode.EMPTY_BATCH,
        CaseCode.PERMUTED, CaseCode.ROW_BY_ROW, CaseCode.WHOLE_NUMBERS, CaseCode.MAX_BATCH,
    }  # fmt: skip


def test_a_broken_end_is_shown_alone_with_both_numbers() -> None:
    results = tried(lambda c: 10 * c["x"] + 0 * c["z"], contract(demand("x", 0, 12), demand("z")))
    found = results[CaseCode.ENDS]
    assert found.outcome is Outcome.FAILED
    assert case_sentence(found.examples[0]) == (
        "x = 12: m.y: rises to 120 m in 1 row, promised 0 to 100 m"
    )


def test_a_mixed_counterexample_is_shrunk_to_the_inputs_that_matter() -> None:
    def answer(c: Columns) -> np.ndarray:
        return np.where((c["a"] > 6) & (c["b"] > 7), 500.0, 50.0) + 0 * c["z"]

    results = tried(answer, contract(demand("a"), demand("b"), demand("z")))
    example = results[CaseCode.DRAWN].examples[0]
    assert set(example.given) == {"a", "b"}
    assert example.given["a"] > 6  # type: ignore[operator]
    assert example.given["b"] > 7  # type: ignore[operator]


def test_nulls_are_tried_exactly_where_they_are_allowed() -> None:
    needed = replace(demand("x"), nullable=False)
    allowed = replace(demand("x"), nullable=True)
    assert CaseCode.NULLS not in tried(lambda c: c["x"], contract(needed))
    found = tried(lambda c: c["x"], contract(allowed))[CaseCode.NULLS]
    assert case_sentence(found.examples[0]) == (
        "x missing: m.y: is missing in 1 row, promised never"
    )


def test_every_category_is_tried_and_a_new_one_where_there_is_no_list() -> None:
    def answer(c: Columns) -> list[float]:
        return [{"a": 1.0, "b": 2.0}[text] for text in c["s"]]

    listed = demand("s", None, None, dtype="string", categories=("a", "b", "c"))
    found = tried(answer, contract(listed))[CaseCode.CATEGORIES]
    assert (found.outcome, found.broken) == (Outcome.FAILED, 1)
    assert case_sentence(found.examples[0]) == "s “c”: m@1 raised 'c'"
    open_list = demand("s", None, None, dtype="string")
    new = tried(answer, contract(open_list), s=np.array(["a", "b"] * 60, dtype=object))
    assert new[CaseCode.CATEGORIES].outcome is Outcome.PASSED
    assert new[CaseCode.NEW_CATEGORY].outcome is Outcome.FAILED


def test_a_row_that_ends_the_process_is_found_among_many_and_not_asked_for_ever() -> None:
    def answer(c: Columns) -> np.ndarray:
        if np.any(c["x"] == 10) and len(c["x"]):
            raise SystemExit
        return c["x"]

    model = Model(answer)
    version = questions(model, contract(demand("x"), demand("z")))
    results = {result.code: result for result in own_cases(version, None)}
    assert results[CaseCode.ENDS].examples[0].given == {"x": 10.0}
    assert version.deaths <= MOST_DEATHS
    assert len(model.asked) < 400


def test_a_version_that_always_dies_is_given_up_and_that_is_no_pass() -> None:
    def answer(c: Columns) -> np.ndarray:
        raise SystemExit

    model = Model(answer)
    results = list(own_cases(questions(model, contract(demand("x"))), None))
    assert len(model.asked) <= MOST_DEATHS
    assert outcome_of(tuple(results)) is Outcome.FAILED
    assert results[-1].examples[0].why is Why.NOT_TRIED


def test_what_is_out_of_demand_may_raise_but_not_kill() -> None:
    def raises(c: Columns) -> np.ndarray:
        if np.any(~(c["x"] <= 10)):
            raise ValueError("too much")
        return c["x"]

    def dies(c: Columns) -> np.ndarray:
        if np.any(np.isnan(c["x"])):
            raise SystemExit
        return np.minimum(c["x"], 10)

    assert tried(raises, contract(demand("x")))[CaseCode.OUTSIDE].outcome is Outcome.PASSED
    found = tried(dies, contract(demand("x")))[CaseCode.OUTSIDE]
    assert (found.outcome, found.examples[0].given) == (Outcome.FAILED, {"x": None})


RECORD = np.linspace(0, 10, 300)


def test_answers_that_depend_on_the_other_rows_are_found() -> None:
    promised = contract(demand("x"))
    mean = tried(lambda c: c["x"] - np.mean(c["x"]) + 20, promised, x=RECORD)
    assert mean[CaseCode.ROW_BY_ROW].outcome is Outcome.FAILED
    assert mean[CaseCode.PERMUTED].outcome is Outcome.PASSED
    places = tried(lambda c: c["x"] + np.arange(len(c["x"])) / 100, promised, x=RECORD)
    assert places[CaseCode.PERMUTED].outcome is Outcome.FAILED


def test_the_last_bits_of_a_batch_may_differ_from_its_rows() -> None:
    promised = contract(demand("x"))
    results = tried(lambda c: c["x"] * (1 + 1e-12 * len(c["x"])), promised, x=RECORD)
    assert results[CaseCode.ROW_BY_ROW].outcome is Outcome.PASSED


def test_repetition_has_to_agree_only_where_it_is_promised() -> None:
    draw = np.random.default_rng(3)

    def answer(c: Columns) -> np.ndarray:
        return c["x"] + draw.random(len(c["x"]))

    unsaid = tried(answer, contract(demand("x")), x=RECORD)
    assert not {CaseCode.REPEATED, CaseCode.ROW_BY_ROW} & set(unsaid)
    said = tried(answer, contract(demand("x"), deterministic=True), x=RECORD)
    assert said[CaseCode.REPEATED].outcome is Outcome.FAILED
    steady = tried(lambda c: c["x"], contract(demand("x"), deterministic=True), x=RECORD)
    assert steady[CaseCode.REPEATED].outcome is Outcome.PASSED


def test_integers_are_answered_like_the_same_numbers_as_floats() -> None:
    whole = np.tile(np.arange(11.0), 20)
    results = tried(lambda c: c["x"] // 1 if c["x"].dtype.kind == "f" else c["x"] // 2,
                    contract(demand("x")), x=whole)  # fmt: skip
    found = results[CaseCode.WHOLE_NUMBERS]
    assert found.outcome is Outcome.FAILED
    assert "x as integers: y of row 2 is 0 instead of 1.0" in case_sentence(found.examples[0])


def test_no_row_may_raise_but_not_be_answered_with_rows() -> None:
    def raises(c: Columns) -> np.ndarray:
        if not len(c["x"]):
            raise ValueError("0 rows")
        return c["x"]

    assert tried(raises, contract(demand("x")))[CaseCode.EMPTY_BATCH].outcome is Outcome.PASSED


def test_the_largest_promised_batch_has_to_be_answered() -> None:
    def answer(c: Columns) -> np.ndarray:
        if len(c["x"]) > 900:
            raise MemoryError("no room")
        return c["x"]

    found = tried(answer, contract(demand("x"), max_batch=1000))[CaseCode.MAX_BATCH]
    assert (found.outcome, found.tried) == (Outcome.FAILED, 1000)
    assert found.examples[0].said == "m@1 raised no room"


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(0.001, Outcome.PASSED), (0.5, Outcome.FAILED)],
)
def test_the_time_of_single_rows_is_held_against_the_promised_one(
    seconds: float, outcome: Outcome
) -> None:
    promised = contract(demand("x"), latency_p99=timedelta(milliseconds=10))

    def ask(columns: Columns) -> Said:
        return Said(answers=columns["x"], seconds=seconds)

    version = replace(questions(Model(lambda c: c["x"]), promised), ask=ask)
    results = {result.code: result for result in own_cases(version, {"x": RECORD})}
    assert results[CaseCode.LATENCY].outcome is outcome


def test_a_late_quantile_alone_proves_nothing_on_a_machine_that_does_not_serve() -> None:
    turns = iter(range(10_000))
    promised = contract(demand("x"), latency_p99=timedelta(milliseconds=10))

    def ask(columns: Columns) -> Said:
        return Said(answers=columns["x"], seconds=0.5 if next(turns) % 20 == 0 else 0.001)

    version = replace(questions(Model(lambda c: c["x"]), promised), ask=ask)
    results = {result.code: result for result in own_cases(version, {"x": RECORD})}
    assert results[CaseCode.LATENCY].outcome is Outcome.INCONCLUSIVE


def test_recorded_rows_are_held_against_every_promise() -> None:
    found = tried(lambda c: 20 * c["x"], contract(demand("x", 0, 5)), x=RECORD)[CaseCode.RECORDED]
    assert (found.outcome, found.tried) == (Outcome.FAILED, 300)
    few = tried(lambda c: c["x"], contract(demand("x")), x=RECORD[:10])[CaseCode.RECORDED]
    assert few.outcome is Outcome.INCONCLUSIVE


def test_missing_answers_are_equal_to_missing_ones_only() -> None:
    promised = contract(demand("x"))
    one, other = np.array([1.0, np.nan]), np.array([1.0, 2.0])
    assert first_difference(promised, one, one) is None
    assert first_difference(promised, one, other) == (1, "y", pytest.approx(np.nan, nan_ok=True), 2)


# The consumer's side


def fed(
    answer: Callable[[Columns], Any], field_: OutputField, *, fallback: float = 5.0, **more: Any
) -> dict[CaseCode, CaseResult]:
    promised = contract(demand("p.y", None, None, **more), demand("z"))
    consumer = questions(Model(answer), promised, z=RECORD)
    region = region_of_field(field_, fallback=fallback, name="p.y")
    recorded = {"p.y": RECORD, "z": RECORD}
    results = fed_cases(
        consumer, edge="p.y → m", column="p.y", field=field_, region=region, recorded=recorded
    )
    return {result.code: result for result in results}


def test_a_consumer_is_fed_the_whole_promised_region_and_not_what_was_recorded() -> None:
    results = fed(lambda c: c["p.y"] + 0 * c["z"], replace(OUTPUT, low=0, high=120))
    assert results[CaseCode.FITS].outcome is Outcome.PASSED
    assert results[CaseCode.ENDS].outcome is Outcome.FAILED
    assert results[CaseCode.FALLBACK].outcome is Outcome.PASSED
    assert case_sentence(results[CaseCode.ENDS].examples[0]) == (
        "p.y = 120: m.y: rises to 120 m in 1 row, promised 0 to 100 m"
    )
    smallest = results[CaseCode.DRAWN].examples[0].given["p.y"]
    assert smallest == 101.0


def test_a_hole_between_the_ends_is_found() -> None:
    results = fed(lambda c: np.where(abs(c["p.y"] - 50) < 5, np.nan, 1.0), OUTPUT)
    assert results[CaseCode.ENDS].outcome is Outcome.PASSED
    assert results[CaseCode.INTERIOR].outcome is Outcome.FAILED


def test_nulls_and_the_fallback_value_are_fed() -> None:
    nullable = replace(OUTPUT, nullable=True)
    results = fed(lambda c: c["p.y"], nullable)
    assert results[CaseCode.NULLS].outcome is Outcome.FAILED
    results = fed(lambda c: np.where(c["p.y"] == 7.25, np.inf, 1.0), OUTPUT, fallback=7.25)
    assert results[CaseCode.FALLBACK].outcome is Outcome.FAILED
    assert results[CaseCode.ENDS].outcome is Outcome.PASSED


def test_every_promised_category_is_fed_and_a_new_one_where_there_is_no_list() -> None:
    def answer(c: Columns) -> list[float]:
        return [{"a": 1.0, "b": 2.0}[text] for text in c["p.y"]]

    texts = replace(OUTPUT, dtype="string", low=None, high=None)
    listed = fed(answer, replace(texts, categories=("a", "b")), dtype="string")
    assert listed[CaseCode.CATEGORIES].outcome is Outcome.PASSED
    more = fed(answer, replace(texts, categories=("a", "b", "c")), dtype="string")
    assert more[CaseCode.CATEGORIES].examples[0].given["p.y"] == "c"
    unlisted = fed(answer, texts, dtype="string")
    assert unlisted[CaseCode.NEW_CATEGORY].outcome is Outcome.FAILED


def test_a_promise_without_ends_cannot_be_shown_to_be_borne() -> None:
    results = fed(lambda c: 1.0 + 0 * c["p.y"], replace(OUTPUT, low=None, high=None))
    assert results[CaseCode.ENDS].outcome is Outcome.INCONCLUSIVE
    assert results[CaseCode.ENDS].examples[0].why is Why.NOT_TRIED


@pytest.mark.parametrize(
    ("needs", "gives", "said"),
    [
        ({"unit": "h"}, {}, "p.y is demanded in h and promised in m"),
        ({"high": 50.0}, {}, "p.y is demanded up to 50 and promised up to 100"),
        ({"low": 0.0}, {"low": None}, "p.y is demanded from 0 on and promised from any on"),
        ({}, {"nullable": True}, "p.y must not be missing, and is promised to be at times"),
        ({"dtype": "long"}, {}, "p.y is demanded as long and promised as double"),
        ({"semantics": "mean"}, {}, "p.y is demanded to mean mean and means nothing that is said"),
    ],
)
def test_a_promise_that_does_not_fit_the_demand_is_said(
    needs: dict[str, Any], gives: dict[str, Any], said: str
) -> None:
    promised = contract(replace(demand("p.y", None, None), **needs))
    consumer = questions(Model(lambda c: 1.0 + 0 * c["p.y"]), promised)
    field_ = replace(OUTPUT, **gives)
    region = region_of_field(field_, fallback=5.0, name="p.y")
    fits = next(
        fed_cases(consumer, edge="e", column="p.y", field=field_, region=region, recorded=None)
    )
    assert [example.said for example in fits.examples] == [said]
    assert fits.outcome is Outcome.FAILED
