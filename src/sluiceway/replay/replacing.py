"""The same rows on other values of a source: what a chain would answer if a feed were in order.

A feed's true values of the rows at hand are not known, so two things stand in for them. *Matched*
values have the reference's level and scale in each block and keep the order of the rows; *drawn*
ones are whole rows of the reference, and say nothing of the rows at hand. Both lose something even
of a feed in order, so they are put on both sides of a comparison alike.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluiceway.replay.partitions import Column, Floats, Partition


class Treatment(StrEnum):
    """What stands in for a source's values, on both sides of the comparison alike."""

    MATCHED = "matched"
    """Within each block, reference values of the same rank: level and scale are the reference's,
    the order of the rows is kept. Undoes slips of unit, shifts, drifts of scale."""
    DRAWN = "drawn"
    """Whole rows of the reference, drawn at random: nothing the source says of a row is left."""


Replaced = tuple[tuple[str, Treatment], ...]
"""Sources with what stands in for their values."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceRows:
    """Raw columns over a recorded window, as they are when all is well.

    Attributes:
        columns: ``source.column`` to values of shape (rows,), all over the same rows.
        rows: How many.
    """

    columns: Mapping[str, Column]
    rows: int

    @staticmethod
    def of(partitions: Iterable[Partition], columns: Iterable[str]) -> "ReferenceRows":
        """Keep these columns of a window; times are left out, they belong to the row."""
        wanted = tuple(columns)
        parts: dict[str, list[Column]] = {name: [] for name in wanted}
        rows = 0
        for partition in partitions:
            rows += partition.rows
            for name in wanted:
                parts[name].append(partition.columns[name])
        kept = {name: np.concatenate(some) for name, some in parts.items() if some}
        return ReferenceRows(
            columns={name: column for name, column in kept.items() if column.dtype.kind != "M"},
            rows=rows,
        )

    def columns_of(self, source: str) -> tuple[str, ...]:
        """Names of the columns that are replaced with a source."""
        return tuple(name for name in self.columns if name.partition(".")[0] == source)


def replaced(
    partition: Partition, some: Replaced, reference: ReferenceRows, *, seed: int = 0
) -> Partition:
    """Give sources other values; a source gets the same ones whatever others are replaced."""
    for source, treatment in some:
        words = f"{source} {treatment} {partition.block_names[:1]}"
        draw = np.random.default_rng([seed, zlib.crc32(words.encode())])
        give = matched if treatment is Treatment.MATCHED else drawn
        partition = give(partition, source, reference, draw)
    return partition


def matched(
    partition: Partition, source: str, reference: ReferenceRows, draw: np.random.Generator
) -> Partition:
    """Give a source's numbers the reference's values of the same rank within each block.

    Args:
        partition: Holds whole blocks.
        draw: Breaks ties, so that a feed that stands still is spread over the reference.

    Returns:
        The same rows; text, and what is missing, stay as they are.
    """
    columns = {
        name: _matched(partition.columns[name], partition, reference.columns[name], draw)
        for name in reference.columns_of(source)
        if name in partition.columns
    }
    return replace(partition, columns={**partition.columns, **columns})


def _matched(
    values: Column, partition: Partition, reference: Column, draw: np.random.Generator
) -> Column:
    if values.dtype.kind != "f" or reference.dtype.kind != "f":
        return values
    usual = np.sort(reference[~np.isnan(reference)])
    there = np.flatnonzero(~np.isnan(values))
    if not len(usual) or not len(there):
        return values
    given = values.copy()
    codes = partition.block_codes[there]
    # Sorted by block, then value, then chance: the place in a block is the rank.
    order = there[np.lexsort((draw.random(len(there)), values[there], codes))]
    sizes = np.bincount(codes, minlength=len(partition.block_names))
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    shares: Floats = (np.arange(len(order)) - starts + 0.5) / np.repeat(sizes, sizes)
    given[order] = usual[(shares * len(usual)).astype(np.intp)]
    return given


def drawn(
    partition: Partition, source: str, reference: ReferenceRows, draw: np.random.Generator
) -> Partition:
    """Give each row a source's columns of some row of the reference, all of the same one."""
    names = [name for name in reference.columns_of(source) if name in partition.columns]
    if not names or not reference.rows:
        return partition
    chosen = _evenly(partition.rows, reference.rows, draw)
    columns = {
        name: _like(partition.columns[name], reference.columns[name][chosen]) for name in names
    }
    return replace(partition, columns={**partition.columns, **columns})


def _evenly(rows: int, out_of: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """Rows of the reference, each as often as any other, in random order."""
    times = -(-rows // out_of)
    return np.concatenate([draw.permutation(out_of) for _ in range(times)])[:rows]


def _like(old: Column, new: Column) -> Column:
    """Values of the reference are of the kind that the feature expects, whatever came live."""
    return new if new.dtype == old.dtype or pd.isna(old).all() else new.astype(old.dtype)
