"""What is known of an environment's versions: contracts and shelves, and what was seen of them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput
from sluiceway.releases import Member, Release
from sluiceway.releasing import (
    Agreed,
    Facts,
    Mixture,
    Shelf,
    can_promote,
)
from sluiceway.replay.freezing import changed_nodes
from sluiceway.steps.members import member_of, verified_contract
from sluiceway.steps.ownership import agreed_versions
from sluiceway.steps.seen_evidence import seen_evidence
from sluiceway.steps.site import Site
from sluiceway.steps.taking_back import models_taken_back
from sluiceway.system.values import System

NEWEST = 5
"""Versions of a model that are looked at as companions, besides the one that serves."""


def facts_of(site: Site, system: System, members: Iterable[Member], *, now: datetime) -> Facts:
    """Everything that answers about these members rest on.

    Raises:
        LookupError: Nothing serves yet.
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    champion = site.champion().release
    seen = seen_evidence(site, system)
    known = [*champion.members.values(), *members, *seen.members.values()]
    return Facts(
        system=system,
        champion=champion,
        contracts=_contracts(site, system, known),
        records=seen.records,
        now=now,
        agreed=frozenset(_agreed(site, system, now)),
    )


def _agreed(site: Site, system: System, now: datetime) -> Iterator[Agreed]:
    for one in agreed_versions(site, system, now=now):
        if one.contract_hash is not None and one.artifact_sha256 is not None:
            yield Agreed(
                edge=one.edge,
                contract_hash=one.contract_hash,
                artifact_sha256=one.artifact_sha256,
            )


def shelf_of(site: Site, system: System, facts: Facts, wanted: Iterable[Member]) -> Shelf:
    """The versions that could go along with what is wanted, oldest first.

    Of every model that the wanted ones read or reach: what serves, and the newest later ones that
    can be had at all. Of all others: what serves.

    Raises:
        RegistryUnavailable: The registry did not answer; nothing is known.
    """
    asked = {member.model: member for member in wanted}
    near = set(facts.readers(asked))
    for model in tuple(near):
        near |= facts.feeders(model)
    shelf: dict[str, tuple[Member, ...]] = {}
    for model, serving in facts.champion.members.items():
        found = {serving.version: serving}
        if model in asked:
            found[asked[model].version] = asked[model]
        elif model in near:
            found |= {m.version: m for m in _later(site, system, model, serving.version)}
        shelf[model] = tuple(sorted(found.values(), key=lambda one: _age(one.version)))
    return shelf


def _later(site: Site, system: System, model: str, than: str) -> Iterator[Member]:
    latest = site.registry.latest_version(model)
    if latest is None or not (latest.isdecimal() and than.isdecimal()):
        return
    for version in range(max(int(than), int(latest) - NEWEST) + 1, int(latest) + 1):
        try:
            yield member_of(site, system, model, str(version))
        except BadInput:
            continue  # nobody could serve it


def _age(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)


def _contracts(site: Site, system: System, members: Iterable[Member]) -> dict[str, Contract]:
    """Contract by content hash, as far as anybody still has it."""
    found = {model.contract.content_hash: model.contract for model in system.models.values()}
    for member in members:
        if member.contract_hash in found or member.model not in system.models:
            continue
        contract = verified_contract(site, system, member)
        if contract is not None:
            found[member.contract_hash] = contract
    return found


def fits_without(
    facts: Facts, baseline: Release, candidate: Release
) -> Callable[[tuple[str, ...]], bool]:
    """Whether the contracts allow what is left of a candidate after taking nodes back."""
    system = facts.system
    nodes = changed_nodes(system, baseline, candidate)
    everything = {node.name for node in nodes}

    def fits(names: tuple[str, ...]) -> bool:
        if set(names) == everything:
            return True  # that is what served
        back = models_taken_back(baseline, candidate, nodes, names)
        if back is None:
            return True  # versions with other features: no contract speaks of them
        mixture = candidate.with_members(baseline.members[model] for model in back)
        return not contradictions(facts, mixture)

    return fits


def contradictions(facts: Facts, release: Release) -> tuple[str, ...]:
    """Edges on which the contracts say that a release's versions do not fit, by name."""
    return tuple(
        reason.edge or ""
        for reason in can_promote(facts, release, consistent=True).contradicted
        if reason.mixture is Mixture.RELEASE
    )
