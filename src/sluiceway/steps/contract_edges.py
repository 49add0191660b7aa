"""Which edges a candidate touches, by its contracts and beside them, and what clears them.

What the rollout itself will show, the shadow replay, need not be there yet; everything else has to
be, or the edge is broken.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from sluiceway.contracts.change_kinds import RULES, Change, Evidence, Side
from sluiceway.contracts.change_names import MEMBER_KINDS, ChangeKind
from sluiceway.contracts.changes import BrokenEdge, broken_edges
from sluiceway.contracts.clearing import touched
from sluiceway.contracts.fitting import unmet
from sluiceway.contracts.member_changes import MemberFacts, Readers, member_changes
from sluiceway.contracts.values import Contract, OutputField
from sluiceway.releases import Release
from sluiceway.rollouts.events import ContractCheck
from sluiceway.rollouts.plan import Plan
from sluiceway.steps.site import Site
from sluiceway.system.inputs import Feature
from sluiceway.system.values import Edge, System

Contracts = Mapping[str, Contract]

TO_COME: Final = frozenset({Evidence.SHADOW_REPLAY})
"""What every rollout gathers after its contracts were checked, before it touches live traffic."""


def is_cleared(
    broken: BrokenEdge, system: System, plan: Plan, candidate: Release, contracts: Contracts
) -> bool:
    """Whether there is all the evidence that an edge which a change breaks holds nevertheless.

    Args:
        candidate: The whole release that the plan wants.
        contracts: By content hash, of every member of it.
    """
    return RULES[broken.change.kind].is_cleared(_shown(broken, system, plan, candidate, contracts))


def with_edges(
    checks: Iterable[ContractCheck],
    site: Site,
    system: System,
    plan: Plan,
    contracts: Contracts,
    *,
    champion: Release,
) -> tuple[ContractCheck, ...]:
    """Add to each check what changed besides its contract, and how the edges stand.

    Args:
        champion: The release that the candidate is held against.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        UnknownVersion: A version has gone in between.
    """
    candidate = champion.with_members(plan.members)
    facts = _Facts(site, system, contracts)
    told = []
    for check in checks:
        changes = member_changes(
            facts.of(champion, check.model),
            facts.of(candidate, check.model),
            readers=Readers(edges=system.edges),
            findings=check.findings if check.fault is None and check.rows else None,
        )
        beside = tuple(c for c in changes if c.kind in MEMBER_KINDS and not _is_removal(c))
        below = tuple(_below(facts, system, plan, champion, candidate, check.model))
        edges = broken_edges((*check.changes, *beside, *below), system.edges)
        told.append(
            replace(
                check,
                member_changes=(*beside, *below),
                touched=tuple(
                    touched(
                        edge,
                        shown=_shown(edge, system, plan, candidate, contracts) | _said(check, edge),
                        coming=TO_COME,
                    )
                    for edge in edges
                ),
            )
        )
    return tuple(told)


def _is_removal(change: Change) -> bool:
    """Whether it says of a removed field what the contracts' difference says already."""
    return change.kind in (ChangeKind.REMOVED_IN_USE, ChangeKind.REMOVED_UNUSED)


def _below(
    facts: "_Facts",
    system: System,
    plan: Plan,
    champion: Release,
    candidate: Release,
    model: str,
) -> Iterable[Change]:
    """What becomes of models that stay as they are, and read this one."""
    moving = {member.model for member in plan.members}
    readers = {e.consumer for e in system.edges if e.producer == model} - moving
    for reader in sorted(readers & system.models.keys() & champion.members.keys()):
        mine = tuple(e for e in system.models[reader].inputs if e.producer == model)
        yield from member_changes(
            facts.of(champion, reader), facts.of(candidate, reader), readers=Readers(edges=mine)
        )


class _Facts:
    """What is known of versions, each looked up once."""

    def __init__(self, site: Site, system: System, contracts: Contracts) -> None:
        self._site = site
        self._system = system
        self._contracts = contracts

    def of(self, release: Release, model: str) -> MemberFacts:
        member = release.members[model]
        registered = self._site.registry.version(model, member.version)
        feeders = {edge.producer for edge in self._system.models[model].inputs}
        return MemberFacts(
            contract=self._contracts[member.contract_hash],
            artifact_sha256=member.artifact_sha256,
            features=member.features,
            definitions=member.definitions,
            made_for=registered.features,
            upstream={
                name: release.members[name].version
                for name in sorted(feeders & release.members.keys())
            },
            trained_on=registered.trained_on,
            owner=self._system.models[model].owner,
        )


def _shown(
    broken: BrokenEdge, system: System, plan: Plan, candidate: Release, contracts: Contracts
) -> frozenset[Evidence]:
    """The evidence that an edge holds, as far as the contracts show it."""
    asked = frozenset().union(*broken.change.cleared_by)
    shown = set()
    if broken.change.side is Side.OUTPUT and _moves_along(broken.edge, plan, contracts):
        shown.add(Evidence.RETRAINED_CONSUMER)
    if Evidence.FEEDER_PROMISE in asked and _is_fed(broken.edge, system, candidate, contracts):
        shown.add(Evidence.FEEDER_PROMISE)
    return asked & shown


def _said(check: ContractCheck, broken: BrokenEdge) -> frozenset[Evidence]:
    """The evidence that an edge holds, as far as its owner has given it."""
    if broken.edge.name not in check.agreed_edges:
        return frozenset()
    agreed = {Evidence.CONSUMER_ACKNOWLEDGEMENT}
    taken_away = (ChangeKind.FIELD_REMOVED, ChangeKind.FIELD_RENAMED)
    if broken.change.kind in taken_away:  # with a finding it would not have agreed
        agreed |= {Evidence.DEPRECATION_WINDOW, Evidence.NO_OBSERVED_USE}
    return frozenset(agreed) & frozenset().union(*broken.change.cleared_by)


def _moves_along(edge: Edge, plan: Plan, contracts: Contracts) -> bool:
    """Whether the edge's consumer moves in the same release and demands the new promise.

    Its demand must name the unit: a consumer that does not say what it was built for cannot be
    known to fit.
    """
    moving = {member.model: contracts[member.contract_hash] for member in plan.members}
    if edge.field is None or not {edge.producer, edge.consumer} <= moving.keys():
        return False
    consumer = moving[edge.consumer]
    promised = _promised(moving[edge.producer], edge)
    demand = next((d for d in consumer.inputs if d.name == edge.column), None)
    if demand is None or promised is None or (demand.unit or "") != promised.unit:
        return False
    return not unmet(promised, demand)


def _is_fed(edge: Edge, system: System, candidate: Release, contracts: Contracts) -> bool:
    """Whether what feeds a candidate's demand promises, as written, no more than it takes."""
    promised: OutputField | None
    demanded = contracts[candidate.members[edge.consumer].contract_hash].inputs
    demand = next((d for d in demanded if d.name == edge.column), None)
    if edge.field is None:
        promised = _declared(system.features[edge.producer])
    else:
        promised = _promised(contracts[candidate.members[edge.producer].contract_hash], edge)
    return demand is not None and promised is not None and not unmet(promised, demand)


def _promised(contract: Contract, edge: Edge) -> OutputField | None:
    return next((field for field in contract.output if field.name == edge.field), None)


def _declared(feature: Feature) -> OutputField:
    """A feature's declaration, as if it were a promise."""
    return OutputField(
        name=feature.name,
        position=0,
        dtype=feature.dtype,
        unit=feature.unit or "",
        low=feature.low,
        high=feature.high,
        nullable=feature.null_rate > 0,
        promise=None,
        categories=feature.categories,
    )
