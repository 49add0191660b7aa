"""A small system for replay tests: `demand` feeds `price` and `stock`, both feed `refund`.

Features are single columns of two sources, one of which has a second version from another source,
and one is made by a transformation. Models are plain arithmetic, so that every answer is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from sluiceway.ports import Window
from sluiceway.releases import Member, Release
from sluiceway.replay.partitions import Partition
from sluiceway.system.file import read_system
from sluiceway.system.values import System

SYSTEM = """
system: shop
timezone: Europe/Berlin
unit: order
owners:
  team: {contact: team@shop.example}
sources:
  visits: {owner: team, loader: "parquet:{data}/visits.parquet", event_time: at}
  goods: {owner: team, loader: "csv:{data}/goods.csv", event_time: at}
  goods_2:
    owner: team
    loader: "parquet:{data}/goods_2.parquet"
    live_loader: "parquet:{data}/goods_2_live.parquet"
    event_time: at
  stock_room: {owner: team, loader: "sql:sqlite:///{data}/shop.db#stock_room", event_time: at}
  outcomes:
    owner: team
    loader: "parquet:{data}/outcomes.parquet"
    event_time: at
    labels: {known_at: known, maturity: 2d}
features:
  clicks: {owner: team, version: 1.0.0, reads: [visits.clicks], range: [0, 100]}
  channel:
    owner: team
    dtype: string
    categories: [shop, web]
    version: 1.0.0
    reads: [visits.channel]
  weight:
    owner: team
    version: 1.0.0
    reads: [goods.weight]
    range: [0, 50]
    null_rate: 0.2
    other_versions:
      2.0.0: {reads: [goods_2.weight]}
  hour:
    owner: team
    version: 1.0.0
    reads: [visits.at]
    transformation: shop.features:hour
  shelves: {owner: team, version: 1.0.0, reads: [stock_room.shelves]}
models:
  demand:
    owner: team
    risk: low
    inputs: [clicks, weight, hour]
    contract: demand.yaml
    metrics: [MAE]
  price:
    owner: team
    risk: low
    inputs: [demand.units, clicks]
    contract: price.yaml
    metrics: [MAE]
  stock:
    owner: team
    risk: low
    inputs: [demand.units]
    contract: stock.yaml
    metrics: [MAE]
  refund:
    owner: team
    risk: high
    inputs: [price.units, stock.units]
    contract: refund.yaml
    metrics: [MAE]
consumers:
  till: {owner: team, reads: [refund.units]}
policies:
  shadow: {window: 20d, extension: 5d}
  canary: {steps: [{weight: 50, bake: 1d}], deadline: 5d}
  watch: {window: 1d}
""".replace(
    "MAE",
    "{metric: mae, field: units, label: outcomes.units, margin: 0.1, unit: units, "
    "because: a tenth of a unit is rounding}",
)
CONTRACT = """
model: {name}
version: 1.0.0
output:
  units: {{position: 0, dtype: double, unit: units, range: [-1000, 1000], nullable: false}}
inputs: {{}}
latency: {{deadline: {deadline}}}
fallback: {{units: 0.0}}
"""
MODELS = ("demand", "price", "stock", "refund")
START = datetime(2024, 3, 29, tzinfo=UTC)
"""Two days before Berlin's clocks go forward."""


def hour(read: pd.DataFrame) -> np.ndarray:
    return read["visits.at"].dt.tz_convert("Europe/Berlin").dt.hour.to_numpy(dtype=float)


TRANSFORMATIONS = {"shop.features:hour": hour}


def shop(folder: Path, *, deadline: str = "20s", system: str = SYSTEM) -> System:
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        text = CONTRACT.format(name=name, deadline=deadline)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    (folder / "system.yaml").write_text(system, encoding="utf-8")
    return read_system(folder / "system.yaml")


@dataclass
class Linear:
    """Answers the weighted sum of its inputs and counts how often it was asked."""

    weights: Mapping[str, float]
    shift: float = 0.0
    calls: int = field(default=0)

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        self.calls += 1
        return self.shift + sum(w * np.nan_to_num(columns[n]) for n, w in self.weights.items())


def predictors() -> dict[tuple[str, str], Linear]:
    return {
        ("demand", "1"): Linear({"clicks": 1.0, "weight": 1.0}),
        ("demand", "2"): Linear({"clicks": 1.0, "weight": 1.0}, shift=5.0),
        ("price", "1"): Linear({"demand.units": 1.0, "clicks": 0.5}),
        ("price", "2"): Linear({"demand.units": 1.0, "clicks": 0.5}, shift=-5.0),
        ("stock", "1"): Linear({"demand.units": 2.0}),
        ("stock", "2"): Linear({"demand.units": 2.0}, shift=-10.0),
        ("refund", "1"): Linear({"price.units": 1.0, "stock.units": 1.0}),
        ("refund", "2"): Linear({"price.units": 1.0, "stock.units": 1.0}, shift=50.0),
    }


def release(features: Mapping[str, Mapping[str, str]] | None = None, **versions: str) -> Release:
    """All models in version 1 but those named; feature versions by model."""
    return Release(
        members={
            name: Member(
                model=name,
                version=versions.get(name, "1"),
                contract_hash="c",
                artifact_sha256=versions.get(name, "1"),
                features=(features or {}).get(name, {}),
            )
            for name in MODELS
        }
    )


def partition(rows: int = 60, *, blocks: int = 20, seed: int = 0) -> Partition:
    """Rows whose truth is exactly what version 1 of demand answers."""
    rng = np.random.default_rng(seed)
    clicks = rng.integers(0, 50, rows).astype(float)
    weight = rng.uniform(0, 10, rows)
    codes = np.sort(np.arange(rows) % blocks).astype(np.intp)
    at = np.datetime64("2024-03-29T12:00:00", "us") + codes * np.timedelta64(1, "D")
    return Partition(
        units=np.asarray([f"o{n}" for n in range(rows)], dtype=object),
        event_time=at,
        block_names=tuple(str(day) for day in np.unique(at.astype("datetime64[D]"))),
        block_codes=codes,
        columns={
            "visits.clicks": clicks,
            "visits.at": at,
            "goods.weight": weight,
            "goods_2.weight": weight + 3.0,
        },
        labels={"outcomes.units": clicks + weight + rng.normal(0, 1, rows)},
    )


def window(days: float = 6) -> Window:
    return Window(start=START, end=START + timedelta(days=days))
