"""Where a flow run can be stopped: the command by which the sweep's deployments run flows.

``python -m bench.chaos.seam FOLDER`` is Prefect's engine behind a wrapper around the calls by which
a flow changes the world. The product knows nothing of it. Whoever sweeps says in a file which call
is meant; the first process that comes there takes the file away, and either kills itself or waits
until the file that says that it is there is taken away.
"""

import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

from bench.chaos.clock import begun_by

ARMED: Final = "armed.json"
REACHED: Final = "reached.json"
_PATIENCE: Final = 180.0
"""Seconds after which a process that waits goes on by itself."""

CALLS: Final = {
    "append": "sluiceway.adapters.sql_journal:SqlJournal.append",
    "move_champion": "sluiceway.adapters.sql_journal:SqlJournal.move_champion",
    "route": "sluiceway.adapters.flag_file:FlagFileRouter.apply",
    "set_alias": "sluiceway.adapters.mlflow_registry:MlflowRegistry.set_alias",
    "remove_alias": "sluiceway.adapters.mlflow_registry:MlflowRegistry.remove_alias",
    "set_tag": "sluiceway.adapters.mlflow_registry:MlflowRegistry.set_tag",
    "record": "sluiceway.adapters.mlflow_evidence:MlflowEvidence.record",
    "keep": "sluiceway.wiring:keep",
    "begin": "tasks.flow_runs:run_deployment",
    "show": "tasks.rollouts:create_markdown_artifact",
    "mark": "sluiceway.steps.publishing:mark_published",
    "replay": "sluiceway.adapters.history:History.partitions",
}
"""What a flow does to the world, and the replay, which takes long, by short names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instruction of a flow run.

    Attributes:
        call: One of :data:`CALLS`.
        when: Before it takes effect, or after.
        event: Kind of the first event that is written; None for any, and for other calls.
    """

    call: str
    when: Literal["before", "after"]
    event: str | None = None

    def __str__(self) -> str:
        named = self.call if self.event is None else f"{self.call}({self.event})"
        return f"{self.when} {named}"


def arm(folder: Path, moment: Moment, *, then: Literal["die", "wait"]) -> None:
    """Say which call is meant, once."""
    (folder / REACHED).unlink(missing_ok=True)
    written = folder / f".{ARMED}"
    written.write_text(json.dumps({**asdict(moment), "then": then}), encoding="utf-8")
    written.replace(folder / ARMED)


def disarm(folder: Path) -> None:
    """Take back what nobody came to, and let go on who waits."""
    for name in (ARMED, REACHED):
        (folder / name).unlink(missing_ok=True)


def reached(folder: Path) -> bool:
    """Whether a process came there."""
    return (folder / REACHED).exists()


def wrap(folder: Path) -> None:
    """Wrap every call of this process."""
    for name, place in CALLS.items():
        module_name, _, path = place.partition(":")
        owner: Any = import_module(module_name)
        *parts, attribute = path.split(".")
        for part in parts:
            owner = getattr(owner, part)
        setattr(owner, attribute, _wrapped(name, getattr(owner, attribute), folder))
    flow_runs: Any = import_module("tasks.flow_runs")
    flow_runs.sign_on = begun_by(folder, flow_runs.sign_on)


def _wrapped(name: str, original: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    if name == "replay":
        return _cut(name, original, folder)

    @wraps(original)
    def stopping(*args: Any, **kwargs: Any) -> Any:
        kind = _kind(args)
        _stop(folder, name, "before", kind)
        answer = original(*args, **kwargs)
        _stop(folder, name, "after", kind)
        return answer

    return stopping


def _cut(name: str, original: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    @wraps(original)
    def parts(*args: Any, **kwargs: Any) -> Iterator[Any]:
        trial = kwargs.get("step") is not None  # the contracts' trial names a step
        if not trial:
            _stop(folder, name, "before", None)
        for part in original(*args, **kwargs):
            yield part
            if not trial:
                _stop(folder, name, "after", None)

    return parts


def _kind(args: tuple[Any, ...]) -> str | None:
    """The kind of the first of the drafts among the arguments."""
    for one in args:
        if isinstance(one, list | tuple) and one and hasattr(one[0], "kind"):
            return str(one[0].kind)
    return None


def _stop(folder: Path, call: str, when: str, kind: str | None) -> None:
    try:
        wanted = json.loads((folder / ARMED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if (wanted["call"], wanted["when"]) != (call, when) or wanted["event"] not in (None, kind):
        return
    with suppress(OSError):
        (folder / ARMED).rename(folder / REACHED)  # of several processes one
        if wanted["then"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.monotonic() + _PATIENCE
        while (folder / REACHED).exists() and time.monotonic() < until:
            time.sleep(0.02)


if __name__ == "__main__":
    os.setsid()  # as Prefect's own command has it, a run does not end with its worker
    # As the module that others import, so that there is one of each name.
    import_module("bench.chaos.seam").wrap(Path(sys.argv.pop(1)))
    runpy.run_module("prefect.engine", run_name="__main__")
