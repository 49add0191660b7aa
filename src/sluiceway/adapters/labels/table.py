"""Posted labels as a table of a system's source."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from sluiceway.adapters.labels.store import has_labels
from sluiceway.adapters.live_log.database import LogUnavailable, reading
from sluiceway.adapters.source_tables import SourceTable, Survey, UnreadableTable, bounds
from sluiceway.ports import Window
from sluiceway.serving.labels import columns_of
from sluiceway.system.inputs import Source
from sluiceway.system.values import System

_TIME: Final = pa.timestamp("us", tz="UTC")


class PostedLabels(SourceTable):
    """One row a unit: its labels, and when the last of them was known.

    Args:
        path: The database of labels; need not be there.
        source: A source of labels.
    """

    def __init__(self, path: Path, system: System, source: Source) -> None:
        super().__init__(source.event_time)
        if source.labels is None:
            raise UnreadableTable(f"{source.name} is no source of labels")
        self._path = path
        self._source = source
        self._unit = system.unit
        self._known_at = source.labels.known_at
        self._columns = columns_of(system, source)

    def schema(self) -> pa.Schema:
        """See :class:`SourceTable`."""
        times = [(self.event_time, _TIME), (self._known_at, _TIME)]
        labels = [(name, pa.float64()) for name in self._columns]
        return pa.schema([(self._unit, pa.string()), *times, *labels])

    def survey(self, window: Window) -> Survey:
        """See :class:`SourceTable`."""
        times = self._window((self.event_time,), window).column(0)
        ticks = np.asarray(times.combine_chunks().view(pa.int64()), dtype=np.int64)
        return Survey(times=ticks, missing=0)

    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        """See :class:`SourceTable`."""
        return (self._window(columns, window) for window in windows)

    def _window(self, columns: Sequence[str], window: Window) -> pa.Table:
        picked = ", ".join("MAX(CASE label WHEN ? THEN value END)" for _ in self._columns)
        query = (
            f"SELECT unit, event_time, MAX(known_at){', ' if picked else ''}{picked} FROM labels "
            "WHERE source = ? AND event_time >= ? AND event_time < ? "
            "GROUP BY unit, event_time ORDER BY event_time, unit"
        )
        try:
            with reading(self._path) as connection:
                if connection is None or not has_labels(connection):
                    return self.schema().empty_table().select(list(columns))
                values = (*self._columns, self._source.name, *bounds(window))
                rows = connection.execute(query, values).fetchall()
        except LogUnavailable as error:
            raise UnreadableTable(str(error)) from error
        found = list(zip(*rows, strict=True)) if rows else [()] * len(self.schema())
        arrays = [
            pa.array(values, type=field.type)
            for values, field in zip(found, self.schema(), strict=True)
        ]
        return pa.table(arrays, schema=self.schema()).select(list(columns))
