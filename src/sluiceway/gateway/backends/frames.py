"""What gateway and worker say to each other: frames of bytes, read without trusting them.

A frame is a kind, the number of the question it belongs to, and a payload of a known length. Values
travel as float64, as microseconds since 1970, or as JSON texts; nothing that arrives is unpickled.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

MOST_BYTES: Final = 1 << 28
"""Longest payload that is read, in bytes."""
_HEAD: Final = struct.Struct("<BIQ")
_QUESTION: Final = struct.Struct("<dI")
_TOOK: Final = struct.Struct("<d")
_ARRAY: Final = struct.Struct("<cBQ")
_MOST_DIMENSIONS: Final = 8
_NUMBERS, _TIMES, _TEXTS = b"f", b"M", b"t"


class BadFrame(Exception):
    """What arrived is no frame, or not one that may come now."""


class Kind(IntEnum):
    """What a frame says."""

    LOAD = 1
    """To the worker: JSON object of what it is to load."""
    LOADED = 2
    """From the worker: JSON list of the columns it reads."""
    QUESTION = 3
    ANSWER = 4
    """From the worker: the seconds that it took, and one array."""
    FAULT = 5
    """From the worker: why there is no answer, as UTF-8."""
    EXPIRED = 6
    """From the worker: the question's time was over before it was looked at."""


Frame = tuple[Kind, int, bytes]
"""Kind, number of the question, payload."""


def framed(kind: Kind, number: int, *parts: bytes) -> bytes:
    """One frame as it travels."""
    return b"".join((_HEAD.pack(kind, number, sum(map(len, parts))), *parts))


class Frames:
    """Puts frames together from bytes as they come in."""

    def __init__(self, *, most: int = MOST_BYTES) -> None:
        """Read frames whose payloads have at most `most` bytes."""
        self._most = most
        self._read = bytearray()

    def fed(self, chunk: bytes) -> Iterator[Frame]:
        """Every frame that is complete with this chunk.

        Raises:
            BadFrame: The bytes are no frame.
        """
        self._read += chunk
        while len(self._read) >= _HEAD.size:
            kind, number, length = _HEAD.unpack_from(self._read)
            if length > self._most:
                raise BadFrame(f"said something of {length:,} bytes")
            end = _HEAD.size + length
            if len(self._read) < end:
                return
            payload = bytes(memoryview(self._read)[_HEAD.size : end])
            del self._read[:end]
            try:
                yield Kind(kind), number, payload
            except ValueError:
                raise BadFrame(f"said something of the unknown kind {kind}") from None


def question(
    number: int, inputs: Sequence[str], columns: Mapping[str, Array], until: float
) -> bytes:
    """A question as a frame.

    Args:
        inputs: Names of the columns that travel, in the order in which both sides know them.
        columns: Values of shape (rows,).
        until: When nobody waits any more, on this machine's monotonic clock in seconds.

    Raises:
        KeyError: A column is missing.
        ValueError: The columns have different lengths, or hold what cannot travel.
    """
    given = [columns[name] for name in inputs]
    rows = len(given[0]) if given else 0
    if any(values.shape != (rows,) for values in given):
        raise ValueError("its columns have different lengths")
    head = _QUESTION.pack(until, len(given))
    if all(values.dtype.kind in "fiub" for values in given):
        matrix = np.empty((len(given), rows), dtype=np.float64)
        for place, values in enumerate(given):
            matrix[place] = values
        return framed(Kind.QUESTION, number, head, packed(matrix))
    return framed(Kind.QUESTION, number, head, *(packed(values) for values in given))


def asked(payload: bytes, inputs: Sequence[str]) -> tuple[float, dict[str, Array]]:
    """Until when an answer is waited for, and the columns by name.

    Raises:
        BadFrame: The payload is no question.
    """
    until, count = _QUESTION.unpack_from(payload)
    if count != len(inputs):
        raise BadFrame(f"is asked with {count} columns and reads {len(inputs)}")
    arrays, offset = [], _QUESTION.size
    while offset < len(payload):
        values, offset = _unpacked(payload, offset)
        arrays.append(values)
    columns = arrays[0] if len(arrays) == 1 and arrays[0].ndim == 2 else arrays
    return until, dict(zip(inputs, columns, strict=True))


