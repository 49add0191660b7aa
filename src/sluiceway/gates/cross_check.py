"""The unpaired estimate of a paired gate: a cross-check, and what follows where it disagrees.

It passes nothing and fails nothing. Where both estimates contradict each other beyond chance, one
of them is not what it is taken for, and nobody is promoted on it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from sluiceway.statistics.sequential import BlockHarm, SequentialHarm

CONTRADICTION_LEVEL = 1e-3
"""Probability that estimates of one harm are ever said to contradict, over all gates and looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """What one paired gate's own units have shown. Starts as ``CrossCheck()``.

    Attributes:
        own: Harm by what each arm's own units received, block by block, in the metric's unit.
        parted: Harm by own units minus harm by pairs of the same blocks; its ``mean_baseline`` is
            the harm by pairs there, its ``mean_candidate`` the harm by own units. Of metrics that
            are no mean over rows nothing enters: with few rows they are biased, which is no
            contradiction.
    """

    own: SequentialHarm = field(default_factory=SequentialHarm)
    parted: SequentialHarm = field(default_factory=SequentialHarm)

    def enter(self, own: BlockHarm, parted: BlockHarm) -> Self:
        """The state after one more closed block.

        Raises:
            BlockEnteredTwiceError: The block counts already, or is not after the last that does.
        """
        return type(self)(own=self.own.enter(own), parted=self.parted.enter(parted))

    @property
    def log_e(self) -> float:
        """Log e-value against "both estimate the same harm", two-sided, valid at every look."""
        sides = self.parted.log_e_harm(0.0), self.parted.log_e_safety(0.0)
        return float(np.logaddexp(*sides)) - math.log(2)


def contradictions(checks: Mapping[str, CrossCheck]) -> tuple[str, ...]:
    """Names of the gates whose two estimates contradict each other.

    Args:
        checks: By name, every paired gate of the plan: they share the level.
    """
    needed = math.log(len(checks) / CONTRADICTION_LEVEL) if checks else math.inf
    return tuple(name for name, one in checks.items() if one.log_e >= needed)


def begun(names: Iterable[str], before: Mapping[str, CrossCheck]) -> dict[str, CrossCheck]:
    """The checks of these gates as far as they have come."""
    return {name: before.get(name, CrossCheck()) for name in names}
