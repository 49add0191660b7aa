"""Where harm comes from, as the rows of a report's tables and as lines of text.

Tables that decide (what goes when something is taken back or replaced) and tables that explain
(Shapley shares) are kept apart.
"""

from dataclasses import dataclass
from itertools import combinations

from sluiceway.attribution import (
    Attribution,
    Effect,
    GateHarm,
    Interaction,
    Reversion,
    ShapleyShare,
    SourceAttribution,
    SourceHarm,
    SourceReplacement,
)
from sluiceway.replay.replacing import Treatment
from sluiceway.reports.figures import count, interval, joined, places_for, plain, signed

_TREATED = {
    Treatment.MATCHED: "recorded values of the same rank",
    Treatment.DRAWN: "recorded rows drawn at random",
}
_INTERACTING = {
    Interaction.HARMFUL_TOGETHER: "harmless each alone and harmful together: taking any one of "
    "them back is enough",
    Interaction.EACH_HARMS: "harmful each by itself: all of them have to be taken back",
    Interaction.FITTED: "fitted to each other: one without the other is worse than both, so they "
    "go back together",
    Interaction.ONLY_TOGETHER: "only together the reason: taking one of them back alone is not "
    "enough",
}


def effect_said(effect: Effect, places: int | None) -> str:
    """A size with its interval, or that nobody knows it."""
    if effect.harm is None:
        return "unknown"
    return f"{signed(effect.harm, places)} {interval(effect.low, effect.high, places)}"


def places_of(harmed: GateHarm | SourceHarm) -> int | None:
    """Decimals for all numbers of a gate: two digits of its margin or its half-width."""
    half = None
    if harmed.harm.high is not None and harmed.harm.harm is not None:
        half = harmed.harm.high - harmed.harm.harm
    return places_for((harmed.margin, half))


def _percent(part: float | None, whole: float | None) -> str:
    if part is None or whole is None or whole <= 0:
        return ""
    return f"{plain(round(100 * part / whole), 0)} %"


def _margin(harmed: GateHarm | SourceHarm) -> str:
    return plain(harmed.margin, places_of(harmed))


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRow:
    """How harm reached one gate's model."""

    gate: str
    path: str
    harm: str
    own: str
    through: str
    margin: str
    unit: str


