"""Edges that can be cut: how they are called, and whether their consumer could bear it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sluiceway.contracts.values import Contract
from sluiceway.system.values import Edge, System

SafeDefault = float | str
"""A number in the feature's unit (booleans are 0 and 1), or a text."""

ANY = "*"
"""Stands for every consumer, or for every column of a producer."""

_PARTS = re.compile(r"\s*(?:→|->|:)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuttable:
    """Every edge of a system, those from a source's column to a feature included.

    Attributes:
        edges: What models and consumers read.
        reads: The ``source.column`` names that any version of a feature reads, by feature.
        safe_defaults: What is received instead of a feature, by feature that says so.
    """

    edges: tuple[Edge, ...]
    reads: Mapping[str, tuple[str, ...]]
    safe_defaults: Mapping[str, SafeDefault]

    @property
    def names(self) -> tuple[str, ...]:
        """How they are called: ``dep_delay.minutes → arr_delay``, ``schedule.origin → origin``."""
        features = (f"{read} → {name}" for name, reads in self.reads.items() for read in reads)
        return (*dict.fromkeys(edge.name for edge in self.edges), *features)

    def named(self, text: str, *, among: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """The edges that somebody means.

        Written are producer and consumer with ``→``, ``->`` or ``:`` between them. The producer may
        stand without its column and the consumer may be left out, where one edge only is meant so;
        ``*`` in the place of either means them all.

        Args:
            among: Names of the edges that may be meant; None for all.

        Raises:
            ValueError: None is meant, or it is not clear which.
        """
        written = _PARTS.split(text.strip())
        if len(written) > 2 or not written[0]:
            what = f"{text!r} is no edge; write one like: {self.names[0]}"
            raise ValueError(what)
        producer, consumer = written[0], written[1] if len(written) > 1 else ""
        names = self.names if among is None else among
        found = [name for name in names if _is_meant(name, producer, consumer)]
        all_meant = consumer == ANY or producer.endswith(f".{ANY}")
        if len(found) == 1 or (found and all_meant):
            return tuple(found)
        if found:
            one = f"{written[0]} → {ANY}"
            raise ValueError(f"may mean {'; '.join(found)}; say which, or: {one}")
        near = [name for name in names if _is_near(name, producer, consumer)]
        which = "is no edge" if among is None else "is none of these edges"
        raise ValueError(f"{which} (there are: {'; '.join(near or names) or 'none'})")

    def readers(self, feature: str) -> tuple[str, ...]:
        """Names of the models that read a feature."""
        return tuple(e.consumer for e in self.edges if e.field is None and e.producer == feature)

    def unsafe(self, name: str, contracts: Iterable[Contract]) -> str | None:
        """Why an edge may not be cut; None where its consumer has a safe default.

        A model's field has the one of its contract. A feature without one is missing then, which
        every model concerned has to take: one that does not say so does not.

        Args:
            contracts: Of every version that may read it.
        """
        column, _, consumer = name.partition(" → ")
        feature = consumer if consumer in self.reads else column
        if feature not in self.reads or feature in self.safe_defaults:
            return None
        concerned = {consumer} if consumer not in self.reads else set(self.readers(feature))
        known = [contract for contract in contracts if contract.model in concerned]
        deaf = sorted(
            {
                f"{one.model} (contract {one.version})"
                for one in known
                if not any(d.name == feature and d.nullable for d in one.inputs)
            }
            | {f"{model} (contract not known)" for model in concerned - {c.model for c in known}}
        )
        if not deaf:
            return None
        takes = "does not take it missing" if len(deaf) == 1 else "do not take it missing"
        return (
            f"{name}: features.{feature} has no safe_default, and {', '.join(deaf)} {takes} "
            f"(inputs.{feature}.nullable)"
        )


def cuttable(system: System) -> Cuttable:
    """The edges of a system."""
    return Cuttable(
        edges=system.edges,
        reads={
            feature.name: tuple(
                dict.fromkeys(r for v in feature.versions.values() for r in v.reads)
            )
            for feature in system.features.values()
        },
        safe_defaults={
            feature.name: feature.safe_default
            for feature in system.features.values()
            if feature.safe_default is not None
        },
    )


def _is_meant(name: str, producer: str, consumer: str) -> bool:
    column, _, reader = name.partition(" → ")
    node = column.partition(".")[0]
    by_name = producer in (column, node, f"{node}.{ANY}", ANY)
    return by_name and consumer in (reader, "", ANY)


def _is_near(name: str, producer: str, consumer: str) -> bool:
    column, _, reader = name.partition(" → ")
    return reader == consumer or column.partition(".")[0] == producer.partition(".")[0]
