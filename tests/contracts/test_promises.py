"""Recorded answers are kept to what the contract promises, and doubt is never a pass."""

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pydantic import TypeAdapter

from sluiceway.canonical import as_json, canonical_text
from sluiceway.contracts.promises import (
    Finding,
    PromiseCode,
    check_answers,
    outcome_of,
    sentence,
)
from sluiceway.contracts.values import (
    BehaviouralPromise,
    Contract,
    Embedding,
    OutputField,
    QuantilePromise,
    ScalePromise,
)
from sluiceway.outcomes import Outcome
from sluiceway.system.values import Reliance

MINUTES = OutputField(
    name="minutes",
    position=0,
    dtype="double",
    unit="minutes",
    low=-60.0,
    high=600.0,
    nullable=False,
    promise=BehaviouralPromise(
        measured_on="July and August",
        scale=ScalePromise(reference=9.4, low=0.2, high=10.0),
        quantiles=QuantilePromise(reference={0.5: 12.0, 0.9: 21.0}, tolerance=5.0),
    ),
)
ANSWERS = np.random.default_rng(3).normal(12.0, 7.0, 2_000).clip(-60, 600)
FINDINGS = TypeAdapter(tuple[Finding, ...])


def contract(*fields: OutputField) -> Contract:
    return Contract(
        model="dep_delay",
        version="1.0.0",
        output=fields or (MINUTES,),
        inputs=(),
        deadline=timedelta(seconds=5),
        fallback={},
    )


def bare(**changes: object) -> OutputField:
    return replace(MINUTES, promise=None, low=None, high=None, **changes)  # type: ignore[arg-type]


def codes(findings: tuple[Finding, ...]) -> list[PromiseCode]:
    return [finding.code for finding in findings]


def said(findings: tuple[Finding, ...]) -> list[str]:
    return [sentence(finding) for finding in findings]


def test_kept_promises_leave_no_finding() -> None:
    findings = check_answers(contract(), ANSWERS, seconds=1.0)
    assert findings == ()
    assert outcome_of(findings) is Outcome.PASSED


def test_a_slip_of_unit_is_found_although_every_value_lies_in_range() -> None:
    in_hours = ANSWERS / 60
    findings = check_answers(contract(), in_hours, seconds=1.0)
    assert codes(findings) == [
        PromiseCode.SCALE_BROKEN,
        PromiseCode.QUANTILE_MOVED,
        PromiseCode.QUANTILE_MOVED,
    ]
    assert {finding.reliance for finding in findings} == {Reliance.BEHAVIOURAL}
    assert outcome_of(findings) is Outcome.FAILED
    spread = float(np.subtract(*np.quantile(in_hours, [0.75, 0.25])))
    assert findings[0].observed == pytest.approx(spread)
    assert said(findings)[0] == (
        f"dep_delay.minutes: interquartile range {spread:.3g} minutes is {spread / 9.4:.2g} × "
        "the reference 9.4 minutes, promised 0.2 to 10 ×"
    )
    assert said(findings)[1] == (
        "dep_delay.minutes: 50 % quantile 0.204 minutes, reference 12 minutes, "
        "promised 7 to 17 minutes"
    )


@pytest.mark.parametrize(
    ("value", "code", "sentence_"),
    [
        (math.nan, PromiseCode.NULL_NOT_PROMISED, "is missing in 1 row, promised never"),
        (math.inf, PromiseCode.NOT_FINITE, "is infinite in 1 row"),
        (
            -61.0,
            PromiseCode.BELOW_RANGE,
            "falls to -61 minutes in 1 row, promised -60 to 600 minutes",
        ),
        (
            1e4,
            PromiseCode.ABOVE_RANGE,
            "rises to 10,000 minutes in 1 row, promised -60 to 600 minutes",
        ),
    ],
)
def test_one_bad_row_breaks_a_numeric_promise(
    value: float, code: PromiseCode, sentence_: str
) -> None:
    answers = ANSWERS.copy()
    answers[7] = value
    (finding,) = check_answers(contract(), answers, seconds=1.0)
    assert finding.code is code
    assert finding.reliance is Reliance.NUMERIC
    assert finding.outcome is Outcome.FAILED
    assert finding.rows == 1
    assert sentence(finding) == f"dep_delay.minutes: {sentence_}"


