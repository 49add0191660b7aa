"""What one release has to compute for one model's answer, laid out once before any row is read."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluiceway.contracts.values import Contract, InputDemand
from sluiceway.releases import Release
from sluiceway.replay.partitions import feature_version
from sluiceway.serving.ports import Backend
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.safe_defaults import feature_default
from sluiceway.serving.served import Detour, Served, Version
from sluiceway.serving.stand_ins import safe_constant
from sluiceway.system.values import Edge, System

FeatureKey = tuple[str, str]
"""A feature's name and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where one input of a model comes from.

    Attributes:
        column: The name under which the model reads it.
        producer: Name of a feature, or ``model.field``.
        version: The feature's version; None where it is a model's field.
        instead: The safe default that comes because the edge is isolated; None where it is not.
        demand: What the model's contract demands of it; None where it says nothing.
    """

    column: str
    producer: str
    version: str | None
    instead: float | str | None
    demand: InputDemand | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model version that is asked.

    Attributes:
        inputs: In the order in which the version reads them.
    """

    model: str
    version: str
    contract: Contract
    backend: Backend
    inputs: tuple[Slot, ...]

    @property
    def key(self) -> Version:
        """The model's name and version."""
        return (self.model, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All that one release asks for one model's answer.

    Attributes:
        release: Content hash of the release; a detour's pinned versions do not change it.
        steps: Producers before consumers; the last one is the model that was asked for.
        features: Every feature that some step reads and is not cut from.
        is_local: Whether all of its versions live in this process.
    """

    model: str
    release: str
    steps: tuple[Step, ...]
    features: tuple[FeatureKey, ...]

    @property
    def is_local(self) -> bool:
        """Whether every version of it can be asked in a thread of this process."""
        return all(step.backend.local is not None for step in self.steps)


NO_DETOUR = Detour()


def lay_out(served: Served, model: str, release: Release, detour: Detour = NO_DETOUR) -> Layout:
    """Lay out what a release has to compute.

    Raises:
        Refused: A version that is needed does not serve now, or reads what it is not given.
    """
    cut = served.cut | detour.cut
    steps: dict[str, Step] = {}
    _add(served, model, release, detour, cut, steps)
    features = {
        (slot.producer, slot.version): None
        for step in steps.values()
        for slot in step.inputs
        if slot.version is not None and slot.instead is None
    }
    return Layout(
        model=model,
        release=release.content_hash,
        steps=tuple(steps.values()),
        features=tuple((name, version) for name, version in features if version is not None),
    )


def _add(
    served: Served,
    model: str,
    release: Release,
    detour: Detour,
    cut: frozenset[str],
    steps: dict[str, Step],
) -> None:
    """Add a model after all that feeds it; what only cut edges lead to is not asked."""
    if model in steps:
        return
    member = release.members.get(model)
    version = detour.versions.get(model) or (member.version if member else None)
    if version is None or (model, version) not in served.backends:
        said = f"{model}@{version}" if version else model
        raise Refused(RefusalCode.NOT_READY, f"{said} is not loaded", retry_after=1)
    backend = served.backends[model, version]
    contract = served.contracts.get((model, version), served.system.models[model].contract)
    edges = {edge.column: edge for edge in served.system.models[model].inputs}
    demands = {demand.name: demand for demand in contract.inputs}
    slots = []
    for name in backend.inputs:
        edge = edges.get(name)
        if edge is None:
            what = f"{model}@{version} reads {name}, which the system does not give it"
            raise Refused(RefusalCode.NOT_READY, what)
        is_cut = edge.name in cut or _sources_are_cut(served.system, edge, cut)
        if edge.field is not None and not is_cut:
            _add(served, edge.producer, release, detour, cut, steps)
        instead = _safe_default(served, edge, release, detour.versions) if is_cut else None
        slots.append(_slot(served.system, edge, release, detour, demands.get(name), instead))
    steps[model] = Step(
        model=model, version=version, contract=contract, backend=backend, inputs=tuple(slots)
    )


def _slot(
    system: System,
    edge: Edge,
    release: Release,
    detour: Detour,
    demand: InputDemand | None,
    instead: float | str | None,
) -> Slot:
    version = None
    if edge.field is None:
        version = system.features[edge.producer].current
        member = release.members.get(edge.consumer)
        if edge.consumer in detour.versions:  # a pinned version reads what it was trained with
            version = detour.features.get(edge.consumer, {}).get(edge.producer, version)
        elif member is not None:
            version = feature_version(system, member, edge.producer)
    return Slot(
        column=edge.column,
        producer=edge.column,
        version=version,
        instead=instead,
        demand=demand,
    )


def _safe_default(
    served: Served, edge: Edge, release: Release, pinned: Mapping[str, str]
) -> float | str:
    """What the consumer of a cut edge receives, as the version says that would have answered."""
    if edge.field is None:
        return feature_default(served.system, edge.producer)
    member = release.members.get(edge.producer)
    version = pinned.get(edge.producer) or (member.version if member else "")
    declared = served.system.models[edge.producer].contract
    contract = served.contracts.get((edge.producer, version), declared)
    return safe_constant(contract, contract.field(edge.field))


def _sources_are_cut(system: System, edge: Edge, cut: frozenset[str]) -> bool:
    """Whether a column that the feature is made of is cut off from it."""
    if not cut or edge.field is not None:
        return False
    feature = system.features[edge.producer]
    return any(
        f"{column} → {feature.name}" in cut
        for version in feature.versions.values()
        for column in version.reads
    )
