"""Whether what a version answered is what its contract promises, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sluiceway.contracts.values import Contract, OutputField
from sluiceway.errors import SluicewayError
from sluiceway.serving.values import Values

_LARGEST: Final = np.finfo(np.float64).max


class NotAnAnswer(SluicewayError):
    """What came back is no answer to any of the rows: its shape or its type is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """An answer, split into its fields.

    Attributes:
        fields: Values by output field, of shape (rows,), or (rows, dimension) for a vector.
        broken: Rows in which some field is not what is promised; None where all are well.
        what: What is wrong with the first of them, in words; empty where all are well.
    """

    fields: Mapping[str, Values]
    broken: NDArray[np.bool_] | None
    what: str


class Judge:
    """Holds answers against one contract.

    Args:
        contract: Promises the fields.
    """

    def __init__(self, contract: Contract) -> None:
        self._fields = contract.output
        self._width = 1 + max(field.position + _columns(field) - 1 for field in contract.output)
        self._numeric = all(field.dtype != "string" for field in contract.output)
        self._bounds = [
            (
                -_LARGEST if field.low is None else field.low,
                _LARGEST if field.high is None else field.high,
            )
            for field in contract.output
        ]

    def judge(self, answer: Any, rows: int) -> Judged:
        """Split an answer into fields and hold each row against the promise.

        Raises:
            NotAnAnswer: It has no row for each question, or no numbers where they are promised.
        """
        table = self._table(answer, rows)
        fields: dict[str, Values] = {}
        broken: NDArray[np.bool_] | None = None
        what = ""
        for field, (low, high) in zip(self._fields, self._bounds, strict=True):
            if field.dtype == "string":
                values: Values = table[:, field.position].astype(object)
                wrong = _wrong_texts(field, values)
            elif field.embedding is not None:
                columns = slice(field.position, field.position + field.embedding.dimension)
                values = self._numbers(field, table[:, columns])
                wrong = _outside(values, low, high, nullable=field.nullable)
                wrong = None if wrong is None else wrong.any(axis=1)
            else:
                values = self._numbers(field, table[:, field.position])
                wrong = _outside(values, low, high, nullable=field.nullable)
            fields[field.name] = values
            if wrong is not None:
                what = what or _words(field, values[wrong][0])
                broken = wrong if broken is None else broken | wrong
        return Judged(fields=fields, broken=broken, what=what)

    def _numbers(self, field: OutputField, values: Values) -> Values:
        """A numeric field's values as doubles; beside texts they come as anything."""
        if self._numeric:
            return values
        if values.dtype.kind == "U" or any(isinstance(one, str) for one in values.flat):
            raise NotAnAnswer(f"answered {field.name} with texts, numbers are promised")
        try:
            return values.astype(np.float64)
        except (TypeError, ValueError):
            raise NotAnAnswer(f"answered {field.name} with what is no number") from None

    def _table(self, answer: Any, rows: int) -> Values:
        """The answer as (rows, columns), all columns that fields are picked from."""
        array = np.asarray(answer)
        if self._numeric:
            if array.dtype.kind not in "fiub":
                raise NotAnAnswer(f"answered with {array.dtype}, numbers are promised")
            array = array.astype(np.float64)  # a copy: a model may write into its own again
        if array.shape == (rows,) and self._width == 1:
            array = array[:, None]
        if array.ndim != 2 or len(array) != rows or array.shape[1] < self._width:
            right = f"({rows}, {self._width} or more)" + (f" or ({rows},)" * (self._width == 1))
            raise NotAnAnswer(f"answered with shape {array.shape}; {right} is right")
        return array


def _columns(field: OutputField) -> int:
    return 1 if field.embedding is None else field.embedding.dimension


def _outside(values: Values, low: float, high: float, *, nullable: bool) -> Any:
    inside = (values >= low) & (values <= high)
    if inside.all():
        return None
    wrong = ~inside
    if nullable:
        wrong &= ~np.isnan(values)
    return wrong if wrong.any() else None


def _wrong_texts(field: OutputField, values: Values) -> NDArray[np.bool_] | None:
    known = None if field.categories is None else frozenset(field.categories)
    wrong = np.fromiter(
        (
            not field.nullable
            if value is None
            else not isinstance(value, str) or (known is not None and value not in known)
            for value in values
        ),
        dtype=bool,
        count=len(values),
    )
    return wrong if wrong.any() else None


def _words(field: OutputField, value: Any) -> str:
    if np.ndim(value):
        return f"a value of {field.name} is missing or outside its promise"
    if value is None or value != value:
        return f"{field.name} is missing, which it may not be"
    if isinstance(value, str):
        return f"{field.name} is {value!r}, which is none of its categories"
    ends = ["-∞" if field.low is None else f"{field.low:g}"]
    ends.append("∞" if field.high is None else f"{field.high:g}")
    return f"{field.name} is {value:g}, promised is {' to '.join(ends)} {field.unit}".rstrip()
