"""The OpenAPI document of what is offered: concrete models, columns, ranges and categories."""

from collections.abc import Mapping
from typing import Any, Final

from sluiceway.contracts.values import OutputField
from sluiceway.gateway.http import VERSION
from sluiceway.gateway.http.refusing import STATUS
from sluiceway.serving.protocols.asking import EVENT_TIME, LONGEST_UNIT, REQUEST
from sluiceway.serving.protocols.offer import Offer, OfferedModel
from sluiceway.serving.protocols.open_inference import DATATYPES
from sluiceway.serving.refusals import RefusalCode
from sluiceway.system.inputs import Feature

Json = dict[str, Any]

_REFUSED: Final = {"$ref": "#/components/responses/Refused"}
_ASKING: Final = (400, 404, 408, 413, 415, 422, 429, 503, 504)
_TELLING: Final = (404, 405, 429, 503)


def document_of(offer: Offer, *, secured: bool, more: Mapping[str, Any]) -> Json:
    """The document, version 3.1.

    Args:
        secured: Whether callers need a token.
        more: Path items of other parts of the gateway.
    """
    system = offer.served.system
    paths: Json = {}
    schemas: Json = dict(_SCHEMAS)
    for model in offer.models.values():
        schemas[f"{model.name}.row"] = _row(offer, model)
        schemas[f"{model.name}.columns"] = _columns(offer, model)
        schemas[f"{model.name}.answer"] = _answer(model)
        paths |= _paths_of(offer, model, secured)
    paths |= _plain_paths(secured)
    components: Json = {
        "schemas": schemas,
        "responses": {"Refused": _refused()},
        "parameters": _PARAMETERS,
    }
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": f"{system.name}: live answers",
            "version": VERSION,
            "description": system.description,
        },
        "paths": paths | dict(more),
        "components": components,
    }
    if secured:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _paths_of(offer: Offer, model: OfferedModel, secured: bool) -> Json:
    base, plain = f"/v2/models/{model.name}", f"/invocations/{model.name}"
    version = {
        "name": "version",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": list(model.versions)},
    }
    paths: Json = {}
    for suffix, parameters in (("", []), ("/versions/{version}", [version])):
        if parameters and not model.versions:
            continue
        of = ".version" if parameters else ""
        paths[plain + suffix] = {
            "parameters": parameters,
            "post": _invocation(offer, model, f"{model.name}{of}.invocations", secured),
        }
        paths[f"{base}{suffix}/infer"] = {
            "parameters": parameters,
            "post": _inference(offer, model, f"{model.name}{of}.infer", secured),
        }
        paths[base + suffix] = {
            "parameters": parameters,
            "get": _told(f"{model.name}{of}.metadata", "ModelMetadata", secured),
        }
        paths[f"{base}{suffix}/ready"] = {
            "parameters": parameters,
            "get": _told(f"{model.name}{of}.ready", "ModelReady", secured),
        }
    return paths


def _invocation(offer: Offer, model: OfferedModel, name: str, secured: bool) -> Json:
    row, columns = _ref(f"{model.name}.row"), _ref(f"{model.name}.columns")
    records = {"type": "array", "items": row, "minItems": 1}
    example = _example_row(offer, model)
    forms = {
        "dataframe_split": _ref("Split"),
        "dataframe_records": records,
        "instances": records,
        "inputs": columns,
    }
    split = {"columns": list(example), "data": [list(example.values())]}
    content: Json = {
        "application/json": {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {
                            form: schema,
                            "params": {"type": "object", "maxProperties": 0},
                        },
                        "required": [form],
                        "additionalProperties": False,
                    }
                    for form, schema in forms.items()
                ]
            },
            "examples": {
                "records": {"value": {"dataframe_records": [example]}},
                "split": {"value": {"dataframe_split": split}},
                "columns": {"value": {"inputs": {n: [v] for n, v in example.items()}}},
            },
        },
        "text/csv": {
            "schema": {"type": "string"},
            "example": f"{','.join(example)}\n{','.join(map(str, example.values()))}\n",
        },
    }
    return _asking(offer, model, name, content, _ref(f"{model.name}.answer"), secured)


def _inference(offer: Offer, model: OfferedModel, name: str, secured: bool) -> Json:
    tensors = [
        {
            "name": column,
            "shape": [1],
            "datatype": DATATYPES[_dtype(offer, column)],
            "data": [value],
        }
        for column, value in _example_row(offer, model).items()
    ]
    content: Json = {
        "application/json": {
            "schema": _ref("InferenceRequest"),
            "examples": {"one row": {"value": {"id": "42", "inputs": tensors}}},
        }
    }
    return _asking(offer, model, name, content, _ref("InferenceResponse"), secured)


