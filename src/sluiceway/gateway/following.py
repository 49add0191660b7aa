"""Following the newest routing table that can be read, with all that it names."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sluiceway.adapters.flag_file import RoutingFile
from sluiceway.errors import SluicewayError
from sluiceway.gateway.alarms import Alarms
from sluiceway.gateway.loading import in_thread
from sluiceway.gateway.wanted import Resolver, Wanted
from sluiceway.routing import RoutingTable

_RETRY: Final = 1.0
"""Seconds until what could not be read is read again, and between two looks at the system file."""


class Follower:
    """What the newest routing table that could be read wants.

    Args:
        routing: The file that the table is read from.
        alarms: Is told of what cannot be read.

    Attributes:
        wanted: None before the first table.
        unreadable: How often a file was found that cannot be followed as it is.
    """

    def __init__(
        self,
        resolver: Resolver,
        routing: RoutingFile,
        alarms: Alarms,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._routing = routing
        self._alarms = alarms
        self._clock = clock
        self._routing_alarm: str | None = None
        self._checked_at = -_RETRY
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
        is_other = self._routing.look()
        self._tell_routing()
        is_edited = False
        if now >= self._checked_at + _RETRY:
            self._checked_at = now
            is_edited = self._resolver.is_system_edited
        due = self._failed_at is not None and now >= self._failed_at + _RETRY
        table = self._routing.table
        if table is None or not (is_other or is_edited or due):
            return
        wanted = await self._resolved(table)
        self._failed_at = now if wanted is None or wanted.amiss else None
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

    async def _resolved(self, table: RoutingTable) -> Wanted | None:
        try:
            wanted = await in_thread(lambda: self._resolver.resolve(table))
        except (SluicewayError, LookupError, OSError) as error:
            said = f"revision {table.revision} of the routing cannot be followed: {_short(error)}"
            self._alarms.tell("resolving", said)
            return None
        self._alarms.tell("resolving", None)
        self._alarms.tell("reading", "; ".join(wanted.amiss) or None)
        return wanted

    def _tell_routing(self) -> None:
        alarm = self._routing.alarm
        if alarm is not None and alarm != self._routing_alarm:
            self.unreadable += 1
        self._routing_alarm = alarm
        missing = None if self._routing.table is not None else "there is no routing table yet"
        self._alarms.tell("routing", alarm or missing)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())
