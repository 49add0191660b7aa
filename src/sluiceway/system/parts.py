"""The parts of a system file between parsing and building: right one by one, not yet together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sluiceway.contracts.refused import RefusedContract
from sluiceway.contracts.values import Contract, OutputField
from sluiceway.system.shapes import (
    ConsumerShape,
    EdgeShape,
    FeatureShape,
    LoggingShape,
    ModelShape,
    OwnerShape,
    PoliciesShape,
    SliceShape,
    SourceShape,
    TimeNeedsShape,
)
from sluiceway.system.values import Edge, TimeNeeds

Tell = Callable[[str, str], None]
"""Takes a path inside the file, and what is wrong there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileParts:
    """The parts of a system file that could be parsed.

    Attributes:
        named: All names of each section, also of entries that could not be parsed, so that
            one fault does not make others out of thin air.
        refused: What is sure of the contracts that are refused, by model; those of which not even
            that can be said are left out.
        unit: Column naming the unit; empty where the file names none.
    """

    named: Mapping[str, tuple[str, ...]]
    owners: Mapping[str, OwnerShape]
    sources: Mapping[str, SourceShape]
    features: Mapping[str, FeatureShape]
    models: Mapping[str, ModelShape]
    consumers: Mapping[str, ConsumerShape]
    slices: Mapping[str, SliceShape]
    contracts: Mapping[str, Contract]
    policies: PoliciesShape | None
    logging: LoggingShape | None = None
    refused: Mapping[str, RefusedContract] = field(default_factory=dict)
    unit: str = ""

    def unpromised(self, model: str, name: str) -> tuple[str, str] | None:
        """Where a model surely does not promise a field: what its contract is called, and has."""
        if (contract := self.contracts.get(model)) is not None:
            names = tuple(one.name for one in contract.output)
            lacks, called = name not in names, f"{model} {contract.version}"
        elif (refused := self.refused.get(model)) is not None:
            lacks, called, names = refused.lacks(name), refused.called, refused.names
        else:
            return None
        return (called, ", ".join(names)) if lacks else None

    def surely_said(self) -> dict[str, Contract]:
        """Each contract, or what is sure of one that is refused; by model, in the file's order."""
        sure = {name: refused.sure for name, refused in self.refused.items()} | dict(self.contracts)
        return {name: sure[name] for name in self.models if name in sure}

    def output_field(self, model: str, name: str) -> OutputField | None:
        """A promised field; None where there is none, or where it is in doubt."""
        contract = self.surely_said().get(model)
        return next((f for f in contract.output if f.name == name), None) if contract else None


def edges_of(parts: FileParts) -> dict[str, tuple[Edge, ...]]:
    """What each model and each consumer reads, in the order of the file."""
    nothing = TimeNeedsShape()
    readers = [(name, model.inputs, nothing) for name, model in parts.models.items()]
    readers += [(name, one.reads, one.needs) for name, one in parts.consumers.items()]
    return {
        name: tuple(_edge(shape, name, needs, parts.models) for shape in shapes)
        for name, shapes, needs in readers
    }


def _edge(
    shape: EdgeShape, consumer: str, needs: TimeNeedsShape, models: Mapping[str, ModelShape]
) -> Edge:
    producer, dot, field = shape.reads.partition(".")
    return Edge(
        producer=producer,
        field=field if dot and producer in models else None,
        consumer=consumer,
        relies_on=tuple(shape.relies_on),
        operating_threshold=shape.operating_threshold,
        delayed=shape.delayed,
        needs=TimeNeeds(
            latency_p99=shape.needs.latency_p99 or needs.latency_p99,
            freshness=shape.needs.freshness or needs.freshness,
        ),
    )


def safe_default_of(feature: FeatureShape) -> float | str | None:
    """What stands in for a feature, as readers receive it."""
    value = feature.safe_default
    return value if value is None or isinstance(value, str) else float(value)
