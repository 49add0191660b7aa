"""One way to write a value as text, so that equal values have equal hashes."""

import hashlib
import json
from typing import Any

from pydantic import TypeAdapter

JsonValue = Any


def as_json(adapter: TypeAdapter[Any], value: object) -> JsonValue:
    """Turn a value into plain JSON types by its adapter."""
    return adapter.dump_python(value, mode="json")


def canonical_text(plain: JsonValue) -> str:
    """Write plain JSON types with sorted keys and no spaces.

    Raises:
        ValueError: A number is NaN or infinite; such a value is no evidence and is never stored.
    """
    return json.dumps(
        plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of(plain: JsonValue) -> str:
    """SHA-256 of the canonical text, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_text(plain).encode()).hexdigest()
