"""How far a gateway is, and how each of its versions lives: what it tells of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sluiceway.gateway.backends.in_process import InProcessBackend
from sluiceway.gateway.backends.worker import WorkerBackend
from sluiceway.gateway.wanted import Place, Resident
from sluiceway.serving.ports import Backend


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionState:
    """One version that lives somewhere.

    Attributes:
        pid: Id of its own process; None where it has none, or is being replaced.
        rss_bytes: Resident memory of that process; None where it has none.
        restarts: How often its process was replaced.
        memory_kills: How often that was for the memory it held.
        abandoned: How many threads of this process were left alone inside of it.
        fault: Why its process ended last; None where it never did.
    """

    model: str
    version: str
    place: Place
    pid: int | None = None
    rss_bytes: int | None = None
    restarts: int = 0
    memory_kills: int = 0
    abandoned: int = 0
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentsState:
    """How far a gateway is.

    Attributes:
        revision: See :attr:`sluiceway.serving.heartbeat.Heartbeat.revision`.
        generation: Of the champion that answers; 0 before the first.
        loading: Names of the versions that are being loaded, sorted.
        faults: Why versions that are wanted are not there, by name.
        halted: Why candidates answer nobody, by rollout.
        alarm: What a person should look at; None where everything is in order.
        loads: How many versions were loaded so far.
        unreadable_tables: How often a table was found that cannot be followed.
    """

    revision: int
    generation: int
    loading: tuple[str, ...]
    faults: Mapping[str, str]
    halted: Mapping[str, str]
    alarm: str | None
    loads: int
    unreadable_tables: int
    versions: tuple[VersionState, ...]


def state_of(resident: Resident, backend: Backend) -> VersionState:
    """How a version lives, as far as what answers for it says."""
    state = VersionState(model=resident.model, version=resident.version, place=resident.place)
    if isinstance(backend, WorkerBackend):
        worker = backend.state
        return replace(
            state,
            pid=worker.pid,
            rss_bytes=worker.rss_bytes,
            restarts=worker.restarts,
            memory_kills=worker.memory_kills,
            fault=worker.fault,
        )
    if isinstance(backend, InProcessBackend):
        return replace(state, abandoned=backend.abandoned)
    return state
