"""Reading the routing table as soon as it is another, and keeping the last good one."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from sluiceway.errors import SluicewayError
from sluiceway.gateway.alarms import Alarms
from sluiceway.gateway.loading import in_thread
from sluiceway.gateway.wanted import Resolver, Stamp, Wanted, stamp_of
from sluiceway.ports import Router
from sluiceway.routing import RoutingTable

_RETRY: Final = 1.0
"""Seconds until what could not be read is read again, and between two looks at the system file."""


class Follower:
    """What the newest routing table that could be read wants.

    Args:
        router: Gives the table.
        routing_file: The file behind it, whose stamp is looked at often.
        alarms: Is told of what cannot be read.

    Attributes:
        wanted: None before the first table.
        unreadable: How often a table was found that cannot be followed.
    """

    def __init__(
        self,
        resolver: Resolver,
        router: Router,
        routing_file: Path,
        alarms: Alarms,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._router = router
        self._routing_file = routing_file
        self._alarms = alarms
        self._clock = clock
        self._seen: tuple[Stamp, ...] | None = None
        self._system: tuple[Stamp, ...] = ()
        self._system_at = -_RETRY
        self._failed_at: float | None = None
        self._looked_back_on: RoutingTable | None = None
        self._back_failed_at: float | None = None
        self.wanted: Wanted | None = None
        self.unreadable = 0

    @property
    def knows_previous(self) -> bool:
        """Whether it is known what a rollback would bring back."""
        return self.wanted is not None and self._looked_back_on is self.wanted.table

    async def look(self) -> None:
        """Read the table, and all that it names, where any of it may be another."""
        now = self._clock()
        if now >= self._system_at + _RETRY:
            self._system, self._system_at = self._resolver.stamps(), now
        stamps = (stamp_of(self._routing_file), *self._system)
        due = self._failed_at is not None and now >= self._failed_at + _RETRY
        if stamps == self._seen and not due:
            return
        self._seen = stamps
        wanted = await self._read()
        self._failed_at = None if wanted is not None else now
        if wanted is not None:
            # What served before is asked for later: a rollback waits for nothing.
            before = None if self.wanted is None else self.wanted.previous
            self.wanted = replace(wanted, previous=before)

    async def look_back(self) -> bool:
        """Find out what a rollback would bring back; whether that is news."""
        wanted, now = self.wanted, self._clock()
        failed = self._back_failed_at
        if wanted is None or self.knows_previous or (failed and now < failed + _RETRY):
            return False
        try:
            previous = await in_thread(lambda: self._resolver.previous(wanted.table))
        except (SluicewayError, LookupError) as error:
            self._back_failed_at = now
            self._alarms.tell("previous", f"what served before is not known: {_short(error)}")
            return False
        self._alarms.tell("previous", None)
        self._back_failed_at = None
        self._looked_back_on = wanted.table
        self.wanted = replace(wanted, previous=previous)
        return True

    async def _read(self) -> Wanted | None:
        table = await self._table()
        if table is None:
            return None
        try:
            wanted = await in_thread(lambda: self._resolver.resolve(table))
        except (SluicewayError, LookupError) as error:
            said = f"revision {table.revision} of the routing cannot be followed: {_short(error)}"
            self._alarms.tell("resolving", said)
            return None
        self._alarms.tell("resolving", None)
        return wanted

    async def _table(self) -> RoutingTable | None:
        """The table in force; None where there is none that could be followed."""
        known = None if self.wanted is None else self.wanted.table
        try:
            table = await in_thread(self._router.observed)
        except SluicewayError as error:
            self._refuse(_short(error))
            return None
        if table is None:
            then = "" if known is None else f"; revision {known.revision} is followed"
            self._refuse(f"there is no routing table{then}")
            return None
        if known is not None and table.revision < known.revision:
            said = f"is older than {known.revision}, which is followed"
            self._refuse(f"revision {table.revision} of the routing {said}")
            return None
        self._alarms.tell("routing", None)
        return table

    def _refuse(self, said: str) -> None:
        self.unreadable += 1
        self._alarms.tell("routing", said)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())
