"""The paths that flags choose, for whoever keeps versions resident."""

from collections.abc import Sequence

from sluiceway.gateway.flags import Flags
from sluiceway.releases import Member
from sluiceway.routing import RoutingTable
from sluiceway.serving.safe_defaults import versions_named
from sluiceway.serving.served import Detours, Version
from sluiceway.steps.members import member_of
from sluiceway.steps.site import Site
from sluiceway.system.values import System


class FlaggedPaths:
    """Implements :class:`sluiceway.gateway.wanted.OtherPaths` by a system's flags."""

    def __init__(self, site: Site, flags: Flags) -> None:
        self._site = site
        self._flags = flags
        self._members: dict[tuple[str, Version], Member] = {}

    def detours(self, table: RoutingTable, system: System) -> Detours | None:
        """Who takes which path; None where everybody takes the declared one."""
        return self._flags.detours(table, resident=versions_named(system))

    def members(self, table: RoutingTable, system: System) -> Sequence[Member]:
        """Versions that some path needs beside those of the releases.

        Raises:
            BadInput: A flag pins a version that does not exist.
            RegistryUnavailable: The registry did not answer.
        """
        del table  # a variant may be chosen at any time, so all of them are kept at hand
        found = []
        for pinned in sorted(versions_named(system)):
            key = (system.digest, pinned)
            if key not in self._members:
                self._members[key] = member_of(self._site, system, *pinned)
            found.append(self._members[key])
        return found
