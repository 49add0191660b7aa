"""Whether what one contract promises fits who reads it: the contracts' part of an answer.

Three things are held against each other: what is promised now, what the consumer's contract
demands, and the promises that this very consumer was verified with. A demand that is not met is a
no that no evidence can talk away. A promise that moved beyond what the consumer was verified with
is a no until that set of versions has been replayed. What neither side says is unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.contracts.changes import BrokenEdge, broken_edges, diff
from sluiceway.contracts.values import Contract, InputDemand, OutputField
from sluiceway.releasing.answers import Answer
from sluiceway.system.values import Edge, Feature, Reliance


class FitCode(StrEnum):
    """How a promise and its reader go together."""

    FITS = "fits"
    PRODUCER_MISSING = "producer_missing"
    FIELD_NOT_PROMISED = "field_not_promised"
    DEMAND_NOT_MET = "demand_not_met"
    RELIANCE_BROKEN = "reliance_broken"
    UNDETERMINED = "undetermined"
    CONTRACT_UNKNOWN = "contract_unknown"

    @property
    def answer(self) -> Answer:
        """What it says about going live together."""
        return _ANSWERS[self]

    @property
    def evidence_clears(self) -> bool:
        """Whether a passed replay of these versions together makes it a yes."""
        return self in (FitCode.RELIANCE_BROKEN, FitCode.UNDETERMINED)


_ANSWERS: Final = {
    FitCode.FITS: Answer.YES,
    FitCode.PRODUCER_MISSING: Answer.NO,
    FitCode.FIELD_NOT_PROMISED: Answer.NO,
    FitCode.DEMAND_NOT_MET: Answer.NO,
    FitCode.RELIANCE_BROKEN: Answer.NO,
    FitCode.UNDETERMINED: Answer.UNKNOWN,
    FitCode.CONTRACT_UNKNOWN: Answer.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What two contracts say about one edge.

    Attributes:
        said: The details in words, the first the weightiest; empty where there are none.
        relied_on: What of the edge's reliance is broken; empty unless that is the `code`.
    """

    code: FitCode
    said: tuple[str, ...] = ()
    relied_on: tuple[Reliance, ...] = ()

    @property
    def answer(self) -> Answer:
        """What it says about going live together."""
        return self.code.answer


FITS: Final = Fit(code=FitCode.FITS)


def fit(edge: Edge, promised: Contract, reader: Contract | None, tested: Sequence[Contract]) -> Fit:
    """Hold a producer's contract against the reader of one edge.

    Args:
        edge: Reads a field of a model.
        promised: The producer's contract.
        reader: The consumer's contract; None for an outside consumer, which has none.
        tested: Contracts of the producer that this consumer was verified with, or serves with.

    Raises:
        ValueError: The edge reads no model's field.
    """
    if edge.field is None:
        raise ValueError(f"{edge.name} reads no model's field")
    field = next((one for one in promised.output if one.name == edge.field), None)
    if field is None:
        has = ", ".join(one.name for one in promised.output)
        said = f"{promised.model} {promised.version} does not promise {edge.field} (it has: {has})"
        return Fit(code=FitCode.FIELD_NOT_PROMISED, said=(said,))
    demand = _demand(reader, edge)
    unmet, unsaid = _held(demand, field, edge, promised.model)
    if unmet:
        return Fit(code=FitCode.DEMAND_NOT_MET, said=unmet)
    if tested:
        broken = min((_broken(edge, old, promised) for old in tested), key=len)
        # A demand that says all of it and is met was built for this promise. How answers behave
        # and how fast they come is nothing that a demand can say.
        stated = demand is not None and not unsaid
        left = tuple(
            r for r in _relied_on(broken) if not (stated and r in (Reliance.COLUMNAR, _NUMERIC))
        )
        if not left:
            return FITS
        telling = [one for one in broken if set(one.relied_on) & set(left)]
        said_of = tuple(dict.fromkeys(change_sentence(one.change) for one in telling))
        return Fit(code=FitCode.RELIANCE_BROKEN, said=said_of, relied_on=left)
    if unsaid and any(reliance is not Reliance.COLUMNAR for reliance in edge.relies_on):
        return Fit(code=FitCode.UNDETERMINED, said=unsaid)
    return FITS


