"""What contracts say of nodes beside their own model: what feeds it, and what stands in for it."""

from collections.abc import Iterator

from sluiceway.contracts.values import Contract, InputDemand, OutputField
from sluiceway.errors import Fault
from sluiceway.system.parts import FileParts

Told = tuple[str, str]
"""A path inside the system file, and what is wrong there."""


def contract_faults(parts: FileParts, *, where: str) -> list[Fault]:
    """Everything that a contract says of another node and that is not so."""
    return [
        Fault(where=f"{where}: models.{name}.contract {path}", what=what)
        for name, contract in parts.surely_said().items()
        for found in (_demands, _stand_ins, _replacements)
        for path, what in found(parts, name, contract)
    ]


def _demands(parts: FileParts, name: str, contract: Contract) -> Iterator[Told]:
    """Demands on type, categories, meaning and vectors; a side that says nothing is not wrong."""
    read = {edge.reads for edge in parts.models[name].inputs}
    for demand in contract.inputs:
        producer, _, wanted = demand.name.partition(".")
        feature = parts.features.get(producer)
        field = parts.output_field(producer, wanted)
        if demand.name not in read:
            continue
        path = f"inputs.{demand.name}"
        if feature is not None:
            given = None if feature.categories is None else tuple(feature.categories)
            yield from _values(demand, path, feature.dtype, given, f"the feature {producer}")
        elif field is not None:
            yield from _values(demand, path, field.dtype, field.categories, producer)
            yield from _meaning(demand, path, field, producer)


def _values(
    demand: InputDemand, path: str, dtype: str, given: tuple[str, ...] | None, giver: str
) -> Iterator[Told]:
    wider = (demand.dtype, dtype) in (
        ("double", "long"),
        ("double", "boolean"),
        ("long", "boolean"),
    )
    if demand.dtype not in (None, dtype) and not wider:
        yield path, f"is demanded as {demand.dtype}, {giver} gives {dtype}"
    if demand.categories is None or given is None:
        return
    strange = [category for category in given if category not in demand.categories]
    if strange:
        yield path, f"knows no {', '.join(strange)}, which {giver} may give"
    elif demand.dtype == dtype == "long" and demand.categories[: len(given)] != given:
        yield path, f"numbers its categories otherwise than {giver} does"


def _meaning(demand: InputDemand, path: str, field: OutputField, giver: str) -> Iterator[Told]:
    if None not in (demand.semantics, field.semantics) and demand.semantics != field.semantics:
        yield path, f"must mean {demand.semantics}, {giver} means {field.semantics}"
    if demand.embedding is not None and demand.embedding != field.embedding:
        yield path, f"must be another vector than {giver} gives"
    if demand.embedding is None and field.embedding is not None:
        yield path, f"takes a single value, {giver} gives a vector of {field.embedding.dimension}"


def _stand_ins(parts: FileParts, name: str, contract: Contract) -> Iterator[Told]:
    """Columns that answer instead exist, fit, and do not wait for this model themselves."""
    for field_name, rule in contract.fallback_rules.items():
        if rule.column is None:
            continue
        path = f"fallback.{field_name}.column"
        model, _, wanted = rule.column.rpartition(".")
        read = {edge.reads for edge in parts.models[name].inputs}
        if rule.column in read:
            continue
        if model == "":
            has = ", ".join(sorted(read))
            yield path, f"{rule.column} is no input of the model (it has: {has})"
        elif model not in parts.named["models"]:
            yield path, f"{rule.column} is neither an input nor a model's field"
        elif model != name:
            yield from _other_answers(parts, name, contract, path, model, wanted)


def _other_answers(
    parts: FileParts, name: str, contract: Contract, path: str, model: str, wanted: str
) -> Iterator[Told]:
    if (lacking := parts.unpromised(model, wanted)) is not None:
        called, has = lacking
        yield path, f"{called} does not promise {wanted} (it has: {has})"
        return
    field = parts.output_field(model, wanted)
    if field is None:
        return
    mine = contract.field(path.split(".")[1])
    if field.unit != mine.unit:
        yield path, f"{model}.{wanted} is in {field.unit}, {mine.name} in {mine.unit}"
    if name in _feeding(parts, model):
        yield path, f"{model} reads {name} itself, so it has no answer either"


def _feeding(parts: FileParts, model: str) -> set[str]:
    """Every model whose answer this one needs."""
    found: set[str] = set()
    waiting = [model]
    while waiting:
        shape = parts.models.get(waiting.pop())
        read = {edge.reads.partition(".")[0] for edge in shape.inputs} if shape else set()
        waiting += sorted(read - found)
        found |= read
    return found


def _replacements(parts: FileParts, name: str, contract: Contract) -> Iterator[Told]:
    for place, one in enumerate(contract.deprecations):
        model, dot, wanted = (one.use_instead or "").rpartition(".")
        path = f"deprecations[{place}].use_instead"
        if not dot or model == name:
            continue
        if model not in parts.named["models"]:
            yield path, f"{one.use_instead} is no model's field"
        elif (lacking := parts.unpromised(model, wanted)) is not None:
            called, has = lacking
            yield path, f"{called} does not promise {wanted} (it has: {has})"
