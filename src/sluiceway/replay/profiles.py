"""Is a source's live feed still alive? Raw columns, block by block, against their own reference.

A frozen feed passes every check of single values: in range, not null, of the right type. It may
even vary, repeating one constant for each airport. What gives it away is time: the values of
today are those of yesterday.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats

from sluiceway.replay.partitions import Column, Partition

MIN_BLOCKS = 3
"""Fewest blocks in a row before a feed is called stuck or shifted."""
STUCK_SHARE = 0.05
"""A block is stuck with at most this share of the different values the reference lets expect."""
SHIFT_RANGES = 1.0
"""Blocks are shifted whose median lies this many reference ranges outside the reference's range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockProfile:
    """One raw column over one block.

    Attributes:
        column: ``source.column``.
        block: Name of the block.
        rows: Rows, missing values included.
        missing: Missing values.
        distinct: Different values.
        median: Of the numbers, in the column's unit; None for text, times, or without values.
        spread: Interquartile range of the numbers, in the column's unit; None likewise.
        digest: Equal for equal sets of values.
    """

    column: str
    block: str
    rows: int
    missing: int
    distinct: int
    median: float | None
    digest: str
    spread: float | None = None


class FindingKind(StrEnum):
    """What is wrong with a feed."""

    STUCK = "stuck"
    SHIFTED = "shifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFinding:
    """A live column that does not behave as its reference does.

    Attributes:
        source: Name of the source.
        column: Its column.
        blocks: Latest live blocks in a row that look so.
        live_blocks: Live blocks looked at.
        reference_blocks: Blocks of the reference.
        reference_like_it: Reference blocks that looked so.
        live: Stuck: most different values in one of those blocks; shifted: the median block
            median, in the column's unit.
        reference: The median of the same over the reference's blocks.
        what: In words, with these numbers.
    """

    kind: FindingKind
    source: str
    column: str
    blocks: int
    live_blocks: int
    reference_blocks: int
    reference_like_it: int
    live: float
    reference: float
    what: str


def profile_blocks(partition: Partition, columns: Iterable[str]) -> tuple[BlockProfile, ...]:
    """Profile raw columns of a partition, block by block; partitions hold whole blocks."""
    edges = np.searchsorted(partition.block_codes, np.arange(len(partition.block_names) + 1))
    return tuple(
        _profile(column, block, partition.columns[column][edges[place] : edges[place + 1]])
        for column in columns
        for place, block in enumerate(partition.block_names)
    )


def _profile(column: str, block: str, values: Column) -> BlockProfile:
    there = values[~pd.isna(values)]
    different = pd.unique(there)
    texts = sorted(map(repr, different.tolist()))
    numbers = values.dtype.kind == "f" and len(there) > 0
    low, middle, high = np.quantile(there, (0.25, 0.5, 0.75)) if numbers else (0.0, 0.0, 0.0)
    return BlockProfile(
        column=column,
        block=block,
        rows=len(values),
        missing=len(values) - len(there),
        distinct=len(different),
        median=float(middle) if numbers else None,
        digest=hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16],
        spread=float(high - low) if numbers else None,
    )


def stuck_or_shifted(
    live: Sequence[BlockProfile], reference: Sequence[BlockProfile]
) -> Mapping[str, tuple[FeedFinding, ...]]:
    """Find live columns that stand still, or lie far from where they ever were.

    A block counts as *stuck* when its different values are at most 5 % of what the reference's
    share of different values lets expect of so many rows, or when they are exactly the values of
    the block before. A column is stuck when its latest 3 or more live blocks are, in a row, and
    the reference never had so long a run. It is *shifted* when the medians of its latest 3 or more
    blocks lie outside the range of the reference's block medians by more than that whole range.

    Args:
        live: Profiles of live blocks, any order.
        reference: Profiles of the same columns over recorded history.

    Returns:
        Findings by source, stuck columns first, the plainest before others. A column without
        reference is never found.
    """
    findings = []
    for column in sorted({one.column for one in live}):
        now, before = _of(live, column), _of(reference, column)
        if len(now) >= MIN_BLOCKS and len(before) >= MIN_BLOCKS:
            findings += _stuck(now, before) or _shifted(now, before)
    # The plainest first: the fewest values of those that there used to be.
    findings.sort(key=lambda one: (one.kind is not FindingKind.STUCK, _plainness(one)))
    return {
        source: tuple(one for one in findings if one.source == source)
        for source in dict.fromkeys(one.source for one in findings)
    }


