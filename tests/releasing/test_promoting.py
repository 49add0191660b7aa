"""Whether a release may go live is answered by what was seen, and never by what was not."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from sluiceway.outcomes import Outcome
from sluiceway.releases import Release
from sluiceway.releasing import (
    Agreed,
    Answer,
    EvidenceKind,
    Mixture,
    Reason,
    ReasonCode,
    can_promote,
    together,
)
from sluiceway.releasing.wording import reason_sentence
from sluiceway.system.values import Ignore

from .flights import (
    HOURS,
    LIVE,
    NOW,
    OWN,
    SERVES,
    SYSTEM,
    TAKES_HOURS,
    TAKES_MINUTES,
    facts,
    member,
    record,
)

BETTER = LIVE.with_members([member("dep_delay", "2")])
IN_HOURS = LIVE.with_members([member("dep_delay", "2", HOURS)])
JOINT = IN_HOURS.with_members([member("arr_delay", "2", TAKES_HOURS)])


def codes(reasons: tuple[Reason, ...]) -> set[tuple[ReasonCode, str | None]]:
    return {(one.code, one.consumer) for one in reasons}


def test_no_row_is_no_yes() -> None:
    assert together([]) is Answer.UNKNOWN
    answer = can_promote(facts(), BETTER, consistent=True)
    assert answer.answer is Answer.UNKNOWN
    assert codes(answer.against) == {
        (ReasonCode.NO_EVIDENCE, "dep_delay@2"),
        (ReasonCode.NO_EVIDENCE, "arr_delay@1"),
        (ReasonCode.NO_EVIDENCE, "missed_connection@1"),
    }
    said = reason_sentence(answer.against[0])
    assert said.endswith("to clear it: a shadow replay of this release that passes")


def test_what_was_replayed_and_passed_is_a_yes() -> None:
    answer = can_promote(facts(record(BETTER)), BETTER, consistent=True)
    assert answer.answer is Answer.YES
    assert answer.against == ()
    assert answer.members == ("dep_delay@2",)


def test_what_serves_is_a_yes() -> None:
    answer = can_promote(facts(), LIVE, consistent=True)
    assert answer.answer is Answer.YES
    assert ReasonCode.SERVES_ALREADY in {one.code for one in answer.reasons}


def test_a_contract_test_alone_does_not_show_what_consumers_make_of_it() -> None:
    tested = record(BETTER, EvidenceKind.CONTRACT_TEST, asked=frozenset({"dep_delay"}))
    assert can_promote(facts(tested), BETTER, consistent=True).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("days", "answer"), [(90, Answer.YES), (91, Answer.UNKNOWN)], ids=["fresh", "expired"]
)
def test_evidence_has_an_age(days: int, answer: Answer) -> None:
    seen = record(BETTER, age=timedelta(days=days))
    found = can_promote(facts(seen), BETTER, consistent=True)
    assert found.answer is answer
    old = {one.code for one in found.against}
    assert old == (set() if answer is Answer.YES else {ReasonCode.EVIDENCE_EXPIRED})


def test_evidence_is_about_contents_and_not_about_numbers() -> None:
    seen = record(BETTER)
    changed = replace(member("dep_delay", "2"), artifact_sha256="other files")
    assert can_promote(facts(seen), LIVE.with_members([changed]), consistent=True).answer is (
        Answer.UNKNOWN
    )
    renamed = replace(BETTER.members["dep_delay"], version="7")
    assert can_promote(facts(seen), LIVE.with_members([renamed]), consistent=True).answer is (
        Answer.YES
    )


def test_other_feature_versions_are_other_evidence() -> None:
    seen = record(BETTER)
    other = replace(member("dep_delay", "2"), features={"hour": "2.0.0"})
    assert can_promote(facts(seen), LIVE.with_members([other]), consistent=True).answer is (
        Answer.UNKNOWN
    )


def test_what_failed_together_is_a_no_until_the_very_same_passes() -> None:
    failed = record(
        BETTER,
        outcome=Outcome.FAILED,
        failed=(frozenset({"dep_delay", "air_time", "arr_delay"}),),
        position=11,
        age=timedelta(days=400),
    )
    answer = can_promote(facts(record(BETTER), failed), BETTER, consistent=True)
    assert answer.answer is Answer.NO
    assert (ReasonCode.FAILED_TOGETHER, "arr_delay@1") in codes(answer.against)
    again = record(BETTER, position=12)
    assert can_promote(facts(failed, again), BETTER, consistent=True).answer is Answer.YES


def test_a_failure_of_other_contents_says_nothing() -> None:
    failed = record(BETTER, outcome=Outcome.FAILED, failed=(frozenset({"dep_delay", "arr_delay"}),))
    joint = BETTER.with_members([member("arr_delay", "2"), member("missed_connection", "2")])
    answer = can_promote(facts(failed, record(joint, position=12)), joint, consistent=True)
    assert answer.answer is Answer.YES


def test_a_unit_that_the_consumer_does_not_take_is_a_no_that_evidence_cannot_talk_away() -> None:
    minutes = member("arr_delay", "2", TAKES_MINUTES)
    release = IN_HOURS.with_members([minutes])
    answer = can_promote(facts(record(release)), release, consistent=True)
    assert answer.answer is Answer.NO
    (reason,) = (one for one in answer.against if one.code is ReasonCode.DEMAND_NOT_MET)
    assert reason.edge == "dep_delay.minutes → arr_delay"
    assert reason_sentence(reason) == (
        "dep_delay@2 and arr_delay@2 do not fit: "
        "arr_delay: dep_delay.minutes is demanded in minutes and promised in hours; "
        "to clear it: a version of dep_delay or arr_delay that fits"
    )


def test_a_promise_that_moved_beyond_what_the_consumer_was_verified_with_is_a_no() -> None:
    answer = can_promote(facts(), IN_HOURS, consistent=True)
    assert answer.answer is Answer.NO
    (reason,) = answer.contradicted
    assert (reason.code, reason.producer, reason.consumer) == (
        ReasonCode.RELIANCE_BROKEN,
        "dep_delay@2",
        "arr_delay@1",
    )
    assert "changes its unit from minutes to hours" in reason.said[0]


def test_a_replay_of_both_together_clears_a_broken_reliance() -> None:
    answer = can_promote(facts(record(IN_HOURS)), IN_HOURS, consistent=True)
    assert answer.answer is Answer.YES
    assert answer.contradicted == ()


def test_a_consumer_built_for_the_new_promise_fits_and_still_has_to_be_seen() -> None:
    answer = can_promote(facts(), JOINT, consistent=True)
    assert answer.answer is Answer.UNKNOWN
    assert answer.contradicted == ()
    assert can_promote(facts(record(JOINT)), JOINT, consistent=True).answer is Answer.YES


def test_a_consumer_that_does_not_say_what_it_was_built_for_is_unknown() -> None:
    silent = IN_HOURS.with_members([member("arr_delay", "2")])
    found = can_promote(facts(), silent, consistent=True)
    # Its range says something: hours reach from -2 to 25, inside of what it demands.
    assert (ReasonCode.UNDETERMINED, "arr_delay@2") in codes(found.against)
    assert found.answer is Answer.UNKNOWN


def test_a_consumer_needs_its_producers_and_a_producer_not_its_consumers() -> None:
    without = Release(members={m: one for m, one in LIVE.members.items() if m != "dep_delay"})
    answer = can_promote(facts(), without, consistent=True)
    assert answer.answer is Answer.NO
    assert (ReasonCode.PRODUCER_MISSING, "arr_delay@1") in codes(answer.against)
    alone = Release(members={"dep_delay": LIVE.members["dep_delay"]})
    seen = record(alone, EvidenceKind.SERVED)
    found = can_promote(facts(seen, champion=alone), alone, consistent=True)
    # The outside consumer is declared, so it is there, and needs what it reads.
    assert {one.consumer for one in found.against} == {"rebooking"}


def test_an_outside_consumer_is_held_against_what_serves() -> None:
    wide = replace(
        OWN["missed_connection"].field("probability"), low=0.0, high=100.0, unit="percent"
    )
    percent = replace(OWN["missed_connection"], version="2.0.0", output=(wide,))
    release = LIVE.with_members([member("missed_connection", "2", percent)])
    known = facts(record(release), contracts={"percent": percent})
    answer = can_promote(known, release, consistent=True)
    assert answer.answer is Answer.NO
    (reason,) = answer.contradicted
    assert reason.consumer == "rebooking"
    assert reason_sentence(reason).endswith(
        "to clear it: its owner's word (sluiceway acknowledge "
        '"missed_connection.probability -> rebooking" --version missed_connection@2), or an ignore '
        "that somebody answers for"
    )


def test_an_outside_consumers_owner_who_agreed_to_these_very_contents_makes_it_a_yes() -> None:
    wide = replace(
        OWN["missed_connection"].field("probability"), low=0.0, high=100.0, unit="percent"
    )
    percent = replace(OWN["missed_connection"], version="2.0.0", output=(wide,))
    candidate = member("missed_connection", "2", percent)
    release = LIVE.with_members([candidate])
    known = facts(record(release), contracts={"percent": percent})
    (edge,) = known.outside_edges
    agreed = replace(known, agreed=frozenset([Agreed.to(edge, candidate)]))
    answer = can_promote(agreed, release, consistent=True)
    assert answer.answer is Answer.YES
    assert ReasonCode.ACKNOWLEDGED in {one.code for one in answer.reasons}
    other = replace(candidate, artifact_sha256="0" * 64)
    agreed = replace(known, agreed=frozenset([Agreed.to(edge, other)]))
    assert can_promote(agreed, release, consistent=True).answer is Answer.NO


def test_that_somebody_agreed_is_no_evidence_that_it_works() -> None:
    candidate = member("missed_connection", "2")
    release = LIVE.with_members([candidate])
    known = facts()
    (edge,) = known.outside_edges
    agreed = replace(known, agreed=frozenset([Agreed.to(edge, candidate)]))
    assert can_promote(agreed, release, consistent=True).answer is Answer.UNKNOWN


def test_hops_that_choose_by_themselves_need_every_pair() -> None:
    seen = facts(record(JOINT))
    assert can_promote(seen, JOINT, consistent=True).answer is Answer.YES
    answer = can_promote(seen, JOINT, consistent=False)
    assert answer.answer is Answer.NO
    against = {
        (one.producer, one.consumer, one.code)
        for one in answer.against
        if one.mixture is Mixture.HOPS
    }
    assert ("dep_delay@2", "arr_delay@1", ReasonCode.RELIANCE_BROKEN) in against
    assert ("dep_delay@1", "arr_delay@2", ReasonCode.DEMAND_NOT_MET) in against
    assert ("arr_delay@2", "missed_connection@1", ReasonCode.NO_EVIDENCE) not in against


def test_the_candidate_of_another_rollout_is_met_too_where_hops_choose() -> None:
    other = LIVE.with_members([member("missed_connection", "3")])
    mine = LIVE.with_members([member("arr_delay", "2")])
    records = (record(other, position=20), record(mine, position=21))
    alone = can_promote(facts(*records), mine, consistent=False)
    assert alone.answer is Answer.YES, alone.against
    beside = can_promote(facts(*records), mine, consistent=False, beside=[other])
    assert beside.answer is Answer.UNKNOWN
    (reason,) = beside.against
    assert (reason.producer, reason.consumer) == ("arr_delay@2", "missed_connection@3")


def test_the_way_back_must_be_a_yes_as_well() -> None:
    old = facts(record(BETTER))
    stale = replace(SERVES, at=NOW - timedelta(days=200), until=NOW - timedelta(days=91))
    known = replace(old, records=(stale, *old.records[1:]))
    answer = can_promote(known, BETTER, consistent=True)
    assert answer.answer is Answer.UNKNOWN
    assert {one.mixture for one in answer.against} == {Mixture.WAY_BACK}


def test_what_serves_is_as_young_as_the_question_and_told_since_when() -> None:
    begun = NOW - timedelta(days=200)
    still = replace(SERVES, at=begun)
    assert still.age(NOW) == timedelta(0)
    left = replace(still, until=NOW - timedelta(days=91))
    assert left.age(NOW) == timedelta(days=91)
    said = []
    for served in (still, left):
        known = replace(facts(record(BETTER)), records=(served, record(BETTER)))
        back = [
            one
            for one in can_promote(known, BETTER, consistent=True).reasons
            if one.mixture is Mixture.WAY_BACK and one.record is served
        ]
        said.append(reason_sentence(back[0]))
    assert f"serves since {begun:%Y-%m-%d} (r0001)" in said[0]
    assert f"served from {begun:%Y-%m-%d} to {left.until:%Y-%m-%d} (r0001)" in said[1]


def ignore(expires: date) -> Ignore:
    return Ignore(
        producer="dep_delay",
        producer_version="2",
        consumer="arr_delay",
        consumer_version=None,
        owner="arrival-forecasting",
        reason="the adapter divides by sixty until the retrained version is there",
        expires=expires,
    )


def test_an_ignore_counts_until_its_last_day_and_is_said() -> None:
    day = date(2013, 8, 31)  # in New York it is still the day before
    system = replace(SYSTEM, ignores=(ignore(day),))
    answer = can_promote(facts(system=system), IN_HOURS, consistent=True)
    assert answer.contradicted == ()
    assert answer.answer is Answer.UNKNOWN  # nobody has seen it
    (reason,) = (one for one in answer.reasons if one.ignored is not None)
    assert reason_sentence(reason).endswith(
        "; ignored by arrival-forecasting until 2013-08-31 "
        "(the adapter divides by sixty until the retrained version is there)"
    )


def test_an_expired_ignore_does_not_count_and_is_said() -> None:
    system = replace(SYSTEM, ignores=(ignore(date(2013, 8, 30)),))
    answer = can_promote(facts(system=system), IN_HOURS, consistent=True)
    assert answer.answer is Answer.NO
    (reason,) = answer.contradicted
    assert "; the ignore by arrival-forecasting until 2013-08-30 (" in reason_sentence(reason)
    assert " has expired; to clear it: " in reason_sentence(reason)


def test_an_ignore_of_another_version_does_not_count() -> None:
    other = replace(ignore(date(2013, 12, 1)), producer_version="3")
    system = replace(SYSTEM, ignores=(other,))
    assert can_promote(facts(system=system), IN_HOURS, consistent=True).contradicted != ()
