"""What a refusal looks like on the wire: one shape, whatever was asked."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson

from sluiceway.serving.refusals import InputFault, RefusalCode, Refused

STATUS: Final[Mapping[RefusalCode, HTTPStatus]] = {
    RefusalCode.MALFORMED: HTTPStatus.BAD_REQUEST,
    RefusalCode.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RefusalCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RefusalCode.UNKNOWN_MODEL: HTTPStatus.NOT_FOUND,
    RefusalCode.UNKNOWN_VERSION: HTTPStatus.NOT_FOUND,
    RefusalCode.UNIT_MISSING: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusalCode.OUT_OF_CONTRACT: HTTPStatus.UNPROCESSABLE_ENTITY,
    RefusalCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    RefusalCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    RefusalCode.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    RefusalCode.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    RefusalCode.NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    RefusalCode.UNKNOWN_UNIT: HTTPStatus.NOT_FOUND,
    RefusalCode.CONFLICT: HTTPStatus.CONFLICT,
    RefusalCode.UNKNOWN_PATH: HTTPStatus.NOT_FOUND,
    RefusalCode.WRONG_METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    RefusalCode.TOO_SLOW: HTTPStatus.REQUEST_TIMEOUT,
    RefusalCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The one table of statuses."""

LONGEST: Final = 2_000
"""Characters of an error's words; a body may have named thousands of strange things."""

MOST_FAULTS: Final = 100
"""Faults that are listed one by one."""

Headers = list[tuple[bytes, bytes]]


def error_body(refusal: Refused, request_id: str) -> bytes:
    """An error's words, its code, the request's id, and ``faults``.

    Each fault has field, rule, rows, count and what.
    """
    body: dict[str, Any] = {
        "error": _cut(refusal.what),
        "code": refusal.code.value,
        "request_id": request_id,
        "faults": [_fault(fault) for fault in refusal.faults[:MOST_FAULTS]],
    }
    return orjson.dumps(body)


def error_headers(refusal: Refused) -> Headers:
    """Headers that go with a refusal."""
    headers: Headers = []
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(refusal.retry_after))).encode()))
    if refusal.code is RefusalCode.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def _fault(fault: InputFault) -> dict[str, Any]:
    return {
        "field": _cut(fault.field),
        "rule": fault.rule,
        "rows": list(fault.rows),
        "count": fault.count,
        "what": _cut(fault.what),
    }


def _cut(text: str) -> str:
    """Text that fits, and that UTF-8 can hold."""
    short = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return short.encode("utf-8", "replace").decode()
