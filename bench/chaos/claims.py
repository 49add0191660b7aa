"""What must hold after whatever was broken: read from the journal, the registry and the answers."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bench.chaos.traffic import Seen
from sluiceway.journal import Event, check_chain
from sluiceway.outcomes import Outcome
from sluiceway.rollouts.events import (
    ContractsChecked,
    Looked,
    Promoted,
    RegistrationHeard,
    ShadowMeasured,
    happening,
)
from sluiceway.steps.publishing import unpublished
from sluiceway.steps.registering import STREAM
from sluiceway.steps.site import Site
from sluiceway.steps.world import differing, wanted_projection

_ONCE = frozenset(
    {"requested", "planned", "contracts_checked", "canary_planned", "promoted", "ended"}
)
"""Kinds that a rollout of the sweep has at most once."""
_FRESH = 3.0
"""Seconds within which a gateway that serves has answered."""


def unsettled(site: Site, seen: Seen) -> list[str]:
    """What is not as the journal wants it, or nobody was shown, in words; empty where all is."""
    champion = site.champion()
    found = [*differing(site, wanted_projection(site)), *site.router.lagging()]
    found += [f"{one} is not shown" for one in unpublished(site)]
    for rollout_id in site.journal.rollouts(site.environment):
        if site.state(rollout_id).unconfirmed:
            found.append(f"{rollout_id} is not confirmed")
    if seen.newest != champion.generation or time.monotonic() - seen.at > _FRESH:
        found.append(f"the gateway answers by {seen.newest}, wanted is {champion.generation}")
    for model, member in champion.release.members.items():
        alias = site.registry.aliases(model).get("champion")
        if alias != member.version:
            found.append(f"{model}'s champion is {alias}, wanted is {member.version}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What does not hold, in words, by what it breaks."""

    chain: tuple[str, ...]
    split_brain: tuple[str, ...]
    events: tuple[str, ...]
    promoted_without_verdict: tuple[str, ...]


def broken(site: Site, seen: Seen, registered: Collection[str]) -> Broken:
    """Look at the whole history.

    Args:
        registered: Every version that was registered since the adoption.
    """
    events = tuple(site.journal.chain(site.environment))
    heads = {events[-1].hash: "this sweep"} if events else {}
    torn = [
        f"under revision {one} the generations {sorted(seen.generations[one])} were champion"
        for one in seen.torn
    ]
    return Broken(
        chain=tuple(str(one) for one in check_chain(events, known_heads=heads).faults),
        split_brain=tuple(torn),
        events=(*_lost_or_doubled(site, registered), *_twice(events)),
        promoted_without_verdict=tuple(_unproven(events)),
    )


def _lost_or_doubled(site: Site, registered: Collection[str]) -> list[str]:
    asked: Counter[str] = Counter()
    for rollout_id in site.journal.rollouts(site.environment):
        requested = site.state(rollout_id).requested
        asked.update(requested.members if requested else ())
    heard: Counter[str] = Counter()
    for event in site.journal.events(site.environment, STREAM):
        if isinstance(one := happening(event), RegistrationHeard):
            heard[f"{one.registration.model}@{one.registration.version}"] += 1
    found = [f"{one} has {asked[one]} rollouts" for one in registered if asked[one] != 1]
    found += [f"{one} was heard {count} times" for one, count in heard.items() if count > 1]
    return found


def _twice(events: Sequence[Event]) -> list[str]:
    counted = Counter((one.rollout_id, one.kind) for one in events if one.kind in _ONCE)
    found = [f"{rollout_id}: {kind} stands there {n} times"
             for (rollout_id, kind), n in counted.items() if n > 1]  # fmt: skip
    watermarks: dict[str, str] = {}
    for event in events:
        one = happening(event)
        if isinstance(one, Looked) and one.fault is None and one.watermark is not None:
            before = watermarks.get(event.rollout_id, "")
            if one.watermark <= before:
                found.append(f"{event.rollout_id}: {one.watermark} was looked at after {before}")
            watermarks[event.rollout_id] = one.watermark
    return found


def _unproven(events: Sequence[Event]) -> list[str]:
    """Promotions whose rollout lacks a passed verdict that must stand before them."""
    found, passed = [], set()
    for event in events:
        one = happening(event)
        if isinstance(one, ContractsChecked | ShadowMeasured | Looked):
            key = (event.rollout_id, type(one))
            passed.discard(key)
            if one.outcome is Outcome.PASSED:
                passed.add(key)
        if isinstance(one, Promoted):
            needed = (ContractsChecked, ShadowMeasured, Looked)
            lacking = [k.__name__ for k in needed if (event.rollout_id, k) not in passed]
            if lacking:
                found.append(f"{event.rollout_id}: promoted without {', '.join(lacking)}")
    return found