def test_missing_values_may_be_promised_and_infinite_ones_may_not() -> None:
    answers = ANSWERS.copy()
    answers[:5] = math.nan
    nullable = contract(replace(MINUTES, nullable=True))
    assert check_answers(nullable, answers, seconds=1.0) == ()
    answers[5] = -math.inf
    assert codes(check_answers(nullable, answers, seconds=1.0)) == [PromiseCode.NOT_FINITE]


@pytest.mark.parametrize("seconds", [5.001, math.nan, math.inf, -1.0])
def test_a_deadline_is_kept_by_a_time_within_it_only(seconds: float) -> None:
    (finding,) = check_answers(contract(), ANSWERS, seconds=seconds)
    assert finding.code is PromiseCode.DEADLINE_MISSED
    assert finding.reliance is Reliance.OPERATIONAL
    assert finding.field is None
    assert sentence(finding).startswith("dep_delay: took ")
    assert sentence(finding).endswith("promised at most 5 seconds")


def test_the_deadline_itself_is_in_time() -> None:
    assert check_answers(contract(), ANSWERS, seconds=5.0) == ()


@pytest.mark.parametrize("rows", [0, 1, 99])
def test_too_few_rows_are_inconclusive_and_never_a_pass(rows: int) -> None:
    findings = check_answers(contract(), ANSWERS[:rows], seconds=1.0)
    assert codes(findings) == [PromiseCode.TOO_FEW_ROWS]
    assert outcome_of(findings) is Outcome.INCONCLUSIVE
    assert sentence(findings[0]) == (
        f"dep_delay: {rows} rows cannot show a promise kept, needed at least 100 rows"
    )


def test_a_broken_promise_is_broken_on_few_rows_too() -> None:
    answers = np.array([1e4, 3.0])
    assert outcome_of(check_answers(contract(), answers, seconds=1.0)) is Outcome.FAILED


@pytest.mark.parametrize("promised", [True, False])
def test_no_value_at_all_is_never_a_pass(promised: bool) -> None:
    field = replace(MINUTES, nullable=True) if promised else bare(nullable=True)
    findings = check_answers(contract(field), np.full(500, math.nan), seconds=1.0)
    assert codes(findings) == [PromiseCode.TOO_FEW_ROWS]
    assert findings[0].field == "minutes"


def test_a_constant_answer_breaks_the_scale() -> None:
    answers = np.full(500, 12.0)
    assert PromiseCode.SCALE_BROKEN in codes(check_answers(contract(), answers, seconds=1.0))


@pytest.mark.parametrize("reference", [0.0, -1.0, math.nan, math.inf])
def test_a_reference_that_says_nothing_is_an_error_and_never_a_pass(reference: float) -> None:
    promise = BehaviouralPromise(
        measured_on="", scale=ScalePromise(reference=reference, low=0.2, high=10), quantiles=None
    )
    field = replace(MINUTES, promise=promise)
    for answers in (ANSWERS, np.full(500, 12.0)):
        findings = check_answers(contract(field), answers, seconds=1.0)
        assert codes(findings) == [PromiseCode.REFERENCE_UNUSABLE]
        assert outcome_of(findings) is Outcome.ERROR
        assert "no usable reference" in sentence(findings[0])


@pytest.mark.parametrize(
    ("probability", "reference", "tolerance"),
    [(0.5, math.nan, 1.0), (0.5, 1.0, math.nan), (1.5, 1.0, 1.0), (0.5, 1.0, -1.0)],
)
def test_a_quantile_that_cannot_be_judged_is_an_error(
    probability: float, reference: float, tolerance: float
) -> None:
    promise = BehaviouralPromise(
        measured_on="",
        scale=None,
        quantiles=QuantilePromise(reference={probability: reference}, tolerance=tolerance),
    )
    findings = check_answers(contract(replace(MINUTES, promise=promise)), ANSWERS, seconds=1.0)
    assert outcome_of(findings) is Outcome.ERROR


