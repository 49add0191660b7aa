"""Which method reads a gate's evidence: chosen by the plan, before the first look."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sluiceway.errors import BadInput, Fault
from sluiceway.statistics.metrics import Metric
from sluiceway.statistics.sequential.betting import BettingHarm
from sluiceway.statistics.sequential.closed import has_zero_one_losses
from sluiceway.statistics.sequential.discordant import DiscordantPairs
from sluiceway.statistics.sequential.events import UnpairedEvents
from sluiceway.statistics.sequential.priors import DEFAULT_EXPECTED
from sluiceway.statistics.sequential.t_mixture import SequentialHarm


class Method(StrEnum):
    """How evidence is read."""

    T_MIXTURE = "t_mixture"
    """Block harms; asks nothing of rows. The default."""
    BETA_MIXTURE = "beta_mixture"
    """Counts of pairs that differ: 0–1 losses, paired, independent units."""
    BETTING = "betting"
    """Bets on each pair's difference: bounded losses, paired, independent units."""
    CONDITIONAL_EVENTS = "conditional_events"
    """Events given their number: 0–1 losses, unpaired, independent units."""

    @property
    def words(self) -> str:
        """How a sentence calls it."""
        return _WORDS[self]


_WORDS = {
    Method.T_MIXTURE: "t-mixture e-process",
    Method.BETA_MIXTURE: "beta-mixture e-process on pairs",
    Method.BETTING: "betting e-process on pairs",
    Method.CONDITIONAL_EVENTS: "conditional e-process on events",
}


def _as_written_now(state: Any) -> Any:
    """Read what was journalled when the t-mixture was the only method, with every block's id."""
    if not isinstance(state, dict) or "method" in state:
        return state
    entered = state.get("blocks") or [None]
    return {"last_block": entered[-1], **state, "method": Method.T_MIXTURE.value}


SequentialState = Annotated[
    SequentialHarm | DiscordantPairs | BettingHarm | UnpairedEvents,
    Field(discriminator="method"),
    BeforeValidator(_as_written_now),
]
"""The evidence of one gate, whatever its method. Small and serialisable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How one gate's evidence is read, with its prior; fixed in the plan.

    Attributes:
        method: The method.
        expected: Information the plan expects at its sample, in the method's own count: pairs
            that differ, sum of squared differences in units of ``reach`` squared, or
            Σ m π(1 - π) over events. It sets the prior. The t-mixture needs none.
        reach: Largest difference two answers to one row can make, in the metric's unit
            (betting).
        rate: Share of units with an event that shadow saw (conditional events).
    """

    method: Method = Method.T_MIXTURE
    expected: float = DEFAULT_EXPECTED
    reach: float = 1.0
    rate: float = 0.5

    def __post_init__(self) -> None:
        rules = {
            "expected": (self.expected > 0, "above 0"),
            "reach": (self.reach > 0, "above 0"),
            "rate": (0 <= self.rate <= 1, "from 0 to 1"),
        }
        faults = [
            Fault(where=f"evidence.{name}", what=f"{getattr(self, name)} must be {rule}")
            for name, (kept, rule) in rules.items()
            if not (kept and math.isfinite(getattr(self, name)))
        ]
        if faults:
            raise BadInput(faults)

    def begin(self, margin: float) -> SequentialState:
        """The state before the first block."""
        match self.method:
            case Method.BETA_MIXTURE:
                return DiscordantPairs(expected=self.expected)
            case Method.BETTING:
                return BettingHarm(margin=margin, reach=self.reach, expected=self.expected)
            case Method.CONDITIONAL_EVENTS:
                return UnpairedEvents(expected=self.expected, rate=self.rate)
        return SequentialHarm()


BY_BLOCKS = Evidence()
"""The t-mixture: what a gate has where nobody declared more."""


def method_for(
    metric: Metric,
    *,
    paired: bool,
    independent_units: bool,
    units: int | None = None,
    rate: float | None = None,
    candidate_share: float = 0.5,
) -> Evidence:
    """The sharpest method whose assumptions are declared; without declaration, the t-mixture.

    Args:
        metric: What the gate measures.
        paired: Whether both arms answer each unit.
        independent_units: Whether somebody declared that units are independent of each other.
        units: Labelled units that the plan expects, in both arms together where unpaired.
        rate: What shadow saw: the share of pairs whose 0–1 loss differs; for other losses the mean
            square of a pair's difference; where unpaired, the share of units with loss 1.
        candidate_share: Share of the units that the candidate answers, where unpaired.
    """
    span = metric.loss_range
    if not independent_units or span is None:
        return BY_BLOCKS
    reach = span[1] - span[0]
    if not (math.isfinite(reach) and reach > 0):
        return BY_BLOCKS
    zero_one = has_zero_one_losses(metric)
    information = None if units is None or rate is None else units * rate
    if not paired:
        if not zero_one:
            return BY_BLOCKS
        split = candidate_share * (1 - candidate_share)
        return Evidence(
            method=Method.CONDITIONAL_EVENTS,
            expected=_positive(information, split),
            rate=0.5 if rate is None else rate,
        )
    if zero_one:
        return Evidence(method=Method.BETA_MIXTURE, expected=_positive(information, 1.0))
    return Evidence(
        method=Method.BETTING, reach=reach, expected=_positive(information, 1 / reach**2)
    )


def _positive(information: float | None, factor: float) -> float:
    expected = DEFAULT_EXPECTED if information is None else information * factor
    return expected if math.isfinite(expected) and expected > 0 else DEFAULT_EXPECTED
