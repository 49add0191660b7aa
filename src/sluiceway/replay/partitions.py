"""A stretch of recorded rows that fits into memory, and what of the record a replay needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluiceway.releases import Member
from sluiceway.system.inputs import FeatureVersion
from sluiceway.system.values import System

Column = NDArray[Any]
"""``float64`` (numbers and booleans, NaN is missing), ``datetime64[us]`` in UTC or text objects."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Partition:
    """Rows of consecutive whole blocks, all sources joined on the unit.

    The *spine*, the units that exist, is the union of the units of all sources read that hold no
    labels. Where a source lacks a unit its columns are missing there, which counts against the
    null rate that features declare. Labels are joined to the spine and never add to it.

    Attributes:
        units: Unit of each row, objects of shape (rows,); each unit once in a whole history.
        event_time: ``datetime64[us]`` in UTC, shape (rows,), ascending.
        block_names: Names of the blocks of these rows, ascending, each once.
        block_codes: Index into ``block_names`` for each row, ``intp[rows]``.
        columns: ``source.column`` to values of shape (rows,); see `Column`.
        labels: ``source.column`` to ``float64[rows]``, NaN where not known at the time of looking.
        not_yet_known: Labels masked because they came later, by ``source.column``.
        missing_units: Units of the spine that a source does not have, by source, where not 0.
        stray_units: Units with labels that the spine does not have, by source, where not 0.
    """

    units: NDArray[np.object_]
    event_time: NDArray[np.datetime64]
    block_names: tuple[str, ...]
    block_codes: NDArray[np.intp]
    columns: Mapping[str, Column]
    labels: Mapping[str, Floats]
    not_yet_known: Mapping[str, int] = field(default_factory=dict)
    missing_units: Mapping[str, int] = field(default_factory=dict)
    stray_units: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.event_time)

    @property
    def blocks(self) -> NDArray[np.object_]:
        """Name of each row's block, text objects of shape (rows,)."""
        return np.asarray(self.block_names, dtype=object)[self.block_codes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What of the record is read.

    Attributes:
        features: (feature, version) pairs whose values are needed.
        labels: ``source.column`` of truths.
        columns: Further ``source.column`` names, such as columns to profile.
    """

    features: frozenset[tuple[str, str]]
    labels: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()

    def __or__(self, other: "Needs") -> "Needs":
        """What either needs."""
        return Needs(
            features=self.features | other.features,
            labels=self.labels | other.labels,
            columns=self.columns | other.columns,
        )

    def definitions(self, system: System) -> tuple[tuple[str, FeatureVersion], ...]:
        """Feature name and definition of every feature needed, in a fixed order."""
        return tuple((f, system.features[f].versions[v]) for f, v in sorted(self.features))

    def reads(self, system: System) -> tuple[str, ...]:
        """Every ``source.column`` to be read that is no label, in a fixed order."""
        read = {read for _, version in self.definitions(system) for read in version.reads}
        return tuple(sorted(read | self.columns))


def feature_version(system: System, member: Member, feature: str) -> str:
    """The version of a feature that a member reads: its own, or else the current one."""
    return member.features.get(feature, system.features[feature].current)


def needs_of_models(system: System, members: Iterable[Member], labels: Iterable[str] = ()) -> Needs:
    """What scoring these members needs of the record."""
    return Needs(
        features=frozenset(
            (edge.producer, feature_version(system, member, edge.producer))
            for member in members
            for edge in system.models[member.model].inputs
            if edge.field is None
        ),
        labels=frozenset(labels),
    )
