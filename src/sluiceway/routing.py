"""Which arm answers which unit: one salted hash per unit, the same in every process.

The arm is flagd's ``fractional`` over ``cat(salt, unit)``: MurmurHash3 (x86, 32 bit, seed 0) of
the text's canonical CBOR encoding, scaled to the weights' total. The canary is listed first, so
that a growing weight only ever adds units to it, and the salt is fixed per rollout, so that
rollouts are independent.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cbor2
import mmh3
import numpy as np

from sluiceway.system.flags import Flag

TOTAL_WEIGHT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRoute:
    """The candidate's share of the traffic.

    Attributes:
        rollout_id: Whose candidate it is; also the salt of the assignment.
        release: Content hash of the candidate release.
        weight: Percent of units it answers, 0 to 100.
        mirror: Percent of the champion's units it answers too, off the path, 0 to 100.
        halted: The hard rule that it broke, for which it answers nobody; None where it broke none.
    """

    rollout_id: str
    release: str
    weight: int
    mirror: int
    halted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRoute:
    """What served before a promotion and keeps answering a copy of the traffic.

    Attributes:
        rollout_id: Whose promotion is watched.
        release: Content hash of the release that answers, off the path.
        mirror: Percent of units it answers.
        halted: The hard rule that what was promoted broke, for which this release answers again;
            None where it broke none.
    """

    rollout_id: str
    release: str
    mirror: int
    halted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRoute:
    """A declared flag, and what a person chose of it.

    Attributes:
        chosen: Name of the variant that everybody takes, whatever the flag's rules say; None
            leaves it to them.
    """

    flag: Flag
    chosen: str | None = None

    @property
    def is_neutral(self) -> bool:
        """Whether nobody can take another path than the declared one."""
        if self.chosen is not None:
            return self.flag.variants[self.chosen].is_neutral
        if self.flag.targeting is None:
            return self.flag.variants[self.flag.default].is_neutral
        return all(variant.is_neutral for variant in self.flag.variants.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTable:
    """Everything a server needs to know to answer.

    Attributes:
        revision: Position in the journal of the newest event it follows from; grows only.
        generation: The champion's generation.
        release: Content hash of the champion release.
        canaries: Candidates in canary; their blast radii do not overlap.
        watches: Releases whose replacement is being watched.
        cut: Names of edges that are isolated; their consumers receive safe defaults.
        flags: Switches between inference paths, by name in order.
    """

    revision: int
    generation: int
    release: str
    canaries: tuple[CanaryRoute, ...] = ()
    watches: tuple[WatchRoute, ...] = ()
    cut: tuple[str, ...] = ()
    flags: tuple[FlagRoute, ...] = ()


def in_canary(salt: str, units: Iterable[str], weight: int) -> np.ndarray:
    """Which units the canary answers.

    Args:
        salt: Fixed per rollout.
        weight: Percent of units, 0 to 100.

    Returns:
        Array of bool, shape (units,).
    """
    hashes = np.fromiter((_hash(f"{salt}{unit}") for unit in units), dtype=np.uint64)
    return ((hashes * np.uint64(TOTAL_WEIGHT)) >> np.uint64(32)) < np.uint64(weight)


def _hash(text: str) -> int:
    return mmh3.hash(cbor2.dumps(text, canonical=True), signed=False)
