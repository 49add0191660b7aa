"""Random chains of models whose truth is known because they were built from it.

Every model answers ``bend(weights · inputs)`` of features and of other models' answers. The truth
of a row is the same function of what is true upstream, so a chain without faults is right, up to
small errors of its weights. Blocks are unequal and have effects of their own, in features and
labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from sluiceway.contracts.values import Contract, OutputField
from sluiceway.gates import Gate, Role
from sluiceway.releases import Member, Release
from sluiceway.replay import Partition
from sluiceway.system.inputs import Feature, FeatureVersion, Source
from sluiceway.system.values import (
    CanaryPolicy,
    Edge,
    Model,
    Owner,
    Policies,
    Risk,
    ShadowPolicy,
    System,
    WatchPolicy,
)

ROBUST = 2.5
"""Models clip what other models tell them here, in standard deviations."""
FIELD = "value"
MARK = 40.0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One version of one model; also a predictor."""

    features: tuple[str, ...]
    models: tuple[str, ...]
    weights: np.ndarray
    bend: float
    """Share of tanh in the answer, 0 to 1."""
    expects: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By model read: shift and scale of its answers that are taken out before use."""
    scale: float = 1.0
    shift: float = 0.0
    marks_above: float = np.inf
    """Answers above this are marked as unsure, by an offset of `MARK`."""
    knows_marks: bool = True
    """Whether marks of other models are understood."""
    most: float = np.inf
    """Answers saturate here."""

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*self.features, *(f"{name}.{FIELD}" for name in self.models))

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        total = np.zeros(len(next(iter(columns.values()))))
        for weight, name in zip(self.weights, self.features, strict=False):
            total += weight * columns[name]
        for weight, name in zip(self.weights[len(self.features) :], self.models, strict=True):
            shift, scale = self.expects.get(name, (0.0, 1.0))
            told = (columns[f"{name}.{FIELD}"] - shift) / scale
            if self.knows_marks:
                told = np.where(told > MARK / 2, told - MARK, told)
            total += weight * np.clip(told, -ROBUST, ROBUST)
        bent = (1 - self.bend) * total + self.bend * 1.4 * np.tanh(total)
        answer = np.clip(self.scale * bent, -self.most, self.most) + self.shift
        return np.where(answer > self.marks_above, answer + MARK, answer)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A system with the truth behind it."""

    sources: Mapping[str, tuple[str, ...]]
    """Features by source."""
    truth: Mapping[str, Curve]
    first: Mapping[str, Curve]
    """Version 1 of each model."""
    noise: Mapping[str, float]
    skewed: frozenset[str]
    label_shift: Mapping[str, float] = field(default_factory=dict)

    def readers(self, name: str) -> list[str]:
        return [m for m, one in self.truth.items() if name in (*one.models, *one.features)]

    def hops(self, starts: Sequence[str]) -> dict[str, int]:
        """Fewest edges from any of these nodes to each model downstream."""
        found = dict.fromkeys(starts, 0)
        for name, one in self.truth.items():
            told = [found[up] + 1 for up in (*one.features, *one.models) if up in found]
            if told and name not in found:
                found[name] = min(told)
        return found


