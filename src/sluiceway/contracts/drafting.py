"""Writing a drafted contract as a file, with the reason for each number beside it."""

from collections.abc import Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from sluiceway.contracts.inferring import Draft
from sluiceway.contracts.values import BehaviouralPromise, Contract, InputDemand, OutputField
from sluiceway.durations import render_duration


def drafted_text(draft: Draft, *, heading: Sequence[str]) -> str:
    """A contract file that :func:`sluiceway.contracts.file.read_contract` reads back.

    Args:
        heading: Lines of comment at the top.
    """
    content = _contract(draft.contract)
    for path, reason in draft.reasons.items():
        *parents, key = path
        place: Any = content
        for parent in parents:
            place = place.get(parent) if isinstance(place, CommentedMap) else None
        if isinstance(place, CommentedMap) and key in place:
            place.yaml_add_eol_comment(reason, key, column=0)
    yaml = YAML()
    yaml.width = 4096  # a line that is folded would part a value from its comment
    written = StringIO()
    yaml.dump(content, written)
    return "".join(f"# {line}\n" for line in heading) + written.getvalue()


def _contract(contract: Contract) -> CommentedMap:
    return CommentedMap(
        model=contract.model,
        version=contract.version,
        output=CommentedMap((field.name, _field(field)) for field in contract.output),
        inputs=CommentedMap((demand.name, _demand(demand)) for demand in contract.inputs),
        latency=CommentedMap(deadline=render_duration(contract.deadline)),
        fallback=CommentedMap(contract.fallback),
    )


def _field(field: OutputField) -> CommentedMap:
    content = CommentedMap(position=field.position, dtype=field.dtype, unit=field.unit)
    if field.low is not None or field.high is not None:
        content["range"] = _flow([_plain(field.low), _plain(field.high)])
    content["nullable"] = field.nullable
    if field.promise is not None:
        content["promise"] = _promise(field.promise)
    return content


def _promise(promise: BehaviouralPromise) -> CommentedMap:
    content = CommentedMap(measured_on=promise.measured_on)
    if promise.scale is not None:
        scale = promise.scale
        content["scale"] = CommentedMap(
            reference=_plain(scale.reference), ratio=_flow([scale.low, scale.high])
        )
    if promise.quantiles is not None:
        quantiles = promise.quantiles
        reference = CommentedMap((f"{p:g}", _plain(v)) for p, v in quantiles.reference.items())
        reference.fa.set_flow_style()
        content["quantiles"] = CommentedMap(
            reference=reference, tolerance=_plain(quantiles.tolerance)
        )
    return content


def _demand(demand: InputDemand) -> CommentedMap:
    content = CommentedMap()
    if demand.unit is not None:
        content["unit"] = demand.unit
    if demand.low is not None or demand.high is not None:
        content["range"] = _flow([_plain(demand.low), _plain(demand.high)])
    content["nullable"] = demand.nullable
    return content


def _flow(values: Sequence[Any]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


def _plain(value: float | None) -> float | int | None:
    """Whole numbers without the point that nobody would write."""
    if value is None or abs(value) >= 1e15 or value != int(value):
        return value
    return int(value)
