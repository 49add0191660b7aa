"""Reading a contract file; see ``docs/system-file.md`` for what may stand in it."""

from pathlib import Path
from typing import Literal

import semver
from pydantic import Field, FiniteFloat, PositiveFloat, field_validator

from sluiceway.contracts.values import (
    BehaviouralPromise,
    Contract,
    InputDemand,
    OutputField,
    QuantilePromise,
    ScalePromise,
)
from sluiceway.durations import PositiveDuration
from sluiceway.errors import BadInput, Fault
from sluiceway.yaml_file import Shape, left_to_do, parse_shape, read_yaml

Dtype = Literal["double", "long", "boolean", "string"]


def checked_semver(text: str) -> str:
    """Return the text where it is a semantic version, or raise ValueError."""
    if not semver.Version.is_valid(text):
        raise ValueError("is no semantic version; write it like 1.0.0")
    return text


class _ScaleShape(Shape):
    reference: PositiveFloat
    ratio: tuple[PositiveFloat, PositiveFloat]


class _QuantilesShape(Shape):
    reference: dict[float, FiniteFloat] = Field(min_length=1)
    tolerance: PositiveFloat


class _PromiseShape(Shape):
    measured_on: str
    scale: _ScaleShape | None = None
    quantiles: _QuantilesShape | None = None


class _FieldShape(Shape):
    position: int = Field(ge=0)
    dtype: Dtype = "double"
    unit: str
    range: tuple[float | None, float | None] = (None, None)
    nullable: bool = False
    promise: _PromiseShape | None = None


class _DemandShape(Shape):
    unit: str | None = None
    range: tuple[float | None, float | None] = (None, None)
    nullable: bool = False


class _LatencyShape(Shape):
    deadline: PositiveDuration


class _ContractShape(Shape):
    model: str
    version: str
    description: str = ""
    output: dict[str, _FieldShape] = Field(min_length=1)
    inputs: dict[str, _DemandShape] = {}
    latency: _LatencyShape
    fallback: dict[str, FiniteFloat]

    _version = field_validator("version")(checked_semver)


def read_contract(path: Path) -> Contract:
    """Read one contract file.

    Raises:
        BadInput: With every fault of the file.
    """
    content = read_yaml(path)
    if undone := left_to_do(content, where=f"{path.name}:"):
        raise BadInput(undone)  # a draft is judged once it is filled in
    faults: list[Fault] = []
    shape = parse_shape(_ContractShape, content, where=f"{path.name}:", faults=faults)
    if shape is None:
        raise BadInput(faults)
    faults.extend(_contradictions(shape, where=path.name))
    if faults:
        raise BadInput(faults)
    return Contract(
        model=shape.model,
        version=shape.version,
        output=tuple(
            sorted((_field(n, f) for n, f in shape.output.items()), key=lambda f: f.position)
        ),
        inputs=tuple(
            InputDemand(name=n, unit=d.unit, low=d.range[0], high=d.range[1], nullable=d.nullable)
            for n, d in sorted(shape.inputs.items())
        ),
        deadline=shape.latency.deadline,
        fallback=shape.fallback,
    )


def _field(name: str, shape: _FieldShape) -> OutputField:
    return OutputField(
        name=name,
        position=shape.position,
        dtype=shape.dtype,
        unit=shape.unit,
        low=shape.range[0],
        high=shape.range[1],
        nullable=shape.nullable,
        promise=_promise(shape.promise) if shape.promise else None,
    )


def _promise(shape: _PromiseShape) -> BehaviouralPromise:
    scale, quantiles = shape.scale, shape.quantiles
    return BehaviouralPromise(
        measured_on=shape.measured_on,
        scale=ScalePromise(reference=scale.reference, low=scale.ratio[0], high=scale.ratio[1])
        if scale
        else None,
        quantiles=QuantilePromise(reference=quantiles.reference, tolerance=quantiles.tolerance)
        if quantiles
        else None,
    )


def _contradictions(shape: _ContractShape, *, where: str) -> list[Fault]:
    faults: list[Fault] = []

    def fault(path: str, what: str) -> None:
        faults.append(Fault(where=f"{where}: {path}", what=what))

    ranges = [(f"output.{name}", field.range) for name, field in shape.output.items()]
    ranges += [(f"inputs.{name}", demand.range) for name, demand in shape.inputs.items()]
    for path, (low, high) in ranges:
        if low is not None and high is not None and not low <= high:
            fault(f"{path}.range", f"goes from {low:g} down to {high:g}")
    positions = [field.position for field in shape.output.values()]
    for name, field in shape.output.items():
        if positions.count(field.position) > 1:
            fault(f"output.{name}.position", f"{field.position} is taken by another field too")
        low, high = field.range
        default = shape.fallback.get(name)
        if default is None:
            fault("fallback", f"has no safe default for {name}")
        elif (low is not None and default < low) or (high is not None and default > high):
            fault(f"fallback.{name}", f"{default:g} lies outside the promised range")
        if field.promise is not None:
            faults.extend(_promise_faults(field.promise, where=f"{where}: output.{name}.promise"))
    for name in shape.fallback:
        if name not in shape.output:
            has = ", ".join(shape.output)
            fault(f"fallback.{name}", f"is no output field (it has: {has})")
    return faults


def _promise_faults(promise: _PromiseShape, *, where: str) -> list[Fault]:
    faults = []
    if promise.scale is None and promise.quantiles is None:
        faults.append(Fault(where=where, what="promises nothing; give scale or quantiles"))
    if promise.scale is not None and not promise.scale.ratio[0] <= 1 <= promise.scale.ratio[1]:
        faults.append(Fault(where=f"{where}.scale.ratio", what="does not admit its own reference"))
    if promise.quantiles is not None:
        reference = promise.quantiles.reference
        faults.extend(
            Fault(where=f"{where}.quantiles.reference.{p:g}", what="is no probability from 0 to 1")
            for p in reference
            if not 0 <= p <= 1
        )
        values = [reference[p] for p in sorted(reference)]
        if values != sorted(values):
            faults.append(Fault(where=f"{where}.quantiles.reference", what="does not rise"))
    return faults
