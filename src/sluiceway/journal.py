"""The journal's values: events in one hash chain, and the check that nothing was altered.

Each event's hash covers the hash before it, so an altered, missing or inserted event breaks the
chain from there on. What the chain alone cannot show, events cut off its end, shows against the
heads that reports and MLflow runs have kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluiceway.canonical import sha256_of
from sluiceway.errors import SluicewayError
from sluiceway.releases import Release

GENESIS = "0" * 64


class JournalConflict(SluicewayError):
    """Somebody else wrote first; read again, decide again."""


class JournalUnavailable(SluicewayError):
    """The journal's database did not answer, is read-only or full; nothing was written."""


class JournalMismatch(JournalUnavailable):
    """The database is that of another version, or of another program; trying again is no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event that is not yet in the journal.

    Attributes:
        at: When it happened (UTC).
        actor: Who did it: a person's name, or ``sluiceway``.
        kind: Which event it is; see :mod:`sluiceway.rollouts.events`.
        payload: Plain JSON types.
    """

    at: datetime
    actor: str
    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of the chain.

    Attributes:
        position: Place in the environment's chain, from 1, without gaps.
        seq: Place in the rollout, from 1, without gaps.
        previous_hash: Hash of the event before it in the chain.
        hash: SHA-256 over everything above, as 64 hexadecimal digits.
    """

    environment: str
    position: int
    rollout_id: str
    seq: int
    at: datetime
    actor: str
    kind: str
    payload: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """What serves an environment now.

    Attributes:
        generation: The release's number in this environment, from 1.
        revision: How often the pointer has moved; what compare-and-swap compares.
    """

    environment: str
    generation: int
    revision: int
    release: Release


def link(
    draft: Draft, *, environment: str, position: int, rollout_id: str, seq: int, previous: str
) -> Event:
    """Put a draft at the end of a chain."""
    content = _content(environment, position, rollout_id, seq, draft, previous)
    return Event(
        environment=environment,
        position=position,
        rollout_id=rollout_id,
        seq=seq,
        at=draft.at,
        actor=draft.actor,
        kind=draft.kind,
        payload=draft.payload,
        previous_hash=previous,
        hash=sha256_of(content),
    )


def _content(
    environment: str, position: int, rollout_id: str, seq: int, draft: Draft, previous: str
) -> dict[str, Any]:
    return {
        "environment": environment,
        "position": position,
        "rollout_id": rollout_id,
        "seq": seq,
        "at": draft.at.isoformat(),
        "actor": draft.actor,
        "kind": draft.kind,
        "payload": draft.payload,
        "previous_hash": previous,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCheck:
    """What a walk over the whole chain found.

    Attributes:
        events: How many events were read.
        head: Hash of the last one.
        faults: What is wrong, in words, the first break first. Empty means intact.
    """

    events: int
    head: str
    faults: tuple[str, ...]


def check_chain(events: Iterable[Event], *, known_heads: Mapping[str, str]) -> ChainCheck:
    """Recompute every hash, and look for every head that somebody outside has kept.

    Args:
        events: The chain of one environment in order.
        known_heads: Where each head was kept, by hash.
    """
    faults: list[str] = []
    missing = dict(known_heads)
    previous, count = GENESIS, 0
    seqs: dict[str, int] = {}
    for event in events:
        count += 1
        where = f"event {event.position} ({event.rollout_id} #{event.seq}, {event.kind})"
        draft = Draft(at=event.at, actor=event.actor, kind=event.kind, payload=event.payload)
        expected = sha256_of(
            _content(
                event.environment, event.position, event.rollout_id, event.seq, draft, previous
            )
        )
        if event.position != count:
            faults.append(f"{where}: stands at place {count} of the chain; events are missing")
        if event.seq != seqs.get(event.rollout_id, 0) + 1:
            faults.append(f"{where}: does not follow #{seqs.get(event.rollout_id, 0)}")
        if event.hash != expected:
            faults.append(f"{where}: its content or what came before it was altered")
        if faults:
            break
        seqs[event.rollout_id] = event.seq
        previous = event.hash
        missing.pop(previous, None)
    if not faults:
        faults = [f"the chain lacks {head[:12]}…, kept by {kept}" for head, kept in missing.items()]
    return ChainCheck(events=count, head=previous, faults=tuple(faults))
