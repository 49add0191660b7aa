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

TOTAL_WEIGHT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRoute:
    """The candidate's share of the traffic.

    Attributes:
        rollout_id: Whose candidate it is; also the salt of the assignment.
        release: Content hash of the candidate release.
        weight: Percent of units it answers, 0 to 100.
        mirror: Percent of the champion's units it answers too, off the path, 0 to 100.
    """

    rollout_id: str
    release: str
    weight: int
    mirror: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRoute:
    """What served before a promotion and keeps answering a copy of the traffic.

    Attributes:
        rollout_id: Whose promotion is watched.
        release: Content hash of the release that answers, off the path.
        mirror: Percent of units it answers.
    """

    rollout_id: str
    release: str
    mirror: int


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
    """

    revision: int
    generation: int
    release: str
    canaries: tuple[CanaryRoute, ...] = ()
    watches: tuple[WatchRoute, ...] = ()
    cut: tuple[str, ...] = ()


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
