"""Runs a flow that is killed at a chosen instruction.

The kill is the real one, SIGKILL to the process that runs the flow, so that nothing is tidied up:
no ``finally``, no rollback of a Prefect transaction, no flushed buffer. It is put around a method
of an adapter; the code under test knows nothing of it.
"""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import wraps
from typing import Any

from flows.evaluate_canaries import evaluate_canaries
from flows.rollback import rollback
from sluiceway.adapters.flag_file import FlagFileRouter
from sluiceway.adapters.history import History
from sluiceway.adapters.mlflow_evidence import MlflowEvidence
from sluiceway.adapters.mlflow_registry import MlflowRegistry
from sluiceway.adapters.sql_journal import SqlJournal


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(kind: type, method: str, *, when: Callable[..., bool] = lambda *_a, **_k: True) -> None:
    """Die before the method does anything, where its arguments are so."""
    original = getattr(kind, method)

    @wraps(original)
    def dying(*args: Any, **kwargs: Any) -> Any:
        if when(*args, **kwargs):
            die()
        return original(*args, **kwargs)

    setattr(kind, method, dying)


def once_the_pointer_moved(arm: Callable[[], None]) -> None:
    """Arm a point only when the champion pointer has moved in this process."""
    original = SqlJournal.move_champion

    @wraps(original)
    def moving(*args: Any, **kwargs: Any) -> Any:
        moved = original(*args, **kwargs)
        arm()
        return moved

    SqlJournal.move_champion = moving  # type: ignore[method-assign]


def writing(kind: str) -> Callable[..., bool]:
    """Whether an append writes an event of this kind."""
    return lambda _journal, _environment, _rollout, drafts, **_after: drafts[0].kind == kind


def amid_the_replay() -> None:
    original = History.partitions

    @wraps(original)
    def cut_short(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield next(original(*args, **kwargs))
        if kwargs.get("step") is None:  # the contracts' trial names a step
            die()

    History.partitions = cut_short  # type: ignore[method-assign]


def between_two_aliases() -> None:
    original = MlflowRegistry.set_alias

    @wraps(original)
    def one_only(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        die()

    MlflowRegistry.set_alias = one_only  # type: ignore[method-assign]


POINTS: dict[str, Callable[[], None]] = {
    "amid the shadow replay": amid_the_replay,
    "before the look's event": lambda: before(SqlJournal, "append", when=writing("looked")),
    "before the pointer moves": lambda: before(SqlJournal, "move_champion"),
    "before routing": lambda: once_the_pointer_moved(lambda: before(FlagFileRouter, "apply")),
    "before aliases": lambda: once_the_pointer_moved(lambda: before(MlflowRegistry, "set_alias")),
    "between aliases": lambda: once_the_pointer_moved(between_two_aliases),
    "before it is confirmed": lambda: once_the_pointer_moved(
        lambda: before(SqlJournal, "append", when=writing("confirmed"))
    ),
    "before it is shown": lambda: once_the_pointer_moved(lambda: before(MlflowEvidence, "record")),
    "before the end is shown": lambda: before(
        MlflowEvidence,
        "record",
        when=lambda *_args, tags, **_more: "sluiceway.ending" in tags,
    ),
}


def evaluating(point: str | None, as_of: datetime, environment: dict[str, str]) -> None:
    """Run the flow as the schedule does, and die at the point, if there is one."""
    os.environ.update(environment)
    if point is not None:
        POINTS[point]()
    evaluate_canaries(as_of=as_of)


def rolling_back(point: str, as_of: datetime, environment: dict[str, str]) -> None:
    """Run the flow as a person does who wants the generation before, and die at the point."""
    os.environ.update(environment)
    POINTS[point]()
    rollback("a person changed their mind", as_of=as_of, actor="grace")