def _asking(
    offer: Offer, model: OfferedModel, name: str, content: Json, answer: Json, secured: bool
) -> Json:
    headers = ["EventTime", "Consumer", "Arm", "RequestId"]
    if offer.unit != REQUEST:
        headers.insert(0, "Unit")
    return {
        "operationId": name,
        "summary": f"Ask {model.name}",
        "description": model.description,
        "parameters": [{"$ref": f"#/components/parameters/{one}"} for one in headers],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {
                "description": "The answer, one value or object a row.",
                "content": {"application/json": {"schema": answer}},
            },
            **_refusals(_ASKING, secured),
        },
    }


def _told(
    name: str, schema: str, secured: bool, *, unready: bool = False, open_: bool = False
) -> Json:
    told = {"application/json": {"schema": _ref(schema)}}
    responses: Json = {
        "200": {"description": "As asked.", "content": told},
        **_refusals(_TELLING, secured and not open_),
    }
    if unready:
        responses["503"] = {"description": "Nothing is loaded yet.", "content": told}
    operation: Json = {"operationId": name, "summary": name, "responses": responses}
    if open_ and secured:
        operation["security"] = []
    return operation


def _plain_paths(secured: bool) -> Json:
    text = {"schema": {"type": "string"}}
    probe = {
        "200": {"description": "Models answer.", "content": {"application/json": {}}},
        **_refusals(_TELLING, False),
    }
    version = {
        "200": {"description": "The version.", "content": {"text/plain": text}},
        **_refusals(_TELLING, False),
    }
    counted = {
        "200": {"description": "Prometheus' text format.", "content": {"text/plain": text}},
        **_refusals(_TELLING, secured),
    }
    no_token: Json = {"security": []} if secured else {}
    return {
        "/ping": {"get": {"operationId": "ping", "responses": probe, **no_token}},
        "/version": {"get": {"operationId": "version", "responses": version, **no_token}},
        "/metrics": {"get": {"operationId": "metrics", "responses": counted}},
        "/health": {"get": _told("health", "Health", secured, unready=True, open_=True)},
        "/v2/health/live": {"get": _told("live", "Live", secured, open_=True)},
        "/v2/health/ready": {"get": _told("ready", "Live", secured, unready=True, open_=True)},
        "/v2": {"get": _told("server", "ServerMetadata", secured)},
    }


def _refusals(statuses: tuple[int, ...], secured: bool) -> Json:
    more = (401, 403) if secured else ()
    return {str(status): _REFUSED for status in sorted({*statuses, *more})}


def _dtype(offer: Offer, column: str) -> str:
    feature = offer.served.system.features.get(column)
    return "string" if feature is None else feature.dtype


def _row(offer: Offer, model: OfferedModel) -> Json:
    """A row: the unit, the features, and what else features are made of."""
    properties: Json = {name: _value(feature) for name, feature in model.features.items()}
    properties[EVENT_TIME] = _EVENT_TIME
    if offer.unit != REQUEST:
        properties.setdefault(offer.unit, _UNIT)
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
    }


def _columns(offer: Offer, model: OfferedModel) -> Json:
    properties = {
        name: {"type": "array", "items": schema, "minItems": 1}
        for name, schema in _row(offer, model)["properties"].items()
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


def _answer(model: OfferedModel) -> Json:
    fields = {field.name: _answered(field) for field in model.contract.output}
    items: Json = {"type": "object", "properties": fields, "required": list(fields)}
    if len(fields) == 1:
        items = next(iter(fields.values()))
    return {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": items, "minItems": 1},
            "sluiceway": _ref("Provenance"),
        },
        "required": ["predictions", "sluiceway"],
    }


def _answered(field: OutputField) -> Json:
    if field.embedding is not None:
        return {"type": "array", "items": {"type": ["number", "null"]}}
    kind = {"long": "integer", "boolean": "boolean", "string": "string"}.get(field.dtype, "number")
    return {"type": [kind, "null"], "description": f"in {field.unit}" if field.unit else ""}


def _example_row(offer: Offer, model: OfferedModel) -> Json:
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


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _refused() -> Json:
    return {
        "description": "Refused: words for people, a code for machines, and what is wrong where.",
        "content": {"application/json": {"schema": _ref("Refused")}},
        "headers": {
            "Retry-After": {
                "description": "Seconds after which asking again makes sense.",
                "schema": {"type": "integer"},
            }
        },
    }


_UNIT: Final[Json] = {
    "description": "The unit of the row: who or what it is about.",
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": LONGEST_UNIT, "pattern": r"\S"},
        {"type": "integer", "minimum": -(2**53), "maximum": 2**53},
    ],
}
_EVENT_TIME: Final[Json] = {
    "description": "When the row's event was: ISO 8601 with offset, or microseconds since 1970.",
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 0, "maximum": 2**53},
    ],
}


