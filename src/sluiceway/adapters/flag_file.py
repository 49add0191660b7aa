"""The routing table as one file in the flagd schema.

Any OpenFeature client with the flagd provider in FILE mode reads the same arms from it that
:func:`sluiceway.routing.in_canary` computes. The table itself rides along as the flag set's
metadata, so that what a server has loaded can be compared with what was asked for.
"""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from sluiceway.canonical import as_json, canonical_text
from sluiceway.ports import UnreadableRouting
from sluiceway.routing import TOTAL_WEIGHT, CanaryRoute, RoutingTable

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
                current = self.observed()
                if current is not None and current.revision > table.revision:
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
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return _ADAPTER.validate_json(content["metadata"]["sluiceway"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise BrokenFlagFile(f"{self._path.name} is not a routing table: {error}") from error


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


def flags_of(table: RoutingTable) -> dict[str, Any]:
    """The table in the flagd schema: one flag for each rollout in canary."""
    return {
        "$schema": "https://flagd.dev/schema/v0/flags.json",
        "metadata": {"sluiceway": canonical_text(as_json(_ADAPTER, table))},
        "flags": {f"arm-{route.rollout_id}": _flag(route) for route in table.canaries},
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
