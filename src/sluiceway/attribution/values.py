"""What a freeze test found: harmed gates, the edges that carry harm, and where it enters."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sluiceway.replay.profiles import FeedFinding
from sluiceway.replay.replacing import Treatment


class Undecided(StrEnum):
    """Why nothing is named. Text is rendered from it, never parsed."""

    NO_HARM = "no_harm"
    """No gate is harmed."""
    NOTHING_CHANGED = "nothing_changed"
    """Both releases hold the same: no change can be taken back."""
    TOO_FEW_BLOCKS = "too_few_blocks"
    """With fewer than two blocks a harmed gate's harm has no error."""
    NOT_MEASURED = "not_measured"
    """A gate is undefined in a counterfactual that would have to be ruled out first."""
    NOT_ANSWERED = "not_answered"
    """No counterfactual that could be answered suffices, and some could not be answered."""
    NOT_COMPATIBLE = "not_compatible"
    """Sets suffice, and none of them leaves versions that fit each other."""
    NOTHING_SUFFICES = "nothing_suffices"
    """No counterfactual that was tried brings every gate within its margin again."""

    @property
    def sentence(self) -> str:
        """The same for people."""
        return _UNDECIDED[self]


_UNDECIDED = {
    Undecided.NO_HARM: "No gate is harmed",
    Undecided.NOTHING_CHANGED: "Nothing differs between the two releases, so no change is to blame",
    Undecided.TOO_FEW_BLOCKS: "Cannot tell: harm in fewer than two blocks has no error",
    Undecided.NOT_MEASURED: "Cannot tell: a gate is undefined with some of the changes taken back",
    Undecided.NOT_ANSWERED: (
        "Cannot tell: with some of the changes taken back the chain gives no usable answer"
    ),
    Undecided.NOT_COMPATIBLE: (
        "What would bring every gate within its margin again leaves versions that do not fit"
    ),
    Undecided.NOTHING_SUFFICES: (
        "No change that was taken back brings every gate within its margin again"
    ),
}


