"""How long an answer may take and how old what it rests on may be, summed along the chain.

The time of an answer is the longest sum, over the ways from anything that is asked to the model, of
the times that the models on the way promise. An earlier answer is there already and takes none.

The age of an answer is the same sum of what each model promises of its own inputs' age, and of the
delays of the edges that read earlier answers. A way round through time is gone round once:
yesterday's answer counts with its own inputs, not with the answer of the day before that it rested
on in turn.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sluiceway.contracts.values import Contract
from sluiceway.digraph import Digraph
from sluiceway.durations import render_duration
from sluiceway.system.values import Edge, System

Reads = Mapping[str, tuple[Edge, ...]]
"""What each model and consumer reads."""


class TimeNeed(StrEnum):
    """What of an answer's time is needed; the key under which it is declared."""

    LATENCY_P99 = "latency_p99"
    FRESHNESS = "freshness"


class Basis(StrEnum):
    """What a part of a sum rests on."""

    LATENCY_P99 = "latency_p99"
    DEADLINE = "deadline"
    """The contract promises no p99; its deadline is the longest that it allows."""
    FRESHNESS = "freshness"
    DELAY = "delay"
    """An edge that reads an earlier answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePart:
    """One summand.

    Attributes:
        name: The model; of a delay, the edge.
    """

    name: str
    time: timedelta
    basis: Basis

    @property
    def sentence(self) -> str:
        """In words: ``dep_delay 5s (its deadline: it promises no p99)``."""
        said = f"{self.name} {render_duration(self.time)}"
        if self.basis is Basis.DEADLINE:
            return f"{said} (its deadline: it promises no p99)"
        return f"{said} (delayed)" if self.basis is Basis.DELAY else said


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSum:
    """What an edge's consumer can count on.

    Attributes:
        parts: Along the critical path, what is asked first comes first.
        unknown: Models anywhere upstream that promise nothing; the sum is the least it may be.
    """

    parts: tuple[TimePart, ...]
    unknown: tuple[str, ...] = ()

    @property
    def total(self) -> timedelta:
        """Sum of the parts."""
        return sum((part.time for part in self.parts), timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A need that is not kept, or that nobody can say is kept.

    Attributes:
        edge: Name of the edge whose consumer needs it.
        needed: What the consumer declares.
        parts: The critical path with each part's time.
        unknown: Models upstream that promise nothing.
    """

    edge: str
    need: TimeNeed
    needed: timedelta
    parts: tuple[TimePart, ...]
    unknown: tuple[str, ...]

    @property
    def total(self) -> timedelta:
        """Sum of the parts."""
        return sum((part.time for part in self.parts), timedelta(0))

    @property
    def certain(self) -> bool:
        """Whether what is promised is too much already; False where it cannot be known."""
        return self.total > self.needed

    @property
    def sentence(self) -> str:
        """In words, with every part's number."""
        age = self.need is TimeNeed.FRESHNESS
        needed, total = render_duration(self.needed), render_duration(self.total)
        parts = " + ".join(part.sentence for part in self.parts)
        summed = f"{total}: {parts}" if parts else total
        lacking = f"no freshness is promised by {_some(self.unknown)}" if self.unknown else ""
        if not self.certain:
            known = f"; the rest comes to {summed}" if parts else ""
            return f"{self.need} {needed} cannot be known to be kept: {lacking}{known}"
        more = f", and more, for {lacking}" if self.unknown else ""
        verb = "inputs may be as old as" if age else "the answer may take"
        return f"{self.need} {needed} is not kept: {verb} {summed}{more}"


@dataclass(frozen=True, slots=True)
class _Longest:
    """The critical path up to a model: its sum, and the edge by which it comes."""

    total: timedelta
    by: Edge | None


