"""Writing a contract as the file that reads back equal."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from sluiceway.contracts.values import (
    BehaviouralPromise,
    Contract,
    Deprecation,
    Embedding,
    FallbackKind,
    FallbackRule,
    InputDemand,
    OutputField,
)
from sluiceway.durations import render_duration

Path = tuple[str, ...]


def write_contract(contract: Contract, *, notes: Mapping[Path, str] | None = None) -> str:
    """Write a contract as YAML.

    :func:`sluiceway.contracts.file.read_contract` gives an equal contract, provided that its
    fields stand in order of position and its inputs in order of name, as they do in every
    contract that was read.

    Args:
        notes: Comments by the path of the key they explain, such as ``("output", "minutes",
            "range")``. What is not written, because it says nothing, has its note at the nearest
            key above that is.
    """
    content = _map(
        model=contract.model,
        version=contract.version,
        description=contract.description or None,
        output=_map(**{field.name: _field(field) for field in contract.output}),
        inputs=_map(**{demand.name: _demand(demand) for demand in contract.inputs}) or None,
        latency=_flow(
            _map(
                deadline=render_duration(contract.deadline),
                p99=contract.latency_p99 and render_duration(contract.latency_p99),
            )
        ),
        freshness=contract.freshness and render_duration(contract.freshness),
        max_batch=contract.max_batch,
        deterministic=contract.deterministic,
        fallback=_map(
            **{
                name: _fallback(contract, name, contract.fallback_rules.get(name))
                for name in contract.fallback
            }
        ),
        deprecations=[_deprecation(one) for one in contract.deprecations] or None,
        reserved=_flow(CommentedSeq(contract.reserved)) or None,
    )
    for path, note in (notes or {}).items():
        _explain(content, path, note)
    text = StringIO()
    writer = YAML(typ="rt", pure=True)
    writer.width = 100
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(content, text)
    return text.getvalue()


def _map(**entries: Any) -> CommentedMap:
    """Keys whose value says something."""
    return CommentedMap((key, value) for key, value in entries.items() if value is not None)


def _flow(collection: Any) -> Any:
    collection.fa.set_flow_style()
    return collection


def _field(field: OutputField) -> CommentedMap:
    # A number always has a unit, though it may be that of a pure number.
    number = field.dtype in ("double", "long") and not (field.categories or field.embedding)
    return _map(
        position=field.position,
        dtype=field.dtype,
        unit=field.unit if field.unit or number else None,
        range=_range(field),
        nullable=field.nullable or None,
        categories=_listed(field.categories),
        positive=field.positive,
        semantics=field.semantics,
        calibration=field.calibration,
        embedding=_embedding(field.embedding),
        promise=field.promise and _promise(field.promise),
    )


def _demand(demand: InputDemand) -> CommentedMap:
    return _flow(  # type: ignore[no-any-return]
        _map(
            dtype=demand.dtype,
            unit=demand.unit,
            range=_range(demand),
            nullable=demand.nullable or None,
            categories=_listed(demand.categories),
            semantics=demand.semantics,
            embedding=_embedding(demand.embedding),
        )
    )


def _range(bounded: OutputField | InputDemand) -> CommentedSeq | None:
    if bounded.low is None and bounded.high is None:
        return None
    return _flow(CommentedSeq([bounded.low, bounded.high]))  # type: ignore[no-any-return]


def _listed(categories: tuple[str, ...] | None) -> CommentedSeq | None:
    return None if categories is None else _flow(CommentedSeq(categories))


def _embedding(embedding: Embedding | None) -> CommentedMap | None:
    if embedding is None:
        return None
    return _flow(_map(dimension=embedding.dimension, space=embedding.space))  # type: ignore[no-any-return]


def _promise(promise: BehaviouralPromise) -> CommentedMap:
    scale, quantiles = promise.scale, promise.quantiles
    return _map(
        measured_on=promise.measured_on,
        measured_at=promise.measured_at,
        scale=scale
        and _map(reference=scale.reference, ratio=_flow(CommentedSeq([scale.low, scale.high]))),
        quantiles=quantiles
        and _map(
            reference=_flow(CommentedMap(sorted(quantiles.reference.items()))),
            tolerance=quantiles.tolerance,
        ),
    )


def _fallback(contract: Contract, name: str, rule: FallbackRule | None) -> Any:
    constant = _constant(contract, name)
    if rule is None:
        return constant
    # A constant that answers on named triggers needs no further word.
    implied = rule.kind is FallbackKind.CONSTANT and bool(rule.triggers)
    return _flow(
        _map(
            constant=constant,
            use=None if implied else rule.kind.value,
            column=rule.column,
            max_age=rule.max_age and render_duration(rule.max_age),
            on=_flow(CommentedSeq(trigger.value for trigger in rule.triggers)) or None,
        )
    )


def _constant(contract: Contract, name: str) -> float | str:
    """A number, or the category that it is the place of."""
    value = contract.fallback[name]
    field = next((field for field in contract.output if field.name == name), None)
    if field is None or field.categories is None or field.dtype == "double":
        return value
    named = 0 <= value < len(field.categories) and value == int(value)
    return field.categories[int(value)] if named else value


def _deprecation(one: Deprecation) -> CommentedMap:
    return _map(
        field=one.field,
        since=one.since,
        remove_after=one.remove_after,
        use_instead=one.use_instead,
        because=one.because,
    )


def _explain(content: CommentedMap, path: Path, note: str) -> None:
    """Put a comment above the last key of the path that is written in a block of its own."""
    above, place, depth = content, None, 0
    for level, key in enumerate(path):
        if not isinstance(above, CommentedMap) or key not in above or above.fa.flow_style():
            break
        place, depth = (above, key), level
        above = above[key]
    if place is not None:
        place[0].yaml_set_comment_before_after_key(place[1], before=note, indent=2 * depth)
