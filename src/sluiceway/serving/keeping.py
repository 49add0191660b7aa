"""What of a question may be written down: everything, a sample, or nothing; some of it hashed."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluiceway.errors import BadInput, Fault
from sluiceway.routing import in_canary
from sluiceway.system.values import System

SHORTEST_KEY = 16
"""Bytes below which a key can be guessed."""

_SALT = "logged inputs"
"""Of the draw of units whose inputs are kept; no rollout has such an id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How questions are written down.

    Attributes:
        share: Percent of units whose inputs are kept, 0 to 100; a unit is always drawn alike.
        excluded: Input columns that are never kept, whatever name they came under.
        hashed: Input columns of which only a keyed hash is kept.
        hash_units: Whether units are kept as keyed hashes too.
        key: Of the hashes; empty where nothing is hashed.
    """

    share: int = 100
    excluded: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    hash_units: bool = False
    key: bytes = b""

    @staticmethod
    def of(system: System, key: bytes | None) -> "Keeping":
        """What a system file says.

        Args:
            key: Of the hashes; at least 16 bytes.

        Raises:
            BadInput: Something is to be hashed and there is no usable key.
        """
        policy = system.logging
        if policy.hashed and (key is None or len(key) < SHORTEST_KEY):
            lacks = "is not set" if key is None else f"has {len(key)} bytes"
            what = (
                f"{lacks}; logging.hash needs a secret of at least {SHORTEST_KEY} bytes, the same "
                "in every gateway and wherever labels are loaded"
            )
            raise BadInput([Fault(where="SLUICEWAY_HASH_KEY", what=what)])
        return Keeping(
            share=policy.inputs,
            excluded=columns_with(system, policy.excluded),
            hashed=columns_with(system, policy.hashed - {system.unit}),
            hash_units=system.unit in policy.hashed,
            key=key or b"",
        )

    def drawn(self, units: Iterable[str], rows: int) -> NDArray[np.bool_]:
        """Units whose inputs are kept, ``bool[rows]``."""
        if self.share in (0, 100):
            return np.full(rows, self.share == 100, dtype=np.bool_)
        return np.asarray(in_canary(_SALT, units, self.share), dtype=np.bool_)

    def keeps(self, column: str) -> bool:
        """Whether a column may be kept, in the clear or hashed."""
        return bare(column) not in self.excluded

    def hides(self, column: str) -> bool:
        """Whether only a hash of it may be kept."""
        return bare(column) in self.hashed

    def unit(self, unit: str) -> str:
        """A unit as it is kept."""
        return self.hash(unit) if self.hash_units else unit

    def hash(self, text: str) -> str:
        """The keyed hash of a text: HMAC-SHA256, 64 hexadecimal digits."""
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()


def bare(column: str) -> str:
    """A column's name without the version of the feature: ``delay@2.0.0`` is ``delay``."""
    return column.partition("@")[0]


def columns_with(system: System, names: Iterable[str]) -> frozenset[str]:
    """All columns under which a request may carry what is named.

    A feature and the column that it is as it stands are the same value under two names. What is
    made of a named column tells of it too.

    Args:
        names: Features, and columns of sources (``schedule.origin``).
    """
    found = set(names)
    while True:
        more = set()
        for feature in system.features.values():
            for version in feature.versions.values():
                if found.intersection(version.reads):
                    more.add(feature.name)
                if feature.name in found and version.transformation is None:
                    more.update(version.reads)
        if more <= found:
            return frozenset(found)
        found |= more
