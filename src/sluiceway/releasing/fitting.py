"""Whether what one contract promises fits who reads it: the contracts' part of an answer.

Three things are held against each other: what is promised now, what the consumer's contract
demands, and the promises that this very consumer was verified with. A demand that is not met is a
no that no evidence can talk away. A promise that moved beyond what the consumer was verified with
is a no until that set of versions has been replayed. What neither side says is unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from sluiceway.contracts.change_kinds import alternatives_in_words
from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.contracts.change_names import ChangeKind
from sluiceway.contracts.changes import BrokenEdge, broken_edges, diff
from sluiceway.contracts.clearing import can_be_agreed_to
from sluiceway.contracts.fitting import unmet
from sluiceway.contracts.values import Contract, InputDemand, OutputField
from sluiceway.releasing.answers import Answer
from sluiceway.system.inputs import Feature
from sluiceway.system.values import Edge, Reliance


class FitCode(StrEnum):
    """How a promise and its reader go together."""

    FITS = "fits"
    ACKNOWLEDGED = "acknowledged"
    """An outside application's promise moved, and its owner has agreed to this very version."""
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
    FitCode.ACKNOWLEDGED: Answer.YES,
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
        cleared_by: What it would take, in words; None unless that is the `code`.
        kinds: The kinds of change that break it; empty unless that is the `code`.
    """

    code: FitCode
    said: tuple[str, ...] = ()
    relied_on: tuple[Reliance, ...] = ()
    cleared_by: str | None = None
    kinds: tuple[ChangeKind, ...] = ()

    @property
    def answer(self) -> Answer:
        """What it says about going live together."""
        return self.code.answer


_CAN_BE_DEMANDED: Final = frozenset({Reliance.COLUMNAR, Reliance.NUMERIC})

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
    surely, unsaid = _held(demand, field, edge)
    if surely:
        return Fit(code=FitCode.DEMAND_NOT_MET, said=tuple(f"{edge.consumer}: {s}" for s in surely))
    if tested:
        broken = min((_broken(edge, old, promised) for old in tested), key=len)
        # A demand that says all of it and is met was built for this promise. How answers behave
        # and how fast they come is nothing that a demand can say.
        stated = demand is not None and not unsaid
        left = tuple(r for r in _relied_on(broken) if not (stated and r in _CAN_BE_DEMANDED))
        if not left:
            return FITS
        telling = [one for one in broken if set(one.relied_on) & set(left)]
        said_of = tuple(dict.fromkeys(change_sentence(one.change) for one in telling))
        return Fit(
            code=FitCode.RELIANCE_BROKEN,
            said=said_of,
            relied_on=left,
            cleared_by=alternatives_in_words(telling[0].change.cleared_by),
            kinds=tuple(dict.fromkeys(one.change.kind for one in telling)),
        )
    if unsaid and any(reliance is not Reliance.COLUMNAR for reliance in edge.relies_on):
        return Fit(code=FitCode.UNDETERMINED, said=unsaid)
    return FITS


def agreed_to(found: Fit, *, outside: bool) -> Fit:
    """What a broken reliance comes to where the reader's owner has agreed to this very version.

    An outside application's owner has the last word. What a model bears, a replay has to show; and
    what no replay clears, nobody can agree to.
    """
    broken = found.code is FitCode.RELIANCE_BROKEN
    if not broken or not all(can_be_agreed_to(kind, outside=outside) for kind in found.kinds):
        return found
    if outside:
        return Fit(code=FitCode.ACKNOWLEDGED, said=found.said, relied_on=found.relied_on)
    said = (*found.said, "the reader's owner has agreed, so a replay decides")
    return Fit(code=FitCode.UNDETERMINED, said=said)


def fit_of_feature(edge: Edge, feature: Feature, reader: Contract) -> Fit:
    """Hold a declared feature against the demand of the model that reads it."""
    demand = _demand(reader, edge)
    if demand is None:
        return FITS
    declared = OutputField(
        name=feature.name,
        position=0,
        dtype=feature.dtype,
        unit=feature.unit or "",
        low=feature.low,
        high=feature.high,
        nullable=False,  # a null rate is what is expected of a feed, not a promise
        promise=None,
        categories=feature.categories,
    )
    surely, _ = _held(demand, declared, edge)
    if not surely:
        return FITS
    return Fit(code=FitCode.DEMAND_NOT_MET, said=tuple(f"{edge.consumer}: {s}" for s in surely))


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


def _held(
    demand: InputDemand | None, field: OutputField, edge: Edge
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of the demand is not met, and what cannot be told, both in words.

    To :func:`unmet`, what is demanded and not promised at all is unmet. Here it is unknown, for a
    replay may show it.
    """
    if demand is None:
        return (), (f"{edge.consumer} does not say what it demands of {edge.column}",)
    told = replace(
        demand,
        low=None if field.low is None else demand.low,
        high=None if field.high is None else demand.high,
        categories=None if field.categories is None else demand.categories,
        semantics=None if field.semantics is None else demand.semantics,
    )
    surely = unmet(field, told)
    unsaid = [one for one in unmet(field, demand) if one not in surely]
    if demand.unit is None and field.unit:
        unsaid.append(f"{edge.consumer} does not say in which unit it demands {edge.column}")
    return surely, tuple(unsaid)
