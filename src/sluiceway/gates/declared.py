"""What a plan fixes before the first look: gates, their roles, and the levels of error."""

import math
from dataclasses import dataclass
from enum import StrEnum

from sluiceway.errors import BadInput, Fault
from sluiceway.slices import Slice
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.sequential import BY_BLOCKS, Evidence


class Role(StrEnum):
    """What a gate may do to a rollout."""

    REQUIRED = "required"
    """Must be PASSED to promote."""
    GUARD = "guard"
    """May stop; while it cannot tell, it does not block."""


class Comparison(StrEnum):
    """Which units of the two arms are held against each other in a canary."""

    PAIRED = "paired"
    """Both arms answer a unit; what only one of them answered says nothing."""
    PAIRED_ELSE_UNPAIRED = "paired_else_unpaired"
    """The same, and in a block without any pair the arms' own units."""
    UNPAIRED = "unpaired"
    """What each arm's own consumers received, inside (block, routing revision)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One promise about one model's answers, or how it is served: the harm stays below the margin.

    Attributes:
        model: Whose answers are measured.
        metric: Name as :func:`~sluiceway.statistics.metrics.metric_named` takes it.
        field: The model's output field that is measured; empty where it is the requests themselves.
        label: The truth it is compared with, such as ``landings.arr_delay``; empty without one.
        role: Required or guard.
        margin: Tolerated harm in the metric's unit, finite, at least 0.
        unit: The metric's unit as people write it, such as ``min``; empty where it has none.
        weight: Relative share of the rollback level, above 0.
        block: What one block is called, the unit of independence, such as ``day``.
        slice: The rows it is about; None for all.
        evidence: How live evidence is read (:func:`~sluiceway.statistics.sequential.method_for`).
        comparison: Which units live evidence is made of.
        in_shadow: Whether recorded rows can say anything of it. Where they cannot, only the canary
            judges it.
    """

    model: str
    metric: str
    field: str
    label: str
    role: Role
    margin: float
    unit: str = ""
    weight: float = 1.0
    block: str = "day"
    slice: Slice | None = None
    evidence: Evidence = BY_BLOCKS
    comparison: Comparison = Comparison.PAIRED
    in_shadow: bool = True

    def __post_init__(self) -> None:
        faults = []
        try:
            metric = metric_named(self.metric)
        except BadInput as error:
            faults += [Fault(where=f"{self.name}.metric", what=str(one)) for one in error.faults]
        else:
            if metric.paired and self.comparison is not Comparison.PAIRED:
                what = f"{self.metric} compares two answers to one unit; it needs pairs"
                faults.append(Fault(where=f"{self.name}.comparison", what=what))
        if not (math.isfinite(self.margin) and self.margin >= 0):
            what = f"{self.margin} is no margin; it must be finite and at least 0"
            faults.append(Fault(where=f"{self.name}.margin", what=what))
        if not (math.isfinite(self.weight) and self.weight > 0):
            what = f"{self.weight} is no weight; it must be finite and above 0"
            faults.append(Fault(where=f"{self.name}.weight", what=what))
        if faults:
            raise BadInput(faults)

    @property
    def name(self) -> str:
        """How the gate is called everywhere, unique in a plan."""
        of_all = f"{self.model}.{self.metric}"
        return of_all if self.slice is None else f"{of_all} [{self.slice.name}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """How often a plan may be wrong.

    Attributes:
        alpha: Probability of passing one gate whose harm is at its margin or beyond.
        rollback_alpha: Probability that one look (replay) or all looks together (canary) reject
            a candidate none of whose gates exceeds its margin, over all gates together.
        min_blocks: Below this many measured blocks nothing is PASSED.
        unlabelled_limit: Share of rows without a label above which nothing is PASSED.
    """

    alpha: float = 0.05
    rollback_alpha: float = 0.05
    min_blocks: int = 10
    unlabelled_limit: float = 0.1

    def __post_init__(self) -> None:
        rules = {
            "alpha": (0 < self.alpha < 0.5, "between 0 and 0.5"),
            "rollback_alpha": (0 < self.rollback_alpha < 0.5, "between 0 and 0.5"),
            "min_blocks": (self.min_blocks >= 2, "at least 2"),
            "unlabelled_limit": (0 <= self.unlabelled_limit < 1, "from 0 to below 1"),
        }
        faults = [
            Fault(where=f"levels.{name}", what=f"{getattr(self, name)} must be {rule}")
            for name, (kept, rule) in rules.items()
            if not kept
        ]
        if faults:
            raise BadInput(faults)
