"""Drift: is this window of a column still drawn from what its reference was drawn from?"""

from sluiceway.drift.findings import (
    Distance,
    DriftFinding,
    DriftPolicy,
    DriftReason,
    DriftReport,
    Method,
    Side,
)
from sluiceway.drift.judging import drift_report
from sluiceway.drift.profiles import (
    Aspect,
    BlockProfiledTwiceError,
    ColumnProfile,
    Kind,
    WindowProfile,
)
from sluiceway.drift.profiling import profile_window
from sluiceway.drift.sharing import (
    compared_sizes,
    history_windows,
    is_due,
    next_size,
    shared,
)
from sluiceway.drift.storing import as_json, from_json
from sluiceway.drift.wording import render, render_short

__all__ = [
    "Aspect",
    "BlockProfiledTwiceError",
    "ColumnProfile",
    "Distance",
    "DriftFinding",
    "DriftPolicy",
    "DriftReason",
    "DriftReport",
    "Kind",
    "Method",
    "Side",
    "WindowProfile",
    "as_json",
    "compared_sizes",
    "drift_report",
    "from_json",
    "history_windows",
    "is_due",
    "next_size",
    "profile_window",
    "render",
    "render_short",
    "shared",
]
