"""JSON as it arrives: bounded before it is parsed, and with nothing in it that JSON has not."""

from typing import Any, Final

import numpy as np
import orjson

from sluiceway.serving.refusals import RefusalCode, Refused

MAX_DEPTH: Final = 32
"""Deepest nesting that is read; no body of ours has more than 6."""

_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1
_QUOTE = ord('"')
_MARKS = _STEPS != 0
_MARKS[_QUOTE] = True


def read_json(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Parse a JSON text.

    ``NaN``, ``Infinity``, numbers that no double can hold, lone surrogates and trailing commas are
    refused; a missing value is ``null``.

    Raises:
        Refused: It is no JSON, or nested too deep.
    """
    # Two counts bound the depth from above; only what has many brackets is looked at closer.
    if body.count(b"[") + body.count(b"{") > max_depth and depth_of(body) > max_depth:
        what = f"the body is nested deeper than {max_depth} levels"
        raise Refused(RefusalCode.TOO_LARGE, what)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        what = f"the body is no JSON: {error}; missing values are null, not NaN"
        raise Refused(RefusalCode.MALFORMED, what) from None


def depth_of(body: bytes) -> int:
    """Deepest nesting of arrays and objects outside texts, without parsing.

    A few passes over the bytes, whatever they are: texts are told apart by the parity of the quotes
    before a byte, once escaped quotes are gone.
    """
    if b"\\" in body:
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    found = np.frombuffer(body, dtype=np.uint8)
    found = found[_MARKS[found]]
    in_text = np.cumsum(found == _QUOTE, dtype=np.uint8) & 1
    steps = _STEPS[found]
    steps[in_text.view(np.bool_)] = 0
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))
