"""Who is affected: walks over the declared graph."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sluiceway.system.values import Edge, System


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """All transitive consumers of what changed, and what changed itself.

    Attributes:
        changed: Names of the nodes that changed.
        models: Affected models, changed ones included, producers before consumers.
        consumers: Affected outside consumers, sorted.
        edges: Edges along which the change can travel.
        owners: Names of the owners of all that is affected, sorted.
    """

    changed: tuple[str, ...]
    models: tuple[str, ...]
    consumers: tuple[str, ...]
    edges: tuple[Edge, ...]
    owners: tuple[str, ...]


def blast_radius(system: System, changed: Iterable[str]) -> BlastRadius:
    """Find everything that a change of these sources, features or models can reach.

    Raises:
        KeyError: A name is no node of the system.
    """
    changed = tuple(dict.fromkeys(changed))
    for name in changed:
        system.kind(name)
    reached = reachable(_readers(system), changed)
    models = tuple(name for name in system.models if name in reached)
    consumers = tuple(sorted(name for name in system.consumers if name in reached))
    return BlastRadius(
        changed=changed,
        models=models,
        consumers=consumers,
        edges=tuple(edge for edge in system.edges if edge.producer in reached),
        owners=tuple(sorted({system.owner_of(name).name for name in (*models, *consumers)})),
    )


def reachable(readers: Mapping[str, Iterable[str]], start: Iterable[str]) -> set[str]:
    """Breadth-first: every node that can be reached, the start included."""
    reached = set(start)
    queue = deque(reached)
    while queue:
        for reader in readers.get(queue.popleft(), ()):
            if reader not in reached:
                reached.add(reader)
                queue.append(reader)
    return reached


def _readers(system: System) -> dict[str, list[str]]:
    readers: dict[str, list[str]] = {}
    for edge in system.edges:
        readers.setdefault(edge.producer, []).append(edge.consumer)
    for feature in system.features.values():
        for version in feature.versions.values():
            for source in version.sources:
                readers.setdefault(source, []).append(feature.name)
    return readers
