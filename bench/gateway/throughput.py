"""Requests a second against ``mlflow models serve``, and CPU over the bare predict."""

import asyncio
import statistics
import sys
import time

import numpy as np
import orjson

from bench.gateway.load import Load, closed_loop, request_bytes
from bench.gateway.processes import Server, gateway, mlflow_server
from bench.gateway.system import FEATURES, Shop
from sluiceway.adapters.predictors import ArrayPredictor, Column

CONNECTIONS = 16


def measured(shop: Shop, *, quick: bool) -> dict[str, float]:
    rounds, seconds = (3, 2.0) if quick else (5, 4.0)
    ours = [request_bytes("/invocations/score", body) for body in shop.bodies()]
    theirs = [request_bytes("/invocations", body) for body in _mlflow_bodies(shop)]
    with gateway(shop.settings) as server, mlflow_server(shop.settings, "score") as peer:
        for one, requests in ((server, ours), (peer, theirs)):
            _load(one, requests, seconds=1.0)
        rates: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(rounds):
            for name, one, requests in (("ours", server, ours), ("theirs", peer, theirs)):
                load = _load(one, requests, seconds=seconds)
                if load.failed:
                    raise RuntimeError(f"{name}: {load.statuses}")
                rates[name].append(load.answers / load.seconds)
            say(f"{rates['ours'][-1]:.0f} against {rates['theirs'][-1]:.0f} requests a second")
        one_model = _cpu_ratio(server, shop, "score", ("score",), rounds=rounds)
        chain = _cpu_ratio(server, shop, "third", ("first", "second", "third"), rounds=rounds)
    return {
        "rps_vs_mlflow": round(
            statistics.median(a / b for a, b in zip(rates["ours"], rates["theirs"], strict=True)), 2
        ),
        "cpu_vs_predict_one": one_model,
        "cpu_vs_predict_chain": chain,
    }


def _mlflow_bodies(shop: Shop) -> list[bytes]:
    rows = shop.frame[list(FEATURES)].to_numpy()
    return [
        orjson.dumps({"dataframe_split": {"columns": list(FEATURES), "data": [row.tolist()]}})
        for row in rows
    ]


def _load(server: Server, requests: list[bytes], *, seconds: float) -> Load:
    return asyncio.run(closed_loop(server.port, requests, connections=CONNECTIONS, seconds=seconds))


def _cpu_ratio(
    server: Server, shop: Shop, asked: str, models: tuple[str, ...], *, rounds: int
) -> float:
    """CPU of one request after another, one row each, over the CPU of its predicts alone."""
    requests = [request_bytes(f"/invocations/{asked}", body) for body in shop.bodies()]
    count, ratios = 1_500, []
    for _ in range(rounds):
        before = server.cpu_seconds()
        load = asyncio.run(closed_loop(server.port, requests, connections=1, count=count))
        if load.failed:
            raise RuntimeError(f"{asked}: {load.statuses}")
        ours = (server.cpu_seconds() - before) / count
        bare = sum(_predict_seconds(shop, model) for model in models)
        ratios.append(ours / bare)
        say(f"{asked}: {1e6 * ours:.0f} µs a request, its predicts {1e6 * bare:.0f} µs")
    return round(statistics.median(ratios), 2)


def _predict_seconds(shop: Shop, model: str) -> float:
    estimator, matrix = shop.estimators[model, "1"], shop.matrices[model, "1"]
    names = tuple(f"c{n}" for n in range(matrix.shape[1]))
    predictor = ArrayPredictor(
        tuple(Column(name=name, type="double") for name in names), estimator.predict
    )
    rows = [
        {name: np.array([value]) for name, value in zip(names, row, strict=True)} for row in matrix
    ]
    predictor.predict(rows[0])
    began = time.process_time()
    for number in range(500):
        predictor.predict(rows[number % len(rows)])
    return (time.process_time() - began) / 500


def say(words: str) -> None:
    sys.stderr.write(f"gateway: {words}\n")
