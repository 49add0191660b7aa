"""What new contracts do to the latency and freshness that consumers further down need."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome, worst
from sluiceway.releases import Release
from sluiceway.rollouts.events import ContractCheck
from sluiceway.rollouts.reasons import contract_sentence
from sluiceway.system.time_changes import shortfalls_by_model
from sluiceway.system.timing import Shortfall
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


def _by_model(contracts: Contracts, release: Release) -> dict[str, Contract]:
    return {m.model: contracts[m.contract_hash] for m in release.members.values()}


def _with(check: ContractCheck, shortfalls: tuple[Shortfall, ...]) -> ContractCheck:
    if not shortfalls:
        return check
    outcomes = [Outcome.FAILED if s.certain else Outcome.INCONCLUSIVE for s in shortfalls]
    told = replace(check, shortfalls=shortfalls, outcome=worst([check.outcome, *outcomes]))
    return replace(told, sentence=contract_sentence(told))
