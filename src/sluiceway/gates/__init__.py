"""Gates: policies that turn evidence into PASSED, INCONCLUSIVE, FAILED or ERROR with a reason."""

from sluiceway.gates.canary import judge_canary
from sluiceway.gates.cross_check import (
    CONTRADICTION_LEVEL,
    CrossCheck,
    begun,
    contradictions,
)
from sluiceway.gates.declared import Comparison, Gate, Levels, Role
from sluiceway.gates.replay import Sums, judge_replay
from sluiceway.gates.verdicts import (
    CanaryJudgement,
    HarmEstimate,
    Reason,
    Verdict,
    combine,
    made_stale,
)
from sluiceway.gates.wording import render, render_contradiction, render_cross_check

__all__ = [
    "CONTRADICTION_LEVEL",
    "CanaryJudgement",
    "Comparison",
    "CrossCheck",
    "Gate",
    "HarmEstimate",
    "Levels",
    "Reason",
    "Role",
    "Sums",
    "Verdict",
    "begun",
    "combine",
    "contradictions",
    "judge_canary",
    "judge_replay",
    "made_stale",
    "render",
    "render_contradiction",
    "render_cross_check",
]
