"""Where a gateway writes that it lives, for whoever waits until all of them follow a table."""

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from sluiceway.serving.heartbeat import Heartbeat


class HeartbeatFile:
    """One gateway's file among those of its environment.

    Args:
        folder: Where every gateway of the environment has its own, as ``<instance>.json``.
    """

    def __init__(self, folder: Path, instance: str) -> None:
        self._path = folder / f"{instance}.json"
        self._written = folder / f".{instance}.{uuid4().hex}"

    def write(self, heartbeat: Heartbeat) -> None:
        """Replace what stands there; readers see the old word or the new one, never a part.

        Raises:
            OSError: It cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._written.write_text(heartbeat.to_json(), encoding="utf-8")
        self._written.replace(self._path)

    def remove(self) -> None:
        """Nobody need wait for a gateway that has ended."""
        for file in (self._written, self._path):
            with suppress(OSError):
                file.unlink(missing_ok=True)