def _header(name: str, description: str, schema: Json) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


_PARAMETERS: Final[Json] = {
    "Unit": _header(
        "X-Sluiceway-Unit",
        "Unit of the one row, where no column says it.",
        {"type": "string", "minLength": 1, "maxLength": LONGEST_UNIT},
    ),
    "EventTime": _header(
        "X-Sluiceway-Event-Time",
        "Time of every row's event, where no column says it.",
        {"type": "string", "format": "date-time"},
    ),
    "Consumer": _header(
        "X-Sluiceway-Consumer", "Who asks.", {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}
    ),
    "Arm": _header(
        "X-Sluiceway-Arm",
        "The arm that is to answer; for testers with the role operate.",
        {"type": "string", "enum": ["candidate", "baseline"]},
    ),
    "RequestId": _header(
        "X-Request-Id",
        "What the client calls the request; another is made where it is none of ours.",
        {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
    ),
}

_TEXT: Final[Json] = {"type": "string"}
_SCHEMAS: Final[Json] = {
    "Refused": {
        "type": "object",
        "properties": {
            "error": _TEXT,
            "code": {"type": "string", "enum": [code.value for code in RefusalCode]},
            "request_id": _TEXT,
            "faults": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": _TEXT,
                        "rule": _TEXT,
                        "rows": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                        "count": {"type": "integer", "minimum": 0},
                        "what": _TEXT,
                    },
                    "required": ["field", "rule", "rows", "count", "what"],
                },
            },
        },
        "required": ["error", "code", "request_id", "faults"],
        "x-statuses": {code.value: int(status) for code, status in STATUS.items()},
    },
    "Provenance": {
        "type": "object",
        "description": "Who answered: one entry of rows for each row, or one for all alike.",
        "properties": {
            "request_id": _TEXT,
            "generation": {"type": "integer"},
            "revision": {"type": "integer"},
            "sticky": {"type": "boolean"},
            "rows": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "arm": {"type": "string", "enum": ["baseline", "candidate"]},
                        "rollout": {"type": ["string", "null"]},
                        "release": _TEXT,
                        "stand_ins": {"type": "object", "additionalProperties": _TEXT},
                    },
                    "required": ["arm", "rollout", "release", "stand_ins"],
                },
            },
        },
        "required": ["request_id", "generation", "revision", "sticky", "rows"],
    },
    "Split": {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": _TEXT, "uniqueItems": True},
            "data": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "array",
                    "items": {"type": ["number", "string", "boolean", "null"]},
                },
            },
            "index": {"type": "array"},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    },
    "Tensor": {
        "type": "object",
        "properties": {
            "name": _TEXT,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": _TEXT,
            "parameters": {"type": "object"},
            "data": {"type": "array"},
        },
        "required": ["name", "shape", "datatype", "data"],
    },
    "InferenceRequest": {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "parameters": {"type": "object"},
            "inputs": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/components/schemas/Tensor"},
            },
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": _TEXT, "parameters": {"type": "object"}},
                    "required": ["name"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["inputs"],
        "additionalProperties": False,
    },
    "InferenceResponse": {
        "type": "object",
        "properties": {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/Tensor"}},
        },
        "required": ["model_name", "id", "outputs"],
    },
    "ModelMetadata": {
        "type": "object",
        "properties": {
            "name": _TEXT,
            "versions": {"type": "array", "items": _TEXT},
            "platform": _TEXT,
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/TensorMetadata"}},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/TensorMetadata"}},
        },
        "required": ["name", "platform", "inputs", "outputs"],
    },
    "TensorMetadata": {
        "type": "object",
        "properties": {
            "name": _TEXT,
            "datatype": {"type": "string", "enum": sorted(DATATYPES.values())},
            "shape": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["name", "datatype", "shape"],
    },
    "ModelReady": {
        "type": "object",
        "properties": {"name": _TEXT, "ready": {"type": "boolean"}},
        "required": ["name", "ready"],
    },
    "ServerMetadata": {
        "type": "object",
        "properties": {
            "name": _TEXT,
            "version": _TEXT,
            "extensions": {"type": "array", "items": _TEXT},
        },
        "required": ["name", "version", "extensions"],
    },
    "Live": {
        "type": "object",
        "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}},
        "required": ["live"],
    },
    "Health": {
        "type": "object",
        "properties": {
            "ready": {"type": "boolean"},
            "generation": {"type": ["integer", "null"]},
            "revision": {"type": ["integer", "null"]},
        },
        "required": ["ready", "generation", "revision"],
    },
}
