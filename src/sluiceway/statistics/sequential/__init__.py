"""One gate's evidence over closed blocks: small, serialisable, valid at every look.

Every state has one interface: ``enter(closed block) -> state``, ``log_e_harm(margin)``,
``log_e_safety(margin)``, ``confidence_sequence(alpha)``. Which one a gate has is its plan's choice
(:func:`method_for`).
"""

from sluiceway.statistics.sequential.betting import BettingHarm
from sluiceway.statistics.sequential.closed import (
    ArmLabels,
    BlockHarm,
    Stratum,
    block_harms,
    with_differences,
)
from sluiceway.statistics.sequential.discordant import DiscordantPairs
from sluiceway.statistics.sequential.entered import BlockEnteredTwiceError, Entered
from sluiceway.statistics.sequential.events import UnpairedEvents
from sluiceway.statistics.sequential.method import (
    BY_BLOCKS,
    Evidence,
    Method,
    SequentialState,
    method_for,
)
from sluiceway.statistics.sequential.t_mixture import SequentialHarm

__all__ = [
    "BY_BLOCKS",
    "ArmLabels",
    "BettingHarm",
    "BlockEnteredTwiceError",
    "BlockHarm",
    "DiscordantPairs",
    "Entered",
    "Evidence",
    "Method",
    "SequentialHarm",
    "SequentialState",
    "Stratum",
    "UnpairedEvents",
    "block_harms",
    "method_for",
    "with_differences",
]
