"""What the OpenAPI document says of the rows of each model: what is asked, and what is answered."""

from typing import Any

from sluiceway.contracts.values import OutputField
from sluiceway.gateway.http.openapi_shapes import EVENT_TIME_SHAPE, UNIT_SHAPE, Json, ref
from sluiceway.serving.protocols.asking import EVENT_TIME, REQUEST
from sluiceway.serving.protocols.offer import Offer, OfferedModel
from sluiceway.system.inputs import Feature


def dtype_of(offer: Offer, column: str) -> str:
    """Type of a column of a row; what is no feature is the unit, a text."""
    feature = offer.served.system.features.get(column)
    return "string" if feature is None else feature.dtype


def row_of(offer: Offer, model: OfferedModel) -> Json:
    """A row: the unit, the features, and what else features are made of."""
    properties: Json = {name: _value(feature) for name, feature in model.features.items()}
    properties[EVENT_TIME] = EVENT_TIME_SHAPE
    if offer.unit != REQUEST:
        properties.setdefault(offer.unit, UNIT_SHAPE)
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
    }


def columns_of(offer: Offer, model: OfferedModel) -> Json:
    """The same, column by column."""
    properties = {
        name: {"type": "array", "items": schema, "minItems": 1}
        for name, schema in row_of(offer, model)["properties"].items()
    }
    values = {"type": ["number", "string", "boolean", "null"]}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": {"type": "array", "items": values, "minItems": 1},
    }


def _value(feature: Feature) -> Json:
    kind = {"long": "integer", "boolean": "boolean", "string": "string"}.get(
        feature.dtype, "number"
    )
    unit = f" ({feature.unit})" if feature.unit else ""
    schema: Json = {"type": kind, "description": f"{feature.description}{unit}"}
    if feature.null_rate > 0.0:
        schema["type"] = [kind, "null"]
    if feature.low is not None:
        schema["minimum"] = feature.low
    if feature.high is not None:
        schema["maximum"] = feature.high
    if feature.categories is not None:
        missing = [None] if feature.null_rate > 0.0 else []
        schema["enum"] = [*feature.categories, *missing]
    return schema


def answer_of(model: OfferedModel) -> Json:
    """The body of an answer over MLflow's paths."""
    fields = {field.name: _answered(field) for field in model.contract.output}
    items: Json = {"type": "object", "properties": fields, "required": list(fields)}
    if len(fields) == 1:
        items = next(iter(fields.values()))
    return {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": items, "minItems": 1},
            "sluiceway": ref("Provenance"),
        },
        "required": ["predictions", "sluiceway"],
    }


def _answered(field: OutputField) -> Json:
    if field.embedding is not None:
        return {"type": "array", "items": {"type": ["number", "null"]}}
    kind = {"long": "integer", "boolean": "boolean", "string": "string"}.get(field.dtype, "number")
    return {"type": [kind, "null"], "description": f"in {field.unit}" if field.unit else ""}


def example_of(offer: Offer, model: OfferedModel) -> Json:
    """A row that is answered as it stands."""
    row: Json = {} if offer.unit == REQUEST else {offer.unit: "unit-1"}
    for name, feature in model.features.items():
        row[name] = _example(feature)
    return row


def _example(feature: Feature) -> Any:
    if feature.dtype == "string":
        return feature.categories[0] if feature.categories else "text"
    if feature.dtype == "boolean":
        return True
    low = feature.low if feature.low is not None else min(0.0, feature.high or 0.0)
    high = feature.high if feature.high is not None else max(low, 0.0)
    middle = (low + high) / 2
    whole = float(round(middle))
    value = whole if low <= whole <= high else middle
    return int(value) if feature.dtype == "long" else value