class Interaction(StrEnum):
    """How changes work on each other, where one of them is not the whole story."""

    NONE = "none"
    HARMFUL_TOGETHER = "harmful_together"
    """Each alone is harmless; taking either back is enough."""
    EACH_HARMS = "each_harms"
    """Each harms by itself; all have to be taken back."""
    FITTED = "fitted"
    """One was fitted to the other: without it the other harms, so they go back together."""
    ONLY_TOGETHER = "only_together"
    """Only together do they bring the gates back, and neither alone is the reason."""


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
        within_margins: Whether every gate that failed is brought back
            (:func:`~sluiceway.attribution.deciding.is_brought_back`) and no other gate is harmed.
        compatible: Whether the versions that are left fit each other, as far as the caller knows.
        unknown: Why it cannot be said whether the gates are within their margins; None where it
            can. `within_margins` is False then.
    """

    reverted: tuple[str, ...]
    harms: Mapping[str, Effect]
    within_margins: bool
    compatible: bool = True
    unknown: Undecided | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapleyShare:
    """A change's share in one gate's harm: the mean over orders of what it adds when it comes.

    The shares of all changes add up to the gate's harm. They explain; they do not decide.

    Attributes:
        node: Name of the change.
        gate: Name of the gate.
        share: In the metric's unit, with its interval over blocks.
        orders: Orders the mean was taken over where they were sampled; None where it is exact.
        sampling_error: Standard error from taking a sample of orders, in the metric's unit; None
            where the value is exact.
    """

    node: str
    gate: str
    share: Effect
    orders: int | None
    sampling_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The node where harm enters.

    Attributes:
        kind: ``model``, ``feature`` or ``source``.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHarm:
    """One gate of a live chain that got worse.

    Attributes:
        gate: Its name.
        model: Whose answers it measures.
        unit: Of all numbers here.
        margin: Tolerated harm.
        harm: Of the live rows, against the recorded ones or the baseline beside it.
    """

    gate: str
    model: str
    unit: str
    margin: float
    harm: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReplacement:
    """What is left of the harm with some sources' values replaced.

    Attributes:
        sources: Their names.
        treatments: What took the place of each one's values.
        harms: Harm that stays, by gate name.
        taken_away: Harm that goes, by name of harmed gate.
        heard: How much of what these sources used to tell the chain they still tell it, by the one
            heard best; 1 is all, 0 nothing; None where that cannot be told.
        brought_back: Whether the gates that failed are within their margins again, surely because
            of it, and no other gate is harmed.
        unknown: Why that cannot be said; None where it can.
    """

    sources: tuple[str, ...]
    treatments: tuple[Treatment, ...]
    harms: Mapping[str, Effect]
    taken_away: Mapping[str, Effect]
    heard: float | None
    brought_back: bool
    unknown: Undecided | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAttribution:
    """Which source a live chain suffers from, with no model changed or none to blame.

    Attributes:
        harmed: The gates that are harmed.
        replacements: All that were tried, smallest first.
        sources: The smallest set of sources whose replacement brings the gates back; empty where
            none does.
        treatments: How each of them was replaced then.
        alternatives: Other sets of the same size that would do as well.
        undecided: Why none is named; None where one is.
        alpha: Level of each one-sided bound.
    """

    harmed: tuple[SourceHarm, ...]
    replacements: tuple[SourceReplacement, ...]
    sources: tuple[str, ...]
    treatments: tuple[Treatment, ...]
    alternatives: tuple[tuple[str, ...], ...]
    undecided: Undecided | None
    alpha: float

    @property
    def sentence(self) -> str:
        """The whole in words."""
        if self.undecided is Undecided.NOTHING_SUFFICES:
            return "No source whose values were replaced brings every gate within its margin again"
        if self.undecided is not None:
            return self.undecided.sentence
        said = [
            f"the source {name} {_WRONG[treatment]}"
            for name, treatment in zip(self.sources, self.treatments, strict=True)
        ]
        whole = " and ".join(said) + ": with recorded values in that place"
        return whole[0].upper() + whole[1:] + " every gate is within its margin again"


_WRONG = {
    Treatment.MATCHED: "has the wrong level or scale",
    Treatment.DRAWN: "no longer tells one row from another",
}


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
        undecided: Why no change is named; None where one is.
        alternatives: Other compatible sets, as small as `revert`, that would do as well.
        interaction: How the changes work on each other.
        interacting: The changes that do.
        shapley: Each change's share in each harmed gate.
        sources: What replacing sources' values showed; None where it was not tried.
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
    undecided: Undecided | None = None
    alternatives: tuple[tuple[str, ...], ...] = ()
    interaction: Interaction = Interaction.NONE
    interacting: tuple[str, ...] = ()
    shapley: tuple[ShapleyShare, ...] = ()
    sources: SourceAttribution | None = None

    @property
    def sentence(self) -> str:
        """The whole in words."""
        if not self.harmed:
            return Undecided.NO_HARM.sentence
        if self.origin is None:
            return (self.undecided or Undecided.NOTHING_SUFFICES).sentence
        enters = f"Harm enters at the {self.origin.kind} {self.origin.name}"
        travels = f" and travels along {', '.join(self.edges)}" if self.edges else ""
        parts = [enters + travels]
        if self.interaction is not Interaction.NONE:
            parts.append(self._interaction_said())
        if self.must_not_go_alone:
            verb = "need versions" if len(self.partners) > 1 else "needs a version"
            names = ", ".join(self.partners)
            parts.append(f"{self.origin.name} must not go alone: {names} {verb} fitted to it")
        elif self.revert:
            back = f"taking back {', '.join(self.revert)} brings every gate within margin"
            parts.append(back + self._share_said())
        parts.extend(finding.what for finding in self.findings[:1])
        if self.sources is not None and self.sources.sources:
            said = self.sources.sentence
            parts.append(said[0].lower() + said[1:])
        return "; ".join(parts)

    def _interaction_said(self) -> str:
        names = _listed(self.interacting)
        return {
            Interaction.HARMFUL_TOGETHER: (
                f"{names} are harmless alone and harmful together, taking either back is enough"
            ),
            Interaction.EACH_HARMS: f"{names} harm each by itself",
            Interaction.FITTED: f"{names} are fitted to each other and go back together",
            Interaction.ONLY_TOGETHER: f"{names} bring the gates back only together",
        }[self.interaction]

    def _share_said(self) -> str:
        """How much of the first harmed gate's harm is theirs, where others had a share too."""
        first = self.harmed[0]
        mine = [
            one.share.harm
            for one in self.shapley
            if one.gate == first.gate and one.node in self.revert
        ]
        others = any(
            one.gate == first.gate and one.node not in self.revert and one.share.is_real
            for one in self.shapley
        )
        whole = first.harm.harm
        if not others or not whole or any(share is None for share in mine):
            return ""
        part = sum(share for share in mine if share is not None) / whole
        return f" ({100 * part:.0f} % of the harm of {first.gate} by Shapley value)"


def _listed(names: tuple[str, ...]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
