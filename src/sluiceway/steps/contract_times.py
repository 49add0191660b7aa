"""What new contracts do to the latency and freshness that consumers further down need."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome, worst
from sluiceway.releases import Release
from sluiceway.rollouts.events import ContractCheck
from sluiceway.rollouts.reasons import contract_sentence
from sluiceway.system.timing import Shortfall, Timing, own_time, reads_of
from sluiceway.system.values import System

Contracts = Mapping[str, Contract]
"""By content hash."""


def with_times(
    checks: Iterable[ContractCheck],
    *,
    system: System,
    champion: Release,
    candidate: Release,
    contracts: Contracts,
) -> tuple[ContractCheck, ...]:
    """Add to each version's check the needs that its contract keeps from being kept.

    A need that was not kept before, and is missed by no more now, is nobody's new fault. Which
    version is told, see :func:`shortfalls_by_model`.
    """
    found = shortfalls_by_model(
        system, _by_model(contracts, champion), _by_model(contracts, candidate)
    )
    return tuple(_with(check, found.get(check.model, ())) for check in checks)


def shortfalls_by_model(
    system: System, before: Mapping[str, Contract], after: Mapping[str, Contract]
) -> dict[str, tuple[Shortfall, ...]]:
    """Needs that are kept no more, or missed by more, by the models whose contracts do that.

    A model is told a shortfall where its own part on the critical path grew, or where it promises
    nothing itself; so two models that grew together are both told.

    Args:
        before: Contract of every model.
        after: The same with the candidate's.
    """
    reads = reads_of(system)
    missed = {(short.edge, short.need): short for short in Timing(reads, before).shortfalls()}
    told: dict[str, list[Shortfall]] = {}
    for short in Timing(reads, after).shortfalls():
        earlier = missed.get((short.edge, short.need))
        grew = earlier is None or short.total > earlier.total
        for model in after:
            longer = grew and short.certain and _grew_in(short, before[model], after[model])
            silent = not short.certain and model in short.unknown
            if longer or (silent and after[model] != before[model]):
                told.setdefault(model, []).append(short)
    return {model: tuple(shorts) for model, shorts in told.items()}


def _grew_in(short: Shortfall, before: Contract, after: Contract) -> bool:
    """Whether the path leads through this model, and its part of it is longer than before."""
    on_path = any(part.name == after.model for part in short.parts)
    earlier, later = own_time(before, short.need), own_time(after, short.need)
    return on_path and later is not None and (earlier is None or later > earlier)


def _by_model(contracts: Contracts, release: Release) -> dict[str, Contract]:
    return {m.model: contracts[m.contract_hash] for m in release.members.values()}


def _with(check: ContractCheck, shortfalls: tuple[Shortfall, ...]) -> ContractCheck:
    if not shortfalls:
        return check
    outcomes = [Outcome.FAILED if s.certain else Outcome.INCONCLUSIVE for s in shortfalls]
    told = replace(check, shortfalls=shortfalls, outcome=worst([check.outcome, *outcomes]))
    return replace(told, sentence=contract_sentence(told))
