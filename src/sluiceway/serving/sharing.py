"""Which release answers which row: one decision a unit, carried through the whole chain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluiceway.routing import in_canary
from sluiceway.serving.served import Pairing
from sluiceway.serving.values import ArmName


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Share:
    """The rows of a question that one arm answers.

    Attributes:
        arm: The arm whose answer somebody receives.
        rows: Which rows, ``intp``, ascending.
        mirrored: Whether the other arm answers each of them too, ``bool`` of the shape of `rows`.
    """

    arm: ArmName
    rows: NDArray[np.intp]
    mirrored: NDArray[np.bool_]


def shares_of(
    pairing: Pairing, units: Sequence[str], *, forced: ArmName | None = None
) -> tuple[Share, ...]:
    """Share the rows of a question out between a pairing's arms.

    Args:
        units: Unit of each row.
        forced: The arm that a tester asked for: such rows are no evidence, so nobody mirrors them.

    Returns:
        One or two shares, which together hold every row once.
    """
    rows = len(units)
    if forced is not None and not (forced is ArmName.CANDIDATE and pairing.halted):
        return (_whole(forced, rows, np.zeros(rows, dtype=bool)),)
    weight, mirror = (0, 0) if pairing.halted else (pairing.weight, pairing.mirror)
    mirrored = _drawn(f"{pairing.rollout_id}/mirror", units, mirror)
    if weight <= 0:
        return (_whole(ArmName.BASELINE, rows, mirrored),)
    if weight >= 100:
        return (_whole(ArmName.CANDIDATE, rows, mirrored),)
    chosen = _drawn(pairing.rollout_id, units, weight)
    mirrored |= chosen
    if not chosen.any():
        return (_whole(ArmName.BASELINE, rows, mirrored),)
    if chosen.all():
        return (_whole(ArmName.CANDIDATE, rows, mirrored),)
    return tuple(
        Share(arm=arm, rows=(places := np.flatnonzero(mask)), mirrored=mirrored[places])
        for arm, mask in ((ArmName.BASELINE, ~chosen), (ArmName.CANDIDATE, chosen))
    )


def _whole(arm: ArmName, rows: int, mirrored: NDArray[np.bool_]) -> Share:
    return Share(arm=arm, rows=np.arange(rows), mirrored=mirrored)


def _drawn(salt: str, units: Sequence[str], percent: int) -> NDArray[np.bool_]:
    if percent <= 0:
        return np.zeros(len(units), dtype=bool)
    if percent >= 100:
        return np.ones(len(units), dtype=bool)
    return in_canary(salt, units, percent)
