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
from sluiceway.drift.storing import as_json, from_json
from sluiceway.drift.wording import render

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
    "drift_report",
    "from_json",
    "profile_window",
    "render",
]
