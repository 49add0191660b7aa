"""Listening: uvicorn on one event loop, with bounds on what comes before a request."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from sluiceway.gateway.http.access import Access
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.http.refusing import error_body
from sluiceway.serving.refusals import RefusalCode, Refused

_LINGERING: Final = 1.0
"""Seconds in which the rest of what is no request is read and thrown away."""

GRACE: Final = 10
"""Seconds in which requests that are being answered may end once the server is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen, and how.

    Attributes:
        host: Address; this machine's own by default.
        port: Port; 0 takes a free one.
        backlog: Connections that wait to be taken on.
        keep_alive: Seconds for which an idle connection is kept.
        grace: Seconds in which requests may end when the server stops.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    backlog: int = 2_048
    keep_alive: int = 30
    grace: int = GRACE


def bound(listening: Listening, access: Access) -> socket.socket:
    """A socket on which clients may wait already, and whose port is known, before the server runs.

    Raises:
        BadInput: Others could reach it, and nobody needs a token.
        OSError: The address is taken, or none of this machine.
    """
    access.check_listening(listening.host)
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    made = socket.socket(family=family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((listening.host, listening.port))
        made.listen(listening.backlog)
    except OSError:
        made.close()
        raise
    made.set_inheritable(True)
    return made


def http_server(app: ASGIApp, listening: Listening, limits: Limits) -> uvicorn.Server:
    """A server; give it the socket with ``serve(sockets=[…])`` or ``run(sockets=[…])``.

    It ends on SIGTERM and SIGINT, lets running requests end, and returns.
    """

    class Bounded(_BoundedProtocol):
        bounds = limits

    config = Config(
        app,
        http=Bounded,
        ws="none",
        loop="uvloop",
        lifespan="on",
        backlog=listening.backlog,
        limit_concurrency=limits.connections,
        timeout_keep_alive=listening.keep_alive,
        timeout_graceful_shutdown=listening.grace,
        server_header=False,
        access_log=False,
        log_config=None,
        proxy_headers=False,
    )
    return _Server(config)


def run(app: ASGIApp, own: socket.socket, listening: Listening, limits: Limits) -> None:
    """Listen on a bound socket until the process is told to end, and return then."""
    try:
        http_server(app, listening, limits).run(sockets=[own])
    finally:
        own.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which returns to its caller once a signal has ended it.

    uvicorn raises the signal again, so that the process is gone before whoever started the server
    has written down what is still to be.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals for as long as the block runs, and keep them."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


class _BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which bounds the length of headers and the time they take.

    uvicorn waits for the end of headers for as long as it takes and keeps whatever arrives.
    """

    bounds: Limits

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._in_headers = False
        self._header_bytes = 0
        self._turned_away = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expected()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless headers have grown too long."""
        if self._turned_away:
            return
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > self.bounds.header_bytes:
            what = f"the headers are longer than {self.bounds.header_bytes} bytes"
            self._turn_away(b"431 Request Header Fields Too Large", RefusalCode.TOO_LARGE, what)

    def on_message_begin(self) -> None:
        """Headers begin."""
        super().on_message_begin()
        if not self._in_headers:
            self._expect()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes behind a body in chunks is not kept."""
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """They are all there; a request begins."""
        self._expected()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused in our own shape."""
        self._expected()
        self._turn_away(b"400 Bad Request", RefusalCode.MALFORMED, f"this is no HTTP: {msg}")

    def _expect(self) -> None:
        self._in_headers = True
        self._header_bytes = 0
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.bounds.header_seconds, self._late)

    def _expected(self) -> None:
        self._in_headers = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        what = f"the headers did not arrive within {self.bounds.header_seconds:g} s"
        self._turn_away(b"408 Request Timeout", RefusalCode.TOO_SLOW, what)

    def _turn_away(self, status: bytes, code: RefusalCode, what: str) -> None:
        """Say why, where no answer is under way, and close.

        What the client still sends is thrown away for a moment first: a connection that is closed
        with something unread is reset, and the answer lost with it.
        """
        if self.transport.is_closing() or self._turned_away:
            return
        self._expected()
        self._turned_away = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = error_body(Refused(code, what), "")
            lines = [
                b"HTTP/1.1 " + status,
                b"content-type: application/json",
                b"content-length: %d" % len(body),
                b"connection: close",
            ]
            self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            self.transport.write_eof()
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.flow.resume_reading()
        self._deadline = self.loop.call_later(_LINGERING, self.transport.close)
