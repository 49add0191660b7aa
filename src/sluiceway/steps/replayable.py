"""Whether recorded traffic can be replayed through a plan's versions at all, asked before it is."""

from collections.abc import Collection, Iterator, Mapping

from sluiceway.contracts.values import Contract, OutputField
from sluiceway.graph import earlier_answers, upstream
from sluiceway.ports import UnknownVersion, UnloadableVersion
from sluiceway.releases import Release
from sluiceway.rollouts.endings import ReasonCode
from sluiceway.rollouts.plan import Plan
from sluiceway.steps.members import contracts_of
from sluiceway.steps.site import Site
from sluiceway.system.values import System


def not_replayable(
    site: Site, system: System, plan: Plan, champion: Release
) -> tuple[ReasonCode, str] | None:
    """Why a replay could judge nothing, with its code; None where it can.

    Raises:
        RegistryUnavailable: The registry was asked, and did not answer.
    """
    needed = upstream(system, plan.radius.models)
    if later := earlier_answers(system, plan.radius.models):
        why = "a replay has no earlier answers to give, so nothing can be judged"
        return ReasonCode.EARLIER_ANSWERS_NOT_REPLAYED, f"{'; '.join(later)}; {why}"
    releases = (champion, champion.with_members(plan.members))
    try:
        contracts = contracts_of(site, system, *releases)
    except (UnknownVersion, UnloadableVersion):
        return None  # the contract check says which
    told = dict.fromkeys(
        said
        for release in releases
        for name in needed
        for said in _no_numbers(system, needed, _contract(contracts, release, name))
    )
    if told:
        why = (
            "a replay scores numbers, and hands each on as one column, so nothing can be judged; "
            "contract tests hold such fields to their promises: sluiceway contract test"
        )
        return ReasonCode.ANSWERS_NOT_REPLAYED, f"{'; '.join(told)}; {why}"
    return None


def _contract(contracts: Mapping[str, Contract], release: Release, model: str) -> Contract:
    return contracts[release.members[model].contract_hash]


def _no_numbers(system: System, needed: Collection[str], contract: Contract) -> Iterator[str]:
    """What a replay could not score, or not hand on."""
    for field in contract.output:
        name = f"{contract.model}.{field.name}"
        if field.dtype == "string":
            yield f"{name} is text"
        elif field.embedding is not None:
            for reader in _readers(system, needed, contract.model, field):
                yield f"{name} is a vector of {field.embedding.dimension}, which {reader} reads"


def _readers(system: System, needed: Collection[str], model: str, field: OutputField) -> list[str]:
    return [
        edge.consumer
        for edge in system.edges
        if (edge.producer, edge.field) == (model, field.name) and edge.consumer in needed
    ]
