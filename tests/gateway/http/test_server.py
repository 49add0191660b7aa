"""The server starts where it is told, and ends without leaving anybody unanswered."""

import asyncio
import signal
import threading
import time

import httpx
import pytest

from sluiceway.gateway.http.access import Access
from sluiceway.gateway.http.app import http_app
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.http.server import Listening, bound
from sluiceway.serving.values import Question, Reply
from tests.gateway.http.shopfront import (
    ONE,
    ShopEngine,
    listening,
    open_shop,
    served_shop,
    shop_process,
)

RECORDS = {"dataframe_records": [ONE]}


def test_a_process_that_is_told_to_end_ends_well() -> None:
    with shop_process() as (url, process):
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert client.post("/invocations/fraud", json=RECORDS).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_taken_port_is_an_error_at_start() -> None:
    with open_shop(served=None) as front, pytest.raises(OSError, match="in use"):
        bound(Listening(port=front.port), Access())


def test_whoever_asked_before_the_end_is_answered() -> None:
    asked = threading.Event()

    class Slow(ShopEngine):
        async def answer(self, question: Question) -> Reply:
            asked.set()
            await asyncio.sleep(0.5)
            return await super().answer(question)

    engine, access, limits = Slow(served_shop()), Access(), Limits()
    statuses: list[int] = []

    def ask(port: int) -> None:
        url = f"http://127.0.0.1:{port}/invocations/fraud"
        statuses.append(httpx.post(url, json=RECORDS, trust_env=False).status_code)

    with listening(http_app(engine, engine, access=access), access=access, limits=limits) as port:
        client = threading.Thread(target=ask, args=(port,))
        client.start()
        assert asked.wait(10)
    client.join(10)
    assert statuses == [200]


def test_what_is_to_run_beside_the_server_begins_and_ends_with_it() -> None:
    from contextlib import asynccontextmanager

    seen: list[str] = []

    @asynccontextmanager
    async def beside():  # type: ignore[no-untyped-def]
        seen.append("began")
        yield
        seen.append("ended")

    with open_shop(served=None, lifespan=beside) as front:
        assert front.client.get("/v2/health/live").status_code == 200
        assert seen == ["began"]
        time.sleep(0)
    assert seen == ["began", "ended"]
