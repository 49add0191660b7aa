"""Who is affected: walks over the declared graph."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TypeVar

import numpy as np

from sluiceway.digraph import Digraph, Mask
from sluiceway.durations import render_duration
from sluiceway.system.inputs import Feature
from sluiceway.system.values import Edge, NodeKind, System

Anything = TypeVar("Anything")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """All transitive consumers of what changed, and what changed itself.

    Attributes:
        changed: Names of the nodes that changed, or ``node.field`` where only that field did.
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


class SystemGraph:
    """A system's nodes and edges in compact arrays, for as many walks as one likes.

    Edges that read an earlier answer (:attr:`Edge.delayed`) are walked like all others: the change
    arrives later, but it does arrive.
    """

    def __init__(self, system: System) -> None:
        """Number what is declared: sources, features, models (producers first), consumers."""
        self.system = system
        kinds = (system.sources, system.features, system.models, system.consumers)
        names = [name for nodes in kinds for name in nodes]
        self._number = {name: place for place, name in enumerate(names)}
        owners = [node.owner for nodes in kinds for node in nodes.values()]
        known = {name: place for place, name in enumerate(dict.fromkeys(owners))}
        self._owners = np.array(list(known), dtype=object)
        self._owner = np.array([known[owner] for owner in owners], dtype=np.int32)
        before_models = len(system.sources) + len(system.features)
        self._model_names, self._consumer_names = tuple(system.models), tuple(system.consumers)
        before_consumers = before_models + len(system.models)
        self._models = slice(before_models, before_consumers)
        self._consumers = slice(before_consumers, len(names))
        self._edges = system.edges
        number = self._number
        reads = [
            (number[source], number[feature.name])
            for feature in system.features.values()
            for source in _sources(feature)
        ]
        tails = [number[edge.producer] for edge in self._edges] + [tail for tail, _ in reads]
        heads = [number[edge.consumer] for edge in self._edges] + [head for _, head in reads]
        self._arrows = Digraph(len(names), tails, heads)

    def blast_radius(self, changed: Iterable[str]) -> BlastRadius:
        """Find everything that a change of these sources, features, models or fields can reach.

        Args:
            changed: Names of nodes, or ``node.field`` for a model's output field or a source's
                column. Of a field, only what reads that field starts the walk; the model itself
                counts as affected, for its answer is another.

        Raises:
            KeyError: A name is no node of the system, or the node has no such field.
        """
        changed = tuple(dict.fromkeys(changed))
        whole, part = _parted(self.system, changed)
        first = [e for field in part for e in self._reading(*field)]
        starts = [self._number[name] for name in whole]
        starts += [self._number[reader] for _, reader in first]
        reached = self._arrows.reached(starts)
        travelled = self._arrows.leaving(reached)[: len(self._edges)]
        travelled[[place for place, _ in first if place is not None]] = True
        reached[[self._number[name] for name, _ in part]] = True
        return self._radius(changed, reached, travelled)

    def upstream(self, names: Iterable[str]) -> tuple[str, ...]:
        """These models and every model that feeds them, producers first.

        Raises:
            KeyError: A name is no node of the system.
        """
        found = self._arrows.reversed.reached(self._number[name] for name in names)
        return _chosen(self._model_names, found[self._models])

    def _radius(self, changed: tuple[str, ...], reached: Mask, travelled: Mask) -> BlastRadius:
        affected = reached.copy()
        affected[: self._models.start] = False
        owned = np.bincount(self._owner[affected], minlength=self._owners.size) > 0
        return BlastRadius(
            changed=changed,
            models=_chosen(self._model_names, reached[self._models]),
            consumers=tuple(sorted(_chosen(self._consumer_names, reached[self._consumers]))),
            edges=_chosen(self._edges, travelled),
            owners=tuple(sorted(self._owners[owned].tolist())),
        )

    def _reading(self, node: str, field: str) -> list[tuple[int | None, str]]:
        """What reads a field: the edge's place, if it is one, and the name of who reads."""
        if node in self.system.sources:
            return [(None, f.name) for f in _reading_column(self.system, f"{node}.{field}")]
        tails = self._arrows.tails[: len(self._edges)]
        leaving = np.flatnonzero(tails == self._number[node]).tolist()
        edges = ((place, self._edges[place]) for place in leaving)
        return [(place, edge.consumer) for place, edge in edges if edge.field == field]


def _chosen(all_of: tuple[Anything, ...], mask: Mask) -> tuple[Anything, ...]:
    """Those that the mask says; the quickest way there is to take objects by a mask."""
    return tuple(compress(all_of, mask.tobytes()))


def blast_radius(system: System, changed: Iterable[str]) -> BlastRadius:
    """Find everything that a change can reach; see :meth:`SystemGraph.blast_radius`.

    Raises:
        KeyError: A name is no node of the system, or the node has no such field.
    """
    return SystemGraph(system).blast_radius(changed)


def earlier_answers(system: System, models: Iterable[str]) -> tuple[str, ...]:
    """The earlier answers that these models or what feeds them read, in words."""
    return tuple(
        f"{edge.name} reads an answer given {render_duration(edge.delayed)} earlier"
        for name in upstream(system, models)
        for edge in system.models[name].inputs
        if edge.delayed is not None
    )


def upstream(system: System, names: Iterable[str]) -> tuple[str, ...]:
    """These models and every model that feeds them; see :meth:`SystemGraph.upstream`.

    Raises:
        KeyError: A name is no node of the system.
    """
    return SystemGraph(system).upstream(names)


def _parted(system: System, names: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Whole nodes, and nodes of which one field changed."""
    whole: list[str] = []
    part: list[tuple[str, str]] = []
    for name in names:
        node, dot, field = name.partition(".")
        kind = system.kind(node)
        if not dot:
            whole.append(node)
        elif kind is NodeKind.SOURCE or (
            kind is NodeKind.MODEL
            and any(one.name == field for one in system.models[node].contract.output)
        ):
            part.append((node, field))
        else:
            raise KeyError(name)
    return whole, part


def _sources(feature: Feature) -> tuple[str, ...]:
    return tuple(dict.fromkeys(s for v in feature.versions.values() for s in v.sources))


def _reading_column(system: System, column: str) -> list[Feature]:
    return [
        feature
        for feature in system.features.values()
        if any(column in version.reads for version in feature.versions.values())
    ]
