"""Asking a candidate again and one by one, where its contract promises something of that."""

import math
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import numpy as np

from sluiceway.contracts.promises import Answers, Finding
from sluiceway.contracts.service import MIN_REQUESTS, check_repeated, check_service
from sluiceway.contracts.values import Contract
from sluiceway.ports import Trial
from sluiceway.releases import Member
from sluiceway.steps.site import Ask, Site

ROUNDS: Final = 3
"""So often the times of single requests are taken at the most: one round in time is enough, for
this machine may be busy with something else, and a version that is too slow is so every time."""

_LONGEST: Final = timedelta(minutes=10)
_SHORTEST: Final = timedelta(minutes=1)
"""How long all rounds may take, between these; within them, twice what 500 requests in time do."""

Columns = Mapping[str, Answers]


def service_findings(
    site: Site, member: Member, contract: Contract, columns: Columns, answers: Answers
) -> tuple[tuple[Finding, ...], Trial | None]:
    """Hold a version to what is promised of requests: equal answers, and their time.

    It is asked in another process than the one that answered first, so that what it draws when it
    is loaded shows too.

    Args:
        columns: The recorded rows that it was asked, shape (rows,) by input.
        answers: What it answered to them.

    Returns:
        What it does not keep; and the fault where it gave no answer when it was asked again.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is known.
        UnloadableVersion: Its files are missing.
    """
    if not contract.deterministic and contract.latency_p99 is None:
        return (), None
    with site.meet(member.model, member.version, member.artifact_sha256) as ask:
        again = ask(columns, deadline=contract.deadline)
        if again.answers is None:
            return (), again
        repeated = check_repeated(contract, answers, again.answers)
        if contract.latency_p99 is None:
            return repeated, None
        return (*repeated, *_timed(contract, ask, columns, contract.latency_p99)), None


def _timed(contract: Contract, ask: Ask, columns: Columns, limit: timedelta) -> tuple[Finding, ...]:
    """The best of some rounds of single requests."""
    patience = min(_LONGEST, max(_SHORTEST, 2 * MIN_REQUESTS * limit))
    until = time.monotonic() + patience.total_seconds()
    best: tuple[Finding, ...] = ()
    for number in range(ROUNDS):
        taken = _one_by_one(contract, ask, columns, limit, until)
        found = check_service(contract, latencies=taken)
        if not found:
            return ()
        if number == 0 or _seen(found) < _seen(best):
            best = found
        if time.monotonic() >= until:
            break
    return best


def _one_by_one(
    contract: Contract, ask: Ask, columns: Columns, limit: timedelta, until: float
) -> list[float]:
    """Seconds of single requests; infinite where there was no answer."""
    rows = max(len(values) for values in columns.values())
    places = np.resize(np.linspace(0, rows - 1, min(rows, MIN_REQUESTS)).astype(int), MIN_REQUESTS)
    taken: list[float] = []
    late = 0
    for place in places:
        asked = ask(
            {name: values[place : place + 1] for name, values in columns.items()},
            deadline=contract.deadline,
        )
        answered = asked.answers is not None and asked.seconds is not None
        taken.append(asked.seconds if answered and asked.seconds is not None else math.inf)
        late += taken[-1] > limit.total_seconds()
        if late > 0.01 * MIN_REQUESTS or time.monotonic() >= until:
            break  # more would change nothing, or there is no time for more
    return taken


def _seen(found: tuple[Finding, ...]) -> float:
    """The time that was seen, for choosing the best round; whatever was not, is the worst."""
    seen = found[0].observed
    return math.inf if seen is None else seen
