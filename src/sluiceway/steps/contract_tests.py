"""Contract tests of one version: its promises, its edge cases, and its consumers' side."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sluiceway.contracts.cases import CaseCode, CaseResult, CounterExample, Why, outcome_of
from sluiceway.contracts.feeding import fed_cases
from sluiceway.contracts.questioning import Questioner
from sluiceway.contracts.regions import (
    Column,
    Region,
    Seen,
    Supply,
    region_of,
    region_of_field,
    supply_of_field,
)
from sluiceway.contracts.trying import own_cases
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.outcomes import Outcome
from sluiceway.ports import RegisteredVersion, Window
from sluiceway.releases import Member, Release
from sluiceway.steps.members import contracts_of, member_of
from sluiceway.steps.recorded_inputs import NoRecord, RecordedInputs, feeders, recorded_inputs
from sluiceway.steps.requests import parse_members
from sluiceway.steps.site import Ask, Site
from sluiceway.system.values import Edge, System

DTYPES: Final[Mapping[str, str]] = {
    "double": "double",
    "float": "double",
    "long": "long",
    "integer": "long",
    "boolean": "boolean",
    "string": "string",
}
"""A contract's dtype by MLflow's type of a column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractTest:
    """What a contract test came to.

    Attributes:
        tested: Such as ``dep_delay@2``.
        window: The recorded rows; None where there were none to be had.
        rows: How many of them were asked.
        members: By model, the versions that took part or could have.
        results: Its own cases first, then those of each edge.
        notes: What could not be tried here, in words, without being anybody's fault.
    """

    tested: str
    contract: Contract
    window: Window | None
    rows: int
    members: Mapping[str, Member]
    results: tuple[CaseResult, ...]
    notes: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """What all cases come to."""
        return outcome_of(self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cast:
    """The versions that take part, with what they promise."""

    system: System
    release: Release
    contracts: Mapping[str, Contract]

    def contract(self, model: str) -> Contract:
        return self.contracts[self.release.members[model].contract_hash]

    def name(self, model: str) -> str:
        return self.release.members[model].name


def run_contract_test(
    site: Site,
    name: str,
    *,
    together_with: Sequence[str] = (),
    now: datetime,
    window: timedelta | None = None,
) -> ContractTest:
    """Test one version against its contract, and its consumers against what it promises.

    Args:
        name: ``MODEL@VERSION``.
        together_with: ``MODEL@VERSION`` of consumers or feeders that are not to be the champion's.
        now: Recorded rows end here.
        window: How much of the record; the policies' shadow window by default.

    Raises:
        BadInput: A name is no version of a model of the system.
        RegistryUnavailable: The registry did not answer.
    """
    system = site.systems.current()
    wanted = parse_members(system, [name, *together_with], asked="contract test")
    model = next(iter(wanted))
    cast = cast_of(site, system, wanted)
    edges = [e for e in system.edges if e.producer == model and e.field is not None]
    promised = {field.name for field in cast.contract(model).output}
    readers = [
        e.consumer
        for e in edges
        if e.field in promised and feeders(system, [e.consumer]) <= cast.release.members.keys()
    ]
    span = Window(start=now - (window or system.policies.shadow.window), end=now)
    listening = tuple(dict.fromkeys([model, *readers]))
    record, lacking = _recorded(site, cast, listening, span, now)
    results: list[CaseResult] = []
    if record is None:
        example = CounterExample(why=Why.NOT_TRIED, said=lacking)
        results.append(
            CaseResult(
                code=CaseCode.RECORDED,
                asked=cast.name(model),
                edge=None,
                tried=0,
                outcome=Outcome.INCONCLUSIVE,
                examples=(example,),
            )
        )
    with _met(site, cast, model) as ask:
        version = questioner(site, cast, model, ask, record)
        results += own_cases(version, record.columns[model] if record else None)
    results += _edge_results(site, cast, edges, record)
    outside = [e for e in edges if e.consumer in system.consumers]
    return ContractTest(
        tested=cast.name(model),
        contract=cast.contract(model),
        window=record.window if record else None,
        rows=record.rows if record else 0,
        members=cast.release.members,
        results=tuple(results),
        notes=tuple(
            f"{e.name}: {e.consumer} is an outside application; its own tests have to try it"
            for e in outside
        ),
    )


def cast_of(site: Site, system: System, wanted: Mapping[str, str]) -> _Cast:
    """The wanted versions in the place of the champion's; others as they serve, if any do.

    Raises:
        BadInput: A wanted version does not exist or does not fit the system.
    """
    faults: list[Fault] = []
    members: list[Member] = []
    for model, version in wanted.items():
        try:
            members.append(member_of(site, system, model, version))
        except BadInput as error:
            faults.extend(error.faults)
    if faults:
        raise BadInput(faults)
    champion = site.journal.champion(site.environment)
    served = champion.release if champion else Release(members={})
    release = served.with_members(members)
    ours = Release(members={n: m for n, m in release.members.items() if n in system.models})
    return _Cast(system=system, release=release, contracts=contracts_of(site, system, ours))


def _recorded(
    site: Site, cast: _Cast, listening: Collection[str], span: Window, now: datetime
) -> tuple[RecordedInputs | None, str]:
    """What the record has, or why it has nothing."""
    try:
        record = recorded_inputs(
            site, cast.system, cast.release, listening, cast.contracts, window=span, now=now
        )
    except NoRecord as error:
        return None, str(error)
    return record, ""


def _met(site: Site, cast: _Cast, model: str) -> AbstractContextManager[Ask]:
    member = cast.release.members[model]
    return site.meet(model, member.version, member.artifact_sha256)


def questioner(
    site: Site, cast: _Cast, model: str, ask: Ask, record: RecordedInputs | None
) -> Questioner:
    """A version with the region of each of its inputs, ready to be asked."""
    member = cast.release.members[model]
    registered = site.registry.version(model, member.version)
    contract = cast.contract(model)
    columns = record.columns.get(model) if record else None
    return Questioner(
        name=member.name,
        contract=contract,
        ask=partial(ask, deadline=contract.deadline),
        regions=regions_of(cast, registered, contract, columns),
    )


def regions_of(
    cast: _Cast,
    registered: RegisteredVersion,
    contract: Contract,
    columns: Mapping[str, Column] | None,
) -> dict[str, Region]:
    """What each input of a version may be, in the order of its signature."""
    demands = {demand.name: demand for demand in contract.inputs}
    edges = {edge.column: edge for edge in cast.system.models[registered.model].inputs}
    return {
        name: region_of(
            name,
            demand=demands.get(name),
            supply=supply_of(cast, edges[name]) if name in edges else None,
            seen=Seen.of(columns[name]) if columns is not None else None,
            dtype=DTYPES.get(registered.types.get(name, "")),
        )
        for name in registered.inputs or ()
    }


def supply_of(cast: _Cast, edge: Edge) -> Supply | None:
    """What whoever is at the beginning of an edge says of it."""
    if edge.field is None:
        feature = cast.system.features[edge.producer]
        return Supply(
            by=feature.name,
            dtype=feature.dtype,
            unit=feature.unit,
            low=feature.low,
            high=feature.high,
            nullable=feature.null_rate > 0,
            categories=feature.categories,
            fallback=None,
        )
    member = cast.release.members.get(edge.producer)
    own = cast.system.models[edge.producer].contract
    contract = cast.contract(edge.producer) if member else own
    field = next((f for f in contract.output if f.name == edge.field), None)
    if field is None:
        return None
    return supply_of_field(field, fallback=contract.fallback.get(field.name), name=edge.column)


def _edge_results(
    site: Site, cast: _Cast, edges: Sequence[Edge], record: RecordedInputs | None
) -> Iterator[CaseResult]:
    """The consumer's side of each edge that a model is at the end of."""
    for edge in edges:
        if edge.consumer not in cast.system.models:
            continue
        if edge.consumer not in cast.release.members:
            said = f"nobody serves {edge.consumer}; name a version of it by --with"
            yield _not_tried(edge, edge.consumer, said, Outcome.INCONCLUSIVE)
            continue
        producer = cast.contract(edge.producer)
        field = next((f for f in producer.output if f.name == edge.field), None)
        if field is None:
            said = f"{edge.producer} {producer.version} promises no {edge.field}"
            yield _not_tried(edge, cast.name(edge.consumer), said, Outcome.FAILED)
            continue
        with _met(site, cast, edge.consumer) as ask:
            consumer = questioner(site, cast, edge.consumer, ask, record)
            if edge.column not in consumer.regions:
                continue  # this version does not read it
            fallback = producer.fallback.get(field.name)
            yield from fed_cases(
                consumer,
                edge=edge.name,
                column=edge.column,
                field=field,
                region=region_of_field(field, fallback=fallback, name=edge.column),
                recorded=record.columns.get(edge.consumer) if record else None,
            )


def _not_tried(edge: Edge, asked: str, said: str, outcome: Outcome) -> CaseResult:
    example = CounterExample(
        why=Why.DEMAND_NOT_MET if outcome is Outcome.FAILED else Why.NOT_TRIED, said=said
    )
    return CaseResult(
        code=CaseCode.FITS,
        asked=asked,
        edge=edge.name,
        tried=0,
        outcome=outcome,
        broken=int(outcome is Outcome.FAILED),
        examples=(example,),
    )
