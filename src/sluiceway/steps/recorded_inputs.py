"""What models were given in the record: every input, from the sources through the serving chain."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from sluiceway.contracts.values import Contract
from sluiceway.errors import SluicewayError
from sluiceway.graph import upstream
from sluiceway.ports import Predictor, UnknownVersion, UnloadableVersion, Window
from sluiceway.releases import Release
from sluiceway.replay.evaluate import Arm, Evaluator
from sluiceway.replay.faults import FaultyAnswers, UnusableHistory
from sluiceway.replay.partitions import Column
from sluiceway.steps.contracts import thinned
from sluiceway.steps.site import Site
from sluiceway.system.values import System

MOST_ROWS = 20_000
"""Recorded rows that are kept; more change no quantile that matters."""

_HINT = "; the rows that are read end now, unless --as-of says another time"


class NoRecord(SluicewayError):
    """There are no recorded rows to be had; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedInputs:
    """Inputs of some models over one window, thinned.

    Attributes:
        columns: Model to input to values of shape (rows,).
        blocks: Name of each row's block, shape (rows,), ascending.
    """

    window: Window
    columns: Mapping[str, Mapping[str, Column]]
    blocks: Column

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.blocks)


@dataclass(slots=True, kw_only=True)
class _Listener:
    """Stands in for a model that is not asked yet: keeps its inputs, answers its safe default."""

    inputs: tuple[str, ...]
    contract: Contract
    heard: list[Mapping[str, Column]] = field(default_factory=list)

    def predict(self, columns: Mapping[str, Column]) -> Column:
        self.heard.append({name: columns[name] for name in self.inputs})
        rows = len(next(iter(columns.values())))
        answer = np.zeros((rows, 1 + max(f.position for f in self.contract.output)))
        for promised in self.contract.output:
            answer[:, promised.position] = self.contract.fallback[promised.name]
        return answer


def _promised(
    system: System,
    needed: Collection[str],
    release: Release,
    contracts: Mapping[str, Contract],
) -> None:
    """Whether every field that is read on the way is promised by the version that feeds it."""
    for edge in system.edges:
        if edge.consumer not in needed or edge.field is None:
            continue
        member = release.members[edge.producer]
        output = contracts[member.contract_hash].output
        if edge.field not in {field.name for field in output}:
            raise NoRecord(f"{edge.consumer} reads {edge.column}, which {member.name} promises not")


def feeders(system: System, models: Collection[str]) -> set[str]:
    """These models and every model that feeds them."""
    return set(upstream(system, models))


def recorded_inputs(
    site: Site,
    system: System,
    release: Release,
    listening: Collection[str],
    contracts: Mapping[str, Contract],
    *,
    window: Window,
    now: datetime,
) -> RecordedInputs:
    """Read the record, let the chain answer, and keep what these models would be given.

    Args:
        release: A version of each of these models and of everything that feeds them.
        listening: Models whose inputs are wanted; they are not asked themselves, their safe
            defaults stand for their answers.
        contracts: Contract of every member, by its content hash.

    Raises:
        NoRecord: Nothing can be read, or a version that feeds them gives no usable answer.
        RegistryUnavailable: The registry did not answer.
    """
    needed = feeders(system, listening)
    if lacking := sorted(needed - release.members.keys()):
        raise NoRecord(f"nobody serves {', '.join(lacking)}, which feeds {', '.join(listening)}")
    _promised(system, needed, release, contracts)
    listeners: dict[str, _Listener] = {}
    predictors: dict[tuple[str, str], Predictor] = {}
    try:
        for name in needed:
            member = release.members[name]
            key = (name, member.version)
            if name in listening:
                inputs = site.registry.version(*key).inputs or ()
                listeners[name] = _Listener(inputs=inputs, contract=contracts[member.contract_hash])
                predictors[key] = listeners[name]
            else:
                digest = member.artifact_sha256
                predictors[key] = site.registry.load(*key, artifact_sha256=digest)
        evaluator = Evaluator(
            system,
            [Arm(name="recorded", release=release)],
            baseline="recorded",
            predictors=predictors,
            transformations=site.systems.transformations(system),
            only=needed,
            contracts=contracts,
        )
        parts = site.systems.recorded(system).partitions(
            window, world="recorded", needs=evaluator.needs(), as_of=now
        )
        blocks = []
        for part in parts:
            few = thinned(part, MOST_ROWS)
            evaluator.evaluate(few)
            blocks.append(few.blocks)
    except (UnknownVersion, UnloadableVersion, FaultyAnswers) as error:
        raise NoRecord(f"a version that feeds it gives no answer: {error}") from error
    except UnusableHistory as error:
        raise NoRecord(f"the recorded rows cannot be used: {error}{_HINT}") from error
    names = np.concatenate(blocks) if blocks else np.empty(0, dtype=object)
    if not len(names):
        span = f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
        raise NoRecord(f"no row was recorded from {span}{_HINT}")
    every = max(1, -(-len(names) // MOST_ROWS))
    return RecordedInputs(
        window=window,
        columns={
            name: {
                column: np.concatenate([heard[column] for heard in listener.heard])[::every]
                for column in listener.inputs
            }
            for name, listener in listeners.items()
        },
        blocks=names[::every],
    )
