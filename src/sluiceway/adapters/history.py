"""Recorded history as partitions, read from the sources that a system file declares.

See :mod:`sluiceway.adapters.loaders` for what a loader may be. Memory holds one partition
and, for the whole window, 16 bytes a row: the event times of one source while partitions are cut,
and a hash of each unit, because a unit that comes twice has to be found however far apart.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sluiceway.adapters.loaders import LiveTables
from sluiceway.adapters.opened_sources import OpenedSource, World, open_sources
from sluiceway.adapters.repeated_units import hashes_of, tell_repeated
from sluiceway.adapters.source_rows import (
    FaultTally,
    SourceRows,
    Spine,
    joined_column,
    joined_labels,
    lacking_by_source,
    spine_of,
)
from sluiceway.adapters.source_tables import (
    Micros,
    UnfitColumn,
    UnreadableTable,
    bounds,
)
from sluiceway.blocks import BlockCalendar
from sluiceway.ports import Window
from sluiceway.replay.faults import HistoryFaultCode, UnusableHistory
from sluiceway.replay.features import FeatureQuality
from sluiceway.replay.partitions import Column, Floats, Needs, Partition
from sluiceway.system.values import System

# Partitions of whole blocks with at least so many rows: what each predict call costs by itself
# vanishes, and twenty columns of them are 20 MB (docs/benchmarks.md).
PARTITION_ROWS = 131_072


class History:
    """Reads a system's sources.

    Args:
        system: The declared graph.
        base: Folder of the system file; relative paths of loaders start there.
        data_folder: What ``{data}`` in loaders stands for.
        live: What a gateway has kept; None where there is none.
    """

    def __init__(
        self, system: System, *, base: Path, data_folder: Path, live: LiveTables | None = None
    ) -> None:
        self._system = system
        self._base = base
        self._data_folder = data_folder
        self._live = live
        self._calendar = BlockCalendar(
            timezone=system.timezone, length=system.policies.canary.block
        )

    def partitions(
        self,
        window: Window,
        *,
        needs: Needs,
        as_of: datetime,
        world: World = "recorded",
        step: timedelta | None = None,
    ) -> Iterator[Partition]:
        """Read a window as partitions of whole blocks, in the order of event time.

        What is wrong with the tables themselves is told here, before the first partition. What is
        wrong with their rows is told at the end, all together; from the first such row on no
        partition is given any more. A caller that stops before the end has checked nothing.

        Args:
            window: Event times to read. Blocks at its ends are cut off there.
            needs: What is read.
            as_of: The moment of looking, with timezone: labels known later are not known yet.
            world: Which loaders to read by.
            step: Partitions are as many whole blocks as cover it; None chooses by rows.

        Raises:
            UnusableHistory: With all faults found.
        """
        if window.start.tzinfo is None or window.end.tzinfo is None or as_of.tzinfo is None:
            raise ValueError("window and as_of need a timezone")
        tally = FaultTally()
        reads = open_sources(
            self._system,
            needs,
            window=window,
            world=world,
            base=self._base,
            data_folder=self._data_folder,
            tally=tally,
            live=self._live,
        )
        if tally:
            raise UnusableHistory(tally.all_faults())
        pieces = self._pieces(window, reads, step, tally)
        if tally:
            raise UnusableHistory(tally.all_faults())
        return self._stream(reads, pieces, needs, as_of, tally)

    def _pieces(
        self,
        window: Window,
        reads: Sequence[OpenedSource],
        step: timedelta | None,
        tally: FaultTally,
    ) -> list[Window]:
        """The window cut into partitions."""
        rows: Micros | None = None
        surveyed = True
        for read in reads:
            name, time = read.source.name, read.source.event_time
            try:
                survey = read.table.survey(window)
            except UnfitColumn as error:
                tally.tell(HistoryFaultCode.WRONG_DTYPE, name, error.column, str(error))
                continue
            except UnreadableTable as error:
                tally.tell(HistoryFaultCode.MISSING_TABLE, name, None, str(error))
                continue
            if survey is None:
                surveyed = surveyed and read.holds_labels
                continue
            if survey.missing:
                what = f"is missing in {survey.missing} rows of the table"
                tally.tell(HistoryFaultCode.MISSING_EVENT_TIME, name, time, what)
            if not read.holds_labels and (rows is None or len(survey.times) > len(rows)):
                rows = survey.times
        if surveyed and rows is not None and not len(rows) and not tally:
            self._tell_empty(window, reads, tally)
        starts = self._block_starts(window)
        firsts = [0]
        counts = None if rows is None else _counts(rows, starts)
        # Counted, not timed: a day on which the clocks change is one block like any other.
        blocks = None if step is None else math.ceil(step / self._calendar.length)
        for place in range(1, len(starts)):
            if blocks is not None:
                full = place - firsts[-1] >= blocks
            else:
                full = counts is None or counts[firsts[-1] : place].sum() >= PARTITION_ROWS
            if full:
                firsts.append(place)
        edges = [*(starts[place] for place in firsts), window.end]
        return [Window(start=a, end=b) for a, b in pairwise(edges)]

    def _tell_empty(self, window: Window, reads: Sequence[OpenedSource], tally: FaultTally) -> None:
        names = ", ".join(read.source.name for read in reads if not read.holds_labels)
        what = f"no row from {window.start.isoformat()} to {window.end.isoformat()}"
        tally.tell(HistoryFaultCode.EMPTY_WINDOW, names, None, what)

    def _block_starts(self, window: Window) -> list[datetime]:
        starts = [window.start]
        following = self._calendar.end(self._calendar.name(window.start))
        while following < window.end:
            starts.append(following)
            following = self._calendar.end(self._calendar.name(following))
        return starts

    def _stream(
        self,
        reads: Sequence[OpenedSource],
        pieces: Sequence[Window],
        needs: Needs,
        as_of: datetime,
        tally: FaultTally,
    ) -> Iterator[Partition]:
        watches = self._watches(needs, reads)
        unit = self._system.unit
        seen: list[NDArray[np.int64]] = []
        watched = frozenset(column for column, _ in watches)
        read_pieces = 0
        sound = True
        feeds = [r.tables(r.all_columns(unit), pieces, tally) for r in reads]
        for piece, tables in zip(pieces, zip(*feeds, strict=False), strict=False):
            read_pieces += 1
            partition = self._joined(reads, tables, piece, as_of, tally, watched)
            if partition is None or not partition.rows:
                continue
            seen.append(hashes_of(partition.units))
            for column, watch in watches:
                sound = watch.add(partition.columns[column]) and sound
            if sound and not tally:
                yield partition
        if read_pieces < len(pieces) and not tally:
            raise RuntimeError(f"{read_pieces} of {len(pieces)} partitions were read")
        tell_repeated(reads, pieces, seen, unit, tally)
        if not seen and not tally:
            whole = Window(start=pieces[0].start, end=pieces[-1].end)
            self._tell_empty(whole, reads, tally)
        faults = [*tally.all_faults(), *(fault for _, w in watches for fault in w.faults())]
        if faults:
            raise UnusableHistory(faults)

    def _watches(
        self, needs: Needs, reads: Sequence[OpenedSource]
    ) -> list[tuple[str, FeatureQuality]]:
        """Features that are read as they are; transformed ones are watched where they are made."""
        checked = {read.source.name for read in reads if read.table.checked}
        return [
            (definition.reads[0], FeatureQuality(self._system.features[name], definition.version))
            for name, definition in needs.definitions(self._system)
            if definition.transformation is None and not checked.intersection(definition.sources)
        ]

    def _joined(
        self,
        reads: Sequence[OpenedSource],
        tables: Sequence[pa.Table],
        piece: Window,
        as_of: datetime,
        tally: FaultTally,
        watched: frozenset[str],
    ) -> Partition | None:
        """One partition; None where a column cannot be read, which is noted."""
        name = ""
        columns: dict[str, Column] = {}
        labels: dict[str, Floats] = {}
        unknown: dict[str, int] = {}
        strays: dict[str, int] = {}
        places: dict[str, NDArray[np.int64] | None] = {}
        now = bounds(Window(start=as_of, end=as_of))[0]
        try:
            rows = []
            for read, table in zip(reads, tables, strict=True):
                name = read.source.name
                rows.append(SourceRows.of(read.source, table, self._system.unit, tally))
            spine = spine_of([one for one in rows if one.source.labels is None])
            for read, one in zip(reads, rows, strict=True):
                name = read.source.name
                found = places[name] = spine.places_of(one, tally)
                for column in read.columns:
                    full = f"{name}.{column}"
                    if not read.holds_labels:
                        columns[full] = joined_column(one, column, found)
                        if full not in watched:
                            _check_finite(name, column, columns[full], spine, tally)
                        continue
                    labels[full], unknown[full] = joined_labels(
                        one, column, found, spine, now, tally
                    )
                if read.holds_labels and found is not None:
                    strays[name] = len(one.units) - int(np.count_nonzero(found >= 0))
        except UnfitColumn as error:
            tally.tell(HistoryFaultCode.WRONG_DTYPE, name, error.column, str(error))
            return None
        later = spine.times > now
        code, what = HistoryFaultCode.EVENT_AFTER_AS_OF, f"happen after {as_of.isoformat()}"
        tally.count(code, rows[0].source.name, None, later, spine.units, what)
        names, codes = self._blocks(piece, spine.times)
        holders = {read.source.name for read in reads if read.holds_labels}
        return Partition(
            units=np.asarray(spine.units.to_numpy(zero_copy_only=False)),
            event_time=spine.times.view("datetime64[us]"),
            block_names=names,
            block_codes=codes,
            columns=columns,
            labels=labels,
            not_yet_known={label: count for label, count in unknown.items() if count},
            missing_units=lacking_by_source({k: v for k, v in places.items() if k not in holders}),
            stray_units={source: count for source, count in strays.items() if count},
        )

    def _blocks(self, piece: Window, times: Micros) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        starts = self._block_starts(piece)
        counts = _counts(times, starts)
        filled = np.flatnonzero(counts)
        names = tuple(self._calendar.name(starts[place]) for place in filled)
        return names, np.repeat(np.arange(len(filled), dtype=np.intp), counts[filled])


def _counts(times: Micros, starts: Sequence[datetime]) -> NDArray[np.int64]:
    """How many times lie from each start to the next, all after the last start in the last."""
    ascending = times if (times[1:] >= times[:-1]).all() else np.sort(times)
    edges = [bounds(Window(start=start, end=start))[0] for start in starts[1:]]
    places = np.searchsorted(ascending, np.asarray(edges, dtype=np.int64))
    return np.diff(np.concatenate([[0], places, [len(times)]])).astype(np.int64)


def _check_finite(
    source: str, column: str, values: Column, spine: Spine, tally: FaultTally
) -> None:
    if values.dtype.kind != "f" or not len(values):
        return
    if np.isinf([np.fmin.reduce(values), np.fmax.reduce(values)]).any():
        code, what = HistoryFaultCode.INFINITE_VALUES, "are infinite; missing ones are to be null"
        tally.count(code, source, column, np.isinf(values), spine.units, what)
