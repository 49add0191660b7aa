"""``POST /labels`` over a socketless HTTP client, with a real store behind it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from sluiceway.gateway.labels_route import labels_route
from sluiceway.serving.labels import LabelsTaken
from sluiceway.serving.refusals import Refused
from tests.adapters.test_labels import Desk, label


async def refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    faults = [fault.field for fault in error.faults]
    return JSONResponse({"error": error.what, "code": error.code, "faults": faults}, 422)


class Client:
    """Posts to an application."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def post(self, path: str, **body: Any) -> httpx.Response:
        async def post() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.post(path, **body)

        return asyncio.run(post())


@pytest.fixture
def told() -> list[LabelsTaken]:
    return []


@pytest.fixture
def client(tmp_path: Path, told: list[LabelsTaken]) -> Iterator[Client]:
    desk = Desk(tmp_path)
    routes = [labels_route(desk.intake, told.append)]
    app = Starlette(routes=routes, exception_handlers={Refused: refused})
    yield Client(app)
    desk.recorder.close()


def test_the_answer_counts_what_came_of_the_labels(client: Client, told: list[LabelsTaken]) -> None:
    client.post("/labels", json={"labels": [label()]})
    body = {"labels": [label(), label("b"), label("a", 0.0), label("x")]}
    answer = client.post("/labels", json=body)
    assert answer.status_code == 200
    assert answer.json() == {
        "accepted": 1,
        "duplicate": 1,
        "conflicting": 1,
        "late": 0,
        "unknown_unit": 1,
        "conflicts": [{"unit": "a", "label": "outcomes.fraud", "kept": 1.0, "posted": 0.0}],
        "unknown": ["x"],
    }
    assert [one.accepted for one in told] == [1, 1]
    assert client.post("/labels", json={"labels": []}).json()["accepted"] == 0


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", "malformed"),
        (b"[]", "application/json", "malformed"),
        (b"{}", "application/json", "malformed"),
        (b'{"labels": {}}', "application/json", "malformed"),
        (b'{"labels": [], "more": 1}', "application/json", "malformed"),
        (b'{"labels": [NaN]}', "application/json", "malformed"),
        (b"[" * 100_000, "application/json", "malformed"),
        (b"unit,label", "text/csv", "unsupported_media_type"),
        (b"", "", "unsupported_media_type"),
        (b'{"labels": [1]}', "application/json; charset=utf-8", "out_of_contract"),
        (orjson.dumps({"labels": [label("x")]}), "application/json", "unknown_unit"),
        (orjson.dumps({"labels": [1] * 10_001}), "application/json", "too_large"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_code(
    client: Client, body: bytes, kind: str, code: str
) -> None:
    answer = client.post("/labels", content=body, headers={"content-type": kind})
    assert answer.json()["code"] == code


def test_a_clock_that_is_a_little_ahead_is_no_fault(client: Client, tmp_path: Path) -> None:
    from tests.adapters.test_labels import NOW

    ahead = (NOW + timedelta(minutes=4)).isoformat()
    answer = client.post("/labels", json={"labels": [label(known_at=ahead)]})
    assert answer.json()["accepted"] == 1
