"""What a freeze test found: harmed gates, the edges that carry harm, and where it enters."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sluiceway.replay.profiles import FeedFinding


class HarmPath(StrEnum):
    """How harm reached a model."""

    LOCALISED = "localised"
    """Through its own change: it stays with every input frozen."""
    CASCADING = "cascading"
    """Through its inputs: it goes when they are frozen."""
    BOTH = "both"
    UNDETERMINED = "undetermined"
    """Neither part of the harm can be told from nothing on these rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A difference of one metric between two arms, in the metric's unit; positive is worse.

    Attributes:
        low: Lower end of the two-sided 1 - 2α interval; None where it cannot be told.
        high: Its upper end.
    """

    harm: float | None
    low: float | None
    high: float | None

    @property
    def is_real(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low is not None and self.low > 0

    def __str__(self) -> str:
        if self.harm is None:
            return "unknown"
        ends = ["∞" if end is None else f"{end:+.3g}" for end in (self.low, self.high)]
        return f"{self.harm:+.3g} [{', '.join(ends)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeHarm:
    """What one edge carries to one gate.

    Attributes:
        edge: Name of the edge.
        producer: Model or feature.
        consumer: Model.
        taken_back: Harm that goes when this edge alone is frozen to the baseline's values.
        left: Harm that stays then.
        share: `taken_back` by the whole harm; None where that cannot be told.
        carries: Whether the interval of `taken_back` lies above 0 and its share is at least 10 %.
    """

    edge: str
    producer: str
    consumer: str
    taken_back: Effect
    left: Effect
    share: float | None
    carries: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GateHarm:
    """One harmed gate.

    Attributes:
        gate: Its name.
        model: Whose answers it measures.
        unit: Of all numbers here.
        margin: Tolerated harm.
        harm: Of the candidate.
        own: Harm that stays with every differing input of the model frozen.
        through_inputs: Harm that goes then.
        path: What follows.
        edges: Every differing edge upstream of the model.
    """

    gate: str
    model: str
    unit: str
    margin: float
    harm: Effect
    own: Effect
    through_inputs: Effect
    path: HarmPath
    edges: tuple[EdgeHarm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversion:
    """What taking some changes back would do.

    Attributes:
        reverted: Names of the nodes.
        harms: Harm that stays, by gate name.
        within_margins: Whether every harmed gate's harm is at most its margin again, and no other
            gate's lies surely above.
    """

    reverted: tuple[str, ...]
    harms: Mapping[str, Effect]
    within_margins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The node where harm enters.

    Attributes:
        kind: ``model``, ``feature`` or ``source``.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What the freeze test says.

    Attributes:
        harmed: The gates that failed, and others that got clearly worse than their margin.
        edges: Names of the edges along which their harm travels, upstream first.
        reversions: All that were tried, smallest first.
        revert: The smallest set of changes whose reversion brings the gates back within their
            margins; empty where none of those tried does.
        origin: Where the harm enters; None where no reversion tells.
        findings: What is wrong with the origin's feed, where the origin is a source.
        partners: Models, unchanged so far, that need versions fitted to the new behaviour; such
            versions may not exist yet.
        must_not_go_alone: Whether the change itself harms nobody directly, only those who read it.
        alpha: Level of each one-sided bound; intervals are two-sided 1 - 2α.
    """

    harmed: tuple[GateHarm, ...]
    edges: tuple[str, ...]
    reversions: tuple[Reversion, ...]
    revert: tuple[str, ...]
    origin: Origin | None
    findings: tuple[FeedFinding, ...]
    partners: tuple[str, ...]
    must_not_go_alone: bool
    alpha: float

    @property
    def sentence(self) -> str:
        """The whole in words."""
        if not self.harmed:
            return "No gate is harmed"
        if self.origin is None:
            return "No change that was taken back brings every gate within its margin again"
        enters = f"Harm enters at the {self.origin.kind} {self.origin.name}"
        travels = f" and travels along {', '.join(self.edges)}" if self.edges else ""
        parts = [enters + travels]
        if self.must_not_go_alone:
            verb = "need versions" if len(self.partners) > 1 else "needs a version"
            names = ", ".join(self.partners)
            parts.append(f"{self.origin.name} must not go alone: {names} {verb} fitted to it")
        elif self.revert:
            parts.append(f"taking back {', '.join(self.revert)} brings every gate within margin")
        parts.extend(finding.what for finding in self.findings[:1])
        return "; ".join(parts)
