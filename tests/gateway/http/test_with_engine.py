"""The engine behind the interface: what comes in over a socket is what its chains compute."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sluiceway.gateway.engine import Engine
from sluiceway.gateway.http.access import Access
from sluiceway.gateway.http.app import http_app
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.metrics import Metrics
from sluiceway.routing import in_canary
from sluiceway.serving.served import Served
from sluiceway.serving.values import Question, Reply
from tests.gateway.diner import Notes, canary, refund_of, served
from tests.gateway.http.shopfront import listening
from tests.replay import diamond


class Living:
    """An engine that begins with the server, on its event loop."""

    def __init__(self, first: Served, metrics: Metrics) -> None:
        self._first = first
        self._metrics = metrics
        self._engine: Engine | None = None

    @property
    def served(self) -> Served | None:
        return None if self._engine is None else self._engine.served

    async def answer(self, question: Question) -> Reply:
        assert self._engine is not None
        return await self._engine.answer(question)

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        self._engine = Engine(Notes(), self._metrics)
        self._engine.serve(self._first)
        engine = self._engine
        self._metrics.breakers(lambda: engine.breakers)
        yield


@pytest.fixture(scope="module")
def diner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    system = diamond.shop(Path(tmp_path_factory.mktemp("diamond")))
    pairing = canary(system, diamond.release(demand="2"), weight=50, mirror=0)
    metrics, access = Metrics(), Access()
    living = Living(served(system, pairings=(pairing,)), metrics)
    app = http_app(living, living, access=access, metrics=metrics, lifespan=living.alive)
    with (
        listening(app, access=access, limits=Limits()) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client


def rows(count: int) -> list[dict[str, Any]]:
    return [{"order": f"o{n}", "clicks": n % 50, "weight": 2.0, "hour": 9.0} for n in range(count)]


@pytest.mark.parametrize("count", [1, 200])
def test_answers_are_those_of_each_rows_arm(diner: httpx.Client, count: int) -> None:
    asked = rows(count)
    said = diner.post("/invocations/refund", json={"dataframe_records": asked}).json()
    moved = in_canary("r0001-demand-2", [row["order"] for row in asked], 50)
    clicks = np.array([float(row["clicks"]) for row in asked])
    wanted = np.where(moved, refund_of(clicks, demand_shift=5.0), refund_of(clicks))
    np.testing.assert_allclose(said["predictions"], wanted)
    if count > 1:
        arms = [row["arm"] == "candidate" for row in said["sluiceway"]["rows"]]
        assert arms == moved.tolist()


def test_features_are_made_of_source_columns_that_come_as_texts(diner: httpx.Client) -> None:
    row = {
        "order": "o1",
        "visits.clicks": 3,
        "goods.weight": 2,
        "visits.at": "2026-01-05T08:00:00Z",
    }
    said = diner.post("/invocations/demand", json={"dataframe_records": [row]})
    assert said.json()["predictions"] == [5.0 + 5.0 * in_canary("r0001-demand-2", ["o1"], 50)[0]]


def test_what_is_out_of_contract_comes_back_with_every_fault(diner: httpx.Client) -> None:
    row = {"order": "o1", "weight": "heavy"}
    refused = diner.post("/invocations/refund", json={"dataframe_records": [row]})
    assert refused.status_code == 422
    faults = {(one["field"], one["rule"]) for one in refused.json()["faults"]}
    assert faults == {("clicks", "missing_column"), ("weight", "dtype")}


def test_the_engines_breakers_and_answers_are_counted(diner: httpx.Client) -> None:
    diner.post("/invocations/demand", json={"dataframe_records": rows(1)})
    text = diner.get("/metrics").text
    assert 'sluiceway_requests_total{arm="' in text
    assert "sluiceway_loaded_generation 3.0" in text


def test_how_every_breaker_stands_is_told_from_the_first_look_on(diner: httpx.Client) -> None:
    """A series that begins with a fault has no history that an alert could compare it with."""
    text = diner.get("/metrics").text
    for version in ("1", "2"):
        assert f'sluiceway_breaker_state{{model="demand",version="{version}"}} 0.0' in text
