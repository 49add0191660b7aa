"""What every sequential state keeps, whatever its method: blocks in order, each once."""

import math
from dataclasses import dataclass
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.statistics.sequential.closed import LARGEST, ArmLabels, BlockHarm

Interval = tuple[float | None, float | None]
"""Lower and upper end in the metric's unit; None while unbounded."""


class BlockEnteredTwiceError(SluicewayError):
    """A block whose evidence already counts, or that lies before one that does, was offered.

    Attributes:
        block: Its id.
    """

    def __init__(self, block: str, last: str) -> None:
        self.block = block
        what = "was entered before" if block == last else f"is not after {last}, entered before"
        super().__init__(f"block {block} {what}: a block counts once, when closed")


def is_after(block: str, last: str) -> bool:
    """Whether a block follows another: ids sort as text, whole numbers as numbers."""
    if block.isdecimal() and last.isdecimal():
        return int(block) > int(last)
    return block > last


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """All that one gate has seen, as far as it does not depend on the method.

    Blocks enter in ascending order, so the last id is enough to let each count once, however
    many there are.

    Attributes:
        n: Blocks measured.
        mean: Mean harm in the metric's unit, over blocks or over units as the method weighs.
        mean_baseline: The same mean of the baseline's metric.
        mean_candidate: The same mean of the candidate's metric.
        rows: Labelled rows in all blocks entered.
        unlabelled: Rows whose label never came.
        faulty_rows: Rows with a fault (:class:`BlockHarm`).
        unmeasured: Blocks entered that had nothing to measure.
        last_block: Id of the last block entered; None while there is none.
        arms: Labels by arm in all blocks whose arms were unpaired; None while there is none.
    """

    n: int = 0
    mean: float = 0.0
    mean_baseline: float = 0.0
    mean_candidate: float = 0.0
    rows: int = 0
    unlabelled: int = 0
    faulty_rows: int = 0
    unmeasured: int = 0
    last_block: str | None = None
    arms: ArmLabels | None = None


def after_block(state: Entered, block: BlockHarm) -> tuple[dict[str, Any], bool]:
    """What one more closed block changes in the counts, and whether it can be measured.

    Raises:
        BlockEnteredTwiceError: The block counts already, or is not after the last that does.
    """
    last = state.last_block
    if last is not None and not is_after(block.block, last):
        raise BlockEnteredTwiceError(block.block, last)
    changes: dict[str, Any] = {
        "rows": state.rows + block.rows,
        "unlabelled": state.unlabelled + block.unlabelled,
        "faulty_rows": state.faulty_rows + block.faulty_rows,
        "last_block": block.block,
    }
    if block.arms is not None:
        changes["arms"] = block.arms + (state.arms or ArmLabels())
    if block.harm is None:
        changes["unmeasured"] = state.unmeasured + 1
        return changes, False
    if block.rows < 1:  # harm that nobody had
        return faulty(changes, block), False
    for value in (block.harm, block.baseline or 0.0, block.candidate or 0.0):
        # Never let it into the sums: NaN would poison every later look.
        if not (math.isfinite(value) and abs(value) <= LARGEST):
            return faulty(changes, block), False
    changes["n"] = state.n + 1
    return changes, True


def faulty(changes: dict[str, Any], block: BlockHarm) -> dict[str, Any]:
    """The counts after a block that cannot be what the method needs: all its rows are faults."""
    changes.pop("n", None)
    return changes | {"faulty_rows": changes["faulty_rows"] + max(block.rows, 1)}


def means_after(state: Entered, block: BlockHarm, share: float) -> dict[str, float]:
    """The means after a block whose part of the total weight is `share` (0 to 1]."""
    return {
        "mean": state.mean + (_known(block.harm) - state.mean) * share,
        "mean_baseline": state.mean_baseline
        + (_known(block.baseline) - state.mean_baseline) * share,
        "mean_candidate": state.mean_candidate
        + (_known(block.candidate) - state.mean_candidate) * share,
    }


def _known(value: float | None) -> float:
    return 0.0 if value is None else value
