"""The sources of a system file, opened for reading."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from sluiceway.adapters.loaders import LiveTables, open_live_table, open_table
from sluiceway.adapters.source_rows import FaultTally, is_number, is_text
from sluiceway.adapters.source_tables import SourceTable, UnfitColumn, UnreadableTable
from sluiceway.ports import Window
from sluiceway.replay.faults import HistoryFaultCode
from sluiceway.replay.features import NUMERIC
from sluiceway.replay.partitions import Needs
from sluiceway.system.inputs import Source
from sluiceway.system.values import System

World = Literal["recorded", "live"]
"""Whether sources are read as they were backfilled or as they arrived live."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedSource:
    """One source with its table and what is read of it."""

    source: Source
    table: SourceTable
    columns: tuple[str, ...]

    @property
    def holds_labels(self) -> bool:
        """Whether it says what became true of units, not which units there are."""
        return self.source.labels is not None

    def all_columns(self, unit: str) -> tuple[str, ...]:
        """Everything to read, the unit and the times included."""
        known_at = (self.source.labels.known_at,) if self.source.labels else ()
        names = (unit, self.source.event_time, *known_at, *self.columns)
        return tuple(dict.fromkeys(names))

    def tables(
        self, names: Sequence[str], windows: Sequence[Window], tally: FaultTally
    ) -> Iterator[pa.Table]:
        """Its rows, a table for each window; where they end early, the reason is noted."""
        try:
            yield from self.table.read(names, windows)
        except UnreadableTable as error:
            tally.tell(HistoryFaultCode.MISSING_TABLE, self.source.name, None, str(error))
        except UnfitColumn as error:
            tally.tell(HistoryFaultCode.WRONG_DTYPE, self.source.name, error.column, str(error))


def open_sources(
    system: System,
    needs: Needs,
    *,
    window: Window,
    world: World,
    base: Path,
    data_folder: Path,
    tally: FaultTally,
    live: LiveTables | None = None,
) -> tuple[OpenedSource, ...]:
    """Open every source that is needed, and look whether it has the columns that are asked of it.

    Args:
        base: Folder of the system file; relative paths of loaders start there.
        data_folder: What ``{data}`` in loaders stands for.
        tally: Takes what is wrong.
        live: What a gateway has kept; None where there is none.
    """
    wanted: dict[str, dict[str, None]] = {}
    for full in (*needs.reads(system), *sorted(needs.labels)):
        name, _, column = full.partition(".")
        wanted.setdefault(name, {})[column] = None
    reads = []
    for name, columns in wanted.items():
        source = system.sources[name]
        loader = source.loader if world == "recorded" else source.live_loader
        try:
            table = open_live_table(loader, system, source, window, live) or open_table(
                loader,
                source.event_time,
                base=base,
                data_folder=data_folder,
                window=window,
            )
        except UnreadableTable as error:
            tally.tell(HistoryFaultCode.MISSING_TABLE, name, None, str(error))
            continue
        read = OpenedSource(source=source, table=table, columns=tuple(columns))
        _check_columns(system, read, needs, tally)
        reads.append(read)
    if not any(not read.holds_labels for read in reads) and not tally:
        raise ValueError("needs name no source but labels; nothing would say which units exist")
    return tuple(reads)


def _check_columns(system: System, read: OpenedSource, needs: Needs, tally: FaultTally) -> None:
    schema, name = read.table.schema(), read.source.name
    for column in read.all_columns(system.unit):
        if column not in schema.names:
            have = f"is not there (there are: {', '.join(schema.names)})"
            tally.tell(HistoryFaultCode.MISSING_COLUMN, name, column, have)
    code = HistoryFaultCode.WRONG_DTYPE
    for label in needs.labels:
        source, _, column = label.partition(".")
        if source == name and column in schema.names:
            kind = schema.field(column).type
            if not is_number(kind):
                tally.tell(code, name, column, f"holds {kind}; a label is a number")
    for feature, definition in needs.definitions(system):
        source, _, column = definition.reads[0].partition(".")
        if definition.transformation or source != name or column not in schema.names:
            continue
        kind, declared = schema.field(column).type, system.features[feature].dtype
        fits = is_number(kind) if declared in NUMERIC else is_text(kind)
        if not fits and not pa.types.is_null(kind):
            what = f"holds {kind}; the feature {feature} is declared {declared}"
            tally.tell(code, name, column, what)