def differing_sources(
    live: Sequence[BlockProfile], reference: Sequence[BlockProfile], *, alpha: float = 0.05
) -> tuple[str, ...]:
    """Sources with a column that looks otherwise than it did, block for block.

    Blocks are compared, not rows, so that ordinary differences between days are none: by the rank
    test of Mann & Whitney (1947), *Annals of Mathematical Statistics* 18, over each column's block
    medians, spreads and shares of missing values, at a level that all of these share (Bonferroni);
    a column that is stuck (:func:`stuck_or_shifted`) differs too. To differ is not to be broken: it
    says where it is worth looking.

    Returns:
        Names, sorted. A column with fewer than 3 blocks on a side is never found.
    """
    columns = sorted({one.column for one in live} & {one.column for one in reference})
    found = set(stuck_or_shifted(live, reference))
    for column in columns:
        sides = [
            np.asarray([_aspects(one) for one in some if one.column == column and one.rows])
            for some in (live, reference)
        ]
        if min(map(len, sides)) < MIN_BLOCKS:
            continue
        level = alpha / (len(columns) * sides[0].shape[1])
        for now, past in zip(sides[0].T, sides[1].T, strict=True):
            now, past = now[np.isfinite(now)], past[np.isfinite(past)]
            if len(now) < MIN_BLOCKS or len(past) < MIN_BLOCKS:
                continue
            if stats.mannwhitneyu(now, past, method="asymptotic").pvalue < level:
                found.add(column.partition(".")[0])
    return tuple(sorted(found))


def _aspects(one: BlockProfile) -> tuple[float, float, float]:
    median, spread = (np.nan if part is None else part for part in (one.median, one.spread))
    return median, spread, one.missing / one.rows


def _plainness(finding: FeedFinding) -> float:
    return finding.live / finding.reference if finding.kind is FindingKind.STUCK else 0.0


def _of(profiles: Sequence[BlockProfile], column: str) -> list[BlockProfile]:
    mine = (one for one in profiles if one.column == column and one.rows > one.missing)
    return sorted(mine, key=lambda one: one.block)


def _stuck(live: list[BlockProfile], reference: list[BlockProfile]) -> list[FeedFinding]:
    usual = float(np.median([one.distinct for one in reference]))
    share = float(np.median([one.distinct / (one.rows - one.missing) for one in reference]))

    def looks(blocks: list[BlockProfile]) -> list[bool]:
        repeats = [False, *(b.digest == a.digest for a, b in pairwise(blocks))]
        # A run of repeats begins with the block that is repeated.
        if len(repeats) > 1 and repeats[1]:
            repeats[0] = True
        poor = [
            one.distinct <= STUCK_SHARE * min(usual, share * (one.rows - one.missing))
            for one in blocks
        ]
        return [a or b for a, b in zip(repeats, poor, strict=True)]

    run = _latest_run(looks(live))
    like_it = looks(reference)
    if run < MIN_BLOCKS or _longest_run(like_it) >= run:
        return []
    source, _, column = live[0].column.partition(".")
    most = max(one.distinct for one in live[-run:])
    lively = len(reference) - sum(like_it)
    what = (
        f"{source}.{column}: the latest {run} of {len(live)} live blocks repeat at most {most} "
        f"different values; in the reference {lively} of {len(reference)} blocks varied, "
        f"with {usual:g} different values in the middle one"
    )
    return [
        FeedFinding(
            kind=FindingKind.STUCK,
            source=source,
            column=column,
            blocks=run,
            live_blocks=len(live),
            reference_blocks=len(reference),
            reference_like_it=sum(like_it),
            live=float(most),
            reference=usual,
            what=what,
        )
    ]


def _shifted(live: list[BlockProfile], reference: list[BlockProfile]) -> list[FeedFinding]:
    past = np.asarray([one.median for one in reference if one.median is not None], dtype=float)
    now = np.asarray([one.median for one in live if one.median is not None], dtype=float)
    if len(past) < MIN_BLOCKS or len(now) < MIN_BLOCKS:
        return []
    low, high = float(past.min()), float(past.max())
    slack = SHIFT_RANGES * (high - low)
    outside = [(one < low - slack) or (one > high + slack) for one in now.tolist()]
    run = _latest_run(outside)
    # A column that was always the same has no range to measure a shift by.
    if run < MIN_BLOCKS or slack == 0:
        return []
    source, _, column = live[0].column.partition(".")
    middle = float(np.median(now[-run:]))
    what = (
        f"{source}.{column}: the medians of the latest {run} of {len(now)} live blocks lie around "
        f"{middle:g}; in the reference all {len(past)} lay between {low:g} and {high:g}"
    )
    return [
        FeedFinding(
            kind=FindingKind.SHIFTED,
            source=source,
            column=column,
            blocks=run,
            live_blocks=len(now),
            reference_blocks=len(past),
            reference_like_it=0,
            live=middle,
            reference=float(np.median(past)),
            what=what,
        )
    ]


def _latest_run(flags: Collection[bool]) -> int:
    run = 0
    for flag in reversed(list(flags)):
        if not flag:
            break
        run += 1
    return run


def _longest_run(flags: Iterable[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest
