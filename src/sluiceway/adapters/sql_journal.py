"""The journal in one SQL database: SQLite by default, PostgreSQL by URL."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, func, select

from sluiceway.adapters.journal_database import in_our_words, migrate, opened_engine
from sluiceway.adapters.tables import CHAINS, CHAMPION, CONTRACTS, EVENTS, RELEASES
from sluiceway.canonical import canonical_text
from sluiceway.contracts.values import Contract
from sluiceway.journal import (
    GENESIS,
    Champion,
    Draft,
    Event,
    JournalConflict,
    JournalUnavailable,
    link,
)
from sluiceway.releases import Release


class SqlJournal:
    """Implements :class:`sluiceway.ports.Journal` on SQLAlchemy.

    Writers of one environment take turns on its row in ``chains``, so the chain has no forks;
    SQLite writers take the whole file (``BEGIN IMMEDIATE``).

    Args:
        url: ``sqlite:///FILE``, or ``postgresql://USER:PASSWORD@HOST/DATABASE`` with the extra
            ``postgres`` installed.

    Raises:
        JournalUnavailable: There is no such database or driver, or a newer version used it.
    """

    def __init__(self, url: str) -> None:
        self._engine = opened_engine(url)
        try:
            with in_our_words(str(self._engine.url)):
                migrate(self._engine)
        except JournalUnavailable:
            self.close()
            raise

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

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
        with self._writing() as connection:
            return _append(connection, environment, rollout_id, drafts, after=after, seen=head)

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
        with self._writing() as connection:
            _append(connection, environment, rollout_id, drafts, after=after)
            generation = _generation_of(connection, environment, release)
            _swap(connection, environment, generation, revision=revision)
        return Champion(
            environment=environment, generation=generation, revision=revision + 1, release=release
        )

    def champion(self, environment: str) -> Champion | None:
        """See :class:`sluiceway.ports.Journal`."""
        query = (
            select(CHAMPION.c.generation, CHAMPION.c.revision, RELEASES.c.content)
            .join(
                RELEASES,
                (RELEASES.c.environment == CHAMPION.c.environment)
                & (RELEASES.c.generation == CHAMPION.c.generation),
            )
            .where(CHAMPION.c.environment == environment)
        )
        with self._reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        return Champion(
            environment=environment,
            generation=row["generation"],
            revision=row["revision"],
            release=Release.from_json(row["content"]),
        )

    def release(self, environment: str, generation: int) -> Release:
        """See :class:`sluiceway.ports.Journal`."""
        query = select(RELEASES.c.content).where(
            RELEASES.c.environment == environment, RELEASES.c.generation == generation
        )
        with self._reading() as connection:
            content = connection.execute(query).scalar_one_or_none()
        if content is None:
            raise KeyError(generation)
        return Release.from_json(content)

    def generations(self, environment: str) -> Mapping[int, str]:
        """See :class:`sluiceway.ports.Journal`."""
        query = (
            select(RELEASES.c.generation, RELEASES.c.hash)
            .where(RELEASES.c.environment == environment)
            .order_by(RELEASES.c.generation)
        )
        with self._reading() as connection:
            return {row.generation: row.hash for row in connection.execute(query)}

    def events(self, environment: str, rollout_id: str) -> tuple[Event, ...]:
        """See :class:`sluiceway.ports.Journal`."""
        query = (
            select(EVENTS)
            .where(EVENTS.c.environment == environment, EVENTS.c.rollout_id == rollout_id)
            .order_by(EVENTS.c.seq)
        )
        with self._reading() as connection:
            return tuple(_event(row) for row in connection.execute(query).mappings())

    def environments(self) -> tuple[str, ...]:
        """See :class:`sluiceway.ports.Journal`."""
        query = select(CHAMPION.c.environment).order_by(CHAMPION.c.environment)
        with self._reading() as connection:
            return tuple(connection.execute(query).scalars())

    def rollouts(self, environment: str) -> tuple[str, ...]:
        """See :class:`sluiceway.ports.Journal`."""
        query = (
            select(EVENTS.c.rollout_id)
            .where(EVENTS.c.environment == environment)
            .group_by(EVENTS.c.rollout_id)
            .order_by(func.min(EVENTS.c.position))
        )
        with self._reading() as connection:
            return tuple(connection.execute(query).scalars())

    def chain(self, environment: str) -> Iterator[Event]:
        """See :class:`sluiceway.ports.Journal`."""
        query = (
            select(EVENTS).where(EVENTS.c.environment == environment).order_by(EVENTS.c.position)
        )
        # The cursor is closed even where the reader stops half-way; PostgreSQL's is the server's.
        with (
            self._reading() as connection,
            connection.execution_options(yield_per=1000).execute(query) as found,
        ):
            for row in found.mappings():
                yield _event(row)

    def head(self, environment: str) -> str:
        """See :class:`sluiceway.ports.Journal`."""
        query = select(CHAINS.c.head).where(CHAINS.c.environment == environment)
        with self._reading() as connection:
            head: str | None = connection.execute(query).scalar_one_or_none()
        return head or GENESIS

    def keep_contracts(self, contracts: Iterable[Contract]) -> None:
        """See :class:`sluiceway.ports.Journal`."""
        for content_hash, contract in {one.content_hash: one for one in contracts}.items():
            if self.contract(content_hash) is not None:
                continue
            row = {"hash": content_hash, "content": contract.to_json()}
            # Whoever was faster kept the very same text.
            with suppress(JournalConflict), self._writing() as connection:
                connection.execute(CONTRACTS.delete().where(CONTRACTS.c.hash == content_hash))
                connection.execute(CONTRACTS.insert(), row)

    def contract(self, content_hash: str) -> Contract | None:
        """See :class:`sluiceway.ports.Journal`."""
        query = select(CONTRACTS.c.content).where(CONTRACTS.c.hash == content_hash)
        with self._reading() as connection:
            content = connection.execute(query).scalar_one_or_none()
        if content is None:
            return None
        try:
            kept = Contract.from_json(content)
        except ValidationError:
            return None
        return kept if kept.content_hash == content_hash else None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            in_our_words(str(self._engine.url)),
            self._engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with in_our_words(str(self._engine.url)), self._engine.connect() as connection:
            yield connection


def _append(
    connection: Connection,
    environment: str,
    rollout_id: str,
    drafts: Sequence[Draft],
    *,
    after: int,
    seen: str | None = None,
) -> tuple[Event, ...]:
    position, head = _lock_chain(connection, environment)
    if seen not in (None, head):
        raise JournalConflict(f"{environment} has moved since {seen}")
    written = connection.execute(
        select(func.count()).where(
            EVENTS.c.environment == environment, EVENTS.c.rollout_id == rollout_id
        )
    ).scalar_one()
    if written != after:
        raise JournalConflict(f"{rollout_id} has {written} events, the writer had seen {after}")
    events: list[Event] = []
    for place, draft in enumerate(drafts, start=1):
        linked = link(
            draft,
            environment=environment,
            position=position + place,
            rollout_id=rollout_id,
            seq=after + place,
            previous=head,
        )
        head = linked.hash
        events.append(linked)
    if events:
        connection.execute(EVENTS.insert(), [_row(linked) for linked in events])
        connection.execute(
            CHAINS.update()
            .where(CHAINS.c.environment == environment)
            .values(position=position + len(events), head=head)
        )
    return tuple(events)


def _lock_chain(connection: Connection, environment: str) -> tuple[int, str]:
    query = (
        select(CHAINS.c.position, CHAINS.c.head)
        .where(CHAINS.c.environment == environment)
        .with_for_update()
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        first = {"environment": environment, "position": 0, "head": GENESIS}
        connection.execute(CHAINS.insert(), first)
        return 0, GENESIS
    return row.position, row.head


def _generation_of(connection: Connection, environment: str, release: Release) -> int:
    known: int | None = connection.execute(
        select(RELEASES.c.generation).where(
            RELEASES.c.environment == environment, RELEASES.c.hash == release.content_hash
        )
    ).scalar_one_or_none()
    if known is not None:
        return known
    newest: int | None = connection.execute(
        select(func.max(RELEASES.c.generation)).where(RELEASES.c.environment == environment)
    ).scalar_one()
    generation = (newest or 0) + 1
    connection.execute(
        RELEASES.insert(),
        {
            "environment": environment,
            "generation": generation,
            "hash": release.content_hash,
            "content": release.to_json(),
        },
    )
    return generation


def _swap(connection: Connection, environment: str, generation: int, *, revision: int) -> None:
    if revision == 0:
        first = {"environment": environment, "generation": generation, "revision": 1}
        connection.execute(CHAMPION.insert(), first)
        return
    moved = connection.execute(
        CHAMPION.update()
        .where(CHAMPION.c.environment == environment, CHAMPION.c.revision == revision)
        .values(generation=generation, revision=revision + 1)
    )
    if moved.rowcount != 1:
        raise JournalConflict(f"{environment}'s champion has moved since revision {revision}")


def _row(linked: Event) -> dict[str, Any]:
    return {
        "environment": linked.environment,
        "position": linked.position,
        "rollout_id": linked.rollout_id,
        "seq": linked.seq,
        "at": linked.at.isoformat(),
        "actor": linked.actor,
        "kind": linked.kind,
        "payload": canonical_text(linked.payload),
        "previous_hash": linked.previous_hash,
        "hash": linked.hash,
    }


def _event(row: RowMapping) -> Event:
    return Event(
        environment=row["environment"],
        position=row["position"],
        rollout_id=row["rollout_id"],
        seq=row["seq"],
        at=datetime.fromisoformat(row["at"]),
        actor=row["actor"],
        kind=row["kind"],
        payload=json.loads(row["payload"]),
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )
