"""Labels from files, in the forms in which they are posted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sluiceway.errors import BadInput, Fault
from sluiceway.serving.labels import MOST

_TIMES = ("known_at", "event_time")
_OF_ALL = ("unit", *_TIMES)


def label_records(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The labels of a CSV or Parquet file, as many at once as one request may have.

    A file has the columns ``unit``, ``known_at``, maybe ``event_time``, and either ``label`` and
    ``value``, or a column for each label by its full name (``landings.arr_delay``), in which what
    is not known is left empty. Times that name no timezone are UTC.

    Raises:
        BadInput: The file cannot be read.
    """
    table = _table(path)
    names = table.column_names
    long = "label" in names or "value" in names
    size = MOST if long else max(1, MOST // max(1, len(names)))
    for start in range(0, table.num_rows, size):
        rows = table.slice(start, size).to_pylist()
        yield [one for row in rows for one in (_long(row) if long else _wide(row))]


def _long(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {name: _plain(name, value) for name, value in row.items() if value is not None}


def _wide(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    known = {name: value for name, value in row.items() if value is not None}
    every = {name: _plain(name, value) for name, value in known.items() if name in _OF_ALL}
    for name, value in known.items():
        if name not in _OF_ALL:
            yield {**every, "label": name, "value": value}


def _plain(name: str, value: Any) -> Any:
    if name == "unit":
        return str(value)
    if name in _TIMES and isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _table(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path, partitioning=None)
        options = pyarrow.csv.ConvertOptions(column_types={"unit": pa.string()})
        return pyarrow.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        raise BadInput([Fault(where=str(path), what=f"cannot be read: {said}")]) from error
