"""Contracts in the Open Data Contract Standard, version 3.1 (extra ``odcs``).

What both sides know is written in the standard's own words: names, types, ranges, nulls, latency,
freshness, owner, end of life. What the standard has no word for goes into custom properties under
``sluiceway``, so that an export reads back whole; what *it* says and a contract cannot is told by
name when a file is imported, and never dropped in silence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any, Final

from open_data_contract_standard.model import (
    CustomProperty,
    Description,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
    ServiceLevelAgreementProperty,
    Support,
    Team,
)
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

from sluiceway.contracts.values import (
    Contract,
    Deprecation,
    FallbackRule,
    InputDemand,
    OutputField,
)
from sluiceway.contracts.writing import write_contract
from sluiceway.durations import parse_duration, render_duration
from sluiceway.errors import BadInput, Fault
from sluiceway.system.values import Owner

API_VERSION: Final = "v3.1.0"
OUTPUT, INPUT = "output", "input"
OURS: Final = "sluiceway"

_LOGICAL: Final = {
    "double": "number",
    "long": "integer",
    "boolean": "boolean",
    "string": "string",
}
_DTYPES: Final = {logical: dtype for dtype, logical in _LOGICAL.items()}
_SECONDS: Final = {"s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

_FIELD: Final = TypeAdapter(OutputField)
_DEMAND: Final = TypeAdapter(InputDemand)
_RULES: Final = TypeAdapter(dict[str, FallbackRule])
_DEPRECATIONS: Final = TypeAdapter(tuple[Deprecation, ...])

_IN_THE_STANDARD: Final = {"name", "dtype", "low", "high", "nullable"}
"""Parts of a field that are said in the standard's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A contract file drafted from a document of the standard.

    Attributes:
        text: The contract file; what only people know says ``TODO``.
        without_counterpart: What the document says and a contract cannot, by its path.
    """

    text: str
    without_counterpart: tuple[str, ...]


def export_odcs(contract: Contract, *, owner: Owner | None = None) -> str:
    """Write a contract as a YAML document of the standard.

    Args:
        owner: Who answers for the model; None leaves team and support out.
    """
    document = OpenDataContractStandard(
        apiVersion=API_VERSION,
        kind="DataContract",
        id=contract.model,
        name=contract.model,
        version=contract.version,
        status="active",
        description=Description(purpose=contract.description) if contract.description else None,
        schema=[
            SchemaObject(
                name=OUTPUT,
                physicalType="model answer",
                logicalType="object",
                properties=[_property(field, _FIELD) for field in contract.output],
            ),
            *(
                [
                    SchemaObject(
                        name=INPUT,
                        physicalType="model input",
                        logicalType="object",
                        properties=[_property(demand, _DEMAND) for demand in contract.inputs],
                    )
                ]
                if contract.inputs
                else []
            ),
        ],
        slaProperties=list(_agreements(contract)),
        team=Team(name=owner.name) if owner else None,
        support=[Support(channel=owner.name, url=_url(owner.contact))] if owner else None,
        customProperties=[CustomProperty(property=OURS, value=_ours(contract))],
    )
    return _yaml(document.model_dump(exclude_none=True, by_alias=True, mode="json"))


def _property(field: OutputField | InputDemand, adapter: TypeAdapter[Any]) -> SchemaProperty:
    plain = adapter.dump_python(field, mode="json", exclude_defaults=True)
    dtype = field.dtype or "double"
    options = {
        name: _whole(value, dtype)
        for name, value in (("minimum", field.low), ("maximum", field.high))
        if value is not None and dtype in ("double", "long")
    }
    rest = {name: value for name, value in plain.items() if name not in _IN_THE_STANDARD}
    if field.dtype is None or not options:
        # Without a type that has a range, the standard has no place for one.
        rest |= {name: plain[name] for name in ("low", "high") if plain.get(name) is not None}
    return SchemaProperty(
        name=field.name,
        logicalType=_LOGICAL[dtype] if field.dtype else None,
        physicalType=field.dtype,
        logicalTypeOptions=options if options and field.dtype else None,
        required=not field.nullable,
        customProperties=[CustomProperty(property=OURS, value=rest)] if rest else None,
    )


def _agreements(contract: Contract) -> Iterator[ServiceLevelAgreementProperty]:
    def seconds(name: str, span: timedelta, said: str) -> ServiceLevelAgreementProperty:
        return ServiceLevelAgreementProperty(
            property=name,
            value=span.total_seconds(),
            unit="s",
            element=OUTPUT,
            driver="operational",
            description=said,
        )

    if contract.latency_p99 is not None:
        yield seconds("latency", contract.latency_p99, "99 of 100 single requests")
    if contract.freshness is not None:
        yield seconds("freshness", contract.freshness, "oldest age of the inputs of an answer")
    for one in contract.deprecations:
        instead = f"; use {one.use_instead}" if one.use_instead else ""
        yield ServiceLevelAgreementProperty(
            property="endOfLife",
            value=one.remove_after.isoformat(),
            element=f"{OUTPUT}.{one.field}",
            driver="operational",
            description=f"{one.because}{instead}",
        )


def _ours(contract: Contract) -> dict[str, Any]:
    """What the standard has no word for, of the contract as a whole."""
    found: dict[str, Any] = {
        "deadline": render_duration(contract.deadline),
        "fallback": dict(contract.fallback),
    }
    if contract.fallback_rules:
        found["fallback_rules"] = _RULES.dump_python(dict(contract.fallback_rules), mode="json")
    if contract.deprecations:
        found["deprecations"] = _DEPRECATIONS.dump_python(contract.deprecations, mode="json")
    for name in ("max_batch", "deterministic"):
        if (value := getattr(contract, name)) is not None:
            found[name] = value
    if contract.reserved:
        found["reserved"] = list(contract.reserved)
    return found


def read_odcs(text: str, *, where: str) -> OpenDataContractStandard:
    """Read a document of the standard.

    Raises:
        BadInput: It is none, or one of another version.
    """
    try:
        document = OpenDataContractStandard.model_validate(YAML(typ="safe", pure=True).load(text))
    except ValidationError as error:
        raise BadInput(
            [
                Fault(
                    where=f"{where}: {'.'.join(map(str, found['loc']))}",
                    what=f"{found['msg'][0].lower()}{found['msg'][1:]}",
                )
                for found in error.errors(include_url=False)
            ]
        ) from error
    if document.kind != "DataContract" or not (document.apiVersion or "").startswith("v3."):
        what = f"is no data contract of version 3 (kind {document.kind}, {document.apiVersion})"
        raise BadInput([Fault(where=where, what=what)])
    return document


def import_odcs(text: str, *, where: str, schema: str | None = None) -> Imported:
    """Draft a contract file from a document of the standard.

    Args:
        where: The document's name, for messages.
        schema: Which of its schema objects the model answers; None where there is one only, or one
            that is called ``output``.

    Raises:
        BadInput: It is no such document, or nothing in it can be a contract.
    """
    document = read_odcs(text, where=where)
    answers = _chosen(document, schema, where=where)
    fields, notes = [], sorted(_without_counterpart(document, answers))
    for place, one in enumerate(answers.properties or []):
        try:
            fields.append(_field(one, place))
        except _NoCounterpart as lost:
            notes.append(f"schema.{answers.name}.{one.name}: {lost}")
    if not fields:
        what = "has no property of a type that a model's answer can have"
        raise BadInput([Fault(where=f"{where}: schema {answers.name}", what=what)])
    ours = _value_of(document.customProperties)
    agreed = {one.property: one for one in document.slaProperties or []}
    inputs = next((o for o in document.schema_ or [] if o.name == INPUT and o is not answers), None)
    contract = Contract(
        model=document.name or str(document.id),
        version=str(document.version),
        output=tuple(fields),
        inputs=tuple(_demand(one) for one in (inputs.properties or [] if inputs else [])),
        deadline=parse_duration(ours.get("deadline", _UNSAID)),
        fallback={f.name: ours.get("fallback", {}).get(f.name, 0.0) for f in fields},
        fallback_rules=_RULES.validate_python(ours.get("fallback_rules", {})),
        latency_p99=_span(agreed.get("latency")),
        freshness=_span(agreed.get("freshness")),
        max_batch=ours.get("max_batch"),
        deterministic=ours.get("deterministic"),
        deprecations=_DEPRECATIONS.validate_python(ours.get("deprecations", ())),
        reserved=tuple(ours.get("reserved", ())),
        description=(document.description.purpose or "") if document.description else "",
    )
    content = YAML(typ="safe", pure=True).load(write_contract(contract))
    if "deadline" not in ours:
        content["latency"]["deadline"] = "TODO: the longest time for one batch of recorded rows"
    for field in fields:
        if field.name not in ours.get("fallback", {}):
            content["fallback"][field.name] = "TODO: what a consumer gets when there is no answer"
    return Imported(text=_yaml(content), without_counterpart=tuple(notes))


_UNSAID: Final = "1s"
"""Stands for a deadline nobody has said, until it is replaced by the question."""


class _NoCounterpart(Exception):
    """A part of the document that no contract can say."""


def _chosen(document: OpenDataContractStandard, schema: str | None, *, where: str) -> SchemaObject:
    objects = document.schema_ or []
    have = ", ".join(str(one.name) for one in objects) or "none"
    if schema is None and len(objects) > 1 and OUTPUT not in [one.name for one in objects]:
        what = f"has several schema objects; say which one the model answers (there are: {have})"
        raise BadInput([Fault(where=f"{where}: schema", what=what)])
    wanted = schema or (OUTPUT if OUTPUT in [one.name for one in objects] else None)
    for one in objects:
        if wanted is None or one.name == wanted:
            return one
    what = f"has no schema object {wanted or ''}".rstrip() + f" (there are: {have})"
    raise BadInput([Fault(where=f"{where}: schema", what=what)])


def _field(one: SchemaProperty, place: int) -> OutputField:
    said = _value_of(one.customProperties)
    plain = {
        "position": place,
        "unit": f"TODO: the unit of {one.name}",
        "promise": None,
        **_typed(one, said),
    }
    return _FIELD.validate_python({**plain, **said, "name": str(one.name)})


def _demand(one: SchemaProperty) -> InputDemand:
    said = _value_of(one.customProperties)
    typed = _typed(one, said)
    if one.logicalType is None:
        del typed["dtype"]
    return _DEMAND.validate_python({"unit": None, **typed, **said, "name": str(one.name)})


def _typed(one: SchemaProperty, said: Mapping[str, Any]) -> dict[str, Any]:
    logical = one.logicalType or "number"
    if logical not in _DTYPES:
        raise _NoCounterpart(f"is of the type {logical}")
    options = one.logicalTypeOptions or {}
    return {
        "dtype": _DTYPES[logical],
        "low": options.get("minimum", said.get("low")),
        "high": options.get("maximum", said.get("high")),
        "nullable": not one.required,
    }


_READ_OF_DOCUMENT: Final = {
    "version", "kind", "apiVersion", "id", "name", "status", "schema", "slaProperties",
    "customProperties",
}  # fmt: skip
_READ_OF_PROPERTY: Final = {
    "name", "logicalType", "physicalType", "logicalTypeOptions", "required", "customProperties",
}  # fmt: skip
_READ_OPTIONS: Final = {"minimum", "maximum"}


def _without_counterpart(
    document: OpenDataContractStandard, answers: SchemaObject
) -> Iterator[str]:
    """Everything that is said and not taken over, by its path."""
    plain = document.model_dump(exclude_none=True, by_alias=True)
    for name in (plain.pop("description", None) or {}).keys() - {"purpose"}:
        yield f"description.{name}"
    # Our own export says these again from the system file.
    for name in plain.keys() - _READ_OF_DOCUMENT:
        yield name
    for other in document.schema_ or []:
        if other is not answers and other.name != INPUT:
            yield f"schema.{other.name}"
    for one in answers.properties or []:
        said = one.model_dump(exclude_none=True)
        for name in said.keys() - _READ_OF_PROPERTY:
            if said[name] not in (False, -1, []):
                yield f"schema.{answers.name}.{one.name}.{name}"
        for name in (one.logicalTypeOptions or {}).keys() - _READ_OPTIONS:
            yield f"schema.{answers.name}.{one.name}.logicalTypeOptions.{name}"
    ours = {"latency", "freshness"}
    if _value_of(document.customProperties):
        ours |= {"endOfLife"}
    for agreement in document.slaProperties or []:
        if agreement.property not in ours or (
            agreement.property != "endOfLife" and _span(agreement) is None
        ):
            yield f"slaProperties.{agreement.property}"
    for custom in document.customProperties or []:
        if custom.property != OURS:
            yield f"customProperties.{custom.property}"


def _span(agreed: ServiceLevelAgreementProperty | None) -> timedelta | None:
    """A time that was agreed; None where it is none, or in a unit that nobody knows."""
    if agreed is None or agreed.unit not in _SECONDS:
        return None
    try:
        seconds = float(agreed.value) * _SECONDS[agreed.unit]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return timedelta(seconds=seconds) if seconds > 0 else None


def _value_of(properties: list[CustomProperty] | None) -> Mapping[str, Any]:
    """What our own export wrote; empty in anybody else's document."""
    found = next((one.value for one in properties or [] if one.property == OURS), None)
    return found if isinstance(found, dict) else {}


def _whole(value: float, dtype: str) -> float | int:
    return int(value) if dtype == "long" and float(value).is_integer() else value


def _url(contact: str) -> str:
    return contact if "://" in contact else f"mailto:{contact}"


def _yaml(content: object) -> str:
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    writer.dump(content, text)
    return text.getvalue()
