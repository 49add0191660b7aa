"""The journal in memory: the same rules as the SQL one, gone with the process."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sluiceway.contracts.values import Contract
from sluiceway.journal import GENESIS, Champion, Draft, Event, JournalConflict, link
from sluiceway.releases import Release


class MemoryJournal:
    """Implements :class:`sluiceway.ports.Journal` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chains: dict[str, list[Event]] = {}
        self._releases: dict[str, list[Release]] = {}
        self._champions: dict[str, Champion] = {}
        self._contracts: dict[str, Contract] = {}

    def append(
        self,
        environment: str,
        rollout_id: str,
        drafts: Sequence[Draft],
        *,
        after: int,
        head: str | None = None,
    ) -> tuple[Event, ...]:
        """See :class:`sluiceway.ports.Journal`."""
        with self._lock:
            if head not in (None, self.head(environment)):
                raise JournalConflict(f"{environment} has moved since {head}")
            linked = self._linked(environment, rollout_id, drafts, after)
            self._chains.setdefault(environment, []).extend(linked)
        return linked

    def move_champion(
        self,
        environment: str,
        release: Release,
        rollout_id: str,
        drafts: Sequence[Draft],
        *,
        after: int,
        revision: int,
    ) -> Champion:
        """See :class:`sluiceway.ports.Journal`."""
        with self._lock:
            linked = self._linked(environment, rollout_id, drafts, after)
            current = self._champions.get(environment)
            if (current.revision if current else 0) != revision:
                raise JournalConflict(f"{environment}'s champion has moved since {revision}")
            releases = self._releases.setdefault(environment, [])
            if release not in releases:
                releases.append(release)
            self._chains.setdefault(environment, []).extend(linked)
            moved = Champion(
                environment=environment,
                generation=releases.index(release) + 1,
                revision=revision + 1,
                release=release,
            )
            self._champions[environment] = moved
        return moved

    def champion(self, environment: str) -> Champion | None:
        """See :class:`sluiceway.ports.Journal`."""
        return self._champions.get(environment)

    def release(self, environment: str, generation: int) -> Release:
        """See :class:`sluiceway.ports.Journal`."""
        releases = self._releases.get(environment, [])
        if not 1 <= generation <= len(releases):
            raise KeyError(generation)
        return releases[generation - 1]

    def generations(self, environment: str) -> Mapping[int, str]:
        """See :class:`sluiceway.ports.Journal`."""
        releases = self._releases.get(environment, [])
        return {number: r.content_hash for number, r in enumerate(releases, start=1)}

    def events(self, environment: str, rollout_id: str) -> tuple[Event, ...]:
        """See :class:`sluiceway.ports.Journal`."""
        return tuple(e for e in self._chains.get(environment, ()) if e.rollout_id == rollout_id)

    def environments(self) -> tuple[str, ...]:
        """See :class:`sluiceway.ports.Journal`."""
        return tuple(sorted(self._champions))

    def rollouts(self, environment: str) -> tuple[str, ...]:
        """See :class:`sluiceway.ports.Journal`."""
        return tuple(dict.fromkeys(e.rollout_id for e in self._chains.get(environment, ())))

    def chain(self, environment: str) -> Iterator[Event]:
        """See :class:`sluiceway.ports.Journal`."""
        yield from tuple(self._chains.get(environment, ()))

    def keep_contracts(self, contracts: Iterable[Contract]) -> None:
        """See :class:`sluiceway.ports.Journal`."""
        with self._lock:
            self._contracts |= {contract.content_hash: contract for contract in contracts}

    def contract(self, content_hash: str) -> Contract | None:
        """See :class:`sluiceway.ports.Journal`."""
        return self._contracts.get(content_hash)

    def head(self, environment: str) -> str:
        """See :class:`sluiceway.ports.Journal`."""
        chain = self._chains.get(environment)
        return chain[-1].hash if chain else GENESIS

    def _linked(
        self, environment: str, rollout_id: str, drafts: Sequence[Draft], after: int
    ) -> tuple[Event, ...]:
        written = len(self.events(environment, rollout_id))
        if written != after:
            raise JournalConflict(f"{rollout_id} has {written} events, the writer had seen {after}")
        chain = list(self._chains.get(environment, ()))
        for place, draft in enumerate(drafts, start=1):
            chain.append(
                link(
                    draft,
                    environment=environment,
                    position=len(chain) + 1,
                    rollout_id=rollout_id,
                    seq=after + place,
                    previous=chain[-1].hash if chain else GENESIS,
                )
            )
        return tuple(chain[len(chain) - len(drafts) :])
