"""Profiles as JSON and back, bit for bit."""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluiceway.canonical import JsonValue
from sluiceway.drift.profiles import (
    Aspect,
    CategorySummary,
    ColumnProfile,
    Kind,
    NumericSummary,
    Summary,
    WindowProfile,
)

_VERSION = 1
_NUMERIC = ("kept", "points", "counts", "infinite", "low", "high")


def as_json(profile: WindowProfile) -> JsonValue:
    """Plain JSON types: names as text, arrays as base64 of zlib of little-endian bytes."""
    return {
        "version": _VERSION,
        "block": profile.block,
        "blocks": list(profile.blocks),
        "rows": _packed(profile.rows),
        "columns": {
            name: {
                "kind": column.kind.value,
                "nulls": _packed(column.nulls),
                "parts": {a.value: _summary_json(part) for a, part in column.parts.items()},
            }
            for name, column in profile.columns.items()
        },
    }


def from_json(plain: JsonValue) -> WindowProfile:
    """The profile that :func:`as_json` wrote.

    Raises:
        ValueError: It is no profile, or of another version.
    """
    try:
        if plain["version"] != _VERSION:
            raise ValueError(f"profile of version {plain['version']}, not {_VERSION}")
        return WindowProfile(
            block=plain["block"],
            blocks=tuple(plain["blocks"]),
            rows=_unpacked(plain["rows"]),
            columns={
                name: ColumnProfile(
                    kind=Kind(column["kind"]),
                    nulls=_unpacked(column["nulls"]),
                    parts={Aspect(a): _summary(part) for a, part in column["parts"].items()},
                )
                for name, column in plain["columns"].items()
            },
        )
    except (KeyError, TypeError, AttributeError, zlib.error) as wrong:
        raise ValueError(f"no drift profile: {wrong!r}") from wrong


def _summary_json(summary: Summary) -> JsonValue:
    if isinstance(summary, NumericSummary):
        return {name: _packed(getattr(summary, name)) for name in _NUMERIC}
    return {
        "labels": list(summary.labels),
        "hashed": summary.hashed,
        "table": _packed(summary.table.ravel()),
    }


def _summary(plain: JsonValue) -> Summary:
    if "labels" not in plain:
        return NumericSummary(**{name: _unpacked(plain[name]) for name in _NUMERIC})
    labels = tuple(plain["labels"])
    table = _unpacked(plain["table"]).reshape(-1, len(labels))
    return CategorySummary(labels=labels, table=table, hashed=plain["hashed"])


def _packed(column: NDArray[Any]) -> JsonValue:
    kind = "<f8" if column.dtype.kind == "f" else "<i8"
    raw = zlib.compress(column.astype(kind).tobytes(), 1)
    return {"type": kind, "bytes": base64.b64encode(raw).decode("ascii")}


def _unpacked(plain: JsonValue) -> NDArray[Any]:
    if plain["type"] not in ("<f8", "<i8"):
        raise ValueError(f"no drift profile: an array of {plain['type']!r}")
    raw = zlib.decompress(base64.b64decode(plain["bytes"]))
    return np.frombuffer(raw, dtype=plain["type"]).astype(plain["type"][1:])