def fit_of_feature(edge: Edge, feature: Feature, reader: Contract) -> Fit:
    """Hold a declared feature against the demand of the model that reads it."""
    demand = _demand(reader, edge)
    if demand is None:
        return FITS
    unmet = []
    if demand.unit is not None and feature.unit is not None and demand.unit != feature.unit:
        unmet.append(_unit_said(edge, demand.unit, f"the feature {feature.name}", feature.unit))
    for demanded, given, side in (
        (demand.low, feature.low, _LEAST),
        (demand.high, feature.high, _MOST),
    ):
        if demanded is not None and given is not None and side.exceeds(given, demanded):
            unmet.append(side.said(edge, demanded, f"the feature {feature.name}", given))
    return Fit(code=FitCode.DEMAND_NOT_MET, said=tuple(unmet)) if unmet else FITS


_NUMERIC: Final = Reliance.NUMERIC


@dataclass(frozen=True, slots=True)
class _Side:
    word: str
    sign: int

    def exceeds(self, given: float, demanded: float) -> bool:
        return self.sign * given > self.sign * demanded

    def said(self, edge: Edge, demanded: float, giver: str, given: float) -> str:
        return (
            f"{edge.consumer} demands {edge.column} of {self.word} {demanded:g}, "
            f"{giver} may give {given:g}"
        )


_LEAST: Final = _Side("at least", -1)
_MOST: Final = _Side("at most", 1)
_WIDTH: Final = ("boolean", "long", "double")


def _demand(reader: Contract | None, edge: Edge) -> InputDemand | None:
    if reader is None:
        return None
    return next((one for one in reader.inputs if one.name == edge.column), None)


def _broken(edge: Edge, old: Contract, new: Contract) -> tuple[BrokenEdge, ...]:
    if old.content_hash == new.content_hash:
        return ()
    return broken_edges(diff(old, new), (edge,))


def _relied_on(broken: Iterable[BrokenEdge]) -> tuple[Reliance, ...]:
    found = {reliance for one in broken for reliance in one.relied_on}
    return tuple(reliance for reliance in Reliance if reliance in found)


def _unit_said(edge: Edge, demanded: str, giver: str, given: str) -> str:
    return f"{edge.consumer} demands {edge.column} in {demanded}, {giver} gives {given}"


def _held(
    demand: InputDemand | None, field: OutputField, edge: Edge, giver: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of the demand is not met, and what cannot be told, both in words."""
    if demand is None:
        return (), (f"{edge.consumer} does not say what it demands of {edge.column}",)
    unmet: list[str] = []
    unsaid: list[str] = []
    wants = f"{edge.consumer} demands {edge.column}"
    if demand.unit is None:
        unsaid.append(f"{edge.consumer} does not say in which unit it demands {edge.column}")
    elif demand.unit != field.unit:
        unmet.append(_unit_said(edge, demand.unit, giver, field.unit))
    if demand.dtype is not None and not _takes(demand.dtype, field.dtype):
        unmet.append(f"{wants} as {demand.dtype}, {giver} gives {field.dtype}")
    if field.nullable and not demand.nullable:
        unmet.append(f"{wants} never missing, {giver} may leave it out")
    for demanded, given, side in (
        (demand.low, field.low, _LEAST),
        (demand.high, field.high, _MOST),
    ):
        if demanded is None:
            continue
        if given is None:
            unsaid.append(f"{wants} of {side.word} {demanded:g}, {giver} promises no such end")
        elif side.exceeds(given, demanded):
            unmet.append(side.said(edge, demanded, giver, given))
    if demand.categories is not None:
        strange = [one for one in field.categories or () if one not in demand.categories]
        if field.categories is None:
            unsaid.append(f"{wants} of known categories, {giver} promises no list of them")
        elif strange:
            unmet.append(f"{wants} of known categories, {giver} also gives {', '.join(strange)}")
    if demand.semantics is not None and demand.semantics != field.semantics:
        if field.semantics is None:
            unsaid.append(f"{wants} to mean {demand.semantics}, {giver} does not say its meaning")
        else:
            unmet.append(f"{wants} to mean {demand.semantics}, {giver} means {field.semantics}")
    if demand.embedding is not None and demand.embedding != field.embedding:
        want, have = demand.embedding, field.embedding
        given_as = "no vector" if have is None else f"{have.dimension} columns of {have.space}"
        unmet.append(
            f"{wants} as {want.dimension} columns of {want.space}, {giver} gives {given_as}"
        )
    return tuple(unmet), tuple(unsaid)


def _takes(demanded: str, given: str) -> bool:
    if demanded == given:
        return True
    wide = demanded in _WIDTH and given in _WIDTH
    return wide and _WIDTH.index(given) < _WIDTH.index(demanded)
