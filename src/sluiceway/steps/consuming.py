"""Who reads a model: what is declared, and whatever else shows that somebody does."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluiceway.errors import SluicewayError
from sluiceway.lineage import Callers, Reading, RegistryLineage, Trace
from sluiceway.ports import RegistryUnavailable, Window
from sluiceway.releases import Release
from sluiceway.steps.site import Site
from sluiceway.system.values import NodeKind, Reliance, System


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredConsumer:
    """A declared edge in one environment.

    Attributes:
        field: The model's output field that is read.
        environment: Where it reads; None where the model serves nowhere yet.
        version: The consumer's version that serves there; None of outside applications.
        producer_version: The model's own version that serves there.
        trained_on: The model's version that the consumer was trained on; None where its version
            does not say.
        fault: Why the consumer's version cannot be asked; None where it can.
    """

    consumer: str
    kind: NodeKind
    owner: str
    contact: str
    field: str
    relies_on: tuple[Reliance, ...]
    delayed: timedelta | None
    environment: str | None = None
    version: str | None = None
    producer_version: str | None = None
    trained_on: str | None = None
    fault: str | None = None

    @property
    def trained_on_another(self) -> bool:
        """Whether it is known to have been trained on another version than the one that serves."""
        return self.trained_on is not None and self.trained_on != self.producer_version


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeclaredConsumer:
    """Somebody who reads the model without a declared edge.

    Attributes:
        versions: Registered versions that show it; empty of who only asked for answers.
        field: Which field; None where that does not show.
        rows: Answered units in the window; None where the log does not show it.
        last: Event time of the latest of them.
    """

    consumer: str
    versions: tuple[str, ...]
    field: str | None
    shown_by: Trace
    rows: int | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """What was searched; what lies outside of it is not known.

    Attributes:
        system: The system whose edges are declared.
        environment: Whose log of answers was read; None where there is no journal to say what
            serves, and neither log nor registry was opened.
        window: Of the log.
        log: What the log showed; None where it was not read.
        registry: What the registry showed; None where it was not searched.
        faults: Why something could not be searched, in words.
    """

    system: str
    environment: str | None = None
    window: Window | None = None
    log: Callers | None = None
    registry: RegistryLineage | None = None
    faults: tuple[str, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether log and registry were both searched whole."""
        read = self.log is not None and self.registry is not None
        return read and not self.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumersFound:
    """All that is known of who reads one model."""

    model: str
    declared: tuple[DeclaredConsumer, ...]
    undeclared: tuple[UndeclaredConsumer, ...]
    looked_at: LookedAt


def declared_consumers(system: System, model: str) -> ConsumersFound:
    """What the system file alone says."""
    return ConsumersFound(
        model=model,
        declared=tuple(_declared(system, model)),
        undeclared=(),
        looked_at=LookedAt(system=system.name),
    )


def find_consumers(site: Site, system: System, model: str, window: Window) -> ConsumersFound:
    """Who reads a model, in every environment of the journal, its log and its registry."""
    faults: list[str] = []
    registry: RegistryLineage | None = None
    log: Callers | None = None
    try:
        registry = site.registry.lineage()
    except RegistryUnavailable as error:
        faults.append(f"the registry was not searched: {error}")
    try:
        log = site.predictions.callers(window)
    except SluicewayError as error:  # a damaged log is an adapter's error
        faults.append(f"the prediction log was not read: {error}")
    return ConsumersFound(
        model=model,
        declared=_where_they_serve(site, model, tuple(_declared(system, model))),
        undeclared=(
            *_undeclared_versions(system, model, registry.readings if registry else ()),
            *_undeclared_callers(system, model, log),
        ),
        looked_at=LookedAt(
            system=system.name,
            environment=site.environment,
            window=window,
            log=log,
            registry=registry,
            faults=tuple(faults),
        ),
    )


def _declared(system: System, model: str) -> Iterator[DeclaredConsumer]:
    for edge in system.edges:
        if edge.producer == model and edge.field is not None:
            owner = system.owner_of(edge.consumer)
            yield DeclaredConsumer(
                consumer=edge.consumer,
                kind=system.kind(edge.consumer),
                owner=owner.name,
                contact=owner.contact,
                field=edge.field,
                relies_on=edge.relies_on,
                delayed=edge.delayed,
            )


def _where_they_serve(
    site: Site, model: str, declared: tuple[DeclaredConsumer, ...]
) -> tuple[DeclaredConsumer, ...]:
    """The same edges in each environment where the model serves; as they are where it does not."""
    serving = [
        (environment, champion.release)
        for environment in site.journal.environments()
        if (champion := site.journal.champion(environment)) and model in champion.release.members
    ]
    # The environment one asks in comes first.
    serving.sort(key=lambda one: (one[0] != site.environment, one[0]))
    found = [
        _serving(site, model, edge, environment, release)
        for environment, release in serving
        for edge in declared
    ]
    return tuple(found) or declared


def _serving(
    site: Site, model: str, edge: DeclaredConsumer, environment: str, release: Release
) -> DeclaredConsumer:
    producer = release.members[model].version
    member = release.members.get(edge.consumer)
    if member is None:
        return replace(edge, environment=environment, producer_version=producer)
    trained_on, fault = None, None
    try:
        trained_on = site.registry.version(member.model, member.version).trained_on.get(model)
    except SluicewayError as error:
        fault = str(error)
    return replace(
        edge,
        environment=environment,
        version=member.version,
        producer_version=producer,
        trained_on=trained_on,
        fault=fault,
    )


def _undeclared_versions(
    system: System, model: str, readings: Iterable[Reading]
) -> Iterator[UndeclaredConsumer]:
    declared = {(edge.consumer, edge.field) for edge in system.edges if edge.producer == model}
    declared |= {(consumer, None) for consumer, _ in declared}
    versions: dict[tuple[str, str | None, Trace], list[str]] = {}
    for one in readings:
        if one.producer == model and (one.reader, one.field) not in declared:
            known = versions.setdefault((one.reader, one.field, one.shown_by), [])
            if one.version not in known:
                known.append(one.version)
    for (reader, field, shown_by), numbers in versions.items():
        yield UndeclaredConsumer(
            consumer=reader, versions=tuple(numbers), field=field, shown_by=shown_by
        )


def _undeclared_callers(
    system: System, model: str, log: Callers | None
) -> Iterator[UndeclaredConsumer]:
    declared = {edge.consumer for edge in system.edges if edge.producer == model}
    for caller in log.callers if log else ():
        if caller.model == model and caller.consumer not in declared:
            yield UndeclaredConsumer(
                consumer=caller.consumer,
                versions=(),
                field=None,
                shown_by=Trace.REQUESTS,
                rows=caller.rows,
                last=caller.last,
            )
