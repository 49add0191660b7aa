"""The paths that flags choose, for whoever keeps versions resident."""

import logging
from collections.abc import Sequence

from sluiceway.gateway.flags import Flags
from sluiceway.releases import Member
from sluiceway.routing import RoutingTable
from sluiceway.serving.served import Detours, Version
from sluiceway.steps.controlling import known_member
from sluiceway.steps.site import Site
from sluiceway.system.values import System

_LOG = logging.getLogger(__name__)


class FlaggedPaths:
    """Implements :class:`sluiceway.gateway.wanted.OtherPaths` by the flags of the routing table.

    A version that a flag pins is loaded as it was verified when it served or was in canary; one
    that never was is not loaded, and its path is not taken.
    """

    def __init__(self, site: Site, flags: Flags) -> None:
        self._site = site
        self._flags = flags
        self._members: dict[Version, Member] = {}
        self._told: tuple[str, ...] = ()

    @property
    def alarm(self) -> str | None:
        """Paths that cannot be taken, and why; None where all can."""
        return "; ".join(self._flags.alarms) or None

    def detours(self, table: RoutingTable, system: System) -> Detours | None:
        """Who takes which path; None where everybody takes the declared one."""
        known = {(member.model, member.version) for member in self.members(table, system)}
        detours = self._flags.detours(table, resident=known)
        if self._flags.alarms != self._told:
            self._told = self._flags.alarms
            for said in self._told:
                _LOG.warning("%s", said)
        return detours

    def members(self, table: RoutingTable, system: System) -> Sequence[Member]:
        """Versions that some path needs beside those of the releases.

        A variant may be chosen at any time, so those of all variants are kept at hand.
        """
        pinned = sorted({one for route in table.flags for one in route.flag.versions})
        found = (self._known(one) for one in pinned if one[0] in system.models)
        return [member for member in found if member is not None]

    def _known(self, version: Version) -> Member | None:
        if version not in self._members:
            try:
                self._members[version] = known_member(self._site, *version)
            except LookupError:
                return None
        return self._members[version]
