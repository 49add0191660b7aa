"""What readers of a feature that is cut off receive, and which versions a flag may ask."""

from math import nan

from sluiceway.serving.served import Version
from sluiceway.system.values import System


def feature_default(system: System, feature: str) -> float | str:
    """What readers of a feature receive while it is cut off; NaN where that is nothing.

    Raises:
        KeyError: There is no such feature.
    """
    declared = system.features[feature].safe_default
    return nan if declared is None else declared


def versions_named(system: System) -> frozenset[Version]:
    """Every version that a flag pins; they have to be loaded, so that a switch needs no load."""
    return frozenset(pinned for flag in system.flags.values() for pinned in flag.versions)
