"""When a promised field may be taken away: every condition is one rule, every miss one finding.

A field goes when it was deprecated with enough notice, its day has come, the owner of every edge
that was told has agreed, nothing that serves reads it any more, and what replaces it was tested
against each reader's contract. What nobody has looked at is INCONCLUSIVE, never a yes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Protocol

from sluiceway.contracts.values import Deprecation
from sluiceway.durations import render_duration
from sluiceway.outcomes import Outcome, worst
from sluiceway.rights.acknowledging import Acknowledgement, covers, other_end
from sluiceway.rights.announcing import Told, acknowledged_on, told_on
from sluiceway.system.values import System


class RemovalCode(StrEnum):
    """Why a field may not go."""

    NOT_DEPRECATED = "not_deprecated"
    NOTICE_TOO_SHORT = "notice_too_short"
    TOO_EARLY = "too_early"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    STILL_READ = "still_read"
    READERS_UNKNOWN = "readers_unknown"
    REPLACEMENT_UNFIT = "replacement_unfit"
    REPLACEMENT_UNTESTED = "replacement_untested"


_CANNOT_TELL = (RemovalCode.READERS_UNKNOWN, RemovalCode.REPLACEMENT_UNTESTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementTest:
    """What came of running an edge's consumer on what replaces the field it read.

    Attributes:
        edge: The edge that read the deprecated field, by its name.
        replacement: What was tested, as the deprecation's ``use_instead`` has it.
        consumer: What was run on it, such as ``arr_delay@3``, or an outside application; another
            version has not been tested.
        outcome: PASSED where the consumer's contract is kept on all that the replacement promises.
        on: The day of the test.
        ran: In words, what was run.
    """

    edge: str
    replacement: str
    consumer: str
    outcome: Outcome
    on: date
    ran: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An edge that reads the field, or did when it was announced.

    Attributes:
        edge: By its name.
        owner: Who decides for it.
        told_on: The day on which they were told; None where they never were.
        acknowledged_on: The day on which they agreed; None where they have not.
        reads: Whether what is to serve reads the field; None where that cannot be told.
        looked_at: In words, what that was read from.
        tested: The newest test of the replacement; None where there is none.
    """

    edge: str
    owner: str
    told_on: date | None
    acknowledged_on: date | None
    reads: bool | None
    looked_at: str
    tested: ReplacementTest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalFinding:
    """One condition that a removal does not meet.

    Attributes:
        edge: The edge that it is about; None where it is about the field.
        detail: What was wanted and what was found, in words.
    """

    code: RemovalCode
    model: str
    field: str
    edge: str | None
    detail: str

    @property
    def outcome(self) -> Outcome:
        """FAILED, or INCONCLUSIVE where it cannot be told."""
        return Outcome.INCONCLUSIVE if self.code in _CANNOT_TELL else Outcome.FAILED


def removal_findings(
    model: str,
    field: str,
    deprecation: Deprecation | None,
    readers: Iterable[Reader] | None,
    *,
    notice: timedelta,
    today: date,
    undeclared: Iterable[str] = (),
) -> tuple[RemovalFinding, ...]:
    """Every condition that the removal of a field does not meet; nothing where it may go.

    Args:
        deprecation: As the contract that serves has it; None where it has none.
        readers: Every edge that reads the field or was told of its end; empty where there is
            none, None where nobody has looked.
        notice: Shortest time from the announcement to the removal.
        today: The day on which it would be removed.
        undeclared: In words, who else may read it, and what could not be looked at.
    """

    def finding(code: RemovalCode, detail: str, edge: str | None = None) -> RemovalFinding:
        return RemovalFinding(code=code, model=model, field=field, edge=edge, detail=detail)

    if deprecation is None:
        return (finding(_C.NOT_DEPRECATED, "the contract that serves does not deprecate it"),)
    known = None if readers is None else tuple(readers)
    found = [finding(code, detail) for code, detail in _dates(deprecation, known, notice, today)]
    if known is None:
        found.append(finding(_C.READERS_UNKNOWN, "nobody has looked who reads it"))
    found += [finding(_C.READERS_UNKNOWN, said) for said in undeclared]
    for reader in known or ():
        missed = _of_reader(reader, deprecation)
        found += [finding(code, detail, reader.edge) for code, detail in missed]
    return tuple(found)


_C = RemovalCode
_Missed = Iterator[tuple[RemovalCode, str]]


def _dates(
    gone: Deprecation, readers: tuple[Reader, ...] | None, notice: timedelta, today: date
) -> _Missed:
    # A date that is written back into the past is no notice: what counts is when people heard.
    heard = [
        day
        for reader in readers or ()
        if (day := min(_days(reader.told_on, reader.acknowledged_on), default=None))
    ]
    told = max([gone.since, *heard])
    given = gone.remove_after - told
    if given < notice:
        wanted = f"{render_duration(notice)} of notice are needed"
        yield (
            _C.NOTICE_TOO_SHORT,
            f"{wanted}, from {told} to {gone.remove_after} are {max(given.days, 0)}d",
        )
    if today < gone.remove_after:
        yield _C.TOO_EARLY, f"it may be removed from {gone.remove_after} on, it is {today}"


def _days(*days: date | None) -> list[date]:
    return [day for day in days if day is not None]