def path_rows(found: Attribution | None) -> tuple[PathRow, ...]:
    """A row for each harmed gate."""
    return tuple(
        PathRow(
            gate=one.gate,
            path=one.path.value,
            harm=effect_said(one.harm, places_of(one)),
            own=effect_said(one.own, places_of(one)),
            through=effect_said(one.through_inputs, places_of(one)),
            margin=_margin(one),
            unit=one.unit,
        )
        for one in (found.harmed if found else ())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRow:
    """What goes from one gate's harm, and what stays, with one edge frozen."""

    edge: str
    gate: str
    taken: str
    share: str
    left: str
    margin: str
    unit: str
    carries: bool


def edge_rows(found: Attribution | None) -> tuple[EdgeRow, ...]:
    """What each frozen edge takes from each harmed gate."""
    return tuple(
        EdgeRow(
            edge=edge.edge,
            gate=harmed.gate,
            taken=effect_said(edge.taken_back, places_of(harmed)),
            share=_percent(edge.share, 1.0),
            left=effect_said(edge.left, places_of(harmed)),
            margin=_margin(harmed),
            unit=harmed.unit,
            carries=edge.carries,
        )
        for harmed in (found.harmed if found else ())
        for edge in harmed.edges
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversionRow:
    """What taking changes back leaves of one gate's harm.

    Attributes:
        within: ``yes``, ``no`` or ``unknown``: whether every gate is within its margin then.
        why: Why it does not count, or cannot be said; empty where it can.
    """

    reverted: str
    gate: str
    before: str
    after: str
    margin: str
    unit: str
    within: str
    why: str


def reversion_rows(found: Attribution | None) -> tuple[ReversionRow, ...]:
    """What every set that was taken back leaves of each harmed gate."""
    return tuple(
        ReversionRow(
            reverted=", ".join(one.reverted),
            gate=harmed.gate,
            before=effect_said(harmed.harm, places_of(harmed)),
            after=effect_said(one.harms[harmed.gate], places_of(harmed))
            if harmed.gate in one.harms
            else "",
            margin=_margin(harmed),
            unit=harmed.unit,
            within=_within(one),
            why=_why(one),
        )
        for one in (found.reversions if found else ())
        for harmed in (found.harmed if found else ())
    )


def _within(one: Reversion) -> str:
    if one.unknown is not None:
        return "unknown"
    return "yes" if one.within_margins else "no"


def _why(one: Reversion) -> str:
    if one.unknown is not None:
        return one.unknown.sentence
    return "" if one.compatible else "the versions left do not fit each other"


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionRow:
    """One gate's harm with only some of the interacting changes made."""

    made: str
    gate: str
    harm: str
    margin: str
    unit: str
    within: str


def interaction_rows(found: Attribution | None) -> tuple[InteractionRow, ...]:
    """Each mixture of the interacting changes that was measured, all made first.

    Every other change stays made. Whether a gate is within its margin goes by the best estimate.
    """
    if found is None or found.interaction is Interaction.NONE:
        return ()
    measured = {frozenset(one.reverted): one.harms for one in found.reversions}
    measured[frozenset()] = {one.gate: one.harm for one in found.harmed}
    rows = []
    for taken in range(len(found.interacting) + 1):
        for back in combinations(found.interacting, taken):
            made = [name for name in found.interacting if name not in back]
            for harmed in found.harmed:
                effect = measured.get(frozenset(back), {}).get(harmed.gate)
                if effect is not None:
                    rows.append(_interaction_row(made, harmed, effect))
    return tuple(rows)


def _interaction_row(made: list[str], harmed: GateHarm, effect: Effect) -> InteractionRow:
    within = "unknown"
    if effect.harm is not None:
        within = "yes" if effect.harm <= harmed.margin else "no"
    return InteractionRow(
        made=joined(made) if made else "none of them",
        gate=harmed.gate,
        harm=effect_said(effect, places_of(harmed)),
        margin=_margin(harmed),
        unit=harmed.unit,
        within=within,
    )


def interaction_said(found: Attribution | None) -> str:
    """How the changes work on each other, in one sentence; empty where one is the whole story."""
    if found is None or found.interaction is Interaction.NONE:
        return ""
    return f"{joined(found.interacting)} are {_INTERACTING[found.interaction]}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow:
    """One change's share in one gate's harm.

    Attributes:
        percent: Of the gate's harm; empty where the harm is not positive.
        error: From taking a sample of orders; empty where the value is exact.
    """

    gate: str
    node: str
    share: str
    percent: str
    whole: str
    margin: str
    unit: str
    error: str


def share_rows(found: Attribution | None) -> tuple[ShareRow, ...]:
    """Each change's share in each harmed gate; none where one change has all of it."""
    if found is None or len({one.node for one in found.shapley}) < 2:
        return ()
    return tuple(
        _share_row(harmed, one)
        for harmed in found.harmed
        for one in found.shapley
        if one.gate == harmed.gate
    )


def _share_row(harmed: GateHarm, one: ShapleyShare) -> ShareRow:
    error = (
        "" if one.sampling_error is None else f"± {plain(one.sampling_error, places_of(harmed))}"
    )
    return ShareRow(
        gate=harmed.gate,
        node=one.node,
        share=effect_said(one.share, places_of(harmed)),
        percent=_percent(one.share.harm, harmed.harm.harm),
        whole=effect_said(harmed.harm, places_of(harmed)),
        margin=_margin(harmed),
        unit=harmed.unit,
        error=error,
    )


def shares_said(found: Attribution | None) -> str:
    """What the shares mean and how they were found."""
    orders = [one.orders for one in (found.shapley if found else ()) if one.orders is not None]
    how = "all orders in which the changes could have come"
    if orders:
        how = f"{count(max(orders), 'order')} in which the changes could have come, drawn at random"
    return (
        f"How much of each gate's harm is whose: the mean, over {how}, of what a change adds when "
        "it comes (Shapley values). The shares of a gate add up to its harm; below 0 a change "
        "takes harm away. They explain and do not decide: what to take back is read from the "
        "table before."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """What is left of one gate's harm with some sources' values replaced.

    Attributes:
        heard: How much of what the sources told they still tell, in percent; empty where that
            cannot be told.
        named: Whether these are the sources to blame.
        back: ``yes``, ``no`` or ``unknown``: whether every gate is surely brought back by it.
    """

    sources: str
    treatment: str
    gate: str
    before: str
    after: str
    taken: str
    margin: str
    unit: str
    heard: str
    back: str
    why: str
    named: bool


def source_rows(found: Attribution | None) -> tuple[SourceRow, ...]:
    """A row for each replacement of sources' values and each harmed gate."""
    sources = found.sources if found else None
    if sources is None:
        return ()
    return tuple(
        _source_row(sources, one, harmed)
        for one in sources.replacements
        for harmed in sources.harmed
    )


def _source_row(found: SourceAttribution, one: SourceReplacement, harmed: SourceHarm) -> SourceRow:
    back = "yes" if one.brought_back else "no"
    left, taken = one.harms.get(harmed.gate), one.taken_away.get(harmed.gate)
    return SourceRow(
        sources=joined(one.sources),
        treatment=joined(dict.fromkeys(_TREATED[treatment] for treatment in one.treatments)),
        gate=harmed.gate,
        before=effect_said(harmed.harm, places_of(harmed)),
        after="" if left is None else effect_said(left, places_of(harmed)),
        taken="" if taken is None else effect_said(taken, places_of(harmed)),
        margin=_margin(harmed),
        unit=harmed.unit,
        heard="" if one.heard is None else f"{plain(round(100 * one.heard), 0)} %",
        back="unknown" if one.unknown is not None else back,
        why=one.unknown.sentence if one.unknown is not None else "",
        named=one.sources == found.sources and one.treatments == found.treatments,
    )


def alternatives_said(found: Attribution | None) -> tuple[str, ...]:
    """What else would do as well, one sentence each."""
    if found is None:
        return ()
    said = [
        f"Taking back {joined(names)} instead would bring every gate within its margin as well."
        for names in found.alternatives
    ]
    sources = found.sources.alternatives if found.sources else ()
    said += [f"Replacing {joined(names)} instead would do as well." for names in sources]
    return tuple(said)
