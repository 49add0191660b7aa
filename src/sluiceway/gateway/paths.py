"""How a model's answers are made, and rows of a question on their way through one arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sluiceway.releases import Release
from sluiceway.serving.inputs import Features, Reader
from sluiceway.serving.layout import Layout
from sluiceway.serving.served import Pairing
from sluiceway.serving.unmet import Demands, Unmet
from sluiceway.serving.values import ArmName, Withheld, WithheldBecause


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """How one model's answers are made, on one detour.

    Attributes:
        reader: Reads the questions.
        pairing: Who shares the rows out; None where the champion alone answers.
        layouts: By arm of the pairing; without one the champion is the baseline.
        releases: By arm, likewise.
        champion: The arm whose release is the champion's.
        demands: What the other arm demands beyond the champion; without one there is none.
        withheld: Why no row is evidence for the rollout that compares these models; None where
            rows are, or there is no such rollout.
    """

    reader: Reader
    pairing: Pairing | None
    layouts: Mapping[ArmName, Layout]
    releases: Mapping[ArmName, Release]
    champion: ArmName = ArmName.BASELINE
    demands: Demands | None = None
    withheld: Withheld | None = None

    def unmet_by(self, features: Features, rows: int) -> Unmet | None:
        """Rows that the arm which is not the champion cannot be asked about, wherever they go."""
        if self.demands is None or self.pairing is None or self.pairing.halted is not None:
            return None
        return self.demands.unmet_by(features, rows)

    def withheld_for(self, unmet: Unmet) -> Withheld:
        """What becomes of such rows: the rollout learns nothing of them."""
        assert self.pairing is not None
        return Withheld(
            rollout_id=self.pairing.rollout_id,
            because=WithheldBecause.UNMET_DEMAND,
            model=unmet.model,
            version=unmet.version,
            what=unmet.what,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """Rows of a question on their way through one arm.

    Attributes:
        rows: Which rows of the question, ``intp``, ascending.
        mirrored: Whether the other arm is to answer each of them too.
        features: Their features, and those only.
        units: Their units.
        is_evidence: Whether their answers tell anything about a rollout.
        withheld: Why they are none, where a rollout has a say in them and nobody chose the arm.
    """

    paths: Paths
    arm: ArmName
    rows: NDArray[np.intp]
    mirrored: NDArray[np.bool_]
    features: Features
    units: Sequence[str]
    is_evidence: bool
    withheld: Withheld | None = None

    @property
    def layout(self) -> Layout:
        """What is asked for them."""
        return self.paths.layouts[self.arm]


def rows_of(way: Way, kept: NDArray[np.intp]) -> Way:
    """A part of a way's rows, by their places in it (``intp``, ascending)."""
    if len(kept) == len(way.rows):
        return way
    return replace(
        way,
        rows=way.rows[kept],
        mirrored=way.mirrored[kept],
        features={key: values[kept] for key, values in way.features.items()},
        units=[way.units[place] for place in kept.tolist()],
    )
