"""Of many slices the few that a person should see."""

import math
from collections.abc import Sequence

from sluiceway.gates import Verdict
from sluiceway.reports.figures import count

SHOWN = 8
"""Slices shown at the most, the worst first."""


def worst_slices(verdicts: Sequence[Verdict], *, most: int = SHOWN) -> tuple[Verdict, ...]:
    """The slices that fared worst: by outcome, then by what of the margin they surely exceed."""

    def badness(one: Verdict) -> tuple[int, float, float]:
        estimate, size = one.estimate, one.gate.margin or 1.0
        if estimate is None:
            return one.outcome.severity, -math.inf, -math.inf
        low = -math.inf if estimate.low is None else estimate.low / size
        return one.outcome.severity, low, estimate.harm / size

    return tuple(sorted(verdicts, key=badness, reverse=True)[:most])


def slices_said(verdicts: Sequence[Verdict]) -> str:
    """How many slices are watched and how many are shown."""
    shown = min(len(verdicts), SHOWN)
    found = sum(one.gate.slice is not None and one.gate.slice.variable is None for one in verdicts)
    by_itself = f", {found} of them found in shadow and judged on other days" if found else ""
    which = "all of them" if shown == len(verdicts) else f"the {shown} that fared worst"
    return (
        f"{count(len(verdicts), 'slice')} watched{by_itself}; shown: {which}. "
        "Each is a guard: it may stop the rollout and need not pass."
    )
