"""A small gateway over the made-up shop: real fitted models behind a real server on loopback."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from starlette.types import ASGIApp

from sluiceway.gateway.http.access import Access
from sluiceway.gateway.http.app import http_app
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.http.logs import json_logs
from sluiceway.gateway.http.server import Listening, bound, http_server, run
from sluiceway.gateway.metrics import Metrics
from sluiceway.ports import Predictor, Window
from sluiceway.releases import Member, Release
from sluiceway.routing import CanaryRoute, RoutingTable, in_canary
from sluiceway.serving.refusals import InputFault, RefusalCode, Refused
from sluiceway.serving.served import Pairing, Served
from sluiceway.serving.values import CHAMPION, ArmAnswers, ArmName, Question, Reply, Values
from sluiceway.serving.values import Path as AnswerPath
from sluiceway.system.file import read_system
from sluiceway.system.inputs import Feature, FeatureVersion
from sluiceway.system.values import Edge, System
from tests.orders.data import day, table

ORDERS = Path(__file__).parents[2] / "orders" / "system.yaml"
ROLLOUT = "r0007-fraud-2"
KINDS = ("web", "shop")

ONE: dict[str, Any] = {
    "order_id": "o-1",
    "amount": 120.0,
    "hour": 14,
    "signal": 0.5,
    "distance": 700.0,
    "kind": "shop",
}
"""An order; `kind` is the one text among its features."""


def shop_system() -> System:
    """The shop, whose priority also reads what kind of order it is: a text."""
    system = read_system(ORDERS)
    first = FeatureVersion(version="1.0.0", reads=("orders.kind",), transformation=None)
    kind = Feature(
        name="kind",
        owner="desk",
        description="Where it was ordered.",
        dtype="string",
        unit=None,
        low=None,
        high=None,
        categories=KINDS,
        null_rate=0.1,
        current="1.0.0",
        versions={"1.0.0": first},
    )
    priority = system.models["priority"]
    read = Edge(producer="kind", field=None, consumer="priority", relies_on=())
    models = {**system.models, "priority": replace(priority, inputs=(*priority.inputs, read))}
    return replace(system, features={**system.features, "kind": kind}, models=models)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted estimator as a backend."""

    inputs: tuple[str, ...]
    estimator: Any
    local: Predictor | None = None

    def answers(self, columns: Mapping[str, Values]) -> Values:
        rows = np.column_stack([columns[name] for name in self.inputs])
        if hasattr(self.estimator, "predict_proba"):
            return self.estimator.predict_proba(rows)[:, 1]
        return self.estimator.predict(rows)

    async def predict(self, columns: Mapping[str, Values], *, deadline: float) -> np.ndarray:
        return self.answers(columns)

    async def close(self) -> None:
        pass


def fitted_backends() -> dict[tuple[str, str], Fitted]:
    """Every version of the shop's models, fitted to sixty days."""
    rows = table(Window(start=day(-60), end=day(0)))
    given = rows[["amount", "signal"]].to_numpy()
    fraud = {
        "1": LogisticRegression(C=2e-4).fit(given, rows["fraud"]),
        "2": LogisticRegression(C=1.0, max_iter=1000).fit(given, rows["fraud"]),
    }
    said = fraud["1"].predict_proba(given)[:, 1]
    handling = LinearRegression().fit(np.column_stack([rows["distance"], said]), rows["days"])
    cost = LinearRegression().fit(np.column_stack([rows["amount"], said]), rows["euros"])
    chained = np.column_stack([rows["days"], rows["euros"]])
    priority = LinearRegression().fit(chained, rows["score"])
    made = {
        ("fraud", v): Fitted(inputs=("amount", "signal"), estimator=m) for v, m in fraud.items()
    }
    made["handling", "1"] = Fitted(inputs=("distance", "fraud.probability"), estimator=handling)
    made["cost", "1"] = Fitted(inputs=("amount", "fraud.probability"), estimator=cost)
    made["priority", "1"] = Fitted(inputs=("handling.days", "cost.euros"), estimator=priority)
    return made


def served_shop(*, weight: int = 0, unit: str = "order_id") -> Served:
    """The shop as it is served, with fraud 2 in canary where it has any weight."""
    system = replace(shop_system(), unit=unit)
    backends = fitted_backends()
    champion = Release(members={n: _member(system, n, "1") for n in system.models})
    candidate = champion.with_members([_member(system, "fraud", "2")])
    pairing = Pairing(
        rollout_id=ROLLOUT,
        baseline=champion,
        candidate=candidate,
        weight=weight,
        mirror=0,
        models=frozenset(system.models),
    )
    route = CanaryRoute(rollout_id=ROLLOUT, release=candidate.content_hash, weight=weight, mirror=0)
    return Served(
        table=RoutingTable(
            revision=7, generation=3, release=champion.content_hash, canaries=(route,)
        ),
        system=system,
        champion=champion,
        pairings=(pairing,) if weight else (),
        backends=backends,
        contracts={(n, v): system.models[n].contract for n, v in backends},
    )


def _member(system: System, model: str, version: str) -> Member:
    return Member(
        model=model,
        version=version,
        contract_hash=system.models[model].contract.content_hash,
        artifact_sha256="0" * 64,
        features={},
    )


