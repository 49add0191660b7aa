"""What the engine takes on at once, and whom it tells of what happens behind the answers."""

from dataclasses import dataclass, field
from typing import Protocol

from sluiceway.serving.breaker import BreakerPolicy, BreakerState
from sluiceway.serving.served import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the engine takes on at once.

    Attributes:
        questions: Most questions under way; more are refused.
        longest: Longest time for one question, in seconds; contracts may only shorten it.
        mirrored_rows: Most rows that wait to be mirrored; more are dropped, and counted.
        breaker: When a version is asked no more.
        broken_fewest: Fewest contract-breaking rows before a candidate loses its traffic.
        broken_share: Smallest share of them among its recent rows, 0 to 1.
    """

    questions: int = 512
    longest: float = 30.0
    mirrored_rows: int = 2_000
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    broken_fewest: int = 10
    broken_share: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class HardRule:
    """A candidate that broke a rule that needs no statistics; it answers nobody any more.

    Attributes:
        code: ``breaker_open`` or ``contract_broken``.
        broken: Recent rows without a usable answer.
        rows: Recent rows asked.
        what: What the first unusable answer looked like.
        revision: Revision of the routing table that was followed.
    """

    rollout_id: str
    model: str
    version: str
    code: str
    broken: int
    rows: int
    what: str
    revision: int


class Observer(Protocol):
    """Who wants to know what happens behind the answers: metrics, the journal, the log of the day.

    Called on the event loop; never waits and never raises.
    """

    def halted(self, rule: HardRule) -> None:
        """A candidate lost its traffic."""

    def breaker_moved(self, version: Version, state: BreakerState) -> None:
        """A breaker opened or closed."""

    def mirror_dropped(self, rows: int) -> None:
        """So many rows were not mirrored because too many waited."""
