"""Where harm enters a chain, along which edges it travels, and what to take back."""

from sluiceway.attribution.freezing import TRIVIAL_SHARE, attribute, is_harmed
from sluiceway.attribution.sources import SourceArm, attribute_sources, find_source, with_sources
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
    "SourceArm",
    "SourceAttribution",
    "SourceHarm",
    "SourceReplacement",
    "Undecided",
    "attribute",
    "attribute_sources",
    "find_source",
    "is_harmed",
    "with_sources",
]
