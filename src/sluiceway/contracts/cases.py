"""What a contract test tried, what came of it, and the smallest example of what went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sluiceway.contracts.promises import Finding
from sluiceway.contracts.promises import sentence as promise_sentence
from sluiceway.contracts.regions import Scalar
from sluiceway.outcomes import Outcome, worst


class CaseCode(StrEnum):
    """A property that a version was held to."""

    LOADED = "loaded"
    RECORDED = "recorded"
    ENDS = "ends"
    INSIDE = "inside"
    OUTSIDE = "outside"
    NULLS = "nulls"
    CATEGORIES = "categories"
    NEW_CATEGORY = "new_category"
    FALLBACK = "fallback"
    DRAWN = "drawn"
    WHOLE_NUMBERS = "whole_numbers"
    EMPTY_BATCH = "empty_batch"
    MAX_BATCH = "max_batch"
    PERMUTED = "permuted"
    ROW_BY_ROW = "row_by_row"
    REPEATED = "repeated"
    LATENCY = "latency"
    FITS = "fits"
    INTERIOR = "interior"


TITLES: Final[Mapping[CaseCode, str]] = {
    CaseCode.LOADED: "can be loaded",
    CaseCode.RECORDED: "recorded rows keep every promise",
    CaseCode.ENDS: "ends of each range",
    CaseCode.INSIDE: "just inside each range",
    CaseCode.OUTSIDE: "outside of what is demanded",
    CaseCode.NULLS: "missing where allowed",
    CaseCode.CATEGORIES: "every category",
    CaseCode.NEW_CATEGORY: "a category never seen",
    CaseCode.FALLBACK: "fallback values",
    CaseCode.DRAWN: "anything admitted, mixed",
    CaseCode.WHOLE_NUMBERS: "whole numbers as integers",
    CaseCode.EMPTY_BATCH: "no row",
    CaseCode.MAX_BATCH: "largest batch",
    CaseCode.PERMUTED: "rows in another order",
    CaseCode.ROW_BY_ROW: "rows one by one",
    CaseCode.REPEATED: "asked twice",
    CaseCode.LATENCY: "time of single rows",
    CaseCode.FITS: "promise fits the demand",
    CaseCode.INTERIOR: "between the ends",
}
"""What each case is called for people."""


class Why(StrEnum):
    """How a case went wrong, or why nothing can be told."""

    NO_ANSWER = "no_answer"
    OUT_OF_CONTRACT = "out_of_contract"
    ANSWER_DIFFERS = "answer_differs"
    WRONG_ROWS = "wrong_rows"
    TOO_SLOW = "too_slow"
    DEMAND_NOT_MET = "demand_not_met"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterExample:
    """The smallest example of what went wrong.

    Attributes:
        given: Inputs that differ from the typical row; empty where none does, or rows were many.
        finding: The broken promise; set for OUT_OF_CONTRACT.
        said: The same for people, where no finding says it; a model's own words included.
    """

    why: Why
    given: Mapping[str, Scalar] = field(default_factory=dict)
    finding: Finding | None = None
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came of one case.

    Attributes:
        asked: The version that answered, such as ``arr_delay@2``.
        edge: Name of the edge whose consumer was asked; None for the tested version's own cases.
        tried: How many rows were asked.
        broken: How many of them broke something; at least the number of examples.
        examples: A few of them, the smallest.
    """

    code: CaseCode
    asked: str
    edge: str | None
    tried: int
    outcome: Outcome
    broken: int = 0
    examples: tuple[CounterExample, ...] = ()


def outcome_of(results: tuple[CaseResult, ...]) -> Outcome:
    """What all cases come to; where none was tried, nothing is known."""
    return worst(result.outcome for result in results)


def case_sentence(example: CounterExample) -> str:
    """An example in words: what was given, and what came of it."""
    said = promise_sentence(example.finding) if example.finding is not None else example.said
    if not example.given:
        return said
    given = ", ".join(f"{name} {_value(value)}" for name, value in example.given.items())
    return f"{given}: {said}"


def _value(value: Scalar) -> str:
    if value is None:
        return "missing"
    if isinstance(value, str):
        return f"“{value}”"
    return f"= {value!r}" if value != round(value, 6) or abs(value) >= 1e16 else f"= {value:g}"
