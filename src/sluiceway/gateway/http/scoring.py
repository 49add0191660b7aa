"""The routes that ask models: MLflow's and the Open Inference Protocol's."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from starlette.types import Receive, Scope, Send

from sluiceway.gateway.http.access import Role
from sluiceway.gateway.http.edge import Call, call_of, respond
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.metrics import Metrics
from sluiceway.serving.ports import Answering
from sluiceway.serving.protocols import mlflow, open_inference
from sluiceway.serving.protocols.asking import Asked, question_of
from sluiceway.serving.protocols.offer import Offer
from sluiceway.serving.protocols.tables import Table
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.values import ArmName, Reply

Offers = Callable[[], Offer]
"""What may be asked now; raises ``Refused`` where nothing may."""

Parsed = TypeVar("Parsed")

LARGE: Final = 128 * 2**10
"""Bytes of a body from which parsing takes milliseconds."""

LONGEST_CONSUMER: Final = 128
"""Characters of a consumer's name."""

_AUDIT = logging.getLogger("sluiceway.gateway.audit")
_JSON: Final = b"application/json"
_CSV: Final = b"text/csv"


class Scoring:
    """Asks models on behalf of HTTP requests, whatever their protocol."""

    def __init__(
        self, answering: Answering, offers: Offers, *, limits: Limits, metrics: Metrics
    ) -> None:
        self._answering = answering
        self._offers = offers
        self._limits = limits
        self._metrics = metrics

    async def invocations(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """``POST /invocations/{model}[/versions/{version}]``."""
        call, offer, model, version = self._asked(scope)
        content_type = media_type(call, _JSON, _CSV)
        read: Callable[[bytes], Table] = partial(mlflow.table_of_json, max_rows=self._limits.rows)
        if content_type == _CSV:
            rows = self._limits.rows
            read = partial(mlflow.table_of_csv, texts=offer.texts, max_rows=rows)
        table = await _read(read, call.body)
        reply = await self._ask(call, offer, model, version, table)
        dtypes = offer.dtypes(model, version)
        body = mlflow.body_of(reply, dtypes=dtypes, sticky=offer.sticky)
        self._count(call, reply, offer)
        await respond(send, body)

    async def infer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """``POST /v2/models/{model}[/versions/{version}]/infer``."""
        call, offer, model, version = self._asked(scope)
        if b"inference-header-content-length" in call.headers:
            what = "binary tensors are not spoken here; send JSON tensors"
            raise Refused(RefusalCode.UNSUPPORTED_MEDIA_TYPE, what)
        media_type(call, _JSON)
        read = partial(open_inference.read_inference, max_rows=self._limits.rows)
        request = await _read(read, call.body)
        dtypes = offer.dtypes(model, version)
        open_inference.check_outputs(request, model, tuple(dtypes))
        reply = await self._ask(call, offer, model, version, request.table)
        answered = version
        if answered is None and len(reply.arms) == 1:
            answered = offer.version_of(model, reply.arms[0].release) or None
        body = open_inference.body_of(
            reply, request, dtypes=dtypes, version=answered, sticky=offer.sticky
        )
        self._count(call, reply, offer)
        await respond(send, body)

    def _asked(self, scope: Scope) -> tuple[Call, Offer, str, str | None]:
        call = call_of(scope)
        offer = self._offers()
        named = scope["path_params"]
        model, version = named["model"], named.get("version")
        offer.model(model)
        call.model = model
        if version is not None:
            offer.model(model, version)
        return call, offer, model, version

    async def _ask(
        self, call: Call, offer: Offer, model: str, version: str | None, table: Table
    ) -> Reply:
        forced = self._forced(call, model)
        asked = Asked(
            model=model,
            version=version,
            request_id=call.request_id,
            received=call.received,
            unit=text_of(call, b"x-sluiceway-unit"),
            event_time=text_of(call, b"x-sluiceway-event-time"),
            consumer=consumer_of(call),
            forced=forced,
        )
        question = question_of(
            table, asked, unit=offer.unit, features=offer.features, texts=offer.texts
        )
        if forced is not None:
            self._metrics.forced(model, forced.value)
            _AUDIT.info(
                "an arm was chosen by hand",
                extra={
                    "request_id": call.request_id,
                    "caller": call.caller.name,
                    "model": model,
                    "arm": forced.value,
                    "rows": question.rows,
                },
            )
        reply = await self._answering.answer(question)
        call.reply = reply
        return reply

    def _forced(self, call: Call, model: str) -> ArmName | None:
        """The arm that a tester asked for; only whoever operates the gateway may."""
        given = call.headers.get(b"x-sluiceway-arm")
        if given is None:
            return None
        call.caller.must(Role.OPERATE)
        try:
            return ArmName(given.decode("latin-1").strip().lower())
        except ValueError:
            what = f"X-Sluiceway-Arm of {model} is neither candidate nor baseline"
            raise Refused(RefusalCode.MALFORMED, what) from None

    def _count(self, call: Call, reply: Reply, offer: Offer) -> None:
        self._metrics.answered(reply, offer, seconds=time.perf_counter() - call.began)


async def _read(parse: Callable[[bytes], Parsed], body: bytes) -> Parsed:
    """Parse a body; a large one in a thread, so that small ones need not wait for all of it."""
    return parse(body) if len(body) < LARGE else await asyncio.to_thread(parse, body)


class Endpoint:
    """A bound method as an ASGI application, which Starlette calls without wrapping anything."""

    def __init__(
        self, answer: Callable[[Scope, Receive, Send], Awaitable[None]], role: Role | None
    ) -> None:
        self._answer = answer
        self._role = role

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, where the caller may ask."""
        if self._role is not None:
            call_of(scope).caller.must(self._role)
        await self._answer(scope, receive, send)


def media_type(call: Call, *right: bytes) -> bytes:
    """The body's media type, one of the right ones.

    Raises:
        Refused: It is another, is compressed, or is not in UTF-8.
    """
    given = call.headers.get(b"content-type", b"")
    if given in right and b"content-encoding" not in call.headers:
        return given
    encoding = call.headers.get(b"content-encoding", b"identity").lower()
    if encoding != b"identity":
        what = "compressed bodies are not read; send it as it is"
        raise Refused(RefusalCode.UNSUPPORTED_MEDIA_TYPE, what)
    name, *parameters = (part.strip().lower() for part in given.split(b";"))
    charsets = [p[8:].strip(b'"') for p in parameters if p.startswith(b"charset=")]
    if name in right and all(charset in (b"utf-8", b"utf8", b"us-ascii") for charset in charsets):
        return name
    wanted = " or ".join(one.decode() for one in right)
    what = f"the header Content-Type has to be {wanted}, in UTF-8"
    raise Refused(RefusalCode.UNSUPPORTED_MEDIA_TYPE, what)


def text_of(call: Call, header: bytes) -> str | None:
    """A header's text.

    Raises:
        Refused: It is no UTF-8.
    """
    given = call.headers.get(header)
    if given is None:
        return None
    try:
        return given.decode("utf-8")
    except UnicodeDecodeError:
        what = f"the header {header.decode()} is no UTF-8"
        raise Refused(RefusalCode.MALFORMED, what) from None


def consumer_of(call: Call) -> str | None:
    """Who asks, as the header ``X-Sluiceway-Consumer`` says.

    Raises:
        Refused: It is no name.
    """
    name = text_of(call, b"x-sluiceway-consumer")
    if name is None:
        return None
    if not 0 < len(name) <= LONGEST_CONSUMER or not name.isprintable() or name.isspace():
        what = f"X-Sluiceway-Consumer is no name of 1 to {LONGEST_CONSUMER} characters"
        raise Refused(RefusalCode.MALFORMED, what)
    return name
