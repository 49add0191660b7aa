"""Live requests: the rows that the record will have, asked as they come, and what was answered."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from bench.chaos.shop import table
from sluiceway.ports import Window


@dataclass
class Seen:
    """What answers said.

    Attributes:
        answered: Requests that were answered.
        unanswered: Requests that nobody answered, or with an error.
        generations: Champion's generations by the revision of the table that was followed.
        newest: Generation of the newest answer; None before the first.
        at: When that came, on the clock that only grows (s).
    """

    answered: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    generations: dict[int, set[int]] = field(default_factory=dict)
    newest: int | None = None
    at: float = 0.0

    @property
    def torn(self) -> list[int]:
        """Revisions of the table under which more than one generation was champion."""
        return [one for one, found in self.generations.items() if len(found) > 1]


class Traffic:
    """Asks a gateway, five times a second.

    Args:
        url: Of the gateway.
    """

    def __init__(self, url: str) -> None:
        self.seen = Seen()
        self._url = f"{url}/invocations/second"
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Seen]:
        """Ask until the block is left."""
        thread = threading.Thread(target=self._ask, daemon=True)
        thread.start()
        try:
            yield self.seen
        finally:
            self._over.set()
            thread.join(10)

    def _ask(self) -> None:
        since = datetime.now(UTC)
        with httpx.Client(trust_env=False, timeout=5) as client:
            while not self._over.wait(0.1):
                now = datetime.now(UTC)
                for row in table(Window(start=since, end=now)).itertuples():
                    self._one(client, [row.id, row.a, row.b])
                since = now

    def _one(self, client: httpx.Client, row: list[object]) -> None:
        body = {"dataframe_split": {"columns": ["id", "a", "b"], "data": [row]}}
        try:
            answer = client.post(self._url, json=body)
        except httpx.HTTPError as error:
            self.seen.unanswered[type(error).__name__] += 1
            return
        if not answer.is_success:
            self.seen.unanswered[str(answer.status_code)] += 1
            return
        said = answer.json()["sluiceway"]
        self.seen.answered += 1
        self.seen.generations.setdefault(said["revision"], set()).add(said["generation"])
        self.seen.newest, self.seen.at = said["generation"], time.monotonic()
