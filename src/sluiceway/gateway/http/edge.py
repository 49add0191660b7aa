"""What every request passes, whatever it asks: identity, limits, and one shape for errors.

A plain ASGI layer: it makes the request's id, lets callers in, reads the body within its limits,
hands both to the routes, and turns whatever they raise into an answer.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sluiceway.gateway.http.access import Access, Caller
from sluiceway.gateway.http.limits import Limits, TokenBuckets
from sluiceway.gateway.http.refusing import STATUS, error_body, error_headers
from sluiceway.gateway.http.tracing import Tracing
from sluiceway.gateway.metrics import Metrics
from sluiceway.serving.refusals import RefusalCode, Refused
from sluiceway.serving.values import Reply

CALL: Final = "sluiceway.call"
"""Key of the scope under which the routes find the :class:`Call`."""

OPEN: Final = frozenset({"/ping", "/health", "/version", "/v2/health/live", "/v2/health/ready"})
"""Paths that need no token: probes, which say nothing about models."""

Lifespan = Callable[[], AbstractAsyncContextManager[None]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_LOG = logging.getLogger("sluiceway.gateway.requests")
_CLOSE = (b"connection", b"close")


class ClientGone(Exception):
    """The client hung up; nobody is left to answer."""


class Call:
    """One request on its way.

    Attributes:
        request_id: Of the client where it sent a sane one.
        received: When its headers were there (UTC).
        began: The same on the clock of :func:`time.perf_counter`.
        headers: By name in lower case.
        caller: Who sent it.
        body: All of it.
        model: The model it asks, once it is known to be one; for metrics.
        reply: What was answered, for traces.
        complete: Whether the body was read to its end, so that the connection can be used again.
    """

    __slots__ = (
        "began",
        "body",
        "caller",
        "complete",
        "headers",
        "model",
        "received",
        "reply",
        "request_id",
    )

    def __init__(self, *, request_id: str, headers: Mapping[bytes, bytes]) -> None:
        self.request_id = request_id
        self.received = datetime.now(UTC)
        self.began = time.perf_counter()
        self.headers = headers
        self.caller = Caller(name="", roles=frozenset())
        self.body = b""
        self.model: str | None = None
        self.reply: Reply | None = None
        self.complete = False


def call_of(scope: Scope) -> Call:
    """The call that a route answers."""
    call: Call = scope[CALL]
    return call


class Edge:
    """The outermost application.

    Args:
        inner: The routes.
        lifespan: What starts before the first request and ends after the last.
        access_log_every: One request in so many is logged; 0 logs none but failures.
    """

    def __init__(
        self,
        inner: ASGIApp,
        *,
        access: Access,
        limits: Limits,
        metrics: Metrics,
        tracing: Tracing | None = None,
        lifespan: Lifespan | None = None,
        access_log_every: int = 100,
    ) -> None:
        self._inner = inner
        self._access = access
        self._limits = limits
        self._metrics = metrics
        self._tracing = tracing
        self._lifespan = lifespan
        self._every = access_log_every
        self._buckets = (
            None if limits.rate is None else TokenBuckets(rate=limits.rate, burst=limits.burst)
        )
        self._made = count()
        self._own = os.urandom(8).hex()
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run for the server's life."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        call = scope[CALL] = Call(request_id=self._request_id(headers), headers=headers)
        request_id = call.request_id.encode()
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                ours = [*message.get("headers", ()), (b"x-request-id", request_id)]
                if not call.complete:
                    ours.append(_CLOSE)
                message["headers"] = ours
            await send(message)

        self._running += 1
        try:
            await self._pass(scope, receive, sent, call)
        except ClientGone:
            status = 499
        except Exception as error:
            refusal = self._refusal(error, call)
            if status:
                raise  # the answer had begun; only closing the connection says that it is broken
            extra = _allowed(error)
            await refuse(sent, refusal, call.request_id, extra)
        finally:
            self._running -= 1
            self._ended(scope, call, status)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, call: Call) -> None:
        try:
            self._admit(scope, call)
        except Refused:
            await self._drain(receive, call, self._limits.body_bytes)
            raise
        call.body = await self._read(receive, call)
        delivered = False

        async def replayed() -> Message:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return {"type": "http.request", "body": call.body, "more_body": False}

        await self._inner(scope, replayed, send)

    def _admit(self, scope: Scope, call: Call) -> None:
        """Let a caller in, or refuse before anything of the body is read."""
        client = scope.get("client")
        address = client[0] if client else "local"
        if self._running > self._limits.concurrent:
            what = f"{self._running - 1} requests are being answered; ask again later"
            raise Refused(RefusalCode.OVERLOADED, what, retry_after=1.0)
        if scope["path"] in OPEN:
            call.caller = Caller(name=address, roles=frozenset())
            return
        try:
            call.caller = self._access.caller(call.headers.get(b"authorization"), address)
        except Refused:
            self._pay(address)
            raise
        self._pay(call.caller.name)

    def _pay(self, caller: str) -> None:
        if self._buckets is None:
            return
        wait = self._buckets.take(caller, time.monotonic())
        if wait:
            what = f"more than {self._limits.rate:g} requests a second; ask again later"
            raise Refused(RefusalCode.TOO_MANY_REQUESTS, what, retry_after=wait)

    async def _read(self, receive: Receive, call: Call) -> bytes:
        """The whole body, within its limits."""
        limit = self._limits.body_bytes
        declared = call.headers.get(b"content-length")
        what = f"the body is larger than {limit} bytes, the most that is read"
        if declared is not None and int(declared) > limit:
            await self._drain(receive, call, self._limits.drained_bytes)
            raise Refused(RefusalCode.TOO_LARGE, what)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                message = await _next(receive)
                body: bytes = message.get("body", b"")
                if not message.get("more_body", False):
                    call.complete = True
                    return body
                chunks = [body]
                size = len(body)
                while message.get("more_body", False) and size <= limit:
                    message = await _next(receive)
                    chunk = message.get("body", b"")
                    chunks.append(chunk)
                    size += len(chunk)
        except TimeoutError:
            late = f"the body did not arrive within {self._limits.body_seconds:g} s"
            raise Refused(RefusalCode.TOO_SLOW, late) from None
        if size > limit:
            if message.get("more_body", False):
                await self._drain(receive, call, self._limits.drained_bytes)
            raise Refused(RefusalCode.TOO_LARGE, what)
        call.complete = True
        return b"".join(chunks)

    async def _drain(self, receive: Receive, call: Call, most: int) -> None:
        """Read a refused body to its end, so that its sender comes to reading the answer.

        Gives up, and lets the connection close, where it is too long or too slow; or where the
        sender waits for a word before it sends anything.
        """
        if call.headers.get(b"expect", b"").lower() == b"100-continue":
            return
        declared = call.headers.get(b"content-length")
        if declared is not None and int(declared) > most:
            return
        read = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while read <= most:
                    message = await _next(receive)
                    read += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        call.complete = True
                        return
        except TimeoutError:
            return

    def _refusal(self, error: Exception, call: Call) -> Refused:
        """What a client is told of an exception."""
        if isinstance(error, Refused):
            refusal = error
        elif isinstance(error, HTTPException) and error.status_code == 404:
            refusal = Refused(RefusalCode.UNKNOWN_PATH, "nothing is served at this path")
        elif isinstance(error, HTTPException) and error.status_code == 405:
            refusal = Refused(RefusalCode.WRONG_METHOD, "this path is not served by that method")
        elif isinstance(error, HTTPException) and error.status_code < 500:
            refusal = Refused(RefusalCode.MALFORMED, str(error.detail))
        else:
            _LOG.exception("a request failed", exc_info=error, extra=_said(call))
            what = "the gateway failed; its log says more under this request's id"
            refusal = Refused(RefusalCode.INTERNAL, what)
        self._metrics.refused(refusal.code.value, model=call.model)
        return refusal

    def _ended(self, scope: Scope, call: Call, status: int) -> None:
        seconds = time.perf_counter() - call.began
        if self._tracing is not None:
            route = scope.get("route")
            self._tracing.ended(
                name=f"{scope['method']} {getattr(route, 'path', 'unknown')}",
                headers=call.headers,
                request_id=call.request_id,
                status=status,
                seconds=seconds,
                reply=call.reply,
            )
        if self._every and next(self._made) % self._every == 0:
            _LOG.info(
                "request",
                extra={
                    **_said(call),
                    "method": scope["method"],
                    "path": scope["path"][:200],
                    "status": status,
                    "ms": round(seconds * 1e3, 3),
                    "one_in": self._every,
                },
            )

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        """The client's id where it is a sane one; else one that no other gateway makes."""
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode()
        return f"{self._own}-{time.time_ns():x}-{next(_SERIAL):x}"

    async def _live(self, receive: Receive, send: Send) -> None:
        """Hold the lifespan open from the server's first word to its last."""
        await receive()
        phase = "startup"
        try:
            async with self._lifespan() if self._lifespan is not None else nullcontext():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:
            _LOG.exception("the gateway failed in its %s", phase)
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


async def respond(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    content_type: bytes = b"application/json",
    extra: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Send a whole response."""
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    if extra:
        headers += extra
    start: dict[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def refuse(
    send: Send, refusal: Refused, request_id: str, extra: list[tuple[bytes, bytes]]
) -> None:
    """Send a refusal."""
    await respond(
        send,
        error_body(refusal, request_id),
        status=STATUS[refusal.code],
        extra=[*error_headers(refusal), *extra],
    )


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _allowed(error: Exception) -> list[tuple[bytes, bytes]]:
    """The header that names the methods a path has, where the error knows them."""
    named = error.headers if isinstance(error, HTTPException) and error.headers else {}
    return [(b"allow", value.encode()) for name, value in named.items() if name == "Allow"]


def _said(call: Call) -> dict[str, Any]:
    return {"request_id": call.request_id, "caller": call.caller.name, "model": call.model}


_SERIAL = count()
