"""Units to which something was answered, each with the event time of its first answer."""

import hashlib
import sqlite3
from collections.abc import Iterable

from sluiceway.adapters.live_log.database import writing


def unit_key(unit: str) -> int:
    """What stands for a unit in the table of answered units: 64 bits of its hash."""
    digest = hashlib.blake2b(unit.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def add_answered(
    connection: sqlite3.Connection, units: Iterable[tuple[str, int]], *, at: int
) -> None:
    """Note units as answered, with their event times, in a transaction of its own."""
    with writing(connection):
        connection.executemany(
            "INSERT OR IGNORE INTO answered VALUES (?, ?, ?)",
            [(unit_key(unit), time, at) for unit, time in units],
        )
