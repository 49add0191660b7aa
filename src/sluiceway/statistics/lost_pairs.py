"""Whether both arms lose their pairs alike: those that are left are a selection where they do not.

What makes pairs get lost ends many of them at once: a process that is killed, a pass that fails. So
not the pair is the observation but a part of a block. Where m pairs were lost in it, x of them of
units that the candidate answered, and π was the candidate's share of the units to be paired,

    d = Σ (x - m π) / Σ m        (sums over the part's routing revisions)

has mean 0 where a unit's pair is lost as easily in either arm, however many go together, because
who answers a unit was drawn for each unit by itself. d lies in [-1, 1], so bets on it are an exact
e-process (:class:`~sluiceway.statistics.sequential.BettingHarm`), here on both sides. It is derived
from the log of answers, so nothing has to be remembered between looks.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from sluiceway.statistics.sequential import BettingHarm, BlockHarm, Stratum

PARTS = 24
"""Parts of a block: what makes pairs get lost together is over within an hour of a day."""

_EXPECTED = 10.0
"""Information the bets are made for: some dozens of parts, most pairs of one arm."""


def log_e_unequal(parts: Iterable[Sequence[Stratum]]) -> float:
    """Log e-value against "a pair is lost as easily in either arm", valid at every look.

    Args:
        parts: Of each part of a block, in order of time, its strata: units that were to be paired
            and, as events, those whose pair was lost. Parts without a lost pair say nothing, nor do
            strata with one arm only.
    """
    bets = BettingHarm(margin=0.0, reach=1.0, expected=_EXPECTED)
    for number, strata in enumerate(parts):
        both = [one for one in strata if one.baseline_units and one.candidate_units]
        lost = sum(one.baseline_events + one.candidate_events for one in both)
        if lost:
            off = sum(map(_beyond_share, both)) / lost
            bets = bets.enter(
                BlockHarm(
                    block=str(number),
                    harm=off,
                    baseline=None,
                    candidate=None,
                    rows=1,
                    differences=np.asarray([off]),
                )
            )
    both_sides = np.logaddexp(bets.log_e_harm(0.0), bets.log_e_safety(0.0))
    return float(both_sides) - math.log(2)


def _beyond_share(one: Stratum) -> float:
    """How many more of the lost pairs are the candidate's than its share of the units is."""
    lost = one.baseline_events + one.candidate_events
    share = one.candidate_units / (one.baseline_units + one.candidate_units)
    return one.candidate_events - lost * share