def test_fields_are_the_columns_at_their_positions() -> None:
    second = bare(name="share", position=2, unit="1")
    table = np.column_stack([ANSWERS, np.full(len(ANSWERS), math.nan), np.zeros(len(ANSWERS))])
    assert check_answers(contract(MINUTES, second), table, seconds=1.0) == ()
    (finding,) = check_answers(contract(MINUTES, second), table[:, :2], seconds=1.0)
    assert finding.code is PromiseCode.WRONG_SHAPE
    assert finding.reliance is Reliance.COLUMNAR
    assert sentence(finding) == (
        "dep_delay.share: has 2 answer columns, promised at least 3 answer columns"
    )


@pytest.mark.parametrize("shape", [(), (5, 5, 5)])
def test_an_answer_is_rows_or_rows_and_columns(shape: tuple[int, ...]) -> None:
    findings = check_answers(contract(), np.zeros(shape), seconds=1.0)
    assert codes(findings) == [PromiseCode.WRONG_SHAPE]
    assert outcome_of(findings) is Outcome.FAILED


@pytest.mark.parametrize(
    ("dtype", "answers", "broken"),
    [
        ("double", np.arange(200), 0),
        ("double", np.array([1.5, None] * 100, dtype=object), 0),
        ("double", np.array(["1.5"] * 200), 200),
        ("double", np.array([1.5, "x"] * 100, dtype=object), 100),
        ("double", np.full(200, 1j), 200),
        ("long", np.arange(200.0), 0),
        ("long", np.arange(200) + 0.5, 200),
        ("boolean", np.array([True, False] * 100), 0),
        ("boolean", np.array([0, 2] * 100), 100),
        ("string", np.array(["late"] * 200), 0),
        ("string", np.array(["late", None] * 100, dtype=object), 0),
        ("string", np.array(["late", 1] * 100, dtype=object), 100),
        ("string", np.zeros(200), 200),
    ],
)
def test_values_are_of_the_promised_type(dtype: str, answers: np.ndarray, broken: int) -> None:
    field = bare(dtype=dtype, nullable=True)
    findings = check_answers(contract(field), answers, seconds=1.0)
    assert [finding.rows for finding in findings] == ([broken] if broken else [])
    assert all(finding.code is PromiseCode.DTYPE_BROKEN for finding in findings)


def test_a_missing_text_is_missing() -> None:
    answers = np.array(["late", None] * 100, dtype=object)
    (finding,) = check_answers(contract(bare(dtype="string")), answers, seconds=1.0)
    assert finding.code is PromiseCode.NULL_NOT_PROMISED
    assert finding.rows == 100


@pytest.mark.parametrize("answers", [
    np.array(["go", "wait"] * 100),
    np.array(["go", "wait"] * 100, dtype=object),
])  # fmt: skip
def test_a_category_that_nobody_listed_is_told_by_its_name(answers: np.ndarray) -> None:
    kept = contract(bare(dtype="string", categories=("go", "wait")))
    assert check_answers(kept, answers, seconds=1.0) == ()
    (finding,) = check_answers(
        contract(bare(dtype="string", categories=("go", "stop"))), answers, seconds=1.0
    )
    assert finding.reliance is Reliance.NUMERIC
    assert sentence(finding) == (
        "dep_delay.minutes: is “wait” in 100 rows, promised one of go, stop"
    )


def test_a_missing_category_is_missing_and_not_unknown() -> None:
    answers = np.array(["go", None] * 100, dtype=object)
    field = bare(dtype="string", categories=("go",), nullable=True)
    assert check_answers(contract(field), answers, seconds=1.0) == ()
    (finding,) = check_answers(contract(replace(field, nullable=False)), answers, seconds=1.0)
    assert finding.code is PromiseCode.NULL_NOT_PROMISED


@pytest.mark.parametrize("code", [-1.0, 3.0])
def test_a_code_stands_for_one_of_the_categories(code: float) -> None:
    field = bare(dtype="long", unit="", categories=("low", "mid", "high"))
    answers = np.array([0.0, 1.0, 2.0, 1.0] * 50)
    assert check_answers(contract(field), answers, seconds=1.0) == ()
    answers[4:7] = code
    (finding,) = check_answers(contract(field), answers, seconds=1.0)
    assert finding.code is PromiseCode.CODE_OUT_OF_RANGE
    assert sentence(finding) == (
        f"dep_delay.minutes: is {code:g} in 3 rows, promised 0 to 2 for low, mid, high"
    )


