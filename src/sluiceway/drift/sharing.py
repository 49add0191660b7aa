"""A live window that grows is compared several times; all comparisons share one level."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sluiceway.drift.findings import DriftPolicy
from sluiceway.drift.profiles import WindowProfile

GROWTH = 1.25
"""A window is compared again when it has this many times the blocks of the last comparison.

A distance over twenty days hardly changes by one more, and each comparison costs its share of the
level. Nothing is found later than a quarter of the window after it could have been.
"""


def compared_sizes(longest: int, history: int, policy: DriftPolicy) -> tuple[int, ...]:
    """How many blocks the live window has each time it is compared, ascending.

    From the fewest blocks that can be permuted on; from a single block on where history is long
    enough for windows of one block to reach the shared level.

    Args:
        longest: Blocks that the live window can have at the most.
        history: Blocks of history.
        policy: Its level is that of all comparisons together.
    """
    permuted = _growing(policy.min_blocks, longest)
    early = tuple(size for size in _growing(1, longest) if size < policy.min_blocks)
    every = (*early, *permuted)
    if policy.psi_limit is None and every and history >= shared(policy, every).min_history:
        return every
    return permuted


def shared(policy: DriftPolicy, sizes: Sequence[int]) -> DriftPolicy:
    """The policy of one of these comparisons: each has an equal part of the level."""
    return replace(policy, alpha=policy.alpha / max(1, len(sizes)))


def is_due(sizes: Sequence[int], *, compared: int, blocks: int) -> bool:
    """Whether a window of so many blocks has outgrown the last comparison.

    Args:
        compared: Blocks of the last comparison, 0 before the first.
    """
    return any(compared < size <= blocks for size in sizes)


def next_size(sizes: Sequence[int], blocks: int) -> int | None:
    """Blocks at which a window of so many is compared next; None where it never is."""
    return next((size for size in sizes if size > blocks), None)


def history_windows(history: WindowProfile, blocks: int) -> tuple[WindowProfile, ...]:
    """History cut into disjoint windows of so many blocks, from its newest block backwards."""
    ends = range(len(history.blocks), blocks - 1, -blocks) if blocks > 0 else ()
    return tuple(between(history, end - blocks, end) for end in ends)


def between(window: WindowProfile, first: int, after: int) -> WindowProfile:
    """The blocks from place `first` up to, not including, place `after`."""
    places = np.arange(first, after)
    return replace(
        window,
        blocks=window.blocks[first:after],
        rows=window.rows[places],
        columns={name: column.selected(places) for name, column in window.columns.items()},
    )


def _growing(first: int, longest: int) -> tuple[int, ...]:
    sizes: list[int] = []
    size = first
    while size <= longest:
        sizes.append(size)
        size = max(size + 1, math.ceil(size * GROWTH))
    return tuple(sizes)
