"""Candidates that fail in every way a model can, and mirrors: the primary answers do not notice."""

import asyncio
import json
import re
import statistics
import time

import httpx
import mlflow
import orjson
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import infer_signature

from bench.gateway.faulty import FAULTS
from bench.gateway.load import closed_loop, open_loop, request_bytes
from bench.gateway.processes import Server, gateway
from bench.gateway.switching import Switching, switching
from bench.gateway.system import FEATURES, Shop
from bench.gateway.throughput import CONNECTIONS, say

_DEADLINE = 2.0
"""What the contracts of the bench's system promise, in seconds."""


def measured(shop: Shop, *, quick: bool) -> dict[str, float | int | None]:
    versions = _register(shop)
    requests = [request_bytes("/invocations/third", body) for body in shop.bodies()]
    unanswered, zero = 0, None
    with gateway(shop.settings) as server, switching(shop.settings) as switch:
        for name, version in versions.items():
            seen = _Seen()
            switch.tell("canary", "50", f"first@{version}")
            seconds = 6.0 if name in ("hangs", "leak", "segfault") else 4.0
            load = asyncio.run(
                closed_loop(server.port, requests, connections=8, seconds=seconds, seen=seen)
            )
            late = sum(one > _DEADLINE for one in load.latencies)
            unanswered += load.failed + late
            if name == "raises":
                zero = seen.to_zero
            say(
                f"{name}: {load.answers} answers, {load.failed} failed, {late} late, "
                f"{seen.stand_ins} with stand-ins, {seen.candidate} by the candidate"
            )
            switch.tell("stop")
            time.sleep(1)
        ratio = _mirror(server, switch, requests, quick=quick)
    return {
        "breaker_to_zero_s": None if zero is None else round(zero, 2),
        "faults_unanswered": unanswered,
        "mirror_p50_ratio": ratio,
    }


class _Seen:
    """Counts what answers say of themselves."""

    def __init__(self) -> None:
        self.candidate = 0
        self.stand_ins = 0
        self._first: float | None = None
        self._last: float | None = None

    def __call__(self, _number: int, status: int, body: bytes) -> None:
        if status != 200:
            return
        rows = orjson.loads(body)["sluiceway"]["rows"]
        on_candidate = any(row["arm"] == "candidate" for row in rows)
        self.candidate += on_candidate
        if any(row["stand_ins"] for row in rows):
            self.stand_ins += 1
        if on_candidate:
            now = time.monotonic()
            self._first = now if self._first is None else self._first
            self._last = now

    @property
    def to_zero(self) -> float | None:
        """Seconds from the candidate's first answer, which is bad, to its last one."""
        if self._first is None or self._last is None:
            return None
        return self._last - self._first


def _register(shop: Shop) -> dict[str, str]:
    """A version of `first` for each fault; its number by the fault's name."""
    client = MlflowClient(shop.settings.registry_uri, shop.settings.registry_uri)
    experiment = client.get_experiment_by_name("bench")
    assert experiment is not None
    mlflow.set_tracking_uri(shop.settings.registry_uri)
    example = pd.DataFrame(shop.matrices["first", "1"][:5], columns=list(FEATURES))
    versions = {}
    for name, fault in FAULTS.items():
        with mlflow.start_run(experiment_id=experiment.experiment_id):
            logged = mlflow.sklearn.log_model(
                fault(),
                name="first",
                signature=infer_signature(example, shop.answers["1"]["first"][:5]),
                pip_requirements=["scikit-learn"],
                serialization_format="cloudpickle",
            )
        made = client.create_model_version("first", logged.model_uri, model_id=logged.model_id)
        versions[name] = str(made.version)
    return versions


def _wait_for(server: Server, *models: str) -> None:
    """Until a second version of each is loaded, and its process is idle: starting takes cores."""
    wanted = [f'model="{name}",state="loaded",version="2"}} 1.0' for name in models]
    until = time.monotonic() + 60
    while time.monotonic() < until:
        said = httpx.get(f"{server.url}/metrics", trust_env=False).text
        if all(one in said for one in wanted):
            time.sleep(1)
            return
        time.sleep(0.2)
    raise RuntimeError("the candidate is not loaded after a minute")


def _mirror(
    server: Server, switch: Switching, requests: list[bytes], *, quick: bool
) -> float | None:
    """The primary p50 with every row mirrored over that without, at a quarter of the capacity.

    None where some row was not mirrored: then it says nothing.
    """
    full = asyncio.run(closed_loop(server.port, requests, connections=CONNECTIONS, seconds=3))
    rate = full.answers / full.seconds / 4
    count = int(rate * (3 if quick else 4))
    ratios, before = [], _dropped(server)
    for _ in range(3 if quick else 7):
        off = asyncio.run(open_loop(server.port, requests, per_second=rate, count=count))
        switch.tell("canary", "0", "first@2", "second@2", "third@2")
        _wait_for(server, "first", "second", "third")
        on = asyncio.run(open_loop(server.port, requests, per_second=rate, count=count))
        switch.tell("stop")
        time.sleep(1)
        ratios.append(on.percentile(0.5) / off.percentile(0.5))
        say(
            f"p50 {1e3 * on.percentile(0.5):.2f} ms mirrored, "
            f"{1e3 * off.percentile(0.5):.2f} ms not, at {rate:.0f} a second: "
            f"{json.dumps(on.statuses)}"
        )
    if _dropped(server) > before:
        say("rows were not mirrored")
        return None
    return round(statistics.median(ratios), 2)


def _dropped(server: Server) -> float:
    """Rows that were to be mirrored and were not, so far."""
    said = httpx.get(f"{server.url}/metrics", trust_env=False).text
    return float(re.findall(r"^sluiceway_mirror_dropped_total (\S+)$", said, re.MULTILINE)[0])
