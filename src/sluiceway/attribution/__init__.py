"""Where harm enters a chain, along which edges it travels, and what to take back."""

from sluiceway.attribution.freezing import TRIVIAL_SHARE, attribute, is_harmed
from sluiceway.attribution.values import (
    Attribution,
    EdgeHarm,
    Effect,
    GateHarm,
    HarmPath,
    Origin,
    Reversion,
)

__all__ = [
    "TRIVIAL_SHARE",
    "Attribution",
    "EdgeHarm",
    "Effect",
    "GateHarm",
    "HarmPath",
    "Origin",
    "Reversion",
    "attribute",
    "is_harmed",
]
