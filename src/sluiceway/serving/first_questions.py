"""Questions that nobody asked: what a version has to answer before anybody may ask it.

Whatever is slow the first time, such as importing, allocating or compiling, has happened then, and
a version that answers nothing at all never meets a live row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from sluiceway.contracts.values import Contract
from sluiceway.serving.values import Values
from sluiceway.system.values import Edge, System

BATCH: Final = 8
"""Rows of the larger question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """What an input may be, as far as somebody says it.

    Attributes:
        low: Smallest value; None where nobody says one.
        high: Largest value; None where nobody says one.
    """

    dtype: str
    low: float | None
    high: float | None
    categories: tuple[str, ...] | None


def first_questions(
    system: System, model: str, contract: Contract
) -> tuple[Mapping[str, Values], ...]:
    """One row, and a small batch, with values inside what is declared of each input.

    Args:
        contract: The version's; what it demands narrows what feeds it.

    Returns:
        Values of shape (1,) and (`BATCH`,) by each column that the system gives the model.
    """
    ranges = {edge.column: _range(system, edge, contract) for edge in system.models[model].inputs}
    return tuple(
        {column: _values(known, rows) for column, known in ranges.items()} for rows in (1, BATCH)
    )


def _range(system: System, edge: Edge, contract: Contract) -> _Range:
    demand = next((one for one in contract.inputs if one.name == edge.column), None)
    fed: _Range
    if edge.field is None:
        feature = system.features[edge.producer]
        fed = _Range(
            dtype=feature.dtype,
            low=feature.low,
            high=feature.high,
            categories=feature.categories,
        )
    else:
        field = system.models[edge.producer].contract.field(edge.field)
        fed = _Range(dtype=field.dtype, low=field.low, high=field.high, categories=field.categories)
    if demand is None:
        return fed
    return _Range(
        dtype=demand.dtype or fed.dtype,
        low=fed.low if demand.low is None else demand.low,
        high=fed.high if demand.high is None else demand.high,
        categories=demand.categories or fed.categories,
    )


def _values(known: _Range, rows: int) -> Values:
    """The middle for one row; from one end to the other for more."""
    if known.dtype == "string":
        texts = np.empty(rows, dtype=object)
        some = known.categories or ("",)
        texts[:] = [some[row % len(some)] for row in range(rows)]
        return texts
    low, high = known.low, known.high
    if known.dtype == "boolean":
        low, high = 0.0, 1.0
    elif known.dtype == "long" and known.categories:
        low, high = 0.0, float(len(known.categories) - 1)
    if low is None or high is None:
        # Zero, or the one end that is known where zero lies beyond it.
        only = max(0.0, -np.inf if low is None else low)
        low = high = min(only, np.inf if high is None else high)
    places = np.array([0.5]) if rows == 1 else np.linspace(0.0, 1.0, rows)
    # Not low + (high - low) * place, which overflows between far ends.
    values = low * (1.0 - places) + high * places
    # Whole numbers wherever there is room for them: a signature may read nothing else.
    if known.dtype in ("long", "boolean") or high / 2 - low / 2 >= 0.5:
        values = np.maximum(np.floor(values), np.ceil(low))
    return values
