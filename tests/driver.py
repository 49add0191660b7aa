"""Rollouts without Prefect and without files: the same steps on adapters in memory."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sluiceway.adapters.feature_code import definitions_of
from sluiceway.adapters.flag_file import MemoryRouter
from sluiceway.adapters.history import History
from sluiceway.adapters.memory_evidence import MemoryEvidence
from sluiceway.adapters.memory_journal import MemoryJournal
from sluiceway.adapters.memory_registry import MemoryRegistry, meet_in_process, try_in_process
from sluiceway.adapters.prediction_log import MemoryPredictionLog
from sluiceway.adapters.progress import unwatched
from sluiceway.journal import JournalConflict
from sluiceway.ports import Window
from sluiceway.replay.partitions import Partition
from sluiceway.rollouts.actions import (
    Action,
    AuditFeatures,
    CheckContracts,
    Diagnose,
    Look,
    MakePlan,
    NarrowCanary,
    OpenIncident,
    PlanCanary,
    PlanWayBack,
    Promote,
    Reconcile,
    ReplayShadow,
    Rest,
    RestoreChampion,
    ServePart,
    Wait,
)
from sluiceway.steps import (
    auditing,
    contracts,
    deciding,
    looking,
    planning,
    promotion,
    requests,
    returning,
    shadow,
    world,
)
from sluiceway.steps.serving import BatchServer
from sluiceway.steps.site import Site, Systems
from sluiceway.system.file import read_system
from sluiceway.wiring import transformations_of

ORDERS = Path(__file__).parent / "orders"


@dataclass(frozen=True)
class Line:
    """A model that multiplies and adds: ``scale * sum(weight * column) + offset``."""

    weights: Mapping[str, float]
    offset: float = 0.0
    scale: float = 1.0
    link: Callable[[np.ndarray], np.ndarray] = field(default=lambda x: x)
    fields: int = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.weights)

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        total = self.offset + sum(w * columns[name] for name, w in self.weights.items())
        answer = self.scale * self.link(np.asarray(total))
        return answer if self.fields == 1 else np.column_stack([1 - answer, answer])


@dataclass(frozen=True)
class Wild:
    """A model that answers whatever a function makes of its columns."""

    inputs: tuple[str, ...]
    answer: Callable[[Mapping[str, np.ndarray]], Any]

    def predict(self, columns: Mapping[str, np.ndarray]) -> Any:
        return self.answer(columns)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def shrunken(x: np.ndarray) -> np.ndarray:
    """A fraud model with smoke-test settings left in: a fifth of the spread, around the mean."""
    return 0.32 + 0.2 * (sigmoid(x) - 0.32)


FRAUD = {"signal": 1.6, "amount": 0.004}
LIVE: dict[str, Any] = {
    "fraud": Line(FRAUD, offset=-1.0, link=shrunken, fields=2),
    "handling": Line({"distance": 1 / 500, "fraud.probability": 0.0}, offset=2.0),
    # Learned to stretch what it was fed: 60 EUR a unit of probability, shrunken to a fifth.
    "cost": Line({"amount": 0.02, "fraud.probability": 300.0}, offset=5 + 60 * 0.32 - 300 * 0.32),
    "priority": Line({"handling.days": 0.5, "cost.euros": 0.25}),
}
TRAINED = Line(FRAUD, offset=-1.0, link=sigmoid, fields=2)
FITTED_COST = Line({"amount": 0.02, "fraud.probability": 60.0}, offset=5.0)


@dataclass(frozen=True)
class Remembered:
    """A record that is read once and then given again, for worlds that are played many times."""

    record: History
    parts: dict[Any, list[Partition]] = field(default_factory=dict)

    def partitions(self, window: Window, **how: Any) -> Iterator[Partition]:
        key = (window, *sorted((name, repr(value)) for name, value in how.items()))
        if key not in self.parts:
            self.parts[key] = list(self.record.partitions(window, **how))
        return iter(self.parts[key])


def memory_site(tmp_path: Path, *, file: Path = ORDERS / "system.yaml") -> Site:
    registry = MemoryRegistry()
    for model, predictor in LIVE.items():
        registry.add(model, "1", predictor, predictor.inputs)
    system = read_system(file)
    return Site(
        environment="test",
        systems=Systems(
            current=lambda: read_system(file),
            kept=lambda _rollout: system,
            recorded=lambda kept: History(kept, base=file.parent, data_folder=tmp_path),
            transformations=transformations_of,
            definitions=definitions_of,
        ),
        journal=MemoryJournal(),
        registry=registry,
        router=MemoryRouter(),
        predictions=MemoryPredictionLog(),
        evidence=MemoryEvidence(),
        try_version=partial(try_in_process, registry, load_deadline=timedelta(seconds=9)),
        meet=partial(meet_in_process, registry, load_deadline=timedelta(seconds=9)),
        folder=lambda rollout: tmp_path / rollout,
        progress=unwatched,
    )


def variant(folder: Path, *changes: tuple[str, str], base: Path = ORDERS) -> Path:
    """The orders system with some of its text replaced, in a folder of its own."""
    shutil.copytree(base / "contracts", folder / "contracts")
    text = (base / "system.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in system.yaml"
        text = text.replace(old, new)
    file = folder / "system.yaml"
    file.write_text(text, encoding="utf-8")
    return file


QUICK = (
    ("alpha: 0.05", "alpha: 0.2"),
    ("{window: 20d, extension: 10d}", "{window: 12d, extension: 4d}"),
    (
        "[{weight: 10, bake: 2d}, {weight: 50, bake: 2d}]",
        "[{weight: 10, bake: 1d}, {weight: 50, bake: 1d}]",
    ),
)
"""Policies under which a good release is promoted within a few days."""


def add(site: Site, model: str, version: str, predictor: Any, **more: Any) -> None:
    assert isinstance(site.registry, MemoryRegistry)
    site.registry.add(model, version, predictor, predictor.inputs, **more)


def perform(site: Site, rollout_id: str, action: Action, now: datetime) -> None:
    match action:
        case Reconcile():
            world.reconcile(site, rollout_id, now=now)
        case MakePlan():
            planning.plan_rollout(site, rollout_id, now=now)
        case CheckContracts():
            contracts.check_contracts(site, rollout_id, now=now)
        case ReplayShadow():
            shadow.replay_shadow(site, rollout_id, start=action.start, end=action.end, now=now)
        case PlanCanary():
            planning.plan_canary(site, rollout_id, now=now)
        case Look():
            looking.look(site, rollout_id, first=action.first, last=action.last, now=now)
        case AuditFeatures():
            auditing.audit_rollout(site, rollout_id, now=now)
        case Promote():
            promotion.promote(site, rollout_id, now=now)
        case RestoreChampion():
            promotion.restore_champion(site, rollout_id, now=now)
        case Diagnose():
            shadow.diagnose(site, rollout_id, now=now)
        case PlanWayBack():
            returning.plan_way_back(site, rollout_id, now=now)
        case ServePart():
            returning.serve_part(site, rollout_id, now=now)
        case NarrowCanary():
            returning.narrow_canary(site, rollout_id, now=now)
        case OpenIncident():
            promotion.open_incident(site, rollout_id, now=now)
        case _:
            deciding.write_decision(site, rollout_id, action, now=now)  # type: ignore[arg-type]


def advance(site: Site, rollout_id: str, now: datetime) -> Action:
    """What the flow does, without the orchestrator."""
    for _ in range(60):
        action = deciding.decide(site, rollout_id, now=now)
        if isinstance(action, Rest | Wait):
            return action
        try:
            perform(site, rollout_id, action, now)
        except JournalConflict:
            continue  # somebody else was faster; what they wrote decides
    raise AssertionError(f"{rollout_id} does not come to rest: {action}")


def adopt_live(site: Site, now: datetime) -> None:
    requests.adopt(site, [f"{model}@1" for model in LIVE], now=now, actor="ada")
    advance(site, "adoption", now)


def live_days(site: Site, rollout_id: str, start: datetime, days: int) -> Action:
    """Play live traffic day by day; after each day the canary is looked at."""
    server = BatchServer(site)
    action: Action = Rest()
    for day in range(days):
        begin = start + timedelta(days=day)
        end = begin + timedelta(days=1)
        server.answer(Window(start=begin, end=end), now=end)
        action = advance(site, rollout_id, end)
        if isinstance(action, Rest):
            break
    return action
