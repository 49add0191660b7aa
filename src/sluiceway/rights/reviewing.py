"""What somebody should look after, owner by owner, before it becomes somebody else's incident."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import semver

from sluiceway.contracts.values import Contract
from sluiceway.durations import render_duration
from sluiceway.releases import Member
from sluiceway.rights.acknowledging import Acknowledgement, other_end
from sluiceway.rights.announcing import DeprecationStatus
from sluiceway.system.values import System


class ReviewCode(StrEnum):
    """What is to be looked after."""

    STALE_CONTRACT = "stale_contract"
    """The contract in force is not the one that what serves was verified against."""
    STALE_REFERENCE = "stale_reference"
    UNDATED_REFERENCE = "undated_reference"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    UNACKNOWLEDGED = "unacknowledged"
    EDGE_WITHOUT_EVIDENCE = "edge_without_evidence"
    DUPLICATED_FEATURE = "duplicated_feature"
    OWNER_LEFT = "owner_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFinding:
    """One thing for one owner.

    Attributes:
        subject: The model, edge, feature or rule that it is about.
        detail: What was found, in words.
    """

    owner: str
    code: ReviewCode
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiring:
    """Something that counts up to a day: an ignore, or an acknowledgement.

    Attributes:
        subject: What it is about, such as ``ignore of dep_delay@7 → arr_delay``.
        expires: Its last day.
    """

    owner: str
    subject: str
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is known of what serves.

    Attributes:
        members: By model.
        contracts: The contract that is in force, by model.
        statuses: How far each deprecation is.
        acknowledgements: Everything that owners agreed to.
        unseen_edges: By the name of an edge whose two versions no recent replay has seen together
            and passed, what there is instead, in words.
    """

    members: Mapping[str, Member]
    contracts: Mapping[str, Contract]
    statuses: tuple[DeprecationStatus, ...]
    acknowledgements: tuple[Acknowledgement, ...]
    unseen_edges: Mapping[str, str]


def review(system: System, serving: Serving | None, *, today: date) -> tuple[ReviewFinding, ...]:
    """Everything that somebody should look after, by owner.

    Args:
        serving: None where nothing serves, or where it could not be looked at; what it would tell
            is then not in the answer.
    """
    found = [
        *duplicated_features(system),
        *owners_who_left(system, today),
        *running_out(system, _of_ignores(system), today),
    ]
    if serving is not None:
        found += [
            *stale_contracts(system, serving, today),
            *running_out(system, _of_acknowledgements(serving), today),
            *unacknowledged(serving.statuses),
            *edges_without_evidence(system, serving),
        ]
    order = {name: place for place, name in enumerate(system.owners)}
    codes = list(ReviewCode)
    return tuple(
        sorted(
            found,
            key=lambda one: (order.get(one.owner, len(order)), codes.index(one.code), one.subject),
        )
    )


def stale_contracts(system: System, serving: Serving, today: date) -> Iterator[ReviewFinding]:
    """Contracts that say what was so once."""
    for model, contract in serving.contracts.items():
        owner = system.models[model].owner
        member = serving.members[model]
        if member.contract_hash != contract.content_hash:
            detail = _not_the_one(member, contract)
            yield _finding(owner, ReviewCode.STALE_CONTRACT, model, detail)
        for field in contract.output:
            if field.promise is None:
                continue
            subject, measured = f"{model}.{field.name}", field.promise.measured_at
            if measured is None:
                detail = "its promise does not say when it was measured (measured_at)"
                yield _finding(owner, ReviewCode.UNDATED_REFERENCE, subject, detail)
                continue
            age, limit = today - measured, system.policies.rights.stale_after
            if age > limit:
                detail = (
                    f"its reference was measured on {measured}, {age.days}d ago; "
                    f"{render_duration(limit)} are the limit"
                )
                yield _finding(owner, ReviewCode.STALE_REFERENCE, subject, detail)


def _not_the_one(member: Member, contract: Contract) -> str:
    verified = member.contract_version
    if verified is None:
        return f"{contract.version} is in force, {member.name} was verified against another"
    now, then = semver.Version.parse(contract.version), semver.Version.parse(verified)
    rank = "older" if now < then else "newer" if now > then else "another of that number"
    return f"{contract.version} is in force, {rank}: {member.name} was verified against {verified}"


