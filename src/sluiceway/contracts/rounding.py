"""Numbers as people write them: ranges with head-room, steps, few digits."""

import math
import sys
from typing import Final

HEAD_ROOM: Final = 0.25
"""Share of the recorded span that is added on each side of a range."""


def outward(low: float, high: float) -> tuple[float, float, float]:
    """A range with head-room, rounded outward to a sensible step.

    A quarter of the span is added on each side (of a single value, a quarter of itself), but never
    beyond zero (zero itself gets room above); then both ends move outward to a multiple of 1, 2 or
    5 times a power of ten, about a twentieth of the span.

    Returns:
        Both ends and the step.
    """
    span = high - low
    room = HEAD_ROOM * (span if span > 0 else abs(high) or 4.0)
    # Nine digits are more than anybody writes, and below the smallest normal number a twentieth of
    # a span may be zero.
    finest = max(1e-9 * max(abs(low), abs(high)), sys.float_info.min)
    step = nice(max((span if span > 0 else 4 * room) / 20, finest))
    least, most = low - room, high + room
    least = 0.0 if low >= 0 > least else least
    most = 0.0 if low < 0 and high <= 0 < most else most
    return _steps(math.floor(least / step), step), _steps(math.ceil(most / step), step), step


def _steps(count: int, step: float) -> float:
    """A multiple of a step, without the dust that multiplying leaves."""
    return float(f"{count * step:.12g}")


def nice(value: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{next(m for m in (1, 2, 5, 10) if m * power >= value * (1 - 1e-9)) * power:.6g}")


def short(value: float, digits: int = 4) -> float:
    """The number with so many digits that say something."""
    return float(f"{value:.{digits}g}")
