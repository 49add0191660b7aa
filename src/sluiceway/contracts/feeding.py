"""The consumer's side: a consumer is fed everything its producer promises it may get."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hypothesis import strategies as st

from sluiceway.contracts.cases import CaseCode, CaseResult, CounterExample, Why
from sluiceway.contracts.fitting import unmet
from sluiceway.contracts.questioning import GivenUp, NotLoaded, Questioner
from sluiceway.contracts.regions import (
    NEVER_SEEN,
    Column,
    Region,
    Row,
    Scalar,
    drawn,
    ends,
    interior,
    just_inside,
    rows_of,
)
from sluiceway.contracts.trying import given_up, not_loaded, spread
from sluiceway.contracts.values import InputDemand, OutputField
from sluiceway.outcomes import Outcome

BACKGROUNDS: Final = 32
"""Recorded rows whose other inputs are kept while the fed one goes through its region."""
_STEPS: Final = 15
"""Values of a grid between the ends of the region."""


def fed_cases(
    consumer: Questioner,
    *,
    edge: str,
    column: str,
    field: OutputField,
    region: Region,
    recorded: Mapping[str, Column] | None,
) -> Iterator[CaseResult]:
    """Everything that can be tried on one edge.

    Args:
        consumer: The version that reads the field.
        edge: Name of the edge.
        column: The consumer's name for the input.
        field: What the producer promises.
        region: The same as a region, with its fallback.
        recorded: The consumer's recorded rows; None where there are none.
    """
    demand = next((d for d in consumer.contract.inputs if d.name == column), None)
    yield _fits(consumer, edge, field, demand)
    if field.embedding is not None:
        said = f"{column} is a vector; no values are made up for one"
        example = CounterExample(why=Why.NOT_TRIED, said=said)
        yield consumer.result(CaseCode.DRAWN, 0, [example], edge=edge, outcome=Outcome.INCONCLUSIVE)
        return
    if not region.bounded and region.dtype != "string":
        said = f"{column} is promised without a range, so its region has no ends to be tried"
        example = CounterExample(why=Why.NOT_TRIED, said=said)
        yield consumer.result(CaseCode.ENDS, 0, [example], edge=edge, outcome=Outcome.INCONCLUSIVE)
    backgrounds: list[Row] = [consumer.typical]
    if recorded is not None:
        rows = max((len(values) for values in recorded.values()), default=0)
        backgrounds += rows_of(recorded, spread(rows, BACKGROUNDS))
    try:
        for code, values in _values(region).items():
            rows_fed = [{**row, column: value} for row in backgrounds for value in values]
            broken = [example for _, example in consumer.broken_rows(rows_fed)]
            yield consumer.result(code, len(rows_fed), broken, edge=edge)
        places = st.integers(0, len(backgrounds) - 1)
        fed = st.builds(
            lambda place, value: {**backgrounds[place], column: value}, places, drawn(region)
        )
        asked, example_found = consumer.drawn(fed)
        found = [example_found] if example_found else ()
        yield consumer.result(CaseCode.DRAWN, asked, found, edge=edge)
    except GivenUp:
        yield given_up(consumer, edge)
    except NotLoaded as error:
        yield not_loaded(consumer, error, edge)


def _values(region: Region) -> dict[CaseCode, Sequence[Scalar]]:
    """The values to be fed, by case; cases without a value are left out."""
    cases: dict[CaseCode, Sequence[Scalar]] = {
        CaseCode.ENDS: ends(region),
        CaseCode.INSIDE: just_inside(region),
        CaseCode.INTERIOR: interior(region, steps=_STEPS),
        CaseCode.NULLS: (None,) if region.nullable else (),
        CaseCode.CATEGORIES: region.categories or (),
        CaseCode.NEW_CATEGORY: (NEVER_SEEN,)
        if region.dtype == "string" and not region.categories
        else (),
        CaseCode.FALLBACK: () if region.fallback is None else (region.fallback,),
    }
    return {code: values for code, values in cases.items() if values}


def _fits(
    consumer: Questioner, edge: str, field: OutputField, demand: InputDemand | None
) -> CaseResult:
    """What is promised against what is demanded, as both are written."""
    said = () if demand is None else unmet(field, demand)
    examples = [CounterExample(why=Why.DEMAND_NOT_MET, said=one) for one in said]
    return consumer.result(CaseCode.FITS, 0, examples, edge=edge)
