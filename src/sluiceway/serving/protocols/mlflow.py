"""MLflow's scoring bodies: ``dataframe_split``, ``dataframe_records``, ``instances``, ``inputs``,
and CSV."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from itertools import islice
from typing import Any, Final

import orjson

from sluiceway.serving.protocols.json_text import read_json
from sluiceway.serving.protocols.provenance import field_names, plain, provenance_of
from sluiceway.serving.protocols.tables import (
    MAX_ROWS,
    Table,
    counted,
    fault_at,
    named_once,
    refuse,
)
from sluiceway.serving.refusals import InputFault, RefusalCode, Refused
from sluiceway.serving.values import Reply

PARAMS: Final = "params"

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TRUTH: Final = {"true": True, "false": False}


def table_of_json(body: bytes, *, max_rows: int = MAX_ROWS) -> Table:
    """Read a JSON body of one of the four forms.

    Raises:
        Refused: It is none of them, says `params`, or has no rows or too many.
    """
    content = read_json(body)
    if type(content) is not dict:
        raise _malformed(f"the body is {_kind(content)}")
    params = content.pop(PARAMS, None)
    if params:
        what = "no model takes parameters; leave params out"
        refuse([InputFault(field=PARAMS, rule="params", what=what)])
    if len(content) != 1:
        raise _malformed(f"the body has {', '.join(sorted(content)) or 'none of them'}")
    form, held = next(iter(content.items()))
    reader = _FORMS.get(form)
    if reader is None:
        raise _malformed(f"the body has {form}")
    return reader(held, max_rows)


def table_of_csv(
    body: bytes, *, texts: frozenset[str] = frozenset(), max_rows: int = MAX_ROWS
) -> Table:
    """Read CSV with a row of names first. An empty cell is missing.

    A column whose cells are all numbers, or all ``true`` or ``false``, holds these; any other
    holds texts.

    Args:
        texts: Columns that hold texts whatever they look like.

    Raises:
        Refused: It is not CSV, rows are of unequal length, or there are none or too many.
    """
    try:
        text = body.decode("utf-8-sig")
        lines_read = csv.reader(StringIO(text, newline=""), strict=True)
        # No more is read than says that there is too much of it.
        rows = list(islice(filter(None, lines_read), max_rows + 2))
    except UnicodeDecodeError as error:
        what = f"the body is no UTF-8 from byte {error.start} on"
        raise Refused(RefusalCode.MALFORMED, what) from None
    except csv.Error as error:
        raise Refused(RefusalCode.MALFORMED, f"the body is no CSV: {error}") from None
    if not rows:
        raise Refused(RefusalCode.MALFORMED, "the body is empty; a row of column names comes first")
    names, *lines = rows
    count = counted(len(lines), len(names), max_rows=max_rows)
    columns = _named(names, lines, "line")
    return Table(
        columns={name: _cells(cells, name in texts) for name, cells in columns.items()}, rows=count
    )


def body_of(reply: Reply, *, dtypes: Mapping[str, str], sticky: bool) -> bytes:
    """The answer: one value a row where the model has one output field, one object where more.

    Args:
        dtypes: Promised type by output field.
    """
    model = reply.question.model
    names = field_names(reply)
    fields = [plain(reply.values(f"{model}.{n}"), dtypes.get(n, "double")) for n in names]
    predictions = (
        fields[0]
        if len(fields) == 1
        else [dict(zip(names, row, strict=True)) for row in zip(*fields, strict=True)]
    )
    return orjson.dumps(
        {"predictions": predictions, "sluiceway": provenance_of(reply, sticky=sticky)}
    )


def _split(held: Any, max_rows: int) -> Table:
    if type(held) is not dict or not isinstance(held.get("data"), list):
        raise _malformed('dataframe_split is not {"columns": [...], "data": [[...], ...]}')
    strange = sorted(held.keys() - {"columns", "data", "index"})
    if strange:
        raise _malformed(f"dataframe_split has {', '.join(strange)}")
    names, lines = held.get("columns"), held["data"]
    if type(names) is not list or not all(type(name) is str for name in names):
        raise _malformed("dataframe_split.columns is no list of names")
    if not all(type(line) is list for line in lines):
        raise _malformed("dataframe_split.data is no list of lists")
    count = counted(len(lines), len(names), max_rows=max_rows)
    return Table(columns=_named(names, lines, "dataframe_split.data, row"), rows=count)


def _records(held: Any, max_rows: int) -> Table:
    if type(held) is not list or not all(type(line) is dict for line in held):
        raise _malformed("dataframe_records is no list of objects")
    return _table_of_records(held, max_rows)


def _instances(held: Any, max_rows: int) -> Table:
    if type(held) is dict:
        return _inputs(held, max_rows)
    if type(held) is list and all(type(line) is dict for line in held):
        return _table_of_records(held, max_rows)
    raise _malformed(
        "instances is neither a list of objects nor an object of lists, so its columns have no "
        "names"
    )


def _inputs(held: Any, max_rows: int) -> Table:
    if type(held) is not dict or not all(type(values) is list for values in held.values()):
        raise _malformed("its columns are no object of lists")
    lengths = {name: len(values) for name, values in held.items()}
    count = counted(max(lengths.values(), default=0), len(lengths), max_rows=max_rows)
    refuse(
        [
            InputFault(field=name, rule="shape", what=f"has {length} values for {count} rows")
            for name, length in lengths.items()
            if length != count
        ]
    )
    return Table(columns=held, rows=count)


_FORMS: Final[Mapping[str, Callable[[Any, int], Table]]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _inputs,
}


def _table_of_records(records: list[dict[str, Any]], max_rows: int) -> Table:
    """Columns of records; what a record leaves out is missing in its row."""
    count = counted(len(records), len(records[0]) if records else 0, max_rows=max_rows)
    first = records[0]
    if count == 1:
        return Table(columns={name: (value,) for name, value in first.items()}, rows=1)
    names = dict.fromkeys(name for record in records for name in record)
    counted(count, len(names), max_rows=max_rows)
    if len(names) * count > max(16 * sum(map(len, records)), 100_000):
        what = f"{len(names)} names in {count} records that hold few of them each"
        raise Refused(RefusalCode.TOO_LARGE, f"{what}; records of one table share their names")
    columns = {name: [record.get(name) for record in records] for name in names}
    return Table(columns=columns, rows=count)


def _named(
    names: Sequence[str], lines: Sequence[Sequence[Any]], place: str
) -> dict[str, Sequence[Any]]:
    """Columns of rows under their names."""
    named_once(names, "columns")
    uneven = [row for row, line in enumerate(lines) if len(line) != len(names)]
    if uneven:
        row = uneven[0]
        what = f"{place} {row} has {len(lines[row])} values for {len(names)} columns"
        fault = fault_at("", "shape", uneven, what)
        more = f" ({len(uneven)} rows like it)" if len(uneven) > 1 else ""
        raise Refused(RefusalCode.MALFORMED, f"{what}{more}", faults=[fault])
    return dict(zip(names, zip(*lines, strict=True), strict=True))


def _cells(cells: Sequence[str], text: bool) -> list[Any]:
    held = [cell for cell in cells if cell]
    if not text:
        if all(_NUMBER.fullmatch(cell) for cell in held):
            return [_number(cell) if cell else None for cell in cells]
        if all(cell.lower() in _TRUTH for cell in held):
            return [_TRUTH.get(cell.lower()) for cell in cells]
    return [cell or None for cell in cells]


def _number(cell: str) -> float | int:
    """A cell's number; whole ones stay whole, so that too large ones are seen."""
    if len(cell) <= 20 and cell.removeprefix("-").isdigit():
        return int(cell)
    number = float(cell)
    if number - number != 0.0:
        what = f"{cell[:20]}… is beyond what a double holds"
        raise Refused(RefusalCode.TOO_LARGE, what)
    return number


def _kind(content: Any) -> str:
    names = {list: "a list", str: "a text", type(None): "null", bool: "a truth value"}
    return names.get(type(content), "a number")


def _malformed(found: str) -> Refused:
    right = "one of dataframe_split, dataframe_records, instances, inputs is right"
    return Refused(RefusalCode.MALFORMED, f"{found}; {right}")
