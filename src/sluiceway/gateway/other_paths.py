"""The paths that flags choose, for whoever keeps versions resident."""

from collections.abc import Collection, Sequence

from sluiceway.errors import SluicewayError
from sluiceway.gateway.flags import Flags
from sluiceway.releases import Member
from sluiceway.routing import RoutingTable
from sluiceway.serving.safe_defaults import versions_named
from sluiceway.serving.served import Detours, Version
from sluiceway.steps.controlling import known_member
from sluiceway.steps.site import Site
from sluiceway.system.values import System


class FlaggedPaths:
    """Implements :class:`sluiceway.gateway.wanted.OtherPaths` by a system's flags."""

    def __init__(self, site: Site, flags: Flags) -> None:
        self._site = site
        self._flags = flags
        self._members: dict[Version, Member] = {}

    @property
    def alarms(self) -> Sequence[str]:
        """Variants of the newest table that cannot be taken, in words."""
        return self._flags.alarms

    def members(
        self, table: RoutingTable, system: System
    ) -> tuple[Sequence[Member], Sequence[str]]:
        """Versions that some path needs beside those of the releases, and why others are unknown.

        Only what served here, or was in a canary, was verified: nothing else is loaded, and paths
        that need it are among the `alarms`. A variant may be chosen at any time, so the versions of
        all of them are kept at hand.
        """
        pinned = {version for route in table.flags for version in route.flag.versions}
        found, unknown = [], []
        for version in sorted(pinned | versions_named(system)):
            try:
                if version not in self._members:
                    self._members[version] = known_member(self._site, *version)
            except LookupError:
                continue
            except SluicewayError as error:
                unknown.append(" ".join(str(error).split()))
            else:
                found.append(self._members[version])
        return found, unknown

    def detours(self, table: RoutingTable, *, resident: Collection[Version]) -> Detours | None:
        """Who takes which path; None where everybody takes the declared one."""
        features = {version: member.features for version, member in self._members.items()}
        return self._flags.detours(table, resident=resident, features=features)
