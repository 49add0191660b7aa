"""What owners were told and have answered, as the journal keeps it, and asking it for rollouts.

All of it stands in one stream of the environment's journal, beside the rollouts: it outlives each
of them, and its times and actors are the journal's, not what somebody wrote into a file.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.journal import JournalConflict
from sluiceway.outcomes import Outcome
from sluiceway.ports import UnknownVersion, UnloadableVersion, Window
from sluiceway.releases import Member, Release
from sluiceway.rights import (
    Acknowledgement,
    Announcement,
    DeprecationStatus,
    EdgeCase,
    RemovalFinding,
    ReplacementTest,
    Told,
    acknowledgement_fault,
    announcements,
    deprecation_statuses,
    edge_named,
    not_yet_told,
    readers_of,
    removal_findings,
    replacement_tests,
)
from sluiceway.rollouts.events import (
    Acknowledged,
    DeprecationAnnounced,
    Happening,
    ReplacementTested,
    draft,
    happening,
)
from sluiceway.steps.consuming import ConsumersFound, find_consumers
from sluiceway.steps.members import contract_of, member_of
from sluiceway.steps.site import Site
from sluiceway.system.values import Edge, System

STREAM: Final = "ownership"
"""Under which the journal keeps what owners were told and have answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the journal knows of owners' answers.

    Attributes:
        seq: How many events were read.
    """

    seq: int
    told: tuple[Told, ...]
    acknowledgements: tuple[Acknowledgement, ...]
    tests: tuple[ReplacementTest, ...]


def answers(site: Site) -> Answers:
    """Read everything that owners of one environment were told and have answered."""
    events = site.journal.events(site.environment, STREAM)
    told: list[Told] = []
    acknowledgements: list[Acknowledgement] = []
    tests: list[ReplacementTest] = []
    for event in events:
        match happening(event):
            case DeprecationAnnounced(announcement=announcement):
                told.append(Told(announcement=announcement, on=event.at.date()))
            case Acknowledged(acknowledgement=acknowledgement):
                acknowledgements.append(acknowledgement)
            case ReplacementTested(test=test):
                tests.append(test)
    return Answers(
        seq=len(events),
        told=tuple(told),
        acknowledgements=tuple(acknowledgements),
        tests=tuple(tests),
    )


def today_of(system: System, now: datetime) -> date:
    """The day in the system's timezone."""
    return now.astimezone(ZoneInfo(system.timezone)).date()


def serving_contracts(site: Site, system: System) -> tuple[Contract, ...]:
    """The contracts of what serves, in the order of the chain; none before anything does."""
    champion = site.journal.champion(site.environment)
    if champion is None:
        return ()
    members = champion.release.members
    return tuple(
        contract_of(site.registry.version(model, members[model].version), system)
        for model in system.models
        if model in members
    )


def announce(
    site: Site, system: System, *, now: datetime, actor: str = "sluiceway"
) -> tuple[Announcement, ...]:
    """Write down a message to each owner who is to be told of a removal and was not; each once.

    Returns:
        The messages that are new.

    Raises:
        RegistryUnavailable: What serves cannot be looked up.
    """
    wanted = [
        one
        for contract in serving_contracts(site, system)
        for one in announcements(system, contract)
    ]
    if not wanted:
        return ()
    said: tuple[Announcement, ...] = ()

    def unsaid(known: Answers) -> Iterable[Happening]:
        nonlocal said
        said = not_yet_told(wanted, known.told)
        return [DeprecationAnnounced(announcement=one) for one in said]

    _write(site, unsaid, now=now, actor=actor)
    return said


def acknowledge(
    site: Site,
    text: str,
    *,
    owner: str,
    version: str | None = None,
    tested: str | None = None,
    until: date | None = None,
    now: datetime,
    actor: str,
) -> Acknowledgement:
    """Agree, in an edge's owner's name, to the removal of its field or to a breaking contract.

    Args:
        text: The edge: ``producer.field -> consumer``.
        version: ``model@version`` of the producer whose breaking changes are agreed to, as its
            contract and its files are now; None for the deprecation of the field.
        tested: What the owner has run to test the replacement; for outside applications only,
            since models are tested here.
        until: Last day on which it counts.

    Raises:
        BadInput: There is no such edge, version or deprecation, or it is not theirs to say.
        RegistryUnavailable: What is agreed to cannot be looked up.
    """
    system = site.systems.current()
    today = today_of(system, now)

    def refused(what: str) -> BadInput:
        return BadInput([Fault(where=f"acknowledge {text}", what=what)])

    if fault := acknowledgement_fault(system, text, owner, actor=actor, today=today):
        raise refused(fault)
    edge = edge_named(system.edges, text)
    assert edge is not None
    if until is not None and until < today:
        raise refused(f"ends on {until}, which has passed")
    if tested is not None and (version is not None or edge.consumer in system.models):
        raise refused("tested is for deprecations of what outside applications read")
    deprecation, member = None, None
    if version is not None:
        member = _member_named(site, system, edge, version, refused)
    else:
        contracts = serving_contracts(site, system)
        deprecation = next(
            (
                gone
                for contract in contracts
                if contract.model == edge.producer
                for gone in contract.deprecations
                if gone.field == edge.field
            ),
            None,
        )
        if deprecation is None:
            what = f"{edge.column} is not deprecated; for a breaking contract name its version"
            raise refused(what)
    given = Acknowledgement(
        edge=edge.name,
        owner=owner,
        on=today,
        deprecation=deprecation,
        version=member.name if member else None,
        contract_hash=member.contract_hash if member else None,
        artifact_sha256=member.artifact_sha256 if member else None,
        until=until,
    )
    happened: list[Happening] = [Acknowledged(acknowledgement=given)]
    if tested is not None and deprecation is not None and deprecation.use_instead is not None:
        test = ReplacementTest(
            edge=edge.name,
            replacement=deprecation.use_instead,
            consumer=edge.consumer,
            outcome=Outcome.PASSED,
            on=today,
            ran=f"{owner} says: {tested}",
        )
        happened.append(ReplacementTested(test=test))
    _write(site, lambda _: happened, now=now, actor=actor)
    return given


def _member_named(
    site: Site, system: System, edge: Edge, name: str, refused: Callable[[str], BadInput]
) -> Member:
    """The producer's version that is agreed to, as it is now."""
    model, at, version = name.partition("@")
    if not at or not version:
        raise refused(f"{name!r} names no version; write MODEL@VERSION, like {edge.producer}@2")
    if model != edge.producer:
        raise refused(f"{name} is no version of {edge.producer}, which the edge reads")
    return member_of(site, system, model, version)


def keep_replacement_tests(
    site: Site,
    system: System,
    results: Iterable[EdgeCase],
    *,
    ran: str,
    now: datetime,
    actor: str = "sluiceway",
) -> tuple[ReplacementTest, ...]:
    """Keep what contract tests say of the replacements of deprecated fields.

    Args:
        results: Cases of a contract test, of the edges that read the *replacements*.
        ran: In words, what was run.
    """
    today, cases = today_of(system, now), tuple(results)
    found = tuple(
        test
        for contract in serving_contracts(site, system)
        for gone in contract.deprecations
        for test in replacement_tests(system, contract.model, gone, cases, on=today, ran=ran)
    )
    if found:
        _write(site, lambda _: [ReplacementTested(test=one) for one in found], now=now, actor=actor)
    return found


def statuses(site: Site, system: System, *, now: datetime) -> tuple[DeprecationStatus, ...]:
    """How far every deprecation of what serves is, edge by edge."""
    known = answers(site)
    return deprecation_statuses(
        system,
        serving_contracts(site, system),
        known.told,
        known.acknowledgements,
        today=today_of(system, now),
    )


