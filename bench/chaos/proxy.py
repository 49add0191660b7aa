"""A way to MLflow that can be broken: an HTTP proxy between everybody and its server."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

import anyio
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_HANGS_FOR: Final = 30.0
"""Seconds, longer than any client of the sweep waits."""
_OF_A_HOP: Final = {"connection", "content-length", "transfer-encoding", "content-encoding", "host"}


class Mode(StrEnum):
    """What becomes of a request."""

    PASSES = "passes"
    FAILS = "answers 500"
    HANGS = "answers nobody"


class Proxy:
    """Passes requests on to a server, until told otherwise.

    Args:
        target: URL of the server.
    """

    def __init__(self, target: str) -> None:
        self.mode = Mode.PASSES
        self._target = target

    @contextmanager
    def running(self, port: int) -> Iterator[None]:
        """Listen on a port of this machine."""
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        application = Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])
        server = uvicorn.Server(
            uvicorn.Config(application, host="127.0.0.1", port=port, log_level="error")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(10)

    async def _answer(self, request: Request) -> Response:
        if self.mode is Mode.FAILS:
            said = {"error_code": "INTERNAL_ERROR", "message": "broken by the sweep"}
            return JSONResponse(said, status_code=500)
        if self.mode is Mode.HANGS:
            await anyio.sleep(_HANGS_FOR)
            return JSONResponse({"message": "too late"}, status_code=504)
        headers = [(k, v) for k, v in request.headers.items() if k not in _OF_A_HOP]
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                answer = await client.request(
                    request.method,
                    f"{self._target}{request.url.path}",
                    params=httpx.QueryParams(request.url.query),
                    headers=headers,
                    content=await request.body(),
                )
        except httpx.HTTPError as error:
            return JSONResponse({"message": f"the server is away: {error!r}"}, status_code=502)
        kept = {k: v for k, v in answer.headers.items() if k not in _OF_A_HOP}
        return Response(answer.content, status_code=answer.status_code, headers=kept)
