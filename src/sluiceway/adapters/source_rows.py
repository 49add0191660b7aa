"""Rows of several sources for one window, joined on the unit into a partition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sluiceway.adapters.source_tables import NEVER, Micros, UnfitColumn, micros_of
from sluiceway.replay.faults import HistoryFault, HistoryFaultCode
from sluiceway.replay.partitions import Column, Floats
from sluiceway.system.inputs import Source


@dataclass(slots=True)
class FaultTally:
    """Counts what is wrong over many partitions, so that each fault is told once.

    Attributes:
        faults: Those that are no matter of counting.
    """

    faults: list[HistoryFault] = field(default_factory=list)
    _counts: dict[tuple[HistoryFaultCode, str, str | None, str], int] = field(default_factory=dict)
    _examples: dict[tuple[HistoryFaultCode, str, str | None, str], str] = field(
        default_factory=dict
    )

    def __bool__(self) -> bool:
        return bool(self.faults or self._counts)

    def tell(self, code: HistoryFaultCode, source: str, column: str | None, what: str) -> None:
        """Note a fault of a source as a whole."""
        fault = HistoryFault(
            code=code, source=source, column=column, count=0, example="", what=what
        )
        if fault not in self.faults:
            self.faults.append(fault)

    def count(
        self,
        code: HistoryFaultCode,
        source: str,
        column: str | None,
        rows: NDArray[np.bool_],
        example_of: Sequence[Any] | NDArray[Any],
        what: str,
    ) -> None:
        """Count rows, where there are any; `what` follows their number and an example."""
        found = int(np.count_nonzero(rows))
        if found:
            key = (code, source, column, what)
            self._counts[key] = self._counts.get(key, 0) + found
            self._examples.setdefault(key, str(example_of[int(np.argmax(rows))]))

    def all_faults(self) -> list[HistoryFault]:
        """Everything noted and counted so far."""
        counted = [
            HistoryFault(
                code=code,
                source=source,
                column=column,
                count=count,
                example=self._examples[(code, source, column, what)],
                what=f"{count} rows {what} "
                f"(the first: {self._examples[(code, source, column, what)]})",
            )
            for (code, source, column, what), count in self._counts.items()
        ]
        return [*self.faults, *counted]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceRows:
    """One source's rows of one window, as they are stored."""

    source: Source
    table: pa.Table
    units: pa.Array
    times: Micros

    @staticmethod
    def of(source: Source, table: pa.Table, unit: str, tally: FaultTally) -> "SourceRows":
        """Take units and event times out of a table; rows without unit are noted.

        Raises:
            UnfitColumn: Units or times are of no usable type.
        """
        units = units_of(table.column(unit), unit)
        times, _ = micros_of(table.column(source.event_time), source.event_time)
        if units.null_count:
            code, what = HistoryFaultCode.MISSING_UNIT, f"have no {unit}"
            without = units.is_null().to_numpy(zero_copy_only=False)
            tally.count(code, source.name, unit, without, times.astype("M8[us]"), what)
        return SourceRows(source=source, table=table, units=units, times=times)


def units_of(column: pa.ChunkedArray, name: str) -> pa.Array:
    """Units as text or whole numbers.

    Raises:
        UnfitColumn: They are neither.
    """
    units = column.combine_chunks()
    if pa.types.is_dictionary(units.type):
        units = units.cast(units.type.value_type)
    if is_text(units.type):
        return units if units.type == pa.string() else units.cast(pa.string())
    if pa.types.is_integer(units.type):
        return units if units.type == pa.int64() else units.cast(pa.int64())
    if pa.types.is_null(units.type):
        return units.cast(pa.string())
    raise UnfitColumn(name, f"holds {units.type}; a unit is text or a whole number")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spine:
    """The units that exist in a window, ascending in event time."""

    units: pa.Array
    times: Micros

    def __len__(self) -> int:
        return len(self.times)

    def places_of(self, rows: SourceRows, tally: FaultTally) -> NDArray[np.int64] | None:
        """For each unit of the spine its row in a source, -1 where it has none.

        None means that the source's rows are the spine's, one for one. A unit that a source names
        twice, or with another event time, is noted.
        """
        if rows.units.equals(self.units) and np.array_equal(rows.times, self.times):
            return None
        source = rows.source.name
        units = self.units
        if units.type != rows.units.type and rows.source.labels is not None:
            # Posted labels name units as text, also where the tables number them.
            units = units.cast(pa.string())
        found = pc.index_in(units, value_set=rows.units.cast(units.type))
        places = np.asarray(found.fill_null(-1), dtype=np.int64)
        there = places >= 0
        # As many units found as there are rows: each is there once, and none is a stranger.
        if np.count_nonzero(there) < len(rows.units):
            _tell_repeated(rows, tally)
        disagrees = np.zeros(len(self), dtype=bool)
        disagrees[there] = rows.times[places[there]] != self.times[there]
        code = HistoryFaultCode.EVENT_TIME_DISAGREES
        what = "have another event time here than in the other sources"
        tally.count(code, source, rows.source.event_time, disagrees, self.units, what)
        return places