def _of_reader(reader: Reader, gone: Deprecation) -> _Missed:
    if reader.acknowledged_on is None:
        told = f"told on {reader.told_on}" if reader.told_on else "never told"
        yield _C.NOT_ACKNOWLEDGED, f"{reader.owner} ({told}) has not acknowledged it"
    if reader.reads is None:
        yield _C.READERS_UNKNOWN, f"cannot tell whether it is read: {reader.looked_at}"
    elif reader.reads:
        yield _C.STILL_READ, f"it is read: {reader.looked_at}"
    instead, test = gone.use_instead, reader.tested
    if instead is None:
        return
    if test is None or test.outcome in (Outcome.INCONCLUSIVE, Outcome.ERROR):
        ran = "no test of it is known" if test is None else f"{test.ran}: {test.outcome}"
        yield _C.REPLACEMENT_UNTESTED, f"whether {instead} can replace it is not known: {ran}"
    elif test.outcome is Outcome.FAILED:
        yield _C.REPLACEMENT_UNFIT, f"{instead} cannot replace it: {test.ran} on {test.on}"


def removal_sentence(finding: RemovalFinding) -> str:
    """A finding in words."""
    field = f"{finding.model}.{finding.field}"
    where = f" ({finding.edge})" if finding.edge else ""
    return f"{field} cannot be removed{where}: {finding.detail}"


def readers_of(
    system: System,
    model: str,
    deprecation: Deprecation,
    *,
    told: Iterable[Told],
    acknowledgements: Iterable[Acknowledgement],
    tests: Iterable[ReplacementTest],
    reads: Mapping[str, tuple[bool | None, str]],
    versions: Mapping[str, str],
    today: date,
) -> tuple[Reader, ...]:
    """Every edge that a removal has to ask: those declared, and those that were once told.

    An edge that was told and is declared no more is asked all the same, so that nobody removes a
    field by removing its readers from the file.

    Args:
        reads: By the consumer's name, whether what is to serve reads the field, and what that was
            read from. A consumer that is missing here cannot be told of.
        versions: By the consuming model's name, the version that is to serve: ``arr_delay@3``.
    """
    said, agreed, tested = tuple(told), tuple(acknowledgements), tuple(tests)
    owners: dict[str, tuple[str, str]] = {
        edge.name: (edge.consumer, other_end(system, edge).name)
        for edge in system.edges
        if (edge.producer, edge.field) == (model, deprecation.field)
    }
    for one in said:
        message = one.announcement
        if message.model == model and covers(message.deprecation, deprecation):
            for edge in message.edges:
                owners.setdefault(edge, (edge.rpartition(" → ")[2], message.owner))
    unknown = (None, "nobody has looked")
    return tuple(
        Reader(
            edge=edge,
            owner=owner,
            told_on=told_on(model, deprecation, edge, said),
            acknowledged_on=acknowledged_on(deprecation, edge, agreed, today),
            reads=reads.get(consumer, unknown)[0],
            looked_at=reads.get(consumer, unknown)[1],
            tested=_newest(tested, edge, deprecation.use_instead, versions.get(consumer, consumer)),
        )
        for edge, (consumer, owner) in owners.items()
    )


def _newest(
    tests: Iterable[ReplacementTest], edge: str, replacement: str | None, consumer: str
) -> ReplacementTest | None:
    """The newest test of an edge and version; of two on one day the later in the record."""
    mine = [
        one
        for one in tests
        if (one.edge, one.replacement, one.consumer) == (edge, replacement, consumer)
    ]
    return sorted(mine, key=lambda one: one.on)[-1] if mine else None


class EdgeCase(Protocol):
    """What one case of a contract test came to."""

    @property
    def asked(self) -> str:
        """The version that was run: ``arr_delay@3``."""

    @property
    def edge(self) -> str | None:
        """The edge by which it reads what it was fed; None where it was tested by itself."""

    @property
    def outcome(self) -> Outcome:
        """What it came to."""


def replacement_tests(
    system: System,
    model: str,
    deprecation: Deprecation,
    results: Iterable[EdgeCase],
    *,
    on: date,
    ran: str,
) -> tuple[ReplacementTest, ...]:
    """What tests of edges say of a deprecation's replacement, edge by edge of the field.

    A consumer has shown that it can read the replacement where it declares to, and the edge by
    which it does was tested.

    Args:
        results: Cases of a contract test; those of other edges say nothing here.
    """
    if deprecation.use_instead is None:
        return ()
    column = replacement_column(model, deprecation.use_instead)
    reading = {edge.name: edge.consumer for edge in system.edges if edge.column == column}
    tested: dict[tuple[str, str], list[Outcome]] = {}
    for case in results:
        if case.edge in reading:
            tested.setdefault((reading[case.edge], case.asked), []).append(case.outcome)
    return tuple(
        ReplacementTest(
            edge=edge.name,
            replacement=deprecation.use_instead,
            consumer=asked,
            outcome=worst(outcomes),
            on=on,
            ran=ran,
        )
        for (consumer, asked), outcomes in tested.items()
        for edge in system.edges
        if (edge.producer, edge.field, edge.consumer) == (model, deprecation.field, consumer)
    )


def replacement_column(model: str, use_instead: str) -> str:
    """``field`` of the same model, or ``model.field``, as the column that consumers receive."""
    return use_instead if "." in use_instead else f"{model}.{use_instead}"