def removals(
    site: Site,
    system: System,
    old: Contract,
    new: Contract,
    candidate: Release,
    *,
    now: datetime,
) -> tuple[RemovalFinding, ...]:
    """Why fields that a version promises no longer may not go yet.

    Args:
        old: The contract that serves.
        new: The version's own.
        candidate: The release that is to serve: its consumers' signatures say who reads what.
    """
    fields = taken_away(old, new)
    if not fields:
        return ()
    known, today, notice = answers(site), today_of(system, now), system.policies.rights.notice
    window = Window(start=now - max(notice, timedelta(days=1)), end=now)
    observed = find_consumers(site, system, old.model, window)
    deprecations = {gone.field: gone for gone in old.deprecations}
    found: list[RemovalFinding] = []
    for field in fields:
        gone = deprecations.get(field)
        readers = None
        if gone is not None:
            readers = readers_of(
                system,
                old.model,
                gone,
                told=known.told,
                acknowledgements=known.acknowledgements,
                tests=known.tests,
                reads=_who_reads(site, system, candidate, f"{old.model}.{field}"),
                versions={model: member.name for model, member in candidate.members.items()},
                today=today,
            )
        found += removal_findings(
            old.model,
            field,
            gone,
            readers,
            notice=notice,
            today=today,
            undeclared=_undeclared(system, observed, field),
        )
    return tuple(found)


def _undeclared(system: System, observed: ConsumersFound, field: str) -> Iterator[str]:
    """Who else may read a field, as registry and log show it, and what they could not show.

    What the system's own models read is known from the signatures of what is to serve.
    """
    for one in observed.undeclared:
        if one.consumer in system.models or one.field not in (None, field):
            continue
        which = f" (version {', '.join(one.versions)})" if one.versions else ""
        trace = one.shown_by.value.replace("_", " ")
        last = f", the last time on {one.last.date()}" if one.last else ""
        yield f"{one.consumer}{which} may read it and has no declared edge: {trace}{last}"
    yield from observed.looked_at.faults
    if observed.looked_at.registry is not None:
        yield from observed.looked_at.registry.unreadable


def taken_away(old: Contract, new: Contract) -> tuple[str, ...]:
    """Names of the fields that are promised no longer; a new name takes the old one away."""
    kept = {field.name for field in new.output}
    return tuple(field.name for field in old.output if field.name not in kept)


def agreed_edges(site: Site, system: System, member: Member, *, now: datetime) -> frozenset[str]:
    """Names of the edges whose owners agreed to what this very version breaks for them."""
    by_name = {edge.name: edge for edge in system.edges}
    return frozenset(
        one.edge
        for one in agreed_versions(site, system, now=now)
        if one.is_of(member) and one.edge in by_name and by_name[one.edge].producer == member.model
    )


def agreed_versions(site: Site, system: System, *, now: datetime) -> tuple[Acknowledgement, ...]:
    """What owners have agreed to of versions that break something for them, as far as it holds."""
    today = today_of(system, now)
    return tuple(
        one
        for one in answers(site).acknowledgements
        if one.version is not None and one.holds_on(today)
    )


def _who_reads(
    site: Site, system: System, release: Release, column: str
) -> dict[str, tuple[bool | None, str]]:
    """Of every node that could, whether it reads a column, and what that was read from."""
    found: dict[str, tuple[bool | None, str]] = {}
    for name, consumer in system.consumers.items():
        declared = any(edge.column == column for edge in consumer.reads)
        verb = "declares" if declared else "does not declare"
        found[name] = (declared, f"the system file {verb} that {name} reads {column}")
    for model, member in release.members.items():
        try:
            inputs = site.registry.version(model, member.version).inputs
        except (UnknownVersion, UnloadableVersion) as error:
            found[model] = (None, str(error))
            continue
        if inputs is None:
            found[model] = (None, f"{member.name} has no signature")
            continue
        verb = "names" if column in inputs else "does not name"
        found[model] = (column in inputs, f"the signature of {member.name} {verb} {column}")
    return found


def _write(
    site: Site,
    wanted: Callable[[Answers], Iterable[Happening]],
    *,
    now: datetime,
    actor: str,
) -> None:
    """Add to the stream what is wanted of it as it is at that very moment."""
    while True:
        known = answers(site)
        drafts = [draft(one, at=now, actor=actor) for one in wanted(known)]
        if not drafts:
            return
        try:
            site.journal.append(site.environment, STREAM, drafts, after=known.seq)
        except JournalConflict:
            continue
        return
