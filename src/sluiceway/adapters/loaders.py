"""What a loader may be, and the table that it names.

A loader is one of

- ``parquet:PATH``: a file, or a folder of files read in the order of their names;
- ``csv:PATH``: a file with a header line; times in ISO 8601, taken as UTC where they say nothing;
- ``sql:URL#TABLE`` or ``sql:NAME#TABLE``, where NAME is an environment variable that holds the
  URL. A URL with a password is refused in the system file: secrets come from the environment;
- ``python:module:function``: called with a :class:`~sluiceway.ports.Window`, returns a
  frame with (at least) the rows of that window.

``{data}`` in it stands for the folder of prepared tables; a relative path is relative to the
folder of the system file.
"""

from pathlib import Path

from sluiceway.adapters.python_tables import PythonTable
from sluiceway.adapters.source_tables import SourceTable, UnreadableTable
from sluiceway.adapters.sql_tables import SqlTable
from sluiceway.adapters.stored_tables import CsvTable, ParquetTable
from sluiceway.ports import Window


def open_table(
    loader: str, event_time: str, *, base: Path, data_folder: Path, window: Window
) -> SourceTable:
    """The table that a loader names.

    Args:
        loader: See the module.
        event_time: Column of its event times.
        base: Folder of the system file.
        data_folder: What ``{data}`` stands for.
        window: Of a ``python:`` table, what to ask for to learn its columns.

    Raises:
        UnreadableTable: The loader leads nowhere.
    """
    kind, _, place = loader.replace("{data}", str(data_folder)).partition(":")
    match kind:
        case "parquet":
            return ParquetTable(base / place, event_time)
        case "csv":
            return CsvTable(base / place, event_time)
        case "sql":
            return SqlTable(place, event_time)
        case "python":
            return PythonTable(place, event_time, window)
        case _:
            raise UnreadableTable(f"{loader} names no known kind of table")
