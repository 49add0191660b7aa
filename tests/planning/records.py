"""Records of block harms with a covariance that is known, and the plans made from them."""

from datetime import timedelta

import numpy as np

from sluiceway.gates import Gate, Role
from sluiceway.planning import RecordedHarms, Schedule

DAY = timedelta(days=1)


def gate(name: str = "m", role: Role = Role.REQUIRED, margin: float = 1.0) -> Gate:
    return Gate(
        model=name,
        metric="mae",
        field="out",
        label="truth.out",
        role=role,
        margin=margin,
        unit="min",
    )


def record(gates: list[Gate], columns: np.ndarray, units: int = 900) -> RecordedHarms:
    """Block harms ``float64[G, gates]``; NaN is a block in which nothing was measured."""
    return RecordedHarms(
        blocks=tuple(f"2026-{n:05d}" for n in range(len(columns))),
        units=(units,) * len(columns),
        harms={
            one.name: tuple(None if np.isnan(h) else float(h) for h in columns[:, place])
            for place, one in enumerate(gates)
        },
    )


def schedule(
    deadline: int = 30,
    longest: int = 60,
    *,
    weights: tuple[int, ...] = (50,),
    bake: int = 1,
    mirror: int = 100,
    maturity: int = 0,
) -> Schedule:
    return Schedule(
        weights=weights,
        bakes=(bake * DAY,) * len(weights),
        mirror=mirror,
        block=DAY,
        maturity=maturity * DAY,
        deadline=deadline * DAY,
        longest=longest * DAY,
    )
