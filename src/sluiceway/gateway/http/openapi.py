"""The OpenAPI document of what is offered: concrete models, columns, ranges and categories."""

from collections.abc import Mapping
from typing import Any, Final

from sluiceway.gateway.http import VERSION
from sluiceway.gateway.http.openapi_rows import (
    answer_of,
    columns_of,
    dtype_of,
    example_of,
    row_of,
)
from sluiceway.gateway.http.openapi_shapes import PARAMETERS, SCHEMAS, Json, ref, refused
from sluiceway.serving.protocols.asking import REQUEST
from sluiceway.serving.protocols.offer import Offer, OfferedModel
from sluiceway.serving.protocols.open_inference import DATATYPES

_REFUSED: Final = {"$ref": "#/components/responses/Refused"}
_ASKING: Final = (400, 404, 408, 413, 415, 422, 429, 503)
_TELLING: Final = (404, 405, 429, 503)


def document_of(offer: Offer, *, secured: bool, more: Mapping[str, Any]) -> Json:
    """The document, version 3.1.

    Args:
        secured: Whether callers need a token.
        more: Path items of other parts of the gateway.
    """
    system = offer.served.system
    paths: Json = {}
    schemas: Json = dict(SCHEMAS)
    for model in offer.models.values():
        schemas[f"{model.name}.row"] = row_of(offer, model)
        schemas[f"{model.name}.columns"] = columns_of(offer, model)
        schemas[f"{model.name}.answer"] = answer_of(model)
        paths |= _paths_of(offer, model, secured)
    paths |= _plain_paths(secured)
    components: Json = {
        "schemas": schemas,
        "responses": {"Refused": refused()},
        "parameters": PARAMETERS,
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


def described(name: str, *, answer: Json, body: Json | None = None) -> Json:
    """The operation of another part's route that takes and gives JSON.

    Args:
        name: Its operation's id, unique in the document.
        answer: Schema of what it answers with.
        body: Schema of what it is sent; None where that is nothing.
    """
    operation: Json = {
        "operationId": name,
        "responses": {
            "200": {
                "description": answer.get("description", "As asked."),
                "content": {"application/json": {"schema": answer}},
            },
            # Who may not ask is told so where tokens are needed.
            **_refusals(_ASKING, secured=True),
        },
    }
    if body is not None:
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


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
    row, columns = ref(f"{model.name}.row"), ref(f"{model.name}.columns")
    records = {"type": "array", "items": row, "minItems": 1}
    example = example_of(offer, model)
    forms = {
        "dataframe_split": ref("Split"),
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
    return _asking(offer, model, name, content, ref(f"{model.name}.answer"), secured)


def _inference(offer: Offer, model: OfferedModel, name: str, secured: bool) -> Json:
    tensors = [
        {
            "name": column,
            "shape": [1],
            "datatype": DATATYPES[dtype_of(offer, column)],
            "data": [value],
        }
        for column, value in example_of(offer, model).items()
    ]
    content: Json = {
        "application/json": {
            "schema": ref("InferenceRequest"),
            "examples": {"one row": {"value": {"id": "42", "inputs": tensors}}},
        }
    }
    return _asking(offer, model, name, content, ref("InferenceResponse"), secured)


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
    told = {"application/json": {"schema": ref(schema)}}
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
