"""Where harm enters a chain, along which edges it travels, and what to take back."""

from sluiceway.attribution.freezing import TRIVIAL_SHARE, attribute, is_harmed
from sluiceway.attribution.values import (
    Attribution,
    EdgeHarm,
    Effect,
    GateHarm,
    HarmPath,
    Interaction,
    Origin,
    Reversion,
    ShapleyShare,
    SourceAttribution,
    SourceHarm,
    SourceReplacement,
    Treatment,
    Undecided,
)

__all__ = [
    "TRIVIAL_SHARE",
    "Attribution",
    "EdgeHarm",
    "Effect",
    "GateHarm",
    "HarmPath",
    "Interaction",
    "Origin",
    "Reversion",
    "ShapleyShare",
    "SourceAttribution",
    "SourceHarm",
    "SourceReplacement",
    "Treatment",
    "Undecided",
    "attribute",
    "is_harmed",
]
