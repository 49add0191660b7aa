"""What the OpenAPI document says whatever is offered: headers, errors, and fixed bodies."""

from typing import Any, Final

from sluiceway.gateway.http.refusing import STATUS
from sluiceway.serving.protocols.asking import LONGEST_UNIT
from sluiceway.serving.protocols.open_inference import DATATYPES
from sluiceway.serving.refusals import RefusalCode

Json = dict[str, Any]


def ref(name: str) -> Json:
    """A schema of the document by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def refused() -> Json:
    """The response of everything that is refused."""
    return {
        "description": "Refused: words for people, a code for machines, and what is wrong where.",
        "content": {"application/json": {"schema": ref("Refused")}},
        "headers": {
            "Retry-After": {
                "description": "Seconds after which asking again makes sense.",
                "schema": {"type": "integer"},
            }
        },
    }


UNIT_SHAPE: Final[Json] = {
    "description": "The unit of the row: who or what it is about.",
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": LONGEST_UNIT, "pattern": r"\S"},
        {"type": "integer", "minimum": -(2**53), "maximum": 2**53},
    ],
}
EVENT_TIME_SHAPE: Final[Json] = {
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


PARAMETERS: Final[Json] = {
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
SCHEMAS: Final[Json] = {
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
            "why": {"type": "string", "description": "Why nothing answers yet."},
        },
        "required": ["ready", "generation", "revision"],
    },
}
