"""Planning: what a canary needs before it begins, and what promotions may spend together."""

from sluiceway.planning.detectable import (
    Detectable,
    detectable_in_canary,
    detectable_in_replay,
)
from sluiceway.planning.harms import RecordedHarms, recorded_harms
from sluiceway.planning.power import CanaryPower, Fit, GatePower, plan_canary
from sluiceway.planning.schedule import Schedule

__all__ = [
    "CanaryPower",
    "Detectable",
    "Fit",
    "GatePower",
    "RecordedHarms",
    "Schedule",
    "detectable_in_canary",
    "detectable_in_replay",
    "plan_canary",
    "recorded_harms",
]
