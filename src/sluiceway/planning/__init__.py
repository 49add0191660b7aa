"""Planning: what a canary needs before it begins, and what promotions may spend together."""

from sluiceway.planning.block_length import (
    BlockLength,
    block_length,
    in_blocks,
    render_block_length,
)
from sluiceway.planning.detectable import (
    Detectable,
    detectable_in_canary,
    detectable_in_replay,
)
from sluiceway.planning.harms import RecordedHarms, recorded_harms
from sluiceway.planning.power import CanaryPower, Fit, GatePower, plan_canary
from sluiceway.planning.schedule import GROWS_UP_TO_LOG_E, Schedule
from sluiceway.planning.wording import render_detectable, render_power

__all__ = [
    "GROWS_UP_TO_LOG_E",
    "BlockLength",
    "CanaryPower",
    "Detectable",
    "Fit",
    "GatePower",
    "RecordedHarms",
    "Schedule",
    "block_length",
    "detectable_in_canary",
    "detectable_in_replay",
    "in_blocks",
    "plan_canary",
    "recorded_harms",
    "render_block_length",
    "render_detectable",
    "render_power",
]
