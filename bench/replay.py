"""What a replay costs over the bare ``predict`` calls that it cannot do without.

The flights system of the demo, its year repeated until there are a million rows, on disk as
Parquet. Champion and a candidate at the head of the chain are replayed through `History`,
`Evaluator` and `measure`, and every gate's sums are computed. The floor is
``estimator.predict(matrix)`` on matrices that already lie in memory, once for each distinct
combination of versions, which is the least that any replay must compute.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from examples.flights import features as flight_features
from sluiceway.adapters.history import History
from sluiceway.adapters.predictors import ArrayPredictor, Column, forget_names
from sluiceway.gates import Gate, Role
from sluiceway.graph import blast_radius
from sluiceway.ports import Window
from sluiceway.releases import Member, Release
from sluiceway.replay import Arm, Evaluator, measure
from sluiceway.system.file import read_system
from sluiceway.system.values import System

SYSTEM_FILE = Path("examples/flights/system.yaml")
CHAIN = ("dep_delay", "air_time", "arr_delay", "missed_connection")
HEAD = "dep_delay"
YEARS, QUICK_YEARS = 4, 1
ROUNDS, QUICK_ROUNDS = 5, 3
START = datetime(2013, 1, 1, tzinfo=UTC)
TRANSFORMATIONS = {
    f"examples.flights.features:{function.__name__}": function
    for function in (flight_features.local_hour, flight_features.weekday)
}


def run(*, quick: bool) -> dict[str, float | int | None]:
    with tempfile.TemporaryDirectory() as folder:
        place, years = Path(folder), QUICK_YEARS if quick else YEARS
        say("preparing flights and fitting models")
        # In a process of its own, so that its memory is not taken for the replay's.
        preparation = get_context("spawn").Process(target=prepare, args=(place, years))
        preparation.start()
        preparation.join()
        if preparation.exitcode:
            raise RuntimeError("the preparation failed")
        return compare(place, years, QUICK_ROUNDS if quick else ROUNDS)


def prepare(folder: Path, years: int) -> None:
    from examples.flights.history import TABLES
    from examples.flights.history import prepare as prepare_tables
    from examples.flights.training import train

    prepare_tables(folder)
    fitted = train(folder)
    named = {
        "dep_delay@1": "dep_delay_trained",
        "dep_delay@2": "dep_delay_feed_2",
        "air_time@1": "air_time",
        "arr_delay@1": "arr_delay_joint",
        "missed_connection@1": "missed_connection_joint",
    }
    for name, one in ((name, fitted[key]) for name, key in named.items()):
        joblib.dump((one.estimator, tuple(one.example.columns)), folder / f"{name}.joblib")
    for table in TABLES:
        path = folder / f"{table}.parquet"
        year = pd.read_parquet(path)
        repeated = [_shifted(year, count) for count in range(years)]
        pd.concat(repeated, ignore_index=True).to_parquet(path, index=False)


def _shifted(table: pd.DataFrame, years: int) -> pd.DataFrame:
    """The same flights some years of 52 weeks later."""
    later = table.copy()
    later["flight_id"] += f"+{years}"
    for column in table.columns:
        if isinstance(table[column].dtype, pd.DatetimeTZDtype):
            later[column] += pd.Timedelta(days=366 * years)
    return later


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU seconds of all threads, and wall seconds."""

    cpu: float
    wall: float


def timed(work: Callable[[], object]) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(cpu=time.process_time() - cpu, wall=time.perf_counter() - wall)


def compare(folder: Path, years: int, rounds: int) -> dict[str, float | int | None]:
    system = read_system(SYSTEM_FILE)
    predictors, matrices = load(folder)
    counted: list[int] = []

    def replay() -> None:
        counted.append(replayed(system, folder, predictors, years))

    say("replaying once, to warm up and to see the peak of memory")
    replay()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say("keeping the matrices that the floor is to answer")
    matrices.keep = True
    replay()
    matrices.keep = False
    calls = matrices.joined()

    def floor() -> None:
        for answer, matrix in calls:
            answer(matrix)

    floor()
    ours, bare = [], []
    for place in range(rounds):
        pair = (timed(replay), timed(floor)) if place % 2 else (timed(floor), timed(replay))[::-1]
        ours.append(pair[0])
        bare.append(pair[1])
        say(f"round {place + 1}: replay {pair[0].cpu:.2f} CPU s, floor {pair[1].cpu:.2f} CPU s")
    wall = statistics.median(one.wall for one in ours)
    return {
        "ratio_to_floor": round(median_ratio(ours, bare, "cpu"), 3),
        "wall_ratio": round(median_ratio(ours, bare, "wall"), 3),
        "rows": counted[-1],
        "chain": len(CHAIN),
        "rows_per_second": round(counted[-1] / wall),
        "peak_mb": round(peak),
    }


