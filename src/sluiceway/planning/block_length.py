"""How long the blocks of a canary must be, read from what shadow measured, before it begins.

Evidence counts blocks as independent. Where the harm of one declared block is carried on into the
next, one canary's blocks are made of several: as many as hold five autocorrelation times of the
gate that needs most. The length is part of the canary's plan and never chosen again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from sluiceway.blocks import BlockCalendar
from sluiceway.gates import Gate, Role
from sluiceway.planning.harms import Floats, RecordedHarms
from sluiceway.statistics.autocorrelation import TIMES, Dependence, dependence


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLength:
    """The length of one canary's blocks, and why.

    Attributes:
        declared: What the policy says.
        length: What this canary's evidence is cut into: `declared`, or a whole multiple of it.
        gate: The required gate that needs most; empty where none is required.
        time: Its autocorrelation time beyond one declared block; at least this where the record
            is too short (not `verified`).
        seen: Whether dependence between declared blocks was seen at all.
        verified: Whether the record is long enough to tell the time, for every required gate.
        recorded_blocks: Declared blocks of the record.
    """

    declared: timedelta
    length: timedelta
    gate: str
    time: timedelta
    seen: bool
    verified: bool
    recorded_blocks: int

    @property
    def is_longer(self) -> bool:
        """Whether blocks are longer than the policy declares."""
        return self.length > self.declared

    @property
    def noun(self) -> str:
        """What one block is called, such as ``2-day block``; for those that are longer."""
        unit, of = _UNITS[0] if not self.length % _UNITS[0][1] else _UNITS[1]
        if self.length % of:
            unit, of = _UNITS[2]
        return f"{self.length // of}-{unit} block"


_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)


def in_blocks(gate: Gate, blocks: BlockLength) -> Gate:
    """The gate whose evidence is cut into these blocks, and is said to be."""
    return replace(gate, block=blocks.noun) if blocks.is_longer else gate


def render_block_length(blocks: BlockLength) -> str:
    """Why blocks are as long as they are.

    For example: ``blocks of 2 days instead of 1 day: 5 × the autocorrelation time of 0.4 days of
    arr_delay.mae, in 400 blocks of record``.
    """
    declared, record = _said(blocks.declared), f"{blocks.recorded_blocks:,} blocks of record"
    if blocks.is_longer:
        at_least = "" if blocks.verified else "at least "
        time = f"{at_least}{_said(blocks.time, blocks.declared)} of {blocks.gate}"
        said = (
            f"blocks of {_said(blocks.length)} instead of {declared}: {TIMES} × the "
            f"autocorrelation time of {time}, in {record}"
        )
        return said if blocks.verified else f"{said}, which are too few to see it fade"
    if blocks.seen:
        return (
            f"blocks of {declared}, verified: {TIMES} × the autocorrelation time of "
            f"{_said(blocks.time, blocks.declared)} of {blocks.gate} fits, in {record}"
        )
    if blocks.verified:
        return f"blocks of {declared}, verified: no autocorrelation is seen in {record}"
    return (
        f"blocks of {declared}, not verified: no autocorrelation is seen, but {record} are too "
        "few to rule it out"
    )


def _said(time: timedelta, like: timedelta | None = None) -> str:
    """``2 days``, ``0.4 days``, ``6 hours``; in the unit that fits another time, where given."""
    size = time if like is None else like
    unit, of = next((one for one in _UNITS if size >= one[1]), _UNITS[0])
    number = f"{time / of:.1f}".removesuffix(".0")
    return f"{number} {unit}" + ("" if number == "1" else "s")


def block_length(
    gates: Sequence[Gate], recorded: RecordedHarms, declared: timedelta, *, level: float
) -> BlockLength:
    """Choose the length of a canary's blocks.

    Args:
        gates: All gates of the plan; the required ones decide.
        recorded: Harms of declared blocks.
        declared: Length of a declared block.
        level: How often independent blocks may be taken for dependent ones, over all gates.
    """
    required = [gate for gate in gates if gate.role is Role.REQUIRED]
    rows = _rows(recorded, declared)
    found = {gate.name: dependence(_on_grid(recorded.of(gate), rows)) for gate in required}
    shared = level / max(1, len(required))

    def need(name: str) -> tuple[int, bool, float]:
        one = found[name]
        return one.blocks_needed(shared), one.p_value <= shared, one.time

    worst = max(found, key=need, default="")
    one = found.get(worst, Dependence(time=0.0, p_value=1.0, settled=False))
    calendar = BlockCalendar(timezone="UTC", length=declared)
    return BlockLength(
        declared=declared,
        length=calendar.longer(one.blocks_needed(shared)).length,
        gate=worst,
        time=one.time * declared,
        seen=one.p_value <= shared,
        verified=bool(found) and all(other.settled for other in found.values()),
        recorded_blocks=len(recorded.blocks),
    )


def in_longer_blocks(recorded: RecordedHarms, blocks: BlockLength) -> RecordedHarms:
    """The same record in the canary's blocks.

    A longer block's harm is the mean of those it is made of, by their rows. Blocks that the record
    holds only a part of are left out.
    """
    if not blocks.is_longer:
        return recorded
    times = blocks.length // blocks.declared
    rows = _rows(recorded, blocks.declared)
    if not rows:
        return recorded
    whole = range(-(-rows[0] // times), (rows[-1] + 1) // times)
    kept = [place for place, row in enumerate(rows) if row // times in whole]
    names = sorted({rows[place] // times for place in kept})
    group = np.asarray([names.index(rows[place] // times) for place in kept], dtype=np.intp)
    units = np.asarray(recorded.units, dtype=np.float64)[kept]

    def summed(values: Floats) -> Floats:
        found = np.bincount(group, weights=values, minlength=len(names))
        return found.astype(np.float64)

    def means(column: Sequence[float | None]) -> tuple[float | None, ...]:
        values = np.asarray([np.nan if h is None else h for h in column], dtype=np.float64)[kept]
        there = np.isfinite(values)
        weight = summed(np.where(there, units, 0.0))
        total = summed(np.where(there, units * values, 0.0))
        pairs = zip(total.tolist(), weight.tolist(), strict=True)
        return tuple(h / w if w > 0 else None for h, w in pairs)

    return replace(
        recorded,
        blocks=tuple(f"{name:012d}" for name in names),
        units=tuple(int(n) for n in summed(units)),
        harms={name: means(column) for name, column in recorded.harms.items()},
        losses={name: means(column) for name, column in recorded.losses.items()},
    )


def _rows(recorded: RecordedHarms, declared: timedelta) -> list[int]:
    """Where in time each block is, in blocks since 1970; names of no calendar follow each other."""
    calendar = BlockCalendar(timezone="UTC", length=declared)
    epoch = datetime.fromisoformat("1970-01-01T00:00+00:00")
    try:
        return [(calendar.start(name) - epoch) // declared for name in recorded.blocks]
    except ValueError:
        return list(range(len(recorded.blocks)))


def _on_grid(harms: Floats, rows: Sequence[int]) -> Floats:
    """Evenly spaced harms, NaN where no block was recorded."""
    if not rows:
        return harms
    grid = np.full(rows[-1] - rows[0] + 1, np.nan)
    grid[np.asarray(rows) - rows[0]] = harms
    return grid