def random_chain(draw: np.random.Generator, *, sources: int, unheard: int = 0) -> Chain:
    """A chain of 5 to 12 models; the last sources are read with hardly any weight."""
    count = int(draw.integers(5, 13))
    columns = {
        f"s{n}": tuple(f"s{n}f{k}" for k in range(draw.integers(1, 3))) for n in range(sources)
    }
    loud = [f for n in range(sources - unheard) for f in columns[f"s{n}"]]
    quiet = [f for n in range(sources - unheard, sources) for f in columns[f"s{n}"]]
    truth: dict[str, Curve] = {}
    roots = int(draw.integers(1, 4))
    for n in range(count):
        names = list(truth)
        if n < roots:
            models: list[str] = []
            features = _some(draw, loud, 2, 3)
        else:
            # Near neighbours, so that chains get long.
            models = _some(draw, names[-4:], 1, 2)
            features = _some(draw, loud, 0, 2)
        quietly = [name for name in quiet if draw.random() < 0.4]
        size = len(features) + len(models)
        weights = draw.uniform(0.6, 1.0, size) * draw.choice([-1, 1], size) / np.sqrt(size)
        weights = np.insert(weights, len(features), draw.normal(0, 0.02, len(quietly)))
        truth[f"m{n}"] = Curve(
            features=(*features, *quietly),
            models=tuple(models),
            weights=weights,
            bend=float(draw.uniform(0, 0.7)),
        )
    # A feature nobody reads is no part of a system.
    read = {name for one in truth.values() for name in one.features}
    last = f"m{count - 1}"
    unread = tuple(f for some in columns.values() for f in some if f not in read)
    one = truth[last]
    spread = np.concatenate(
        [
            one.weights[: len(one.features)],
            draw.normal(0, 0.02, len(unread)),
            one.weights[len(one.features) :],
        ]
    )
    truth[last] = replace(one, features=(*one.features, *unread), weights=spread)
    return Chain(
        sources=columns,
        truth=truth,
        first={name: refitted(one, draw) for name, one in truth.items()},
        noise={name: float(draw.uniform(0.4, 0.8)) for name in truth},
        skewed=frozenset(f for f in (*loud, *quiet) if draw.random() < 0.3),
    )


def _some(draw: np.random.Generator, names: Sequence[str], least: int, most: int) -> list[str]:
    count = min(len(names), int(draw.integers(least, most + 1)))
    chosen = draw.choice(len(names), count, replace=False)
    return [names[n] for n in sorted(chosen)]


def refitted(one: Curve, draw: np.random.Generator, error: float = 0.04) -> Curve:
    """The same function with errors of fit in its weights."""
    return replace(one, weights=one.weights + draw.normal(0, error, len(one.weights)))


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows with what is true of them."""

    features: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    codes: np.ndarray
    blocks: int

    def partition(self, chain: Chain) -> Partition:
        """As a replay reads them."""
        rows = len(self.codes)
        at = np.datetime64("2026-01-01T12:00:00", "us") + self.codes * np.timedelta64(1, "D")
        return Partition(
            units=np.arange(rows).astype(object),
            event_time=at,
            block_names=tuple(str(day) for day in np.unique(at.astype("datetime64[D]"))),
            block_codes=self.codes,
            columns={
                f"{source}.{name}": self.features[name]
                for source, names in chain.sources.items()
                for name in names
            },
            labels={f"truth.{name}": label for name, label in self.labels.items()},
        )


def draw_rows(
    chain: Chain,
    draw: np.random.Generator,
    rows: int,
    blocks: int,
    drift: Mapping[str, tuple[float, float]] | None = None,
) -> Rows:
    """Draw rows in unequal blocks; features in `drift` truly have another shift and scale."""
    sizes = draw.dirichlet(np.full(blocks, 4.0))
    codes = np.sort(draw.choice(blocks, rows, p=sizes))
    codes = np.unique(codes, return_inverse=True)[1].astype(np.intp)
    blocks = int(codes.max()) + 1
    features = {}
    for name in (name for names in chain.sources.values() for name in names):
        within = draw.normal(0, 1, rows)
        if name in chain.skewed:
            within = np.expm1(0.5 * within) * 1.6
        values = 0.95 * within + 0.3 * draw.normal(0, 1, blocks)[codes]
        shift, scale = (drift or {}).get(name, (0.0, 1.0))
        features[name] = shift + scale * values
    true = answers(chain.truth, features)
    labels = {
        name: true[f"{name}.{FIELD}"]
        + chain.label_shift.get(name, 0.0)
        + draw.normal(0, chain.noise[name], rows)
        + 0.2 * chain.noise[name] * draw.normal(0, 1, blocks)[codes]
        for name in chain.truth
    }
    return Rows(features=features, labels=labels, codes=codes, blocks=blocks)


def answers(
    curves: Mapping[str, Curve], features: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """What a chain of these versions answers: by hand, without the evaluator under test."""
    values = dict(features)
    for name, curve in curves.items():
        values[f"{name}.{FIELD}"] = curve.predict(values)
    return values


def losses(curves: Mapping[str, Curve], rows: Rows, gates: Sequence[Gate]) -> Mapping[str, float]:
    """Each gate's metric, by hand."""
    made = answers(curves, rows.features)
    found = {}
    for gate in gates:
        error = made[f"{gate.model}.{FIELD}"] - rows.labels[gate.model]
        square = gate.metric == "rmse"
        found[gate.name] = float(np.sqrt(np.mean(error**2)) if square else np.abs(error).mean())
    return found