def answered(values: Array, seconds: float) -> bytes:
    """The payload of an answer.

    Raises:
        ValueError: It holds what cannot travel.
    """
    return _TOOK.pack(seconds) + packed(values)


def answer_of(payload: bytes) -> tuple[Array, float]:
    """An answer's array, and the seconds that it took; never negative.

    Raises:
        BadFrame: The payload is no answer.
    """
    if len(payload) < _TOOK.size:
        raise BadFrame("said a part of an answer")
    (seconds,) = _TOOK.unpack_from(payload)
    if not 0.0 <= seconds < math.inf:
        raise BadFrame(f"said that it took {seconds} seconds")
    return unpacked(payload[_TOOK.size :]), seconds


def packed(values: Array) -> bytes:
    """An array as bytes: numbers as float64, times as microseconds, boxed values as what they are.

    Raises:
        ValueError: It holds what is none of these.
    """
    plain = unboxed(values) if values.dtype.kind == "O" else values
    match plain.dtype.kind:
        case "f" | "i" | "u" | "b":
            code, data = _NUMBERS, np.ascontiguousarray(plain, dtype="<f8").tobytes()
        case "M":
            code, data = _TIMES, plain.astype("datetime64[us]").astype("<i8").tobytes()
        case "U" | "O":
            code, data = _TEXTS, json.dumps(plain.ravel().tolist(), ensure_ascii=False).encode()
        case _:
            raise ValueError(f"holds {values.dtype} values")
    dimensions = struct.pack(f"<{plain.ndim}Q", *plain.shape)
    return b"".join((_ARRAY.pack(code, plain.ndim, len(data)), dimensions, data))


def unpacked(payload: bytes) -> Array:
    """The one array of a payload.

    Raises:
        BadFrame: The payload is not one array.
    """
    values, end = _unpacked(payload, 0)
    if end != len(payload):
        raise BadFrame("said more than one array")
    return values


def _unpacked(payload: bytes, offset: int) -> tuple[Array, int]:
    try:
        code, dimensions, size = _ARRAY.unpack_from(payload, offset)
        if dimensions > _MOST_DIMENSIONS:
            raise BadFrame(f"said an array of {dimensions} dimensions")
        start = offset + _ARRAY.size + 8 * dimensions
        shape = struct.unpack_from(f"<{dimensions}Q", payload, offset + _ARRAY.size)
    except struct.error as error:
        raise BadFrame(f"said a part of an array: {error}") from None
    end = start + size
    if end > len(payload):
        raise BadFrame("said a part of an array")
    data, count = payload[start:end], math.prod(shape)
    if code in (_NUMBERS, _TIMES):
        if size != 8 * count:
            raise BadFrame(f"said {size:,} bytes for an array of shape {shape}")
        kind = "<f8" if code == _NUMBERS else "<i8"
        flat: Array = np.frombuffer(data, dtype=kind).copy()
        if code == _TIMES:
            flat = flat.view("datetime64[us]")
    elif code == _TEXTS:
        flat = _texts(data, count)
    else:
        raise BadFrame("said an array of an unknown kind")
    try:
        return flat.reshape(shape), end
    except (ValueError, OverflowError):
        raise BadFrame(f"said an array of the shape {shape}") from None


def _texts(data: bytes, count: int) -> Array:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise BadFrame("said texts that are no JSON") from None
    if not isinstance(said, list) or len(said) != count:
        raise BadFrame(f"said texts that are no list of {count}")
    if any(not isinstance(text, str | None) for text in said):
        raise BadFrame("said texts that are none")
    flat = np.empty(count, dtype=object)
    flat[:] = said
    return flat


def unboxed(values: Array) -> Array:
    """Texts and None as they are, other missing ones as None; numbers as float64."""
    flat = values.ravel().tolist()
    if any(isinstance(one, str) for one in flat):
        strange = [one for one in flat if not isinstance(one, str) and not _is_missing(one)]
        if strange:
            raise ValueError(f"holds {type(strange[0]).__name__} values among texts")
        known = np.empty(len(flat), dtype=object)
        known[:] = [one if isinstance(one, str) else None for one in flat]
        return known.reshape(values.shape)
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"holds {type(flat[0]).__name__} values") from None


def _is_missing(one: object) -> bool:
    return one is None or one != one
