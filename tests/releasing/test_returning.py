"""The way back takes as little back as is known to work, and never mixes what does not fit."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.outcomes import Outcome
from sluiceway.releases import Release
from sluiceway.releasing import (
    Answer,
    EvidenceKind,
    EvidenceRecord,
    RuleKind,
    can_promote,
    way_back,
)
from sluiceway.releasing.evidence import TRACED
from sluiceway.releasing.wording import way_back_sentence

from .flights import HOURS, LIVE, TAKES_HOURS, facts, member, record

JOINT = LIVE.with_members(
    [
        member("dep_delay", "2", HOURS),
        member("arr_delay", "2", TAKES_HOURS),
        member("missed_connection", "2"),
    ]
)
JOINT_PASSED = record(JOINT, position=20)
JOINT_BROKE = record(
    JOINT,
    EvidenceKind.CANARY,
    Outcome.FAILED,
    position=30,
    failed=(frozenset(JOINT.members),),
)


def taken_back(*models: str) -> Release:
    return JOINT.with_members(LIVE.members[model] for model in models)


def traced(*models: str, position: int = 31) -> EvidenceRecord:
    """The counterfactual replay after the failure was within every margin with these taken back."""
    return record(taken_back(*models), EvidenceKind.COUNTERFACTUAL, position=position)


def test_of_a_joint_release_missed_connection_goes_back_alone_where_it_alone_is_bad() -> None:
    known = facts(JOINT_PASSED, JOINT_BROKE, traced("missed_connection"))
    back = way_back(known, JOINT, LIVE, ["missed_connection"])
    assert back.back == ("missed_connection",)
    assert back.stays == ("arr_delay", "dep_delay")
    assert back.release == taken_back("missed_connection")
    assert back.kept_out == ()
    assert way_back_sentence(back, {}) == (
        "missed_connection goes back; arr_delay and dep_delay stay"
    )
    # A counterfactual brings a release back; live by itself it may not bring one.
    assert can_promote(known, back.release, consistent=True).answer is Answer.UNKNOWN


def test_where_dep_delay_is_bad_arr_delay_which_needs_the_new_one_goes_with_it() -> None:
    known = facts(
        JOINT_PASSED,
        JOINT_BROKE,
        # Whatever was replayed, contracts that do not fit are never mixed.
        traced("dep_delay", position=31),
        traced("dep_delay", "arr_delay", position=32),
    )
    back = way_back(known, JOINT, LIVE, ["dep_delay"])
    assert back.back == ("arr_delay", "dep_delay")
    assert back.stays == ("missed_connection",)
    assert back.release == taken_back("dep_delay", "arr_delay")
    (why,) = back.kept_out
    assert why.model == "arr_delay"
    assert {rule.kind for rule in why.rules} == {
        RuleKind.WANTED,
        RuleKind.FORBIDDEN,
        RuleKind.UNFIT,
    }
    said = way_back_sentence(back, {})
    assert said == (
        "arr_delay and dep_delay go back; missed_connection stays; arr_delay goes along because "
        "dep_delay@1 and arr_delay@2 do not fit"
    )


def test_what_nobody_has_seen_to_work_is_not_gone_back_to() -> None:
    """Contracts would let missed_connection go alone; no replay shows that it helps."""
    known = facts(JOINT_PASSED, JOINT_BROKE)
    back = way_back(known, JOINT, LIVE, ["missed_connection"])
    assert not back.is_partial
    assert back.release == LIVE
    assert back.unproven[0] == ("missed_connection",)
    assert {rule.kind for one in back.kept_out for rule in one.rules} >= {RuleKind.UNPROVEN}
    assert "were never seen to work together" in way_back_sentence(back, {})
    planned = way_back(known, JOINT, LIVE, ["missed_connection"], proven=False)
    assert planned.back == ("missed_connection",)


def test_evidence_of_the_way_back_must_be_of_the_files_that_are_brought_back() -> None:
    other = facts(JOINT_PASSED, traced("missed_connection", "arr_delay", "dep_delay"))
    back = way_back(other, JOINT, LIVE, ["missed_connection"])
    assert not back.is_partial


def test_a_later_failure_of_the_partial_release_counts() -> None:
    partial = taken_back("missed_connection")
    broke = record(
        partial,
        EvidenceKind.CANARY,
        Outcome.FAILED,
        position=40,
        failed=(frozenset(partial.members),),
    )
    known = facts(JOINT_PASSED, JOINT_BROKE, traced("missed_connection"), broke)
    assert not way_back(known, JOINT, LIVE, ["missed_connection"]).is_partial


def test_a_release_that_differs_in_files_only_goes_back_whole() -> None:
    """Two contents under one number cannot be told apart by it."""
    changed = [
        member(model, "1", None) for model in ("dep_delay", "arr_delay", "missed_connection")
    ]
    live = LIVE.with_members(
        type(one)(**{**_fields(one), "artifact_sha256": f"new {one.model}"}) for one in changed
    )
    back = way_back(facts(), live, LIVE, ["missed_connection"], proven=False)
    assert back.release == LIVE
    assert back.back == ("arr_delay", "dep_delay", "missed_connection")


def _fields(member: object) -> dict[str, object]:
    return {name: getattr(member, name) for name in member.__slots__}  # type: ignore[attr-defined]


def test_what_did_not_change_cannot_be_bad() -> None:
    with pytest.raises(ValueError, match="none of air_time differs"):
        way_back(facts(), JOINT, LIVE, ["air_time"])


CHANGED = ("dep_delay", "air_time", "arr_delay", "missed_connection")
EVERY = LIVE.with_members(
    [
        member("dep_delay", "2", HOURS),
        member("air_time", "2"),
        member("arr_delay", "2", TAKES_HOURS),
        member("missed_connection", "2"),
    ]
)
SUBSETS = [
    tuple(m for m, chosen in zip(CHANGED, some, strict=True) if chosen)
    for some in product((False, True), repeat=len(CHANGED))
]


@given(seen=st.sets(st.sampled_from(SUBSETS), max_size=8), bad=st.sampled_from(CHANGED))
@settings(max_examples=60, deadline=None)
def test_the_way_back_is_the_smallest_that_fits_and_was_seen(
    seen: set[tuple[str, ...]], bad: str
) -> None:
    """Against every subset of what could go back."""
    records = [
        record(
            EVERY.with_members(LIVE.members[m] for m in some),
            EvidenceKind.COUNTERFACTUAL,
            position=40 + place,
        )
        for place, some in enumerate(sorted(seen))
    ]
    known = replace(facts(record(EVERY, position=20), *records), kinds=TRACED)
    back = way_back(known, EVERY, LIVE, [bad])
    fitting = []
    for some in SUBSETS:
        # What the new arr_delay demands, no evidence talks away.
        if bad not in some or ("dep_delay" in some and "arr_delay" not in some):
            continue
        release = EVERY.with_members(LIVE.members[m] for m in some)
        if can_promote(known, release, consistent=True).answer is Answer.YES:
            fitting.append(some)
    fewest = min((len(some) for some in fitting), default=len(CHANGED))
    assert len(back.back) == min(fewest, len(CHANGED))
    assert bad in back.back
    assert "dep_delay" not in back.back or "arr_delay" in back.back