def gates_for(
    chain: Chain, models: Sequence[str], rows: Rows, draw: np.random.Generator
) -> list[Gate]:
    """A gate for each model, with a margin of 5 % of what its metric is."""
    asked = []
    for name in models:
        plain = Gate(
            model=name,
            metric=str(draw.choice(["mae", "mae", "rmse"])),
            field=FIELD,
            label=f"truth.{name}",
            role=Role.REQUIRED,
            margin=0.0,
        )
        now = losses(chain.first, rows, [plain])[plain.name]
        asked.append(replace(plain, margin=0.05 * now))
    return asked


def system_of(chain: Chain) -> System:
    """The declared graph, made directly: no file is read."""
    day = timedelta(days=1)
    models = {
        name: Model(
            name=name,
            owner="team",
            description="",
            risk=Risk.LOW,
            inputs=tuple(
                Edge(
                    producer=up,
                    field=None if up in curve.features else FIELD,
                    consumer=name,
                    relies_on=(),
                )
                for up in (*curve.features, *curve.models)
            ),
            contract=_contract(name),
            metrics=(),
        )
        for name, curve in chain.truth.items()
    }
    return System(
        name="random",
        description="",
        timezone="UTC",
        unit="row",
        owners={"team": Owner(name="team", contact="team")},
        sources={
            name: Source(
                name=name,
                owner="team",
                description="",
                loader="",
                live_loader="",
                event_time="at",
                labels=None,
            )
            for name in chain.sources
        },
        features={
            name: _feature(name, f"{source}.{name}")
            for source, names in chain.sources.items()
            for name in names
        },
        models=models,
        consumers={},
        slices={},
        policies=Policies(
            alpha=0.05,
            min_blocks=10,
            automatic_slices=0,
            shadow=ShadowPolicy(window=30 * day, extension=day),
            canary=CanaryPolicy(steps=(), mirror=0, deadline=day, block=day),
            watch=WatchPolicy(window=day),
            approvals=(),
        ),
        contract_files=(),
        digest="",
    )


def _contract(name: str) -> Contract:
    value = OutputField(
        name=FIELD,
        position=0,
        dtype="double",
        unit="",
        low=None,
        high=None,
        nullable=False,
        promise=None,
    )
    return Contract(
        model=name,
        version="1.0.0",
        output=(value,),
        inputs=(),
        deadline=timedelta(minutes=5),
        fallback={FIELD: 0.0},
    )


def _feature(name: str, reads: str) -> Feature:
    return Feature(
        name=name,
        owner="team",
        description="",
        dtype="double",
        unit="sd",
        low=None,
        high=None,
        categories=None,
        null_rate=0.0,
        current="1.0.0",
        versions={"1.0.0": FeatureVersion(version="1.0.0", reads=(reads,), transformation=None)},
    )


def release_of(chain: Chain, second: Sequence[str] = ()) -> Release:
    """Version 2 of the models named, version 1 of all others."""
    members = {}
    for name in chain.truth:
        version = "2" if name in second else "1"
        members[name] = Member(
            model=name, version=version, contract_hash="c", artifact_sha256=version, features={}
        )
    return Release(members=members)
