"""What a loader may be, and the table that it names.

A loader is one of

- ``parquet:PATH``: a file, or a folder of files read in the order of their names;
- ``csv:PATH``: a file with a header line; times in ISO 8601, taken as UTC where they say nothing;
- ``sql:URL#TABLE`` or ``sql:NAME#TABLE``, where NAME is an environment variable that holds the
  URL. A URL with a password is refused in the system file: secrets come from the environment;
- ``python:module:function``: called with a :class:`~sluiceway.ports.Window`, returns a
  frame with (at least) the rows of that window.

A live loader may also be one of

- ``requests:``: what the gateway was asked, one row a unit (of its first question);
- ``labels:``: the labels that were posted.

``{data}`` in it stands for the folder of prepared tables; a relative path is relative to the
folder of the system file.
"""

from pathlib import Path
from typing import Protocol

from sluiceway.adapters.python_tables import PythonTable
from sluiceway.adapters.source_tables import SourceTable, UnreadableTable
from sluiceway.adapters.sql_tables import SqlTable
from sluiceway.adapters.stored_tables import CsvTable, ParquetTable
from sluiceway.ports import Window
from sluiceway.system.check_logging import POSTED, REQUESTS
from sluiceway.system.inputs import Source
from sluiceway.system.values import System


class LiveTables(Protocol):
    """What a gateway has kept."""

    def asked(self, system: System, source: Source, window: Window) -> SourceTable:
        """What was asked in a window."""

    def posted(self, system: System, source: Source) -> SourceTable:
        """The labels that were posted."""


def open_live_table(
    loader: str, system: System, source: Source, window: Window, live: LiveTables | None
) -> SourceTable | None:
    """The table of what a gateway has kept; None where the loader names another kind.

    Raises:
        UnreadableTable: It does, and there is no gateway here.
    """
    if loader not in (REQUESTS, POSTED):
        return None
    if live is None:
        raise UnreadableTable(f"{loader} is what a gateway has kept, and none is known here")
    if loader == REQUESTS:
        return live.asked(system, source, window)
    return live.posted(system, source)


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