def median_ratio(ours: list[Cost], bare: list[Cost], what: str) -> float:
    """Of the rounds: what slows the machine for a while slows both halves of a round."""
    rounds = zip(ours, bare, strict=True)
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in rounds)


class Matrices:
    """Every matrix that a model was asked for, while told to keep them."""

    def __init__(self) -> None:
        self.keep = False
        self.kept: dict[tuple[str, int], list[np.ndarray]] = {}
        self.answers: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
        self._calls: dict[str, int] = {}

    def watched(
        self, name: str, answer: Callable[[np.ndarray], np.ndarray]
    ) -> Callable[[np.ndarray], np.ndarray]:
        self.answers[name] = answer

        def answered(matrix: np.ndarray) -> np.ndarray:
            if self.keep:
                # The calls of one partition come in a fixed order: each is one combination.
                call = self._calls.get(name, 0)
                self._calls[name] = call + 1
                self.kept.setdefault((name, call), []).append(matrix)
            return answer(matrix)

        return answered

    def next_partition(self) -> None:
        self._calls.clear()

    def joined(self) -> list[tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]]:
        return [
            (self.answers[name], np.ascontiguousarray(np.concatenate(parts)))
            for (name, _), parts in self.kept.items()
        ]


class Loaded(dict[tuple[str, str], ArrayPredictor]):
    """Predictors by model and version, with the matrices they were asked."""

    matrices: Matrices


def load(folder: Path) -> tuple[Loaded, Matrices]:
    matrices, loaded = Matrices(), Loaded()
    loaded.matrices = matrices
    for path in sorted(folder.glob("*.joblib")):
        estimator, names = joblib.load(path)
        if not forget_names(estimator, names):
            raise RuntimeError(f"{path.stem} needs a frame")
        answer = matrices.watched(path.stem, _answer_of(estimator))
        model, _, version = path.stem.partition("@")
        columns = tuple(Column(name=name, type="double") for name in names)
        loaded[(model, version)] = ArrayPredictor(columns, answer)
    return loaded, matrices


def _answer_of(estimator: object) -> Callable[[np.ndarray], np.ndarray]:
    return getattr(estimator, "predict_proba", None) or estimator.predict  # type: ignore[attr-defined]


def release(head: str) -> Release:
    versions: Mapping[str, str] = {**dict.fromkeys(CHAIN, "1"), HEAD: head}
    return Release(
        members={
            model: Member(
                model=model, version=version, contract_hash="", artifact_sha256="", features={}
            )
            for model, version in versions.items()
        }
    )


def replayed(system: System, folder: Path, predictors: Loaded, years: int) -> int:
    """One whole replay, from the files to the sums of every gate."""
    gates = [
        Gate(
            model=model.name,
            metric=target.metric,
            field=target.field,
            label=target.label,
            role=Role.REQUIRED,
            margin=target.margin,
        )
        for model in system.models.values()
        for target in model.metrics
        if model.name != "air_time"
    ]
    arms = [Arm(name="champion", release=release("1")), Arm(name="candidate", release=release("2"))]
    evaluator = Evaluator(
        system,
        arms,
        baseline="champion",
        predictors=predictors,
        transformations=TRANSFORMATIONS,
        only=blast_radius(system, [HEAD]).models,
    )
    history = History(system, base=SYSTEM_FILE.parent, data_folder=folder)
    end = START + timedelta(days=366 * years)
    partitions = history.partitions(
        Window(start=START, end=end),
        needs=evaluator.needs([gate.label for gate in gates]),
        as_of=end + timedelta(days=30),
    )
    rows = 0

    def count(partition: object, _answers: object) -> None:
        nonlocal rows
        rows += partition.rows  # type: ignore[attr-defined]
        predictors.matrices.next_partition()

    measure(gates, evaluator, partitions, on_partition=count)
    return rows


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
