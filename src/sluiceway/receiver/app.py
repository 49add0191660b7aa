"""The web application. It decides nothing: a delivery is believed by
:mod:`sluiceway.registrations` and passed on by :mod:`sluiceway.steps.registering`.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sluiceway.errors import SluicewayError
from sluiceway.registrations import (
    BODY_LIMIT,
    Delivery,
    DeliveryFault,
    Refused,
    read_delivery,
)
from sluiceway.steps.registering import Emit, hear
from sluiceway.steps.site import Site

_LOG: Final = logging.getLogger(__name__)
_CODES: Final = {
    DeliveryFault.UNSIGNED: 401,
    DeliveryFault.FORGED: 401,
    DeliveryFault.STALE: 401,
    DeliveryFault.OVERSIZED: 413,
    DeliveryFault.UNREADABLE: 400,
}
"""None of these is tried again by MLflow; 503 is."""

OpenSite = Callable[[], AbstractContextManager[Site]]


def receiver(
    open_site: OpenSite,
    emit: Emit,
    *,
    secrets: Sequence[str],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """Make the application: ``POST /mlflow`` takes deliveries, ``GET /health`` says that it lives.

    Args:
        open_site: Opens the environment, for each delivery.
        emit: Tells whoever starts rollouts.
        secrets: Of the webhook; several while one takes the other's place.
        clock: The time (UTC).

    Raises:
        ValueError: There is no secret, or an empty one: anybody could sign.
    """
    if not secrets or not all(secrets):
        raise ValueError("the receiver needs the webhook's secret; without one anybody could sign")

    async def deliver(request: Request) -> JSONResponse:
        try:
            body = await _body(request)
            delivery = read_delivery(request.headers, body, secrets=secrets, now=clock())
        except Refused as refused:
            _LOG.warning("a delivery is refused (%s): %s", refused.fault, refused)
            said = {"refused": refused.fault.value, "why": str(refused)}
            return JSONResponse(said, status_code=_CODES[refused.fault])
        return await run_in_threadpool(_passed_on, delivery)

    def _passed_on(delivery: Delivery) -> JSONResponse:
        if delivery.registration is None:
            return JSONResponse({"heard": "nothing_to_do", "about": delivery.about})
        try:
            with open_site() as site:
                heard = hear(site, delivery.registration, emit, now=clock())
        except (SluicewayError, OSError) as error:
            _LOG.warning("delivery %s is to be sent again: %s", delivery.delivery_id, error)
            return JSONResponse({"retry": "the registry or journal is away"}, status_code=503)
        except Exception:  # noqa: BLE001 - MLflow is asked to send it again, whatever it was
            _LOG.exception("delivery %s could not be passed on", delivery.delivery_id)
            return JSONResponse({"retry": "it could not be passed on"}, status_code=503)
        _LOG.info("delivery %s: %s", delivery.delivery_id, heard)
        return JSONResponse({"heard": heard.value}, status_code=200)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/mlflow", deliver, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
        ]
    )


async def _body(request: Request) -> bytes:
    """Read a body no further than it may be long.

    Raises:
        Refused: It is longer, or did not arrive.
    """
    what = f"its body has more than {BODY_LIMIT} bytes"
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > BODY_LIMIT:
        raise Refused(DeliveryFault.OVERSIZED, what)
    read = bytearray()
    try:
        async for part in request.stream():
            read += part
            if len(read) > BODY_LIMIT:
                raise Refused(DeliveryFault.OVERSIZED, what)
    except ClientDisconnect:
        raise Refused(DeliveryFault.UNREADABLE, "it ended half-way") from None
    return bytes(read)
