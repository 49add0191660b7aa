"""Units that come twice in a history, however far apart."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sluiceway.adapters.opened_sources import OpenedSource
from sluiceway.adapters.source_rows import FaultTally, units_of
from sluiceway.ports import Window
from sluiceway.replay.faults import HistoryFaultCode
from sluiceway.replay.partitions import Column


def hashes_of(units: Column) -> NDArray[np.int64]:
    """One number a unit; whole numbers stand for themselves."""
    if units.dtype.kind == "i":
        return units.astype(np.int64, copy=False)
    return np.fromiter(map(hash, units), dtype=np.int64, count=len(units))


def tell_repeated(
    reads: Sequence[OpenedSource],
    pieces: Sequence[Window],
    seen: Sequence[NDArray[np.int64]],
    unit: str,
    tally: FaultTally,
) -> None:
    """Find units that come twice; equal hashes are only a hint, the units themselves decide."""
    hashes = np.sort(np.concatenate([np.empty(0, np.int64), *seen]))
    doubtful = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if not len(doubtful):
        return
    everywhere: dict[str | int, set[int]] = {}
    for read in (read for read in reads if not read.holds_labels):
        times: Counter[str | int] = Counter()
        names = (unit, read.source.event_time)
        for place, table in enumerate(read.tables(names, pieces, tally)):
            units = units_of(table.column(unit), unit).to_numpy(zero_copy_only=False)
            for one in units[np.isin(hashes_of(units), doubtful)].tolist():
                times[one] += 1
                everywhere.setdefault(one, set()).add(place)
        twice = [one for one, count in times.items() if count > 1]
        extra = sum(times[one] - 1 for one in twice)
        code, what = HistoryFaultCode.DUPLICATE_UNITS, "name a unit again; each is there once"
        first = read.source.name
        tally.count(code, first, None, np.ones(extra, bool), twice[:1], what)
    if not tally:
        scattered = [one for one, where in everywhere.items() if len(where) > 1]
        code = HistoryFaultCode.EVENT_TIME_DISAGREES
        what = "have event times far apart in two sources"
        tally.count(code, unit, None, np.ones(len(scattered), bool), scattered, what)
