"""``POST /labels``: what became true of units that were answered."""

from collections.abc import Callable
from typing import Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sluiceway.adapters.labels.intake import LabelIntake
from sluiceway.adapters.live_log.database import LogUnavailable
from sluiceway.adapters.prediction_log import DamagedLog
from sluiceway.gateway.http.openapi import described
from sluiceway.serving.labels import LabelsTaken
from sluiceway.serving.refusals import RefusalCode, Refused

PATH: Final = "/labels"
_TEXT: Final = {"type": "string", "minLength": 1}
_TIME: Final = {"type": "string", "format": "date-time"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_EITHER: Final = {"unit": _TEXT, "known_at": _TIME, "event_time": _TIME}
_ONE: Final = {
    "type": "object",
    "properties": {**_EITHER, "label": _TEXT, "value": {"type": "number"}},
    "required": ["unit", "label", "value", "known_at"],
    "additionalProperties": False,
}
_SEVERAL: Final = {
    "type": "object",
    "properties": {
        **_EITHER,
        "source": _TEXT,
        "values": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "minProperties": 1,
        },
    },
    "required": ["unit", "source", "values", "known_at"],
    "additionalProperties": False,
}
_BODY: Final = {
    "type": "object",
    "properties": {"labels": {"type": "array", "items": {"anyOf": [_ONE, _SEVERAL]}}},
    "required": ["labels"],
    "additionalProperties": False,
}
_TAKEN: Final = {
    "type": "object",
    "description": "What came of them, sent once those that were accepted are on the disk.",
    "properties": {
        **dict.fromkeys(("accepted", "duplicate", "conflicting", "late", "unknown_unit"), _COUNT),
        "conflicts": {"type": "array", "items": {"type": "object"}},
        "unknown": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["accepted", "duplicate", "conflicting", "late", "unknown_unit"],
}
DESCRIBED: Final = {PATH: {"post": described("labels", body=_BODY, answer=_TAKEN)}}
"""The route's part of the OpenAPI document."""


def labels_route(intake: LabelIntake, taken: Callable[[LabelsTaken], None] | None = None) -> Route:
    """The route, for an application that renders :class:`Refused`.

    The body is ``{"labels": [...]}`` with labels in the forms of
    :func:`sluiceway.serving.labels.checked`; the answer, sent after they are on the disk, counts
    what came of them (see :class:`~sluiceway.serving.labels.LabelsTaken`).

    Args:
        intake: Takes them in.
        taken: Is told what came of each request, for metrics.
    """

    async def post(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            what = f"labels are posted as application/json, not as {kind or 'nothing'}"
            raise Refused(RefusalCode.UNSUPPORTED_MEDIA_TYPE, what)
        records = _records(await request.body())
        try:
            found = await run_in_threadpool(intake.take, records)
        except (LogUnavailable, DamagedLog) as error:
            # Nothing was acknowledged, so nothing is lost: whoever posts keeps them and comes back.
            what = f"the labels cannot be kept now: {error}"
            raise Refused(RefusalCode.NOT_READY, what, retry_after=5) from error
        if taken is not None:
            taken(found)
        return Response(orjson.dumps(found.as_json()), media_type="application/json")

    return Route(PATH, post, methods=["POST"], name="labels")


def _records(body: bytes) -> list[object]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(RefusalCode.MALFORMED, f"the body is no JSON: {error}") from error
    records = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(records, list) or len(content) != 1:
        what = 'the body is not of the form {"labels": [{"unit": …, "label": …, "value": …, …}]}'
        raise Refused(RefusalCode.MALFORMED, what)
    return records