class Timing:
    """The sums of one set of contracts.

    Args:
        reads: What each model and consumer reads.
        contracts: By model. A model without one takes part in no sum.

    Raises:
        ValueError: Models read each other's answers to the same request.
    """

    def __init__(self, reads: Reads, contracts: Mapping[str, Contract]) -> None:
        self._reads = reads
        self._contracts = contracts
        models = list(contracts)
        edges = [edge for model in models for edge in self._from_models(model)]
        now = [edge for edge in edges if edge.delayed is None]
        component = _digraph(models, edges).components()
        self._part_of: dict[str, int] = dict(zip(models, component.tolist(), strict=True))
        # Without those that close a way round, later answers and earlier ones have one order.
        order = _digraph(models, [edge for edge in edges if not self._goes_round(edge)]).order()
        if order is None or _digraph(models, now).order() is None:
            raise ValueError("models read each other's answers to the same request")
        self._order = [models[place] for place in order]
        self._latency = self._longest(TimeNeed.LATENCY_P99, lambda edge: edge.delayed is None)
        self._once = self._longest(TimeNeed.FRESHNESS, lambda edge: not self._goes_round(edge))
        self._age = self._longest(TimeNeed.FRESHNESS, lambda _: True)
        self._silent = self._silent_upstream()

    def latency(self, edge: Edge) -> TimeSum:
        """How long the consumer of this edge may wait for the model's answer."""
        if edge.delayed is not None:
            return TimeSum(parts=())
        return TimeSum(parts=tuple(self._way(edge.producer, self._latency, TimeNeed.LATENCY_P99)))

    def freshness(self, edge: Edge) -> TimeSum:
        """How old the inputs may be that the consumer of this edge receives an answer from."""
        longest = self._once if self._goes_round(edge) else self._age
        delay = () if edge.delayed is None else (_delay_of(edge),)
        return TimeSum(
            parts=(*self._way(edge.producer, longest, TimeNeed.FRESHNESS), *delay),
            unknown=tuple(sorted(self._silent.get(edge.producer, ()))),
        )

    def shortfalls(self) -> tuple[Shortfall, ...]:
        """Every declared need that is not kept, or that nobody can say is kept."""
        found = []
        for edge in (edge for edges in self._reads.values() for edge in edges):
            if edge.producer not in self._contracts:
                continue
            for need, needed, summed in (
                (TimeNeed.LATENCY_P99, edge.needs.latency_p99, self.latency),
                (TimeNeed.FRESHNESS, edge.needs.freshness, self.freshness),
            ):
                if needed is None:
                    continue
                came_to = summed(edge)
                if came_to.total > needed or came_to.unknown:
                    found.append(
                        Shortfall(
                            edge=edge.name,
                            need=need,
                            needed=needed,
                            parts=came_to.parts,
                            unknown=came_to.unknown,
                        )
                    )
        return tuple(found)

    def _from_models(self, model: str) -> Iterator[Edge]:
        return (edge for edge in self._reads[model] if edge.producer in self._contracts)

    def _goes_round(self, edge: Edge) -> bool:
        """Whether it reads an earlier answer that its own consumer had a part in."""
        if edge.delayed is None or edge.consumer not in self._part_of:
            return False
        return self._part_of[edge.producer] == self._part_of[edge.consumer]

    def _longest(self, need: TimeNeed, counts: Callable[[Edge], bool]) -> dict[str, _Longest]:
        found: dict[str, _Longest] = {}
        for model in self._order:
            before = _Longest(timedelta(0), None)
            for edge in self._from_models(model):
                if not counts(edge):
                    continue
                at = self._once if self._goes_round(edge) else found
                total = at[edge.producer].total + (edge.delayed or timedelta(0))
                if before.by is None or total > before.total:
                    before = _Longest(total, edge)
            own = own_time(self._contracts[model], need) or timedelta(0)
            found[model] = _Longest(own + before.total, before.by)
        return found

    def _way(
        self, model: str, longest: Mapping[str, _Longest], need: TimeNeed
    ) -> Iterator[TimePart]:
        backwards: list[TimePart | None] = []
        by: Edge | None
        while True:
            by = longest[model].by
            backwards.append(self._part(model, need))
            if by is None:
                return (found for found in reversed(backwards) if found is not None)
            if by.delayed is not None:
                backwards.append(_delay_of(by))
            if self._goes_round(by):
                longest = self._once
            model = by.producer

    def _silent_upstream(self) -> dict[str, frozenset[str]]:
        """Models that promise no freshness, among each model and all that feeds it."""
        silent = {name for name, contract in self._contracts.items() if contract.freshness is None}
        if not silent:
            return {}
        found: dict[str, frozenset[str]] = {}
        for passes in (0, 1):  # the second for what an earlier answer adds
            for model in self._order:
                before = [
                    found[edge.producer]
                    for edge in self._from_models(model)
                    if passes or not self._goes_round(edge)
                ]
                found[model] = frozenset().union(*before, {model} & silent)
        return found

    def _part(self, model: str, need: TimeNeed) -> TimePart | None:
        contract = self._contracts[model]
        time = own_time(contract, need)
        if time is None:
            return None
        basis = Basis(need)
        if need is TimeNeed.LATENCY_P99 and contract.latency_p99 is None:
            basis = Basis.DEADLINE
        return TimePart(name=model, time=time, basis=basis)


def reads_of(system: System) -> dict[str, tuple[Edge, ...]]:
    """What each model and each consumer of a system reads."""
    models = {name: model.inputs for name, model in system.models.items()}
    return models | {name: consumer.reads for name, consumer in system.consumers.items()}


def own_time(contract: Contract, need: TimeNeed) -> timedelta | None:
    """A model's own part of a sum; None where its contract promises nothing of the kind."""
    if need is TimeNeed.FRESHNESS:
        return contract.freshness
    return contract.latency_p99 or contract.deadline


def _delay_of(edge: Edge) -> TimePart:
    assert edge.delayed is not None
    return TimePart(name=edge.name, time=edge.delayed, basis=Basis.DELAY)


def _digraph(models: Iterable[str], edges: Iterable[Edge]) -> Digraph:
    number = {name: place for place, name in enumerate(models)}
    arrows = [(number[edge.producer], number[edge.consumer]) for edge in edges]
    return Digraph(len(number), [tail for tail, _ in arrows], [head for _, head in arrows])


def _some(names: tuple[str, ...], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
