"""How long it takes to read a system file of many models, and to find whom a change reaches."""

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sluiceway.contracts.values import Contract, OutputField
from sluiceway.graph import SystemGraph
from sluiceway.system.file import read_system
from sluiceway.system.values import (
    CanaryPolicy,
    CanaryStep,
    Consumer,
    Edge,
    Model,
    Owner,
    Policies,
    Risk,
    ShadowPolicy,
    System,
    WatchPolicy,
)

OWNERS = 50
READS = 5
"""Edges into each model."""
NEAR = 1_000
"""How far back in the order a model's producers are; small enough that a change reaches all."""
CONSUMERS = 1_000
DAY = timedelta(days=1)


def blast_ms(quick: bool) -> float:
    """Milliseconds of CPU for whom a change of the first model reaches, the median of rounds.

    The change reaches every node and travels every edge but a few, which is the most there can be;
    the answer is the whole one that a rollout is planned with: names in order, edges, owners.
    """
    models = 20_000 if quick else 200_000 - CONSUMERS
    graph = SystemGraph(_system(models))
    spent = []
    for _ in range(3 if quick else 15):
        began = time.process_time()
        radius = graph.blast_radius(["m0"])
        spent.append(time.process_time() - began)
        assert len(radius.models) > 0.99 * models
    return float(np.median(spent)) * 1e3


def validate_1000_s(quick: bool) -> float:
    """CPU seconds to read and check a file of 1,000 models and its 1,000 contract files."""
    with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as folder:
        file = _written(Path(folder), 100 if quick else 1_000)
        spent = []
        for _ in range(1 if quick else 5):
            began = time.process_time()
            read_system(file)
            spent.append(time.process_time() - began)
    return float(np.median(spent))


KEYS: dict[str, Callable[[bool], float | None]] = {
    "blast_ms": blast_ms,
    "validate_1000_s": validate_1000_s,
}


def _system(models: int) -> System:
    """Models that each read `READS` of those shortly before, and outside consumers of the last."""
    draw = np.random.default_rng(4)
    back = 1 + draw.integers(0, NEAR, size=(models, READS))
    producers = np.maximum(np.arange(models)[:, None] - back, 0).tolist()
    contract = _contract()
    gc.disable()  # a million new objects, none of which goes away
    try:
        chain = {
            f"m{n}": Model(
                name=f"m{n}",
                owner=f"o{n % OWNERS}",
                description="",
                risk=Risk.LOW,
                inputs=tuple(_edge(p, f"m{n}") for p in (producers[n] if n else [])),
                contract=contract,
                metrics=(),
            )
            for n in range(models)
        }
        consumers = {
            f"c{n}": Consumer(
                name=f"c{n}",
                owner=f"o{n % OWNERS}",
                description="",
                reads=tuple(_edge(models - 1 - n - k, f"c{n}") for k in range(READS)),
            )
            for n in range(CONSUMERS)
        }
    finally:
        gc.enable()
    return System(
        name="wide",
        description="",
        timezone="UTC",
        unit="id",
        owners={f"o{n}": Owner(name=f"o{n}", contact="o@example") for n in range(OWNERS)},
        sources={},
        features={},
        models=MappingProxyType(chain),
        consumers=consumers,
        slices={},
        policies=Policies(
            alpha=0.05,
            min_blocks=10,
            automatic_slices=0,
            shadow=ShadowPolicy(window=20 * DAY, extension=DAY),
            canary=CanaryPolicy(
                steps=(CanaryStep(weight=10, bake_time=DAY),),
                mirror=100,
                deadline=20 * DAY,
                block=DAY,
            ),
            watch=WatchPolicy(window=DAY),
            approvals=(),
        ),
        contract_files=(),
        digest="0" * 64,
    )


def _edge(producer: int, consumer: str) -> Edge:
    return Edge(producer=f"m{producer}", field="value", consumer=consumer, relies_on=())


def _contract() -> Contract:
    field = OutputField(
        name="value",
        position=0,
        dtype="double",
        unit="km",
        low=None,
        high=None,
        nullable=False,
        promise=None,
    )
    return Contract(
        model="any",
        version="1.0.0",
        output=(field,),
        inputs=(),
        deadline=timedelta(seconds=2),
        fallback={"value": 0.0},
    )


def _written(folder: Path, models: int) -> Path:
    """A system file with its contracts: three features and two models into each model."""
    (folder / "contracts").mkdir()
    draw = np.random.default_rng(5)
    features, sources = 300, 20
    lines = ["system: wide", "timezone: UTC", "unit: id", "owners:"]
    lines += [f"  o{n}: {{contact: o{n}@shop.example}}" for n in range(OWNERS)]
    lines.append("sources:")
    lines += [
        f"  s{n}: {{owner: o{n}, loader: 'parquet:s{n}.parquet', event_time: at}}"
        for n in range(sources)
    ]
    lines += [
        "  truth:",
        "    owner: o0",
        "    loader: parquet:truth.parquet",
        "    event_time: at",
        "    labels: {known_at: known, maturity: 1d}",
        "features:",
    ]
    lines += [
        f"  f{n}: {{owner: o{n % OWNERS}, unit: km, range: [0, 5000], version: 1.0.0, "
        f"reads: [s{n % sources}.c{n}]}}"
        for n in range(features)
    ]
    lines.append("models:")
    for n in range(models):
        read = draw.choice(features, size=3, replace=False).tolist()
        fed_by = sorted({max(0, n - 1 - back) for back in draw.integers(0, 40, 2).tolist()} - {n})
        lines += _model_lines(n, read, fed_by)
        contract = "\n".join(_contract_lines(n, read)) + "\n"
        (folder / "contracts" / f"m{n}.yaml").write_text(contract, encoding="utf-8")
    lines.append("consumers:")
    for n in range(models // 10):
        lines += [
            f"  c{n}:",
            f"    owner: o{n % OWNERS}",
            "    needs: {latency_p99: 2h}",
            "    reads:",
            f"      - {{reads: m{models - 1 - n}.value, relies_on: [numeric]}}",
        ]
    lines += [
        "policies:",
        "  shadow: {window: 20d, extension: 10d}",
        "  canary: {steps: [{weight: 10, bake: 2d}], deadline: 25d}",
        "  watch: {window: 1d}",
    ]
    file = folder / "system.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _model_lines(number: int, features: list[int], fed_by: list[int]) -> Iterator[str]:
    yield from (f"  m{number}:", f"    owner: o{number % OWNERS}", "    risk: low", "    inputs:")
    yield from (f"      - f{n}" for n in features)
    yield from (f"      - {{reads: m{n}.value, relies_on: [numeric, operational]}}" for n in fed_by)
    yield from (
        f"    contract: contracts/m{number}.yaml",
        "    metrics:",
        "      - metric: mae",
        "        field: value",
        f"        label: truth.m{number}",
        "        margin: 0.05",
        "        unit: km",
        "        because: Nobody notices less than that, whatever they say.",
    )


def _contract_lines(number: int, features: list[int]) -> Iterator[str]:
    yield from (f"model: m{number}", "version: 1.0.0", "output:", "  value:", "    position: 0")
    yield from ("    unit: km", "    range: [-1000, 10000]", "inputs:")
    yield from (f"  f{n}: {{unit: km, range: [0, 5000]}}" for n in features)
    yield from ("latency: {deadline: 2s}", "fallback: {value: 10}")
