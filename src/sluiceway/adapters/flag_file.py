"""The routing table as one file in the flagd schema.

Any OpenFeature client with the flagd provider in FILE mode reads the same arms and the same paths
from it that :func:`sluiceway.routing.in_canary` and the gateway take. The table itself rides along
as the flag set's metadata and is what counts: flags that are not what the table makes of them were
edited by hand; they are told and not obeyed.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from sluiceway.canonical import as_json, canonical_text
from sluiceway.ports import UnreadableRouting
from sluiceway.routing import TOTAL_WEIGHT, CanaryRoute, FlagRoute, RoutingTable
from sluiceway.system.flags import OF_ROLLOUTS

_ADAPTER: TypeAdapter[RoutingTable] = TypeAdapter(RoutingTable)


class BrokenFlagFile(UnreadableRouting):
    """The flag file cannot be read; servers keep the last good one."""


class FlagFileRouter:
    """Implements :class:`sluiceway.ports.Router` by replacing one file whole."""

    consistent = True  # one hash of the unit decides for the whole chain

    def __init__(self, path: Path) -> None:
        self._path = path

    def apply(self, table: RoutingTable) -> None:
        """Write the table; readers see the old file or the new one, never a part.

        Writers take turns, so that an older table never replaces a newer one. A file that is no
        table is replaced.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f".{self._path.name}.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            with suppress(BrokenFlagFile):
                current = _read(self._path)
                if current is not None and current[0].revision > table.revision:
                    return
            self._write(table)

    def _write(self, table: RoutingTable) -> None:
        written = self._path.with_name(f".{self._path.name}.{uuid4().hex}")
        with written.open("w", encoding="utf-8") as file:
            file.write(json.dumps(flags_of(table), indent=2))
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._path)

    def observed(self) -> RoutingTable | None:
        """Read the table as a server does.

        Raises:
            BrokenFlagFile: There is a file and it is not one of ours.
        """
        read = _read(self._path)
        return None if read is None else read[0]

    def edited_by_hand(self) -> tuple[str, ...]:
        """Flags that are not what the table makes of them; none where there is no table."""
        try:
            read = _read(self._path)
        except BrokenFlagFile:
            return ()  # that it is broken tells more
        edited = "" if read is None else _edited(*read)
        return (f"{self._path.name} was edited by hand: {edited}",) if edited else ()

    def lagging(self) -> tuple[str, ...]:
        """Nobody: who reads the file follows it."""
        return ()


class RoutingFile:
    """What a server follows: the newest table that could be read, whatever becomes of the file.

    Attributes:
        table: The last good table; None before the first.
        alarm: What is wrong with the file, for people; None where nothing is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.table: RoutingTable | None = None
        self.alarm: str | None = None

    def look(self) -> bool:
        """Read the file where it has changed; costs one ``stat`` where it has not.

        Returns:
            Whether there is another table to follow now.
        """
        seen = self._stat()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            read = _read(self._path)
        except BrokenFlagFile as error:
            self.alarm = f"{error}; the last good one stays"
            return False
        if read is None:
            gone = f"{self._path.name} is gone; the last good one stays"
            self.alarm = None if self.table is None else gone
            return False
        table, content = read
        if self.table is not None and table.revision < self.table.revision:
            older = f"is of revision {table.revision}, {self.table.revision} was followed already"
            self.alarm = f"{self._path.name} {older}; the newer one stays"
            return False
        edited = _edited(table, content)
        self.alarm = (
            f"{self._path.name} was edited by hand: {edited}; not obeyed" if edited else None
        )
        changed = table != self.table
        self.table = table
        return changed

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> tuple[RoutingTable, dict[str, Any]] | None:
    """The table of a file, and all that stands in it; None where there is no file.

    Raises:
        BrokenFlagFile: It is not one of ours.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _ADAPTER.validate_json(content["metadata"]["sluiceway"]), content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise BrokenFlagFile(f"{path.name} is not a routing table: {error}") from error


def _edited(table: RoutingTable, content: Mapping[str, Any]) -> str:
    """Which flags are not what the table makes of them, in words; empty where all are."""
    ours, found = flags_of(table)["flags"], content.get("flags")
    if not isinstance(found, dict):
        return "its flags are no mapping"
    words = {
        "unknown": sorted(found.keys() - ours.keys()),
        "missing": sorted(ours.keys() - found.keys()),
        "changed": sorted(n for n in ours.keys() & found.keys() if ours[n] != found[n]),
    }
    return "; ".join(f"{what} {', '.join(names)}" for what, names in words.items() if names)


class MemoryRouter:
    """Implements :class:`sluiceway.ports.Router` in memory."""

    def __init__(self, *, consistent: bool = True) -> None:
        self.consistent = consistent
        self._table: RoutingTable | None = None

    def apply(self, table: RoutingTable) -> None:
        """Take the table, unless a newer one is in force."""
        if self._table is None or self._table.revision <= table.revision:
            self._table = table

    def observed(self) -> RoutingTable | None:
        """The table taken last."""
        return self._table

    def edited_by_hand(self) -> tuple[str, ...]:
        """Nothing: nobody's hand reaches here."""
        return ()

    def lagging(self) -> tuple[str, ...]:
        """Nobody: there is one reader."""
        return ()


def flags_of(table: RoutingTable) -> dict[str, Any]:
    """The table in the flagd schema: a flag for each rollout in canary, and the declared ones."""
    arms = {f"{OF_ROLLOUTS}{route.rollout_id}": _flag(route) for route in table.canaries}
    return {
        "$schema": "https://flagd.dev/schema/v0/flags.json",
        "metadata": {"sluiceway": canonical_text(as_json(_ADAPTER, table))},
        "flags": arms | {route.flag.name: _path_flag(route) for route in table.flags},
    }


def _flag(route: CanaryRoute) -> dict[str, Any]:
    return {
        "state": "ENABLED",
        "variants": {"champion": "champion", "candidate": "candidate"},
        "defaultVariant": "champion",
        "targeting": {
            "fractional": [
                {"cat": [route.rollout_id, {"var": "targetingKey"}]},
                ["candidate", route.weight],
                ["champion", TOTAL_WEIGHT - route.weight],
            ]
        },
    }


def _path_flag(route: FlagRoute) -> dict[str, Any]:
    """A declared flag; what a person chose holds for everybody, so its rules are left out then."""
    flag = route.flag
    content = {
        "state": "ENABLED",
        "variants": {name: name for name in flag.variants},
        "defaultVariant": route.chosen or flag.default,
    }
    if route.chosen is None and flag.targeting is not None:
        content["targeting"] = dict(flag.targeting)
    return content
