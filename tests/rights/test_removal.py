"""A field goes only when every condition is met; each that is not is one finding."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from sluiceway.contracts.values import Contract
from sluiceway.outcomes import Outcome, worst
from sluiceway.rights import (
    Acknowledgement,
    Announcement,
    Reader,
    RemovalCode,
    ReplacementTest,
    Told,
    acknowledgement_fault,
    announcements,
    deprecation_statuses,
    edge_named,
    not_yet_told,
    readers_of,
    removal_findings,
    removal_sentence,
    replacement_tests,
)
from sluiceway.system.values import Owner

from .shops import GONE, Case, orders

C = RemovalCode
EDGE = "fraud.probability → cost"
PASSED = ReplacementTest(
    edge=EDGE,
    replacement="chance",
    consumer="cost@2",
    outcome=Outcome.PASSED,
    on=date(2026, 2, 1),
    ran="all ends",
)
READY = Reader(
    edge=EDGE,
    owner="finance",
    told_on=date(2026, 1, 2),
    acknowledged_on=date(2026, 1, 5),
    reads=False,
    looked_at="the signature of cost@2 does not name it",
    tested=PASSED,
)
MARCH = date(2026, 3, 1)


def findings(*readers: Reader, today: date = MARCH, notice: int = 30, gone=GONE):  # type: ignore[no-untyped-def]
    return removal_findings(
        "fraud", "probability", gone, readers, notice=timedelta(days=notice), today=today
    )


def codes(*readers: Reader, **more: object) -> list[RemovalCode]:
    return [found.code for found in findings(*readers, **more)]  # type: ignore[arg-type]


def test_a_field_goes_when_everything_is_in_place() -> None:
    assert findings(READY) == ()
    assert findings(READY, READY) == ()


def test_a_field_that_nobody_ever_read_needs_its_notice_all_the_same() -> None:
    assert findings() == ()
    assert codes(today=date(2026, 2, 28)) == [C.TOO_EARLY]
    assert codes(notice=60) == [C.NOTICE_TOO_SHORT]
    assert codes(notice=59) == []


def test_a_field_that_was_never_deprecated_does_not_go() -> None:
    (found,) = findings(READY, gone=None)
    assert (found.code, found.outcome) == (C.NOT_DEPRECATED, Outcome.FAILED)
    assert removal_sentence(found) == (
        "fraud.probability cannot be removed: the contract that serves does not deprecate it"
    )


@pytest.mark.parametrize(
    ("reader", "code", "outcome", "said"),
    [
        (
            replace(READY, acknowledged_on=None),
            C.NOT_ACKNOWLEDGED,
            Outcome.FAILED,
            f"({EDGE}): finance (told on 2026-01-02) has not acknowledged it",
        ),
        (
            replace(READY, acknowledged_on=None, told_on=None),
            C.NOT_ACKNOWLEDGED,
            Outcome.FAILED,
            f"({EDGE}): finance (never told) has not acknowledged it",
        ),
        (
            replace(READY, reads=True, looked_at="the signature of cost@1 names it"),
            C.STILL_READ,
            Outcome.FAILED,
            f"({EDGE}): it is read: the signature of cost@1 names it",
        ),
        (
            replace(READY, reads=None, looked_at="cost@1 has no signature"),
            C.READERS_UNKNOWN,
            Outcome.INCONCLUSIVE,
            f"({EDGE}): cannot tell whether it is read: cost@1 has no signature",
        ),
        (
            replace(READY, tested=None),
            C.REPLACEMENT_UNTESTED,
            Outcome.INCONCLUSIVE,
            f"({EDGE}): whether chance can replace it is not known: no test of it is known",
        ),
        (
            replace(READY, tested=replace(PASSED, outcome=Outcome.ERROR)),
            C.REPLACEMENT_UNTESTED,
            Outcome.INCONCLUSIVE,
            f"({EDGE}): whether chance can replace it is not known: all ends: error",
        ),
        (
            replace(READY, tested=replace(PASSED, outcome=Outcome.FAILED)),
            C.REPLACEMENT_UNFIT,
            Outcome.FAILED,
            f"({EDGE}): chance cannot replace it: all ends on 2026-02-01",
        ),
    ],
)
def test_one_missed_condition_is_one_finding(
    reader: Reader, code: RemovalCode, outcome: Outcome, said: str
) -> None:
    (found,) = findings(READY, reader)
    assert (found.code, found.outcome, found.edge) == (code, outcome, EDGE)
    assert removal_sentence(found) == f"fraud.probability cannot be removed {said}"


def test_what_nobody_has_looked_at_is_not_a_yes() -> None:
    (found,) = removal_findings(
        "fraud", "probability", GONE, None, notice=timedelta(days=30), today=MARCH
    )
    assert (found.code, found.outcome) == (C.READERS_UNKNOWN, Outcome.INCONCLUSIVE)


def test_a_date_that_is_written_back_into_the_past_is_no_notice() -> None:
    """since says January, and people heard of it in the middle of February."""
    late = replace(READY, told_on=date(2026, 2, 15), acknowledged_on=date(2026, 2, 16))
    (found,) = findings(late)
    assert found.code is C.NOTICE_TOO_SHORT
    assert found.detail == "30d of notice are needed, from 2026-02-15 to 2026-03-01 are 14d"
    untold = replace(READY, told_on=None, acknowledged_on=date(2026, 2, 16))
    assert codes(untold) == [C.NOTICE_TOO_SHORT]


def test_where_nothing_replaces_it_nothing_is_tested() -> None:
    gone = replace(GONE, use_instead=None)
    assert codes(replace(READY, tested=None), gone=gone) == []


def test_all_misses_are_told_together_and_a_failure_outweighs_a_doubt() -> None:
    found = findings(replace(READY, acknowledged_on=None, tested=None), today=date(2026, 2, 1))
    assert [one.code for one in found] == [C.TOO_EARLY, C.NOT_ACKNOWLEDGED, C.REPLACEMENT_UNTESTED]
    assert worst(one.outcome for one in found) is Outcome.FAILED


# Telling and answering

SYSTEM = orders()
FRAUD = SYSTEM.models["fraud"].contract
DEPRECATING = replace(FRAUD, version="1.1.0", deprecations=(GONE,))


def told(*announced: Announcement, on: date = date(2026, 1, 2)) -> tuple[Told, ...]:
    return tuple(Told(announcement=one, on=on) for one in announced)


def test_only_the_owners_of_live_edges_are_told() -> None:
    found = announcements(SYSTEM, DEPRECATING, old=FRAUD)
    assert [(one.owner, one.contact, one.edges) for one in found] == [
        ("logistics", "logistics@shop.example", ("fraud.probability → handling",)),
        ("finance", "finance@shop.example", (EDGE,)),
    ]
    assert found[1].text == (
        "fraud.probability is deprecated since 2026-01-01 and may be removed from 2026-03-01 on; "
        "use chance instead. Why: it was never calibrated. You read it in fraud.probability → "
        'cost; acknowledge it with: sluiceway acknowledge "fraud.probability -> cost" --as finance'
    )


def test_an_owner_of_several_edges_gets_one_message() -> None:
    models = {**SYSTEM.models, "handling": replace(SYSTEM.models["handling"], owner="finance")}
    (one,) = announcements(replace(SYSTEM, models=models), DEPRECATING)
    assert one.edges == ("fraud.probability → handling", EDGE)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"because": "in other words"}, False),
        ({"since": date(2025, 12, 1)}, False),
        ({"remove_after": date(2026, 2, 1)}, True),
        ({"remove_after": date(2026, 4, 1)}, True),
        ({"use_instead": "other"}, True),
    ],
)
def test_owners_are_told_again_when_dates_or_replacement_change(
    change: dict[str, object], again: bool
) -> None:
    newer = replace(DEPRECATING, deprecations=(replace(GONE, **change),))  # type: ignore[arg-type]
    wanted = announcements(SYSTEM, newer)
    before = told(*announcements(SYSTEM, DEPRECATING))
    assert bool(announcements(SYSTEM, newer, old=DEPRECATING)) is again
    assert bool(not_yet_told(wanted, before)) is again
    assert not_yet_told(wanted, (*before, *told(*wanted))) == ()


def readers(contract: Contract, **more: object) -> dict[str, Reader]:
    given: dict[str, object] = {
        "told": told(*announcements(SYSTEM, DEPRECATING)),
        "acknowledgements": (),
        "tests": (),
        "reads": {},
        "versions": {"cost": "cost@2", "handling": "handling@2"},
        "today": MARCH,
        **more,
    }
    gone = contract.deprecations[0]
    found = readers_of(SYSTEM, "fraud", gone, **given)  # type: ignore[arg-type]
    return {one.edge: one for one in found}


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"remove_after": date(2026, 4, 1)}, True),
        ({"remove_after": date(2026, 2, 1)}, False),
        ({"use_instead": None}, False),
    ],
)
def test_who_agreed_has_not_agreed_to_less_time_or_another_replacement(
    change: dict[str, object], holds: bool
) -> None:
    agreed = Acknowledgement(edge=EDGE, owner="finance", on=date(2026, 1, 5), deprecation=GONE)
    newer = replace(DEPRECATING, deprecations=(replace(GONE, **change),))  # type: ignore[arg-type]
    found = readers(newer, acknowledgements=(agreed,))[EDGE]
    assert found.acknowledged_on == (date(2026, 1, 5) if holds else None)
    assert readers(newer, acknowledgements=(agreed,))["fraud.probability → handling"] == replace(
        found, edge="fraud.probability → handling", owner="logistics", acknowledged_on=None
    )


def test_an_acknowledgement_that_ended_counts_no_more() -> None:
    agreed = Acknowledgement(
        edge=EDGE, owner="finance", on=date(2026, 1, 5), deprecation=GONE, until=date(2026, 2, 28)
    )
    assert readers(DEPRECATING, acknowledgements=(agreed,))[EDGE].acknowledged_on is None


def test_who_was_told_is_asked_even_when_the_edge_is_declared_no_more() -> None:
    models = dict(SYSTEM.models)
    models["cost"] = replace(
        models["cost"], inputs=tuple(e for e in models["cost"].inputs if e.field is None)
    )
    found = readers_of(
        replace(SYSTEM, models=models),
        "fraud",
        GONE,
        told=told(*announcements(SYSTEM, DEPRECATING)),
        acknowledgements=(),
        tests=(),
        reads={"cost": (False, "the signature of cost@2 does not name it")},
        versions={"cost": "cost@2"},
        today=MARCH,
    )
    left = next(one for one in found if one.edge == EDGE)
    assert (left.owner, left.reads, left.acknowledged_on) == ("finance", False, None)


def test_an_acknowledgement_is_of_one_thing() -> None:
    for what in ({}, {"deprecation": GONE, "version": "fraud@2"}):
        with pytest.raises(ValueError, match="of a deprecation or of a version"):
            Acknowledgement(edge=EDGE, owner="finance", on=MARCH, **what)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edge", "owner", "actor", "told"),
    [
        (
            "fraud.probability -> nobody",
            "finance",
            "ada",
            "is no edge between models and their consumers (there are: fraud.probability → "
            "handling, fraud.probability → cost, handling.days → priority, cost.euros → priority, "
            "priority.score → worklist)",
        ),
        ("amount -> fraud", "risk", "ada", "is no edge between models and their consumers"),
        (
            EDGE,
            "ceo",
            "ada",
            "ceo is not among the owners (there are: shop-data, risk, logistics, finance, desk)",
        ),
        (EDGE, "risk", "ada", "risk does not own cost; finance does"),
        (EDGE, "finance", "ada", "ada does not speak for finance (its people: fay)"),
        ("fraud.probability->handling", "logistics", "ada", "logistics left on 2026-02-01; say in "
         "the system file who owns it now"),
        (EDGE, "finance", "fay", None),
        ("  fraud.probability ->cost ", "finance", "fay", None),
    ],
)  # fmt: skip
def test_only_the_edges_owner_acknowledges(
    edge: str, owner: str, actor: str, told: str | None
) -> None:
    system = orders(
        owners=(
            Owner(name="finance", contact="f@shop.example", people=("fay",)),
            Owner(name="logistics", contact="l@shop.example", left=date(2026, 2, 1)),
        )
    )
    found = acknowledgement_fault(system, edge, owner, actor=actor, today=MARCH)
    if told is None or found is None:
        assert found == told
    else:
        assert found.startswith(told)


def test_an_edge_is_named_with_either_arrow() -> None:
    for written in (EDGE, "fraud.probability -> cost", "fraud.probability->cost"):
        found = edge_named(SYSTEM.edges, written)
        assert found is not None
        assert found.name == EDGE


def test_statuses_say_who_was_told_and_who_is_waited_for() -> None:
    agreed = Acknowledgement(edge=EDGE, owner="finance", on=date(2026, 1, 5), deprecation=GONE)
    unread = replace(GONE, field="unread")
    contract = replace(DEPRECATING, deprecations=(GONE, unread))
    found = deprecation_statuses(
        SYSTEM,
        [contract],
        told(announcements(SYSTEM, DEPRECATING)[1]),
        [agreed],
        today=date(2026, 2, 1),
    )
    assert [(one.edge, one.word, one.waits_for, one.days_left) for one in found] == [
        ("fraud.probability → handling", "not announced", "logistics", 28),
        (EDGE, "acknowledged", None, 28),
        (None, "nobody reads it", None, 28),
    ]


def test_a_consumer_has_shown_it_where_its_edge_to_the_replacement_was_tested() -> None:
    gone = replace(GONE, use_instead="cost.euros", field="days")
    results = [
        Case(asked="priority@2", edge="cost.euros → priority", outcome=Outcome.PASSED),
        Case(asked="priority@2", edge="cost.euros → priority", outcome=Outcome.FAILED),
        Case(asked="cost@2", edge=None, outcome=Outcome.ERROR),
        Case(asked="cost@2", edge="fraud.probability → cost", outcome=Outcome.ERROR),
    ]
    (test,) = replacement_tests(SYSTEM, "handling", gone, results, on=MARCH, ran="contract test")
    assert (test.edge, test.consumer) == ("handling.days → priority", "priority@2")
    assert test.outcome is Outcome.FAILED, "the worst of its cases"
    assert replacement_tests(SYSTEM, "handling", gone, [], on=MARCH, ran="contract test") == ()


def test_the_newest_test_counts_and_of_one_day_the_later() -> None:
    worse = replace(PASSED, outcome=Outcome.FAILED)
    old = replace(worse, on=date(2026, 1, 1))
    assert readers(DEPRECATING, tests=(PASSED, old))[EDGE].tested == PASSED
    assert readers(DEPRECATING, tests=(PASSED, worse))[EDGE].tested == worse
    other = replace(PASSED, replacement="other")
    assert readers(DEPRECATING, tests=(other,))[EDGE].tested is None
    older = replace(PASSED, consumer="cost@1")
    assert readers(DEPRECATING, tests=(older,))[EDGE].tested is None
