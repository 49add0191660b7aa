"""The table of what is told to whom: every row, and nothing besides."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from sluiceway.contracts.values import Deprecation
from sluiceway.journal import Event, link
from sluiceway.notices import Notice
from sluiceway.notifying import TOLD_OF, notices_of
from sluiceway.rights import (
    Announcement,
    NeededApproval,
    ProofFault,
    Tried,
    Why,
    WhyCode,
)
from sluiceway.rollouts import events as happened
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.state import RolloutState
from sluiceway.system.file import read_system
from sluiceway.system.notifications import NoticeCode
from tests.rollouts.happenings import drifted, plan

SYSTEM = read_system(Path(__file__).parents[1] / "orders" / "system.yaml")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ROLLOUT = "r0004-fraud2"
REQUESTED = happened.Requested(members=("fraud@2",), reserves=("fraud",), system_digest="d")
STATE = RolloutState(requested=REQUESTED, plan=plan())
REACHED = STATE.plan.radius.owners if STATE.plan else ()
NEED = NeededApproval(
    name="model-risk", by=("risk", "desk"), people=2, why=(Why(code=WhyCode.LISTED),)
)


def event(what: happened.Happening) -> Event:
    return link(
        happened.draft(what, at=NOW),
        environment="test",
        position=1,
        rollout_id=ROLLOUT,
        seq=1,
        previous="0" * 64,
    )


def told(what: happened.Happening, state: RolloutState = STATE) -> tuple[Notice, ...]:
    return notices_of(event(what), what, SYSTEM, state)


def end(ending: Ending, code: ReasonCode, phase: Phase = Phase.CANARY) -> happened.Ended:
    return happened.Ended(ending=ending, phase=phase, code=code, reason="so it is")


HALTED = happened.CandidateHalted(
    code=ReasonCode.BREAKER_OPEN,
    reason="its breaker opened",
    model="fraud",
    version="2",
    broken=9,
    rows=10,
    instance="one",
    revision=3,
)
ROWS: list[tuple[happened.Happening, NoticeCode, tuple[str, ...]]] = [
    (
        happened.RollbackDecided(code=ReasonCode.HARM_IN_CANARY, reason="harm"),
        NoticeCode.ROLLED_BACK,
        REACHED,
    ),
    (happened.TrafficStopped(reason="no evidence"), NoticeCode.HALTED, REACHED),
    (HALTED, NoticeCode.HALTED, REACHED),
    (happened.IncidentOpened(title="unseen", owners=("desk",)), NoticeCode.UNWATCHED, ("desk",)),
    (drifted("2026-04-30"), NoticeCode.DRIFT, REACHED),
    (
        happened.ApprovalRequested(owners=("risk", "desk"), needed=(NEED,), expires=NOW),
        NoticeCode.APPROVAL_WANTED,
        ("risk", "desk"),
    ),
    (end(Ending.PROMOTED, ReasonCode.ALL_GATES_PASSED), NoticeCode.PROMOTED, REACHED),
    (end(Ending.ERRORED, ReasonCode.SHADOW_ERRORED), NoticeCode.ERRORED, ("risk",)),
    (end(Ending.ABORTED, ReasonCode.CANARY_UNMEASURABLE), NoticeCode.ERRORED, ("risk",)),
    (end(Ending.ABORTED, ReasonCode.ABORTED_BY_HAND), NoticeCode.STOPPED, ("risk",)),
    (end(Ending.REJECTED, ReasonCode.HARM_IN_SHADOW), NoticeCode.STOPPED, ("risk",)),
    (end(Ending.INCONCLUSIVE, ReasonCode.SHADOW_INCONCLUSIVE), NoticeCode.STOPPED, ("risk",)),
    (end(Ending.EXPIRED, ReasonCode.CANARY_DEADLINE), NoticeCode.STOPPED, ("risk",)),
    (end(Ending.REJECTED, ReasonCode.APPROVAL_EXPIRED), NoticeCode.APPROVAL_EXPIRED, ("risk",)),
    (
        end(Ending.ROLLED_BACK, ReasonCode.ROLLED_BACK_BY_HAND, Phase.WATCH),
        NoticeCode.STOPPED,
        ("risk",),
    ),
]


@pytest.mark.parametrize(("what", "code", "owners"), ROWS, ids=lambda one: type(one).__name__)
def test_a_row_of_the_table(
    what: happened.Happening, code: NoticeCode, owners: tuple[str, ...]
) -> None:
    (notice,) = told(what)
    assert (notice.code, notice.owners, notice.at) == (code, owners, NOW)
    assert event(what).kind in TOLD_OF
    assert ROLLOUT in notice.key
    assert notice.body


def test_the_end_and_the_incident_of_a_rollback_are_no_news() -> None:
    decided = happened.RollbackDecided(code=ReasonCode.HARM_IN_CANARY, reason="harm")
    state = RolloutState(requested=REQUESTED, plan=plan(), rollback=decided)
    assert told(end(Ending.ROLLED_BACK, ReasonCode.HARM_IN_CANARY), state) == ()
    assert told(happened.IncidentOpened(title="rolled back", owners=("desk",)), state) == ()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (happened.EdgesIsolated, NoticeCode.ISOLATED),
        (happened.EdgesRestored, NoticeCode.RESTORED),
    ],
)
def test_both_ends_hear_of_a_cut(kind: Any, code: NoticeCode) -> None:
    what = kind(edges=("fraud.probability → cost",), reason="it lies")
    (notice,) = told(what, RolloutState())
    assert (notice.code, notice.owners) == (code, ("finance", "risk"))
    assert event(what).kind in TOLD_OF
    assert "fraud.probability → cost" in notice.title


def test_a_rollback_by_hand_is_told_to_everybody() -> None:
    what = happened.RollbackDecided(code=ReasonCode.ROLLED_BACK_BY_HAND, reason="the desk asks")
    (notice,) = told(what, RolloutState())
    assert notice.owners == tuple(SYSTEM.owners)


def test_a_deprecation_is_its_own_message_to_its_owner() -> None:
    gone = Deprecation(
        field="probability",
        since=date(2026, 1, 1),
        remove_after=date(2026, 9, 1),
        use_instead="chance",
        because="it was never calibrated",
    )
    announcement = Announcement(
        model="fraud", deprecation=gone, owner="desk", contact="desk", edges=("a → b",)
    )
    (notice,) = told(happened.DeprecationAnnounced(announcement=announcement))
    assert (notice.code, notice.owners) == (NoticeCode.DEPRECATION, ("desk",))
    assert notice.body == announcement.text


def test_failed_proofs_are_told_once_they_lock() -> None:
    def tried(fault: ProofFault | None) -> tuple[Notice, ...]:
        one = Tried(approver="ada", rollout_id=ROLLOUT, answer="x", at=NOW, step=None, fault=fault)
        return told(happened.CodeTried(tried=one), RolloutState())

    assert [tried(fault) for fault in (None, ProofFault.WRONG, ProofFault.REUSED)] == [(), (), ()]
    (notice,) = tried(ProofFault.LOCKED)
    assert notice.code is NoticeCode.APPROVER_LOCKED


def test_who_is_given_a_key_or_loses_it_is_told_to_whom_they_speak_for() -> None:
    owners = {
        name: replace(owner, people=("ada",) if name == "risk" else ())
        for name, owner in SYSTEM.owners.items()
    }
    system = replace(SYSTEM, owners=owners)

    def changed(what: happened.Happening) -> Notice:
        (notice,) = notices_of(event(what), what, system, RolloutState())
        assert notice.code is NoticeCode.APPROVER_CHANGED
        return notice

    given = changed(happened.ApproverEnrolled(approver="ada", kept_in="Prefect", replaced=True))
    assert given.owners == ("risk",)
    assert given.title == "ada was given another key to approve with"
    assert given.body.endswith("take it away: sluiceway approvers remove ada.")
    removed = changed(happened.ApproverRemoved(approver="ada", kept_in="Prefect"))
    assert removed.title == "ada has no key to approve with any more"
    stranger = changed(happened.ApproverEnrolled(approver="eve", kept_in="x", replaced=False))
    assert stranger.owners == tuple(owners), "whoever speaks for nobody yet concerns all"


def test_nothing_else_is_told() -> None:
    quiet: list[Any] = [
        happened.Held(reason="lunch"),
        happened.StepEntered(step=0, weight=5),
        happened.Approved(reason="fits"),
        happened.Waited(behind="r1"),
        REQUESTED,
    ]
    assert [told(one) for one in quiet] == [()] * len(quiet)
    assert not {event(one).kind for one in quiet} & TOLD_OF
