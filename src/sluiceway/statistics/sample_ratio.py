"""Whether the arms received the shares of units that the router was told to give them.

Each routing revision has an e-process of its own against "a newly assigned unit goes to the
candidate with the logged weight w": with x of n units, the two-sided beta mixture

    log e = betaln(a + x, b + n - x) - betaln(a, b) - x log w - (n - x) log(1 - w)

with a = 1000 w, b = 1000 (1 - w). It depends on the counts alone, so nothing has to be remembered
between looks. The r-th revision has the share 6/(π²r²) of the level: over all looks and revisions
a sound router is called broken with at most the level. Source: Lindon & Malek (2022),
"Anytime-valid inference for multinomial count data", NeurIPS.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

_CONCENTRATION = 1_000.0
"""Prior units: shares that are off by 3 points at weight 50 are what it looks for first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Newly assigned units under one routing revision; each unit in its first revision only.

    Attributes:
        revision: Number of the routing table.
        weight: Percent of units that were to go to the candidate, as logged with the answers.
        candidate: Units that did.
        units: All of them.
    """

    revision: int
    weight: float
    candidate: int
    units: int

    @property
    def log_e(self) -> float:
        """Log e-value against the logged weight; infinite for what a sound router cannot do."""
        share, x, n = self.weight / 100, self.candidate, self.units
        if not 0 <= x <= n or not 0 <= share <= 1:
            return math.inf
        if share in (0, 1):
            return 0.0 if x == n * share else math.inf
        a, b = _CONCENTRATION * share, _CONCENTRATION * (1 - share)
        mixture = float(special.betaln(a + x, b + n - x) - special.betaln(a, b))
        return mixture - x * math.log(share) - (n - x) * math.log1p(-share)


def broken_ratio(assigned: Sequence[Assigned], level: float) -> Assigned | None:
    """The first revision whose units were not shared out as logged; None where none is.

    Args:
        assigned: One for each pair of revision and weight since the evidence began.
        level: Probability that a sound router is ever called broken.
    """
    ordered = sorted(assigned, key=lambda one: (one.revision, one.weight))
    for place, one in enumerate(ordered, start=1):
        if one.log_e >= -math.log(level * 6 / (math.pi * place) ** 2):
            return one
    return None
