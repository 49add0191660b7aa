"""The diamond shop, served: its models answer by arithmetic, in this process or as if elsewhere."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np

from sluiceway.gateway.engine import Engine
from sluiceway.gateway.watching import HardRule, Limits
from sluiceway.graph import blast_radius
from sluiceway.releases import Release
from sluiceway.routing import RoutingTable
from sluiceway.serving.breaker import BreakerState
from sluiceway.serving.ports import BackendFailed, BackendTimeout
from sluiceway.serving.served import Pairing, Served, Version
from sluiceway.serving.values import ArmAnswers, Asked, Question
from sluiceway.system.values import System
from tests.replay import diamond

T = TypeVar("T")

T = TypeVar("T")
HANGS = 600
"""Seconds for which a version that hangs does; whoever waits a fraction has not waited for it."""


@dataclass
class Here:
    """A version of this process."""

    local: Any

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.local.inputs

    async def predict(self, columns: Mapping[str, np.ndarray], *, deadline: float) -> np.ndarray:
        return self.local.predict(columns)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Elsewhere:
    """A version that is asked across a thread, as another process would be."""

    model: Any
    local: None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.model.inputs

    async def predict(self, columns: Mapping[str, np.ndarray], *, deadline: float) -> np.ndarray:
        asked = asyncio.to_thread(self.model.predict, columns)
        try:
            return await asyncio.wait_for(asked, deadline)
        except TimeoutError as error:
            raise BackendTimeout(f"no answer within {deadline:.3g} s") from error
        except Exception as error:
            raise BackendFailed(f"raised {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Nothing is held."""


@dataclass
class Odd:
    """Answers what a function makes of the columns."""

    inputs: tuple[str, ...]
    answer: Callable[[Mapping[str, np.ndarray]], Any]

    def predict(self, columns: Mapping[str, np.ndarray]) -> Any:
        return self.answer(columns)


def sleeping(seconds: float) -> Callable[[Mapping[str, np.ndarray]], Any]:
    def answer(columns: Mapping[str, np.ndarray]) -> np.ndarray:
        time.sleep(seconds)
        return np.zeros(len(next(iter(columns.values()))))

    return answer


class Hang:
    """What a version does that hangs, until it is let go.

    Attributes:
        asked: How often it was.
        begun: Is set once it hangs.
        over: Lets go whoever hangs.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.begun, self.over = threading.Event(), threading.Event()

    def __call__(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        self.asked += 1
        self.begun.set()
        self.over.wait(HANGS)
        return np.zeros(len(next(iter(columns.values()))))


class Clock:
    """The clock of the running loop, which from now on stands still but for where it is moved."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        loop.time = lambda: self.now  # type: ignore[method-assign]

    def move(self, seconds: float) -> None:
        self.now += seconds


async def seen(event: threading.Event) -> bool:
    """Whether something happens, however busy the machine is; by the wall's clock."""
    return await asyncio.to_thread(event.wait, HANGS / 10)


async def given(asked: "asyncio.Task[T]") -> T:
    """What somebody is answered, where the loop's own clock may stand still."""
    done = threading.Event()
    asked.add_done_callback(lambda _: done.set())
    assert await seen(done), "there is no answer"
    return asked.result()


@dataclass
class Notes:
    """Keeps what the engine tells: a recorder and an observer at once."""

    recorded: list[tuple[Question, ArmAnswers]] = field(default_factory=list)
    rules: list[HardRule] = field(default_factory=list)
    moves: list[tuple[Version, BreakerState]] = field(default_factory=list)
    dropped: int = 0

    def record(self, question: Question, answers: ArmAnswers) -> None:
        self.recorded.append((question, answers))

    def record_together(self, asked: Sequence[Asked], answers: ArmAnswers) -> None:
        """Noted question by question."""
        start = 0
        for one in asked:
            part = slice(start, start := start + len(one.rows))
            of_one = replace(
                answers,
                rows=one.rows,
                paired=answers.paired[part],
                fields={name: values[part] for name, values in answers.fields.items()},
                stand_ins={n: why[part] for n, why in answers.stand_ins.items() if why[part].any()},
            )
            self.record(one.question, of_one)

    def halted(self, rule: HardRule) -> None:
        self.rules.append(rule)

    def breaker_moved(self, version: Version, state: BreakerState) -> None:
        self.moves.append((version, state))

    def mirror_dropped(self, rows: int) -> None:
        self.dropped += rows


def served(
    system: System,
    backends: Mapping[Version, Any] | None = None,
    *,
    champion: Release | None = None,
    pairings: tuple[Pairing, ...] = (),
    cut: frozenset[str] = frozenset(),
    **more: Any,
) -> Served:
    champion = champion or diamond.release()
    here = {key: Here(model) for key, model in diamond.predictors().items()}
    table = RoutingTable(revision=7, generation=3, release=champion.content_hash)
    return Served(
        table=table,
        system=system,
        champion=champion,
        pairings=pairings,
        backends={**here, **(backends or {})},
        contracts={
            (model, version): system.models[model].contract
            for model in diamond.MODELS
            for version in ("1", "2")
        },
        transformations=diamond.TRANSFORMATIONS,
        cut=cut,
        **more,
    )


def canary(
    system: System, candidate: Release, *, weight: int = 0, mirror: int = 100, **more: Any
) -> Pairing:
    baseline = diamond.release()
    changed = candidate.changed_from(baseline)
    return Pairing(
        rollout_id="r0001-demand-2",
        baseline=baseline,
        candidate=candidate,
        weight=weight,
        mirror=mirror,
        models=frozenset(blast_radius(system, changed).models),
        **more,
    )


def question(model: str = "refund", rows: int = 1, first: int = 0, **more: Any) -> Question:
    clicks = np.arange(first, first + rows, dtype=float) % 50
    return Question(
        model=model,
        columns={"clicks": clicks, "weight": np.full(rows, 2.0), "hour": np.full(rows, 9.0)},
        units=tuple(f"o{n}" for n in range(first, first + rows)),
        request_id=f"q{first}",
        received=datetime.now(UTC),
        **more,
    )


def refund_of(clicks: np.ndarray, *, demand_shift: float = 0.0) -> np.ndarray:
    demand = clicks + 2.0 + demand_shift
    return demand + clicks / 2 + 2 * demand


def with_deadlines(system: System, milliseconds: int) -> System:
    """The same system, all of whose models promise to answer within so many milliseconds."""
    models = {
        name: replace(
            model,
            contract=replace(model.contract, deadline=timedelta(milliseconds=milliseconds)),
        )
        for name, model in system.models.items()
    }
    return replace(system, models=models)


def run(play: Callable[[Engine, Notes], Awaitable[T]], **limits: Any) -> T:
    """Let an engine live on a loop of its own for as long as the play lasts."""

    async def live() -> T:
        notes = Notes()
        engine = Engine(notes, notes, Limits(**limits))
        return await play(engine, notes)

    return asyncio.run(live())
