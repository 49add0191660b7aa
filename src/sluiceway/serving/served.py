"""What answers at one moment: releases, who shares which rows, and where each version lives.

A :class:`Served` never changes. Whoever keeps it current builds another and hands it over whole, so
that no question is answered by parts of two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sluiceway.contracts.values import Contract
from sluiceway.releases import Release
from sluiceway.replay.features import Transformation
from sluiceway.routing import RoutingTable
from sluiceway.serving.ports import Backend
from sluiceway.serving.values import Question
from sluiceway.system.values import System

Version = tuple[str, str]
"""A model's name and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Two releases that answer the same units for one rollout.

    Attributes:
        rollout_id: Whose evidence it is, and the salt by which units are shared out.
        baseline: What the candidate is compared with.
        candidate: The candidate; in the watch after a promotion it is the champion.
        weight: Percent of units whose consumer receives the candidate's answer.
        mirror: Percent of the other units that the arm nobody asked answers too.
        models: Names of the models in which the releases differ, and of all that read them.
        halted: Why the candidate answers nobody, whatever its weight; None where it may.
    """

    rollout_id: str
    baseline: Release
    candidate: Release
    weight: int
    mirror: int
    models: frozenset[str]
    halted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """Another inference path than the declared one, chosen by a flag.

    Attributes:
        versions: Version that answers instead of the release's, by model.
        cut: Names of edges whose consumer receives the safe default.
        features: Versions of the features that a pinned version reads, where these are not the
            current ones: by model, then by feature.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    features: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


Detours = Callable[[Question], Sequence[tuple[NDArray[np.intp], Detour]]]
"""Shares the rows of a question out among detours; rows that it does not name take none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """Everything that answering follows, at one moment.

    Attributes:
        table: The routing table it was built from.
        system: The declared graph.
        champion: What answers where no pairing says otherwise.
        pairings: Canaries and watches; no model is of interest to two of them.
        backends: Every version that may be asked.
        contracts: What each of these versions promises and demands.
        transformations: By the ``module:function`` that feature versions name.
        cut: Names of edges that are isolated: ``producer.field → consumer``.
        detours: Flags that choose other paths; None where there are none.
    """

    table: RoutingTable
    system: System
    champion: Release
    pairings: tuple[Pairing, ...]
    backends: Mapping[Version, Backend]
    contracts: Mapping[Version, Contract]
    transformations: Mapping[str, Transformation] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    detours: Detours | None = None

    def pairing_of(self, model: str) -> Pairing | None:
        """The pairing that has a say in a model's answers; None where the champion alone has."""
        return next((one for one in self.pairings if model in one.models), None)
