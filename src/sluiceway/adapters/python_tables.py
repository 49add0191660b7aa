"""Tables that a person's own function gives, one window at a time."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from importlib import import_module

import pyarrow as pa

from sluiceway.adapters.source_tables import (
    SourceTable,
    Survey,
    UnreadableTable,
    cut_to,
    in_one_line,
)
from sluiceway.ports import Window


class PythonTable(SourceTable):
    """What a function answers; the place is ``module:function``."""

    def __init__(self, place: str, event_time: str, window: Window) -> None:
        super().__init__(event_time)
        module, _, name = place.partition(":")
        try:
            self._function = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UnreadableTable(
                f"python:{place} cannot be found: {in_one_line(error)}"
            ) from error
        self._name = name
        # The columns show only in an answer; an hour's worth of rows is a cheap one.
        first_hour = Window(start=window.start, end=window.start + timedelta(hours=1))
        self._schema = self._call(first_hour).schema

    def _call(self, window: Window) -> pa.Table:
        try:
            frame = self._function(window)
            return pa.Table.from_pandas(frame, preserve_index=False)
        except Exception as error:  # a person's code may raise anything
            raise UnreadableTable(f"python:{self._name}: {in_one_line(error)}") from error

    def schema(self) -> pa.Schema:
        """See :class:`SourceTable`."""
        return self._schema

    def survey(self, _window: Window) -> Survey | None:
        """See :class:`SourceTable`."""
        return None

    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        """See :class:`SourceTable`."""
        for window in windows:
            table = self._call(window)
            if lost := [name for name in columns if name not in table.column_names]:
                raise UnreadableTable(f"python:{self._name} gave no {', '.join(lost)}")
            yield cut_to(table.select(list(columns)), self.event_time, window)
