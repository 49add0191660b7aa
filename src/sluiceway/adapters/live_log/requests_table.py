"""What was asked, as a table of a system's source."""

from collections.abc import Iterator, Sequence
from typing import Final

import pandas as pd
import pyarrow as pa

from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.prediction_log import DamagedLog
from sluiceway.adapters.source_tables import (
    SourceTable,
    Survey,
    UnreadableTable,
    cut_to,
    micros_of,
)
from sluiceway.ports import Window
from sluiceway.serving.rows import INPUT, SESSION, micros
from sluiceway.system.inputs import Source
from sluiceway.system.values import System

_TIME: Final = pa.timestamp("us", tz="UTC")


class AskedRows(SourceTable):
    """One row a unit, of the first question about it: the columns of the source that it carried.

    A question may carry a column by its own name (``schedule.origin``), or as the feature that is
    this column as it stands (``origin``). What no question carried is missing: a question about one
    model need not carry what only others read. What is there was checked when it came.

    Args:
        log: The log of answers.
        window: All that is ever read.
    """

    checked = True

    def __init__(
        self, log: LivePredictionLog, system: System, source: Source, window: Window
    ) -> None:
        super().__init__(source.event_time)
        self._log = log
        self._system = system
        self._source = source
        self._all = window
        self._table: pa.Table | None = None

    def schema(self) -> pa.Schema:
        """See :class:`SourceTable`."""
        return self._rows().schema

    def survey(self, window: Window) -> Survey:
        """See :class:`SourceTable`."""
        times, missing = micros_of(
            cut_to(self._rows(), self.event_time, window).column(self.event_time), self.event_time
        )
        return Survey(times=times, missing=missing)

    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        """See :class:`SourceTable`."""
        table = self._rows().select(list(columns))
        return (cut_to(table, self.event_time, window) for window in windows)

    def _rows(self) -> pa.Table:
        if self._table is None:
            try:
                self._table = self._read()
            except DamagedLog as error:
                raise UnreadableTable(str(error)) from error
        return self._table

    def _read(self) -> pa.Table:
        rows = self._log.read(self._all)
        if SESSION in rows:
            rows = rows[rows[SESSION].notna() & (rows["path"] == "primary")]
        else:
            rows = rows.iloc[:0].assign(unit=pd.Series(dtype=str))
        answered = self._log.answered(set(rows["unit"]), wait=False)
        # A unit that was asked about before belongs to where it was first; so it is here once.
        first = pd.Series([answered.get(unit) for unit in rows["unit"]], index=rows.index)
        moments = [micros(time.to_pydatetime()) for time in rows["event_time"]]
        rows = rows[first == pd.Series(moments, index=rows.index, dtype=object)]
        rows = rows.groupby("unit", sort=False).first().reset_index()
        rows = rows.sort_values("event_time", kind="stable")
        columns = {
            self._system.unit: pa.array(rows["unit"], type=pa.string(), from_pandas=True),
            self.event_time: pa.array(rows["event_time"], type=_TIME),
        }
        for column in self._columns():
            columns[column] = _values(rows, self._names(column))
        return pa.table(columns)

    def _columns(self) -> list[str]:
        """The columns of the source that the system file names."""
        reads = {
            read
            for feature in self._system.features.values()
            for version in feature.versions.values()
            for read in version.reads
        }
        reads |= {variable.reads for variable in self._system.slices.values()}
        reads |= {read for read in (self._system.policies.recurring_units,) if read}
        parts = (read.partition(".") for read in sorted(reads))
        return [column for source, _, column in parts if source == self._source.name]

    def _names(self, column: str) -> list[str]:
        """The names under which a question may carry a column, the surest first."""
        full = f"{self._source.name}.{column}"
        names = [full]
        for feature in self._system.features.values():
            for version in feature.versions.values():
                if version.transformation is None and version.reads == (full,):
                    names.append(f"{feature.name}@{version.version}")
                    if version.version == feature.current:
                        names.append(feature.name)
        return [f"{INPUT}{name}" for name in names]


def _values(rows: pd.DataFrame, names: Sequence[str]) -> pa.Array:
    """The first known value of each row under one of the names; nulls where there is none."""
    found: pd.Series | None = None
    for name in names:
        if name in rows:
            found = rows[name] if found is None else found.combine_first(rows[name])
    if found is None or found.isna().all():
        return pa.nulls(len(rows))
    if isinstance(found.dtype, pd.DatetimeTZDtype):
        return pa.array(found, type=_TIME)
    return pa.array(found, from_pandas=True)
