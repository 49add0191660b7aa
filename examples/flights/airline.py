"""The airline's side of the demo: it asks the gateway about each flight, over HTTP.

It knows the raw figures of the flights, and nothing of models, versions or rollouts.
"""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import numpy as np

from sluiceway.adapters.history import History
from sluiceway.ports import Window
from sluiceway.replay.partitions import Needs, Partition
from sluiceway.system.values import System

ASKED: Final = "missed_connection"
"""The model whose answers the rebooking desk acts on."""
_ROWS: Final = 500
"""Flights of one request."""


class Airline:
    """Asks about flights as they come up for a decision.

    Args:
        gateway: Where the gateway is, such as ``http://127.0.0.1:8080``.
        system: Says which figures there are.
        history: What was recorded of the flights, as it arrived live.
    """

    def __init__(self, gateway: str, system: System, history: History) -> None:
        self._system = system
        self._history = history
        features = (
            (name, version)
            for name, feature in system.features.items()
            for version in feature.versions
        )
        self._needs = Needs(features=frozenset(features))
        # Loopback: a proxy of the environment has no say in it.
        self._client = httpx.Client(
            base_url=gateway,
            headers={"X-Sluiceway-Consumer": "rebooking"},
            timeout=60,
            trust_env=False,
        )

    def ask(self, window: Window) -> int:
        """Ask about every flight of a window, and wait until the answers are written down.

        Returns:
            How many flights were answered.

        Raises:
            httpx.HTTPStatusError: The gateway refused to answer.
        """
        answered = 0
        parts = self._history.partitions(window, world="live", needs=self._needs, as_of=window.end)
        for part in parts:
            for body in _bodies(part, self._system.unit):
                response = self._client.post(f"/invocations/{ASKED}", json=body)
                response.raise_for_status()
                answered += len(response.json()["predictions"])
        self._client.post("/log/flush").raise_for_status()
        return answered

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def _bodies(part: Partition, unit: str) -> Iterator[dict[str, Any]]:
    """MLflow's bodies of up to so many flights each."""
    columns = {
        unit: [str(one) for one in part.units],
        "event_time": _plain(part.event_time),
        **{name: _plain(values) for name, values in part.columns.items()},
    }
    names = list(columns)
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    for start in range(0, len(rows), _ROWS):
        yield {"dataframe_split": {"columns": names, "data": rows[start : start + _ROWS]}}


def _plain(values: np.ndarray) -> list[Any]:
    """Values as JSON has them: missing ones are null, times are ISO 8601 in UTC."""
    if values.dtype.kind == "M":
        return [None if one is None else f"{one.isoformat()}Z" for one in values.tolist()]
    if values.dtype.kind == "f":
        return [None if one != one else one for one in values.tolist()]
    return list(values.tolist())
