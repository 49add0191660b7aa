"""Columns of values from what a parser gave: the one place where types are decided."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sluiceway.serving.refusals import InputFault, RefusalCode, Refused
from sluiceway.serving.values import Values

MAX_ROWS: Final = 10_000
"""Most rows of one request unless said otherwise."""

EXACT: Final = 2**53
"""Up to here a double holds every whole number."""

MAX_COLUMNS: Final = 10_000
"""Most columns of one request."""

NAMED_ROWS: Final = 5
"""How many of the rows that break a rule are named, and of the faults in a refusal's words."""

_NUMBERS: Final = frozenset((float, int, bool, type(None)))
_TEXTS: Final = frozenset((str, type(None)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Rows as they came, before anybody said what they mean.

    Attributes:
        columns: By name, the values of each row: numbers, texts, booleans, None, or whatever else
            a client sent. All have `rows` values.
        rows: How many rows; at least 1.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: int


def counted(rows: int, columns: int, *, max_rows: int) -> int:
    """The count of rows itself.

    Raises:
        Refused: There are none, or too many, or too many columns.
    """
    if rows == 0:
        raise Refused(RefusalCode.MALFORMED, "the body has no rows; at least one is asked about")
    for count, most, names in ((rows, max_rows, "rows"), (columns, MAX_COLUMNS, "columns")):
        if count > most:
            what = f"{count} {names}; at most {most} in one request"
            raise Refused(RefusalCode.TOO_LARGE, what)
    return rows


def named_once(names: Sequence[str], what: str) -> None:
    """Refuse names of which one stands twice.

    Args:
        what: What they name, in the plural.

    Raises:
        Refused: With the first few of them.
    """
    if len(set(names)) == len(names):
        return
    twice = [name for name, count in Counter(names).items() if count > 1]
    shown = ", ".join(name[:80] for name in twice[:NAMED_ROWS])
    raise Refused(RefusalCode.MALFORMED, f"{what} are named twice: {shown}")


def arrays_of(
    columns: Mapping[str, Sequence[Any]], texts: Collection[str] = ()
) -> dict[str, Values]:
    """Arrays of shape (rows,): ``float64`` for numbers and booleans, objects for texts.

    A missing value is NaN among numbers and None among texts. Times stay texts.

    Args:
        texts: Names that hold texts where all their values are missing; of others these are
            numbers.

    Raises:
        Refused: Columns mix kinds, hold arrays or objects, or whole numbers that no double holds.
    """
    quick = _all_numbers(columns, texts)
    if quick is not None:
        return quick
    faults: list[InputFault] = []
    read: dict[str, Values] = {}
    for name, values in columns.items():
        array = _array(name, values, texts, faults)
        if array is not None:
            read[name] = array
    refuse(faults)
    return read


def refuse(faults: Sequence[InputFault]) -> None:
    """Raise what is wrong with the columns, all of it at once; nothing where nothing is."""
    if not faults:
        return
    large = all(fault.rule == "too_large" for fault in faults)
    code = RefusalCode.TOO_LARGE if large else RefusalCode.OUT_OF_CONTRACT
    words = "; ".join(f"{one.field}: {one.what}" for one in faults[:NAMED_ROWS])
    more = f"; and {len(faults) - NAMED_ROWS} more" if len(faults) > NAMED_ROWS else ""
    raise Refused(code, words + more, faults=faults)


def fault_at(field: str, rule: str, rows: Iterable[int], what: str) -> InputFault:
    """A fault of some rows, of which the first few are named."""
    found = list(rows)
    return InputFault(
        field=field, rule=rule, rows=tuple(found[:NAMED_ROWS]), count=len(found), what=what
    )


def _all_numbers(
    columns: Mapping[str, Sequence[Any]], texts: Collection[str]
) -> dict[str, Values] | None:
    """One matrix of all columns, where they are numbers and not too many; None where not."""
    lists = list(columns.values())
    if len(lists) * len(lists[0] if lists else ()) > 256:
        return None  # a pass a column is as fast, and needs no second copy
    kinds: set[type] = set()
    for values in lists:
        kinds.update(map(type, values))
    if not kinds <= _NUMBERS or (type(None) in kinds and not columns.keys().isdisjoint(texts)):
        return None
    matrix = np.array(lists, dtype=np.float64)
    if int in kinds and matrix.size and not np.fmax.reduce(np.abs(matrix), axis=None) < EXACT:
        return None  # looked at exactly, a value at a time
    return dict(zip(columns, matrix, strict=True))


def _array(
    name: str, values: Sequence[Any], texts: Collection[str], faults: list[InputFault]
) -> Values | None:
    kinds = set(map(type, values))
    if kinds == {list} and all(len(value) == 1 for value in values):
        values = [value[0] for value in values]
        kinds = set(map(type, values))
    if kinds <= _NUMBERS and not (kinds == {type(None)} and name in texts):
        return _numbers(name, values, kinds, faults)
    if kinds <= _TEXTS:
        texts = np.empty(len(values), dtype=object)
        texts[:] = values
        return texts
    nested = [row for row, value in enumerate(values) if isinstance(value, list | dict)]
    if nested:
        what = "holds arrays or objects; one number, text or null a row is right"
        faults.append(fault_at(name, "shape", nested, what))
    else:
        strange = [row for row, value in enumerate(values) if isinstance(value, str)]
        what = "mixes texts and numbers; one kind a column is right"
        faults.append(fault_at(name, "dtype", strange, what))
    return None


def _numbers(
    name: str, values: Sequence[Any], kinds: set[type], faults: list[InputFault]
) -> Values | None:
    if int in kinds:
        large = [row for row, value in enumerate(values) if _inexact(value)]
        if large:
            what = f"whole numbers beyond 2^53, such as {values[large[0]]}, are no doubles"
            faults.append(fault_at(name, "too_large", large, what))
            return None
    return np.array(values, dtype=np.float64)


def _inexact(value: Any) -> bool:
    return type(value) is int and not -EXACT <= value <= EXACT
