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
from sluiceway.serving.labels import LabelsTaken
from sluiceway.serving.refusals import RefusalCode, Refused

PATH: Final = "/labels"


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
