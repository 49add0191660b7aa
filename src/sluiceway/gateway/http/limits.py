"""How much of everything one caller, request or connection may take."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sluiceway.serving.protocols.tables import MAX_ROWS

REMEMBERED: Final = 10_000
"""Callers whose use is remembered; the one that asked longest ago is forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is read, and for how long it is waited.

    Attributes:
        body_bytes: Largest body.
        drained_bytes: How much of a refused body is read and thrown away, so that its sender hears
            the answer before the connection closes.
        body_seconds: Within this a body must have arrived.
        rows: Most rows of one request.
        concurrent: Requests that are answered at one time; more are refused.
        connections: Connections that are open at one time.
        header_bytes: Longest request line and headers.
        header_seconds: Within this they must have arrived.
        rate: Requests a second of one caller; None for no limit.
        burst: Requests that a caller may save up.
    """

    body_bytes: int = 4 * 2**20
    drained_bytes: int = 64 * 2**20
    body_seconds: float = 10.0
    rows: int = MAX_ROWS
    concurrent: int = 1_000
    connections: int = 2_000
    header_bytes: int = 64 * 2**10
    header_seconds: float = 10.0
    rate: float | None = None
    burst: int = 100


class TokenBuckets:
    """One bucket a caller, which fills at a steady rate and pays for each request."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """Pay for one request.

        Args:
            now: Seconds on a clock that never goes back.

        Returns:
            0 where it was paid for; else the seconds until it can be.
        """
        level, since = self._levels.pop(caller, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        wait = 0.0 if level >= 1.0 else (1.0 - level) / self._rate
        self._levels[caller] = (level if wait else level - 1.0, now)
        if len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)
        return wait
