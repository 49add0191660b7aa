"""Reading a contract file and writing one; see ``docs/contracts.md`` for what may stand in it."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sluiceway.contracts.contradictions import contradictions, overdue
from sluiceway.contracts.half_read import certain_contradictions
from sluiceway.contracts.shapes import (
    ContractShape,
    DemandShape,
    EmbeddingShape,
    FallbackShape,
    FieldShape,
    PromiseShape,
)
from sluiceway.contracts.values import (
    BehaviouralPromise,
    Contract,
    Deprecation,
    Embedding,
    FallbackKind,
    FallbackRule,
    InputDemand,
    OutputField,
    QuantilePromise,
    ScalePromise,
)
from sluiceway.contracts.writing import write_contract
from sluiceway.errors import BadInput, Fault
from sluiceway.yaml_file import left_to_do, parse_shape, read_yaml, shape_faults
from sluiceway.yaml_text import yaml_values


def read_contract(path: Path, *, today: date | None = None) -> Contract:
    """Read one contract file.

    Args:
        today: Where it is given, a field that is still promised after its deprecation's window is
            a fault too. A file that is in force does not become unreadable overnight, so only
            whoever judges a file that is to come into force gives it.

    Raises:
        BadInput: With every fault of the file.
    """
    return contract_from(read_yaml(path), where=path.name, today=today)


def contract_from(
    content: Mapping[str, object], *, where: str, today: date | None = None
) -> Contract:
    """Read what stands in a contract file; see :func:`read_contract`.

    Args:
        where: Name of the file.

    Raises:
        BadInput: With every fault of the file.
    """
    if undone := left_to_do(content, where=f"{where}:"):
        raise BadInput(undone)  # a draft is judged once it is filled in
    faults: list[Fault] = []
    wrong: list[tuple[int | str, ...]] = []
    shape = parse_shape(ContractShape, content, where=f"{where}:", faults=faults, locations=wrong)
    if shape is None:
        faults += certain_contradictions(content, wrong, where=where)
        raise BadInput(faults)
    faults += contradictions(shape, where=where)
    if today is not None:
        faults += overdue(shape, today=today, where=where)
    if faults:
        raise BadInput(faults)
    return _contract(shape)


def contract_in_text(text: str, *, where: str) -> Contract:
    """Read a contract that was written somewhere else than in a file, such as in a registry's tag.

    Args:
        text: What a contract file holds, or what :meth:`Contract.to_json` writes.
        where: Where it stands, for the faults.

    Raises:
        BadInput: With every fault of it.
    """
    try:
        content = yaml_values(text)  # JSON is YAML too
    except ValueError as error:
        raise BadInput([Fault(where=where, what=f"is no contract: {error}")]) from error
    if not isinstance(content, dict):
        what = (
            "is no contract; it takes the text of a contract file, or what "
            "sluiceway.stamping.contract_tag writes"
        )
        raise BadInput([Fault(where=where, what=what)])
    if not isinstance(content.get("output"), list):
        return contract_from(content, where=where)
    try:
        contract = Contract.from_json(text)
    except ValidationError as error:
        raise BadInput(shape_faults(error, where=f"{where}:")) from error
    # What a program wrote is held to what a file is held to.
    written: Any = yaml_values(write_contract(contract))
    contract_from(written, where=where)
    return contract


def two_for_one(files: Iterable[tuple[str, Contract]]) -> list[Fault]:
    """Files that give one version of a model's contract two contents.

    Args:
        files: Name of each file with what stands in it.
    """
    faults: list[Fault] = []
    first: dict[tuple[str, str], tuple[str, Contract]] = {}
    for where, contract in files:
        key = (contract.model, contract.version)
        before, known = first.setdefault(key, (where, contract))
        if known.content_hash != contract.content_hash:
            what = (
                f"{contract.version} of {contract.model} is another contract in {before}; "
                "a version has one content: raise the version of the later one"
            )
            faults.append(Fault(where=f"{where}: version", what=what))
    return faults


def _contract(shape: ContractShape) -> Contract:
    fields = (output_field(name, field) for name, field in shape.output.items())
    return Contract(
        model=shape.model,
        version=shape.version,
        output=tuple(sorted(fields, key=lambda field: field.position)),
        inputs=tuple(input_demand(name, demand) for name, demand in sorted(shape.inputs.items())),
        deadline=shape.latency.deadline,
        fallback={
            name: constant_of(written, shape.output[name])
            for name, written in shape.fallback.items()
        },
        fallback_rules={
            name: rule
            for name, written in shape.fallback.items()
            if (rule := fallback_rule(written)) is not None
        },
        latency_p99=shape.latency.p99,
        freshness=shape.freshness,
        max_batch=shape.max_batch,
        deterministic=shape.deterministic,
        deprecations=tuple(
            Deprecation(
                field=one.field,
                since=one.since,
                remove_after=one.remove_after,
                use_instead=one.use_instead,
                because=one.because,
            )
            for one in shape.deprecations
        ),
        reserved=tuple(shape.reserved),
        description=shape.description,
    )


def constant_of(written: FallbackShape, field: FieldShape) -> float:
    """The safe default as a number: a category is its place among the field's categories."""
    if isinstance(written.constant, str):
        return float((field.categories or []).index(written.constant))
    return written.constant


def fallback_rule(written: FallbackShape) -> FallbackRule | None:
    """What is tried before the safe default; None where nothing is."""
    if written.use is None and not written.on:
        return None
    return FallbackRule(
        kind=FallbackKind(written.use or FallbackKind.CONSTANT),
        column=written.column,
        max_age=written.max_age,
        triggers=tuple(written.on),
    )


def output_field(name: str, shape: FieldShape) -> OutputField:
    """A field as its contract promises it."""
    return OutputField(
        name=name,
        position=shape.position,
        dtype=shape.dtype,
        unit=shape.unit or "",
        low=shape.range[0],
        high=shape.range[1],
        nullable=shape.nullable,
        promise=_promise(shape.promise) if shape.promise else None,
        categories=_listed(shape.categories),
        positive=shape.positive,
        semantics=shape.semantics,
        calibration=shape.calibration,
        embedding=_embedding(shape.embedding),
    )


def input_demand(name: str, shape: DemandShape) -> InputDemand:
    """An input as its contract demands it."""
    return InputDemand(
        name=name,
        unit=shape.unit,
        low=shape.range[0],
        high=shape.range[1],
        nullable=shape.nullable,
        dtype=shape.dtype,
        categories=_listed(shape.categories),
        semantics=shape.semantics,
        embedding=_embedding(shape.embedding),
    )


def _listed(categories: list[str] | None) -> tuple[str, ...] | None:
    return None if categories is None else tuple(categories)


def _embedding(shape: EmbeddingShape | None) -> Embedding | None:
    return None if shape is None else Embedding(dimension=shape.dimension, space=shape.space)


def _promise(shape: PromiseShape) -> BehaviouralPromise:
    scale, quantiles = shape.scale, shape.quantiles
    return BehaviouralPromise(
        measured_on=shape.measured_on,
        measured_at=shape.measured_at,
        scale=ScalePromise(reference=scale.reference, low=scale.ratio[0], high=scale.ratio[1])
        if scale
        else None,
        quantiles=QuantilePromise(reference=quantiles.reference, tolerance=quantiles.tolerance)
        if quantiles
        else None,
    )