class ShopEngine:
    """Answers whole chains in process: no batching, no deadlines, only what a reply is made of.

    A unit that begins with ``broken`` makes it raise what nobody expects; ``down`` lets handling's
    safe default stand in.
    """

    def __init__(self, served: Served | None) -> None:
        self.served = served
        self.questions: list[Question] = []

    async def answer(self, question: Question) -> Reply:
        self.questions.append(question)
        served = self.served
        assert served is not None
        if question.units[0].startswith("broken"):
            raise ZeroDivisionError("a secret of the engine")
        self._check(served, question)
        split = np.zeros(question.rows, dtype=bool)
        if served.pairings:
            split = in_canary(ROLLOUT, question.units, served.pairings[0].weight)
        if question.forced is not None:
            split[:] = question.forced is ArmName.CANDIDATE
        arms = []
        for arm, mask in ((ArmName.BASELINE, ~split), (ArmName.CANDIDATE, split)):
            rows = np.flatnonzero(mask)
            if len(rows):
                arms.append(self._arm(served, question, arm, rows))
        return Reply(question=question, arms=tuple(arms), answered=datetime.now(UTC))

    def _check(self, served: Served, question: Question) -> None:
        faults = []
        needed = {"fraud": ("amount", "signal"), "cost": ("amount", "signal")}
        names = needed.get(question.model, ("amount", "signal", "distance"))
        for name in names:
            values = question.columns.get(name)
            feature = served.system.features[name]
            if values is None:
                faults.append(InputFault(field=name, rule="missing_column", what="is missing"))
                continue
            if values.dtype.kind != "f":
                faults.append(InputFault(field=name, rule="dtype", what="is no number"))
                continue
            low, high = feature.low or 0.0, feature.high or 0.0
            out = np.flatnonzero(~((values >= low) & (values <= high)))
            if len(out):
                what = f"leaves {low:g} to {high:g}"
                first = tuple(out[:5].tolist())
                faults.append(
                    InputFault(field=name, rule="range", rows=first, count=len(out), what=what)
                )
        if faults:
            what = "; ".join(f"{one.field} {one.what}" for one in faults)
            raise Refused(RefusalCode.OUT_OF_CONTRACT, what, faults=faults)

    def _arm(
        self, served: Served, question: Question, arm: ArmName, rows: np.ndarray
    ) -> ArmAnswers:
        release = served.champion
        if arm is ArmName.CANDIDATE:
            release = served.pairings[0].candidate
        columns = {name: values[rows] for name, values in question.columns.items()}
        fields: dict[str, Values] = {}
        seconds: dict[str, float] = {}
        stand_ins: dict[str, np.ndarray] = {}
        for model in _chain(question.model):
            version = release.members[model].version
            if model == question.model and question.version is not None:
                version = question.version
            backend = served.backends[model, version]
            assert isinstance(backend, Fitted)
            began = time.perf_counter()
            answers = backend.answers(columns | fields)
            seconds[model] = time.perf_counter() - began
            down = np.array([question.units[row].startswith("down") for row in rows])
            if model == "handling" and down.any():
                answers = np.where(down, 3.0, answers)
                stand_ins[model] = np.where(down, "error", "").astype(object)
            name = served.contracts[model, version].output[0].name
            fields[f"{model}.{name}"] = answers
        return ArmAnswers(
            rollout_id=ROLLOUT if served.pairings else CHAMPION,
            arm=arm,
            path=AnswerPath.PRIMARY,
            release=release.content_hash,
            generation=served.table.generation,
            revision=served.table.revision,
            weight=served.pairings[0].weight if served.pairings else 0,
            rows=rows,
            paired=np.zeros(len(rows), dtype=bool),
            fields=fields,
            stand_ins=stand_ins,
            seconds=seconds,
        )


def _chain(model: str) -> tuple[str, ...]:
    """The model with all it reads, producers first."""
    return {
        "fraud": ("fraud",),
        "handling": ("fraud", "handling"),
        "cost": ("fraud", "cost"),
        "priority": ("fraud", "handling", "cost", "priority"),
    }[model]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shopfront:
    """A running server.

    Attributes:
        url: Where it listens.
        port: The same.
        engine: Who answers; its questions can be looked at.
        client: A client with its address.
    """

    url: str
    port: int
    engine: ShopEngine
    metrics: Metrics
    client: httpx.Client


@contextmanager
def open_shop(
    *,
    served: Served | None,
    access: Access | None = None,
    limits: Limits | None = None,
    **more: Any,
) -> Iterator[Shopfront]:
    """A server with the shop behind it, for as long as the block runs."""
    engine, metrics = ShopEngine(served), Metrics()
    access, limits = access or Access(), limits or Limits()
    app = http_app(engine, engine, access=access, limits=limits, metrics=metrics, **more)
    with listening(app, access=access, limits=limits) as port:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            yield Shopfront(url=url, port=port, engine=engine, metrics=metrics, client=client)


@contextmanager
def shop_process() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The shop with half of its units in canary, in a process of its own: its URL, and it."""
    command = [sys.executable, "-m", "tests.gateway.http.shopfront"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=root
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            assert process.wait(20) == 0


@contextmanager
def listening(app: ASGIApp, *, access: Access, limits: Limits) -> Iterator[int]:
    """The port of a real server in a thread, which ends with the block."""
    where = Listening(port=0, grace=5)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    own = bound(where, access)
    server = http_server(app, where, limits)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[own])), name="gateway"
    )
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield own.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        own.close()
        assert not thread.is_alive(), "the server did not end"


def main() -> None:
    """Serve the shop until told to end; the port is the first line."""
    engine, access, where = ShopEngine(served_shop(weight=50)), Access(), Listening(port=0, grace=5)
    own = bound(where, access)
    sys.stdout.write(f"{own.getsockname()[1]}\n")
    app = http_app(engine, engine, access=access)
    with json_logs(sys.stderr, level=logging.ERROR):
        run(app, own, where, Limits())


if __name__ == "__main__":
    main()
