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
    def is_broken(self) -> bool:
        """Whether the file cannot be read, so that its last good table is followed."""
        return self._routing_alarm is not None

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

    @property
    def has_to_look_back(self) -> bool:
        """Whether it has to be found out what a rollback would bring back, now."""
        failed = self._back_failed_at
        due = failed is None or self._clock() >= failed + _RETRY
        return self.wanted is not None and not self.knows_previous and due

    async def look_back(self) -> None:
        """Find out what a rollback would bring back.

        That may take long where the journal is long; tables are followed meanwhile.
        """
        wanted = self.wanted
        assert wanted is not None
        try:
            previous = await in_thread(lambda: self._resolver.previous(wanted.table))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self._back_failed_at = self._clock()
            self._alarms.tell("previous", f"what served before is not known: {_short(error)}")
            return
        self._alarms.tell("previous", None)
        self._back_failed_at = None
        if self.wanted is not None and self.wanted.table is wanted.table:
            self._looked_back_on = wanted.table
            self.wanted = replace(self.wanted, previous=previous)

    async def _resolved(self, table: RoutingTable) -> Wanted | None:
        try:
            wanted = await in_thread(lambda: self._resolver.resolve(table))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            said = f"revision {table.revision} of the routing cannot be followed: {_short(error)}"
            self._alarms.tell("resolving", said)
            return await self._champion_alone(table, said)
        self._alarms.tell("resolving", None)
        self._alarms.tell("reading", "; ".join(wanted.amiss) or None)
        return wanted

    async def _champion_alone(self, table: RoutingTable, said: str) -> Wanted | None:
        """What a gateway that has just started follows, where only candidates cannot be had.

        One that follows something stays with it. This is no following of the table, so it has no
        revision, and whoever waits for gateways goes on waiting.
        """
        if self.wanted is not None or not (table.canaries or table.watches):
            return None
        alone = replace(table, revision=0, canaries=(), watches=())
        try:
            wanted = await in_thread(lambda: self._resolver.resolve(alone))
        except Exception:  # noqa: BLE001 - it was told already, and is tried again
            return None
        return replace(wanted, amiss=(*wanted.amiss, said))

    def _tell_routing(self) -> None:
        alarm = self._routing.alarm
        if alarm is not None and alarm != self._routing_alarm:
            self.unreadable += 1
        self._routing_alarm = alarm
        missing = None if self._routing.table is not None else "there is no routing table yet"
        self._alarms.tell("routing", alarm or missing)


def _short(error: Exception) -> str:
    said = " ".join(str(error).split())
    return said if isinstance(error, SluicewayError) else f"{type(error).__name__}: {said}"