def test_a_probability_of_a_category_lies_from_0_to_1_whatever_the_range_says() -> None:
    field = bare(unit="probability", categories=("no", "yes"), positive="yes")
    answers = np.linspace(0, 1, 200)
    assert check_answers(contract(field), answers, seconds=1.0) == ()
    for wider in (field, replace(field, low=-5.0, high=5.0)):
        low, high = check_answers(contract(wider), answers * 3 - 1, seconds=1.0)
        assert [low.code, high.code] == [PromiseCode.BELOW_RANGE, PromiseCode.ABOVE_RANGE]
        assert (high.promised_low, high.promised_high) == (0.0, 1.0)


VECTOR = bare(name="vector", position=1, unit="", embedding=Embedding(dimension=3, space="s"))


def test_a_vector_takes_as_many_columns_as_it_has_dimensions() -> None:
    table = np.ones((200, 4))
    assert check_answers(contract(VECTOR), table, seconds=1.0) == ()
    (finding,) = check_answers(contract(VECTOR), table[:, :3], seconds=1.0)
    assert sentence(finding) == (
        "dep_delay.vector: has 3 answer columns, promised at least 4 answer columns"
    )


def test_each_part_of_a_vector_is_held_to_its_promise() -> None:
    bounded = replace(VECTOR, low=-1.0, high=1.0)
    table = np.ones((200, 4))
    table[:, 0] = 99.0  # no part of it
    table[3, 1], table[4, 2:4] = 7.0, 5.0
    (finding,) = check_answers(contract(bounded), table, seconds=1.0)
    assert (finding.code, finding.rows, finding.observed) == (PromiseCode.ABOVE_RANGE, 2, 7.0)
    table[:] = 1.0
    table[5, 2] = math.inf
    assert codes(check_answers(contract(bounded), table, seconds=1.0)) == [PromiseCode.NOT_FINITE]


def test_a_vector_is_whole_or_missing() -> None:
    table = np.ones((200, 4))
    table[:3, 1:] = math.nan
    nullable = replace(VECTOR, nullable=True)
    assert check_answers(contract(nullable), table, seconds=1.0) == ()
    (finding,) = check_answers(contract(VECTOR), table, seconds=1.0)
    assert (finding.code, finding.rows) == (PromiseCode.NULL_NOT_PROMISED, 3)
    table[7, 2] = math.nan
    (finding,) = check_answers(contract(nullable), table, seconds=1.0)
    assert sentence(finding) == (
        "dep_delay.vector: lacks a part of the vector in 1 row, promised whole or missing"
    )


@given(
    answers=npst.arrays(
        np.float64,
        st.one_of(
            st.integers(0, 150).map(lambda n: (n,)),
            st.tuples(st.integers(0, 120), st.integers(0, 3)),
        ),
        elements=st.floats(width=64),
    ),
    seconds=st.floats(),
    field=st.sampled_from(
        [
            MINUTES,
            bare(dtype="long", categories=("minutes", "hours")),
            bare(unit="probability", categories=("minutes", "hours"), positive="hours"),
            bare(embedding=Embedding(dimension=2, space="s")),
        ]
    ),
)
def test_any_answer_gets_findings_that_can_be_written_and_read(
    answers: np.ndarray, seconds: float, field: OutputField
) -> None:
    findings = check_answers(contract(field), answers, seconds=seconds)
    text = canonical_text(as_json(FINDINGS, findings))
    assert FINDINGS.validate_python(json.loads(text)) == findings
    for finding in findings:
        assert sentence(finding).startswith("dep_delay")
        assert finding.outcome is not Outcome.PASSED
    kept = outcome_of(findings) is Outcome.PASSED
    assert kept == (findings == ())
    if kept and field is MINUTES:
        assert len(answers) >= 100
        assert np.isfinite(answers if answers.ndim == 1 else answers[:, 0]).all()