def running_out(
    system: System, entries: Iterable[Expiring], today: date
) -> Iterator[ReviewFinding]:
    """What counts no more, or soon will not."""
    soon = system.policies.rights.expiring_within
    for entry in entries:
        left = entry.expires - today
        if left.days < 0:
            detail = f"expired on {entry.expires}"
            yield _finding(entry.owner, ReviewCode.EXPIRED, entry.subject, detail)
        elif left <= soon:
            detail = f"expires on {entry.expires}, in {left.days}d"
            yield _finding(entry.owner, ReviewCode.EXPIRING, entry.subject, detail)


def _of_ignores(system: System) -> Iterator[Expiring]:
    for one in system.ignores:
        producer, consumer = (
            f"{name}@{version}" if version else name
            for name, version in (
                (one.producer, one.producer_version),
                (one.consumer, one.consumer_version),
            )
        )
        subject = f"ignore of {producer} → {consumer}"
        yield Expiring(owner=one.owner, subject=subject, expires=one.expires)


def _of_acknowledgements(serving: Serving) -> Iterator[Expiring]:
    """The newest acknowledgement of each thing, where it has an end."""
    newest: dict[tuple[str, str | None, str | None], Acknowledgement] = {}
    for one in serving.acknowledgements:
        gone = one.deprecation.field if one.deprecation else None
        newest[one.edge, gone, one.version] = one
    for (edge, gone, version), one in newest.items():
        if one.until is not None:
            of = f"that {gone} goes" if gone else f"of {version}"
            subject = f"acknowledgement {of}, {edge}"
            yield Expiring(owner=one.owner, subject=subject, expires=one.until)


def unacknowledged(statuses: Iterable[DeprecationStatus]) -> Iterator[ReviewFinding]:
    """Deprecations that an edge's owner has not answered."""
    for one in statuses:
        if one.waits_for is None or one.edge is None:
            continue
        told = f"told on {one.announced_on}" if one.announced_on else "not told yet"
        detail = f"goes from {one.deprecation.remove_after} on, in {one.days_left}d; {told}"
        yield _finding(one.waits_for, ReviewCode.UNACKNOWLEDGED, one.edge, detail)


def edges_without_evidence(system: System, serving: Serving) -> Iterator[ReviewFinding]:
    """Edges between serving versions that no replay has seen together."""
    for edge in system.edges:
        detail = serving.unseen_edges.get(edge.name)
        if detail is not None:
            owner = other_end(system, edge).name
            yield _finding(owner, ReviewCode.EDGE_WITHOUT_EVIDENCE, edge.name, detail)


def duplicated_features(system: System) -> Iterator[ReviewFinding]:
    """Two names for the same columns through the same transformation, in any of their versions."""
    first: dict[tuple[tuple[str, ...], str | None], tuple[str, str]] = {}
    told: set[tuple[str, str]] = set()
    for name, feature in system.features.items():
        for number, version in feature.versions.items():
            known = first.setdefault((version.reads, version.transformation), (name, number))
            if known[0] == name or (known[0], name) in told:
                continue
            told.add((known[0], name))
            made_of = ", ".join(version.reads)
            through = f" through {version.transformation}" if version.transformation else ""
            detail = f"{number} is made as {known[0]} {known[1]}: {made_of}{through}"
            for owner in dict.fromkeys((feature.owner, system.features[known[0]].owner)):
                yield _finding(owner, ReviewCode.DUPLICATED_FEATURE, name, detail)


def owners_who_left(system: System, today: date) -> Iterator[ReviewFinding]:
    """Owners who are there no more, with all that they still answer for."""
    for owner in system.owners.values():
        if owner.left is None or owner.left > today:
            continue
        nodes = [
            node.name
            for nodes in (system.sources, system.features, system.models, system.consumers)
            for node in nodes.values()
            if node.owner == owner.name
        ]
        asked = [
            *system.policies.approvals,
            *(name for rule in system.policies.rights.rules for name in rule.ask),
        ]
        duties = [*nodes, *(["approvals"] if owner.name in asked else [])]
        if duties:
            detail = f"left on {owner.left} and still answers for {', '.join(duties)}"
            yield _finding(owner.name, ReviewCode.OWNER_LEFT, owner.name, detail)


def _finding(owner: str, code: ReviewCode, subject: str, detail: str) -> ReviewFinding:
    return ReviewFinding(owner=owner, code=code, subject=subject, detail=detail)