def _tell_repeated(rows: SourceRows, tally: FaultTally) -> None:
    counts = pc.value_counts(rows.units.drop_null())
    often = counts.field("counts").to_numpy()
    if not len(often) or often.max() == 1:
        return
    first = counts.field("values")[int(np.argmax(often > 1))].as_py()
    again = np.ones(int((often - 1).sum()), dtype=bool)
    code, what = HistoryFaultCode.DUPLICATE_UNITS, "name a unit again; each is to be there once"
    tally.count(code, rows.source.name, None, again, [first], what)


def spine_of(sources: Sequence[SourceRows]) -> Spine:
    """The union of the units of these sources.

    Raises:
        UnfitColumn: Units are text in one source and numbers in another.
    """
    units, times = sources[0].units, sources[0].times
    for rows in sources[1:]:
        if rows.units.equals(units):
            continue
        if rows.units.type != units.type and len(rows.units) and len(units):
            here, there = rows.units.type, units.type
            what = f"units are {here} in {rows.source.name} and {there} in {sources[0].source.name}"
            raise UnfitColumn(rows.source.event_time, what)
        if not len(units):
            units, times = rows.units, rows.times
            continue
        new = pc.invert(pc.is_in(rows.units, value_set=units))
        if pc.any(new).as_py():
            units = pa.concat_arrays([units, rows.units.filter(new)])
            times = np.concatenate([times, rows.times[new.to_numpy(zero_copy_only=False)]])
    if len(times) and not (times[1:] >= times[:-1]).all():
        order = np.argsort(times, kind="stable")
        units, times = units.take(pa.array(order)), times[order]
    return Spine(units=units, times=times)


def column_values(array: pa.Array, name: str) -> Column:
    """One column as the core reads it: `sluiceway.replay.partitions.Column`.

    Raises:
        UnfitColumn: It is of a type that nothing reads.
    """
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
        values = array if kind == pa.float64() else array.cast(pa.float64(), safe=False)
        return np.asarray(values.to_numpy(zero_copy_only=False))
    if pa.types.is_boolean(kind):
        as_numbers = array.cast(pa.int8()).cast(pa.float64())
        return np.asarray(as_numbers.to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind):
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        micros, _ = micros_of(array, name)
        # The least integer, which stands for a missing time, is also what NaT is.
        return micros.view("datetime64[us]")
    if is_text(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False), dtype=object)
    raise UnfitColumn(name, f"holds {kind}; numbers, booleans, times and text can be read")


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is a number or a boolean, or nothing but nulls."""
    return bool(
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def joined_column(rows: SourceRows, column: str, places: NDArray[np.int64] | None) -> Column:
    """One column of a source in the order of the spine, missing where the source lacks the unit.

    Raises:
        UnfitColumn: It is of a type that nothing reads.
    """
    values = column_values(rows.table.column(column).combine_chunks(), column)
    if places is None:
        return values
    lacking = places < 0
    if not lacking.any():
        return values[places]
    missing = {"f": np.nan, "M": np.datetime64("NaT"), "O": None}[values.dtype.kind]
    if not len(values):
        return np.full(len(places), missing, dtype=values.dtype)
    taken = values[places]
    taken[lacking] = missing
    return taken


def joined_labels(
    rows: SourceRows,
    column: str,
    places: NDArray[np.int64] | None,
    spine: Spine,
    as_of: int,
    tally: FaultTally,
) -> tuple[Floats, int]:
    """Labels in the order of the spine, NaN where not known yet, and how many were masked so.

    Args:
        as_of: The moment of looking, in microseconds since 1970.

    Raises:
        UnfitColumn: Labels are no numbers, or the column of when they were known holds no times.
    """
    labels = rows.source.labels
    if labels is None:
        raise ValueError(f"{rows.source.name} holds no labels")
    name = rows.source.name
    values = joined_column(rows, column, places)
    if values.dtype.kind != "f":
        raise UnfitColumn(column, f"holds {values.dtype}; a label is a number")
    known_at = joined_column(rows, labels.known_at, places)
    if known_at.dtype.kind != "M":
        raise UnfitColumn(labels.known_at, f"holds {known_at.dtype}, a time is needed")
    known = known_at.view(np.int64)
    present = ~np.isnan(values)
    timeless = present & (known == NEVER)
    code = HistoryFaultCode.LABEL_FROM_THE_FUTURE
    tally.count(code, name, column, timeless, spine.units, f"have a label and no {labels.known_at}")
    early = present & ~timeless & (known < spine.times)
    what = f"were known ({labels.known_at}) before their event ({rows.source.event_time})"
    tally.count(code, name, column, early, spine.units, what)
    infinite = np.isinf(values)
    what = "are infinite; missing labels are to be null"
    tally.count(HistoryFaultCode.INFINITE_VALUES, name, column, infinite, spine.units, what)
    unknown = present & (known > as_of)
    masked = int(np.count_nonzero(unknown))
    return (np.where(unknown, np.nan, values) if masked else values), masked


def lacking_by_source(places: Mapping[str, NDArray[np.int64] | None]) -> dict[str, int]:
    """How many units of the spine each source lacks, where it lacks any."""
    lacking = {
        source: int(np.count_nonzero(found < 0))
        for source, found in places.items()
        if found is not None
    }
    return {source: count for source, count in lacking.items() if count}
