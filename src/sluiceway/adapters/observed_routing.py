"""What gateways follow, beside what they were asked to follow."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from pydantic import ValidationError

from sluiceway.ports import Router, UnreadableRouting
from sluiceway.routing import RoutingTable
from sluiceway.serving.heartbeat import Heartbeat

FRESH = timedelta(seconds=10)
"""How old the newest word of a gateway that lives may be."""

GONE = timedelta(minutes=10)
"""How long a gateway has said nothing when its last word is thrown away: 600 times the second
between two of them."""

_PATIENCE = 0.05
"""Seconds between two looks at gateways that are about to follow."""


def _by_the_files_in(folder: Path) -> datetime:
    """The time by the clock of the file system where gateways write (UTC).

    By a clock of ours that is wrong every gateway would be dead, and a step complete that nobody
    follows.
    """
    try:
        with TemporaryFile(dir=folder) as made:
            return datetime.fromtimestamp(os.fstat(made.fileno()).st_mtime, UTC)
    except OSError:  # there is none yet, or no room, or it may only be read
        return datetime.now(UTC)


class Gateways:
    """The gateways of one environment, by the heartbeats that they write.

    Args:
        folder: Where each writes its own, as ``<instance>.json``.
        clock: By which they are judged; None for that of the folder's file system.
    """

    def __init__(self, folder: Path, clock: Callable[[], datetime] | None = None) -> None:
        self._folder = folder
        self._clock = clock or partial(_by_the_files_in, folder)

    def all(self) -> tuple[Heartbeat, ...]:
        """The newest word of each, by instance; what is no word is left out.

        One that was killed is among them for a while, for people to see; then its last word goes.
        """
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                heartbeat = Heartbeat.from_json(path.read_bytes())
                if self._is_gone(heartbeat, path):
                    path.unlink(missing_ok=True)
                    continue
            except (OSError, ValidationError):
                continue  # it is being replaced, or nobody's
            found.append(heartbeat)
        return tuple(sorted(found, key=lambda one: one.instance))

    def _is_gone(self, heartbeat: Heartbeat, path: Path) -> bool:
        """By its own clock and by that of the folder: one of them may be wrong."""
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return self._clock() - heartbeat.at > GONE and self._clock() - written > GONE

    def is_alive(self, heartbeat: Heartbeat) -> bool:
        """Whether a gateway has said so just now; a clock that runs ahead is no excuse."""
        return abs(self._clock() - heartbeat.at) < FRESH

    def alive(self) -> tuple[Heartbeat, ...]:
        """Those that live."""
        return tuple(one for one in self.all() if self.is_alive(one))


class ObservedRouter:
    """Implements :class:`sluiceway.ports.Router`: asks one router, and believes the gateways.

    A gateway that lives and has not loaded the table keeps a step from being complete. One that is
    dead answers nobody, and keeps nothing.
    """

    def __init__(self, router: Router, gateways: Gateways) -> None:
        self._router = router
        self._gateways = gateways

    @property
    def consistent(self) -> bool:
        """As the router that is asked."""
        return self._router.consistent

    def apply(self, table: RoutingTable) -> None:
        """Ask for a table."""
        self._router.apply(table)

    def observed(self) -> RoutingTable | None:
        """The table that gateways read."""
        return self._router.observed()

    def edited_by_hand(self) -> tuple[str, ...]:
        """What somebody changed of what gateways read."""
        return self._router.edited_by_hand()

    def lagging(self) -> tuple[str, ...]:
        """Gateways that live and have not loaded the table, with what they follow instead."""
        try:
            table = self.observed()
        except UnreadableRouting:
            return ()  # nobody can follow it; that nothing is observed tells more
        if table is None:
            return ()
        return tuple(
            f"gateway {one.instance} follows revision {one.revision} of the routing, "
            f"{table.revision} is wanted{f' ({one.alarm})' if one.alarm else ''}"
            for one in self._gateways.alive()
            if one.revision < table.revision
        )


def followed_within(router: Router, patience: timedelta) -> tuple[str, ...]:
    """Wait until everybody who answers follows the table.

    Returns:
        Who does not by then, in words.
    """
    until = time.monotonic() + patience.total_seconds()
    while (late := router.lagging()) and time.monotonic() < until:
        time.sleep(_PATIENCE)
    return late
