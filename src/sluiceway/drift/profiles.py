"""Profiles: what is kept of one column over one window, block by block.

A window profile is a set of closed blocks. Merging is the union of two such sets, so it is
associative and commutative by construction, a block can be permuted whole, and nothing counts
twice. What a summary loses of its block is stated (:attr:`NumericSummary.rank_error`).
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POINTS = 512
"""Order statistics kept of a block by default; blocks with fewer values are kept whole."""
CATEGORIES = 1000
"""Different categories above which a column is kept as counts of hashed groups."""
GROUPS = 256
"""Hashed groups of such a column."""
GROUP_NAMES = tuple(f"group {number:03d}" for number in range(GROUPS))


class Kind(StrEnum):
    """What a column holds. Two kinds in one column are MIXED; EMPTY goes with every kind."""

    EMPTY = "empty"
    NUMERIC = "numeric"
    CATEGORY = "category"
    TIMESTAMP = "timestamp"
    MIXED = "mixed"

    def with_(self, other: "Kind") -> "Kind":
        """The kind of both parts together."""
        if self is other or other is Kind.EMPTY:
            return self
        return other if self is Kind.EMPTY else Kind.MIXED


class Aspect(StrEnum):
    """What of a column is compared."""

    VALUES = "values"
    NULLS = "nulls"
    LAG = "lag"
    """Of a timestamp: event time − timestamp, in seconds."""
    CADENCE = "cadence"
    """Of a timestamp: time from one to the next inside a block, in seconds."""


class BlockProfiledTwiceError(ValueError):
    """A block is in both profiles; merging them would count its rows twice."""

    def __init__(self, blocks: tuple[str, ...]) -> None:
        self.blocks = blocks
        super().__init__(f"already profiled: {', '.join(blocks)}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NumericSummary:
    """Order statistics of a number, block by block.

    Of n finite values of a block at most K are kept: those of rank ⌈(i + ½) n/K⌉, i = 0..K−1, each
    standing for n/K. The block's empirical distribution function is then wrong by at most 1/(2K)
    anywhere, and exact where n ≤ K.

    Attributes:
        kept: Kept values of all blocks, ascending inside each, ``float64[points]``.
        points: How many of them each block keeps, ``int64[G]``.
        counts: Finite values of each block, ``int64[G]``.
        infinite: Infinite values of each block, ``int64[G]``.
        low: Least finite value of each block, NaN without one, ``float64[G]``.
        high: Greatest finite value, the same.
    """

    kept: Floats
    points: Ints
    counts: Ints
    infinite: Ints
    low: Floats
    high: Floats

    @property
    def total(self) -> int:
        """Finite values."""
        return int(self.counts.sum())

    @property
    def rank_error(self) -> float:
        """Largest error of the window's distribution function, a share."""
        cut = self.counts > self.points
        if not cut.any():
            return 0.0
        return float((self.counts[cut] / (2 * self.points[cut])).sum() / self.counts.sum())

    @property
    def weights(self) -> Floats:
        """How many values each kept one of a block stands for, ``float64[G]``."""
        weights = np.zeros(len(self.points))
        return np.divide(self.counts, self.points, out=weights, where=self.points > 0)

    def selected(self, places: Ints) -> "NumericSummary":
        """These blocks in this order; −1 stands for a block without values."""
        blank = len(self.points)
        places = np.where(places < 0, blank, places)

        def pick(column: NDArray[np.generic], missing: float) -> NDArray[np.generic]:
            return np.append(column, np.asarray(missing, dtype=column.dtype))[places]

        starts = np.concatenate(([0], np.cumsum(self.points)))
        parts = [self.kept[starts[at] : starts[at + 1]] for at in places if at < blank]
        return NumericSummary(
            kept=np.concatenate(parts) if parts else np.empty(0),
            points=pick(self.points, 0).astype(np.int64),
            counts=pick(self.counts, 0).astype(np.int64),
            infinite=pick(self.infinite, 0).astype(np.int64),
            low=pick(self.low, np.nan).astype(np.float64),
            high=pick(self.high, np.nan).astype(np.float64),
        )

    def followed_by(self, other: "NumericSummary") -> "NumericSummary":
        """The blocks of both, one after the other."""
        mine, theirs = _arrays(self), _arrays(other)
        return NumericSummary(**{k: np.concatenate((v, theirs[k])) for k, v in mine.items()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumericSummary) and _same(_arrays(self), _arrays(other))

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CategorySummary:
    """Counts of categories, block by block: exact, or exact for hashed groups.

    Attributes:
        labels: Categories, sorted; of a hashed column the names of its groups.
        table: Rows of each block and category, ``int64[G, C]``.
        hashed: Whether there were too many categories to keep them apart.
    """

    labels: tuple[str, ...]
    table: Ints
    hashed: bool = False

    @property
    def total(self) -> int:
        """Values."""
        return int(self.table.sum())

    def selected(self, places: Ints) -> "CategorySummary":
        """These blocks in this order; −1 stands for a block without values."""
        blank = np.zeros((1, len(self.labels)), dtype=np.int64)
        return replace(self, table=np.concatenate((self.table, blank))[places])

    def followed_by(self, other: "CategorySummary") -> "CategorySummary":
        """The blocks of both, one after the other, over the categories of both."""
        mine, theirs = alike(self, other)
        return limited(replace(mine, table=np.concatenate((mine.table, theirs.table))))

    def grouped(self) -> "CategorySummary":
        """The same in hashed groups; the group of a category is the same in every window."""
        if self.hashed:
            return self
        table = np.zeros((GROUPS, len(self.table)), dtype=np.int64)
        np.add.at(table, groups_of(self.labels), self.table.T)
        return CategorySummary(labels=GROUP_NAMES, table=np.ascontiguousarray(table.T), hashed=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CategorySummary):
            return NotImplemented
        return (self.labels, self.hashed) == (other.labels, other.hashed) and np.array_equal(
            self.table, other.table
        )

    __hash__ = None  # type: ignore[assignment]


Summary = NumericSummary | CategorySummary


def groups_of(labels: Iterable[str]) -> NDArray[np.intp]:
    """Number of the hashed group of each category."""
    texts = (one.encode("utf-8", "surrogatepass") for one in labels)
    return np.asarray([zlib.crc32(text) % GROUPS for text in texts], dtype=np.intp)


def limited(summary: CategorySummary) -> CategorySummary:
    """As it is, or in groups where there are too many categories."""
    return summary.grouped() if len(summary.labels) > CATEGORIES else summary


def alike(
    first: CategorySummary, second: CategorySummary
) -> tuple[CategorySummary, CategorySummary]:
    """Both over the same categories: the union, or the groups where either is hashed."""
    if first.hashed or second.hashed:
        return first.grouped(), second.grouped()
    labels = tuple(sorted({*first.labels, *second.labels}))
    if first.labels == second.labels:
        return first, second
    place = {label: number for number, label in enumerate(labels)}

    def over(summary: CategorySummary) -> CategorySummary:
        table = np.zeros((len(summary.table), len(labels)), dtype=np.int64)
        table[:, [place[label] for label in summary.labels]] = summary.table
        return replace(summary, labels=labels, table=table)

    return over(first), over(second)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnProfile:
    """One column over one window.

    Attributes:
        kind: What it holds; EMPTY where every value is missing.
        nulls: Missing values of each block, ``int64[G]``.
        parts: What is kept of the values: VALUES of numbers and categories, LAG (where event times
            are known) and CADENCE of timestamps; nothing of EMPTY and MIXED columns.
    """

    kind: Kind
    nulls: Ints
    parts: Mapping[Aspect, Summary] = field(default_factory=lambda: MappingProxyType({}))

    def selected(self, places: Ints) -> "ColumnProfile":
        """These blocks in this order."""
        parts = {aspect: part.selected(places) for aspect, part in self.parts.items()}
        return replace(self, nulls=self.nulls[places], parts=parts)

    def followed_by(self, other: "ColumnProfile") -> "ColumnProfile":
        """The blocks of both, one after the other."""
        kind = self.kind.with_(other.kind)
        nulls = np.concatenate((self.nulls, other.nulls))
        if kind is Kind.MIXED:
            return ColumnProfile(kind=kind, nulls=nulls)
        parts: dict[Aspect, Summary] = {}
        for aspect in sorted({*self.parts, *other.parts}):
            mine, theirs = self.parts.get(aspect), other.parts.get(aspect)
            if mine is None and theirs is not None:
                mine = theirs.selected(np.full(len(self.nulls), -1))
            elif theirs is None and mine is not None:
                theirs = mine.selected(np.full(len(other.nulls), -1))
            parts[aspect] = mine.followed_by(theirs)  # type: ignore[union-attr,arg-type]
        return ColumnProfile(kind=kind, nulls=nulls, parts=parts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColumnProfile):
            return NotImplemented
        return (
            self.kind is other.kind
            and np.array_equal(self.nulls, other.nulls)
            and dict(self.parts) == dict(other.parts)
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowProfile:
    """Columns over the closed blocks of one window.

    Attributes:
        blocks: Names of the G blocks, ascending, each once.
        rows: Rows of each block, missing values included, ``int64[G]``.
        columns: Profile of each column by its name.
        block: What one block is called, such as ``day``.
    """

    blocks: tuple[str, ...]
    rows: Ints
    columns: Mapping[str, ColumnProfile]
    block: str = "block"

    def merged(self, other: Self) -> "WindowProfile":
        """The blocks of both windows.

        Raises:
            BlockProfiledTwiceError: They share a block.
            ValueError: They hold different columns.
        """
        twice = tuple(sorted({*self.blocks} & {*other.blocks}))
        if twice:
            raise BlockProfiledTwiceError(twice)
        if set(self.columns) != set(other.columns):
            apart = sorted(set(self.columns) ^ set(other.columns))
            raise ValueError(f"both profiles need the same columns, not {', '.join(apart)} in one")
        names = (*self.blocks, *other.blocks)
        places = np.asarray(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
        columns = {
            name: column.followed_by(other.columns[name]).selected(places)
            for name, column in self.columns.items()
        }
        return WindowProfile(
            blocks=tuple(sorted(names)),
            rows=np.concatenate((self.rows, other.rows))[places],
            columns=columns,
            block=self.block,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WindowProfile):
            return NotImplemented
        return (
            (self.blocks, self.block) == (other.blocks, other.block)
            and np.array_equal(self.rows, other.rows)
            and dict(self.columns) == dict(other.columns)
        )

    __hash__ = None  # type: ignore[assignment]


def _arrays(summary: NumericSummary) -> dict[str, NDArray[np.generic]]:
    names = ("kept", "points", "counts", "infinite", "low", "high")
    return {name: getattr(summary, name) for name in names}


def _same(mine: dict[str, NDArray[np.generic]], theirs: dict[str, NDArray[np.generic]]) -> bool:
    return all(
        np.array_equal(one, theirs[name], equal_nan=one.dtype.kind == "f")
        for name, one in mine.items()
    )
