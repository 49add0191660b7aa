"""Who answers has to prove it, where the policy asks for that; and nobody answers for ever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pyotp
import pytest

from sluiceway.adapters.approver_secrets import MemoryKeys
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.errors import BadInput
from sluiceway.rights import Offered, ProofFault, new_key
from sluiceway.rollouts.actions import Wait
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ApprovalRefused, Approved, ApproverEnrolled, ApproverRemoved
from sluiceway.steps import proving, requests
from sluiceway.steps.site import Site
from tests.driver import advance
from tests.steps.worlds import NOW, ask, ended, kinds, quick_site, same_fraud, told

PEOPLE = ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [ada, ben]}")
PROVEN = ("approvals: []", "approvals: {always: [risk], expires: 7d}")
KEYS = {"ada": new_key(), "ben": new_key()}
CLOCK = datetime(2026, 5, 1, 12, tzinfo=UTC)
"""When codes are given; rollouts of the tests replay another year."""


def asked(tmp_path: Path, *changes: tuple[str, str]) -> tuple[Site, str]:
    """A rollout that ada asked for and that waits for risk."""
    site = quick_site(tmp_path, *(changes or (PEOPLE, PROVEN)))
    site = replace(site, approver_keys=MemoryKeys(dict(KEYS)))
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    assert isinstance(advance(site, rollout, NOW), Wait)
    return site, rollout


def code_of(who: str, at: datetime = CLOCK) -> str:
    return pyotp.TOTP(KEYS[who]).at(at)


def offered(code: str, answer: str = "one", at: datetime = CLOCK) -> Offered:
    return Offered(code=code, answer=answer, at=at)


def answer(site: Site, rollout: str, who: str, what: Offered | None, **more: object) -> None:
    asked_for = {"reason": "fits", "now": NOW, "actor": who, **more}
    requests.approve(site, rollout, offered=what, **asked_for)  # type: ignore[arg-type]


def test_an_approval_with_a_right_code_is_proven(tmp_path: Path) -> None:
    site, rollout = asked(tmp_path)
    answer(site, rollout, "ben", offered(code_of("ben")))
    advance(site, rollout, NOW)
    assert site.state(rollout).step == 0
    (given,) = told(site, rollout, Approved)
    assert isinstance(given, Approved)
    assert given.proven
    (tried,) = proving.tries(site)
    assert (tried.approver, tried.fault, tried.rollout_id) == ("ben", None, rollout)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (None, "ben has to prove it with a one-time code"),
        (offered("000000"), "the code is not one of ben's of this minute"),
        (offered(code_of("ada")), "the code is not one of ben's of this minute"),
        (offered(code_of("ben", CLOCK - timedelta(minutes=5))), "the code is not one of ben's"),
        (offered(""), "ben has to prove it with a one-time code of their app"),
    ],
)
def test_without_a_right_code_nothing_is_answered(
    tmp_path: Path, what: Offered | None, said: str
) -> None:
    site, rollout = asked(tmp_path)
    for word in (requests.approve, requests.refuse):
        with pytest.raises(BadInput, match=said):
            word(site, rollout, reason="fits", now=NOW, actor="ben", offered=what)
    assert kinds(site, rollout)[-1] == "approval_requested"
    assert len(proving.tries(site)) == (0 if what is None else 1), "the same answer is told once"


def test_a_code_that_was_used_is_refused_and_journalled(tmp_path: Path) -> None:
    rules = ("approvals: []", "approvals: {always: [risk, desk]}")
    desk = ("{contact: desk@shop.example}", "{contact: desk@shop.example, people: [ben]}")
    site, rollout = asked(tmp_path, PEOPLE, rules, desk)
    answer(site, rollout, "ben", offered(code_of("ben")), owner="risk")
    with pytest.raises(BadInput, match="was used already; wait for the next one"):
        answer(site, rollout, "ben", offered(code_of("ben"), "two"), owner="desk")
    faults = [one.fault for one in proving.tries(site)]
    assert faults == [None, ProofFault.REUSED]
    later = CLOCK + timedelta(seconds=30)
    answer(site, rollout, "ben", offered(code_of("ben", later), "three", later), owner="desk")
    assert site.state(rollout).approved


def test_who_may_not_answer_uses_no_code_up(tmp_path: Path) -> None:
    site, rollout = asked(tmp_path)
    with pytest.raises(BadInput, match="ada asked for it"):
        answer(site, rollout, "ada", offered(code_of("ada")))
    with pytest.raises(BadInput, match="mia speaks for nobody"):
        answer(site, rollout, "mia", offered("123456"))
    assert proving.tries(site) == ()
    requests.refuse(
        site, rollout, reason="no", now=NOW, actor="ada", offered=offered(code_of("ada"))
    )
    (refused,) = told(site, rollout, ApprovalRefused)
    assert isinstance(refused, ApprovalRefused)
    assert refused.proven


def test_one_code_given_twice_at_the_same_time_counts_once(tmp_path: Path) -> None:
    site, rollout = asked(tmp_path)
    journal = SqlJournal(f"sqlite:///{tmp_path / 'raced.db'}")
    journal.append("test", "warm-up", [], after=0)
    raced = replace(site, journal=journal)
    system, start, came = site.systems.kept(rollout), Barrier(2), []

    def give(number: int) -> None:
        start.wait(10)
        try:
            proving.prove(raced, system, rollout, offered(code_of("ben"), str(number)), actor="ben")
            came.append("proven")
        except Exception as error:  # noqa: BLE001 - told below
            came.append(str(error))

    givers = [Thread(target=give, args=(number,)) for number in range(2)]
    for one in givers:
        one.start()
    for one in givers:
        one.join(60)
    journal.close()
    assert sorted(came) == [
        "proven", "the code of ben was used already; wait for the next one"
    ]  # fmt: skip


def test_what_nobody_answers_in_time_is_rejected(tmp_path: Path) -> None:
    site, rollout = asked(tmp_path)
    until = NOW + timedelta(days=7)
    waits = advance(site, rollout, until - timedelta(seconds=1))
    assert isinstance(waits, Wait)
    assert waits.until == until
    with pytest.raises(BadInput, match="waited for an approval until"):
        answer(site, rollout, "ben", offered(code_of("ben")), now=until)
    assert proving.tries(site) == ()
    advance(site, rollout, until)
    end = ended(site, rollout)
    assert (end.ending, end.phase, end.code) == (
        Ending.REJECTED, Phase.APPROVAL, ReasonCode.APPROVAL_EXPIRED
    )  # fmt: skip
    assert end.reason.startswith("nobody answered for risk by ")


def test_an_answer_in_time_is_not_lost_to_a_late_look(tmp_path: Path) -> None:
    site, rollout = asked(tmp_path)
    answer(site, rollout, "ben", offered(code_of("ben")))
    advance(site, rollout, NOW + timedelta(days=30))
    assert site.state(rollout).step == 0


def test_proof_may_be_turned_off_and_approvals_may_wait_for_ever(tmp_path: Path) -> None:
    off = ("approvals: []", "approvals: {always: [risk], proof: none, expires: never}")
    site, rollout = asked(tmp_path, PEOPLE, off)
    assert isinstance(advance(site, rollout, NOW + timedelta(days=400)), Wait)
    answer(site, rollout, "ben", None)
    (given,) = told(site, rollout, Approved)
    assert isinstance(given, Approved)
    assert not given.proven
    assert proving.tries(site) == ()


def test_who_is_enrolled_and_by_whom_is_in_the_journal_and_no_key_is(tmp_path: Path) -> None:
    site, rollout = asked(tmp_path)
    store = MemoryKeys({})
    given = {"kept_in": "the test", "now": CLOCK, "actor": "lou"}
    proving.enrol(site, store, "ben", KEYS["ben"], **given)  # type: ignore[arg-type]
    site = replace(site, approver_keys=store)
    answer(site, rollout, "ben", offered(code_of("ben")))
    proving.enrol(site, store, "ben", new_key(), **given)  # type: ignore[arg-type]
    proving.remove(site, store, "ben", **given)  # type: ignore[arg-type]
    assert store.approvers() == ()
    with pytest.raises(KeyError, match="ben"):
        proving.remove(site, store, "ben", **given)  # type: ignore[arg-type]
    enrolled = told(site, proving.STREAM, ApproverEnrolled)
    assert [one.replaced for one in enrolled] == [False, True]  # type: ignore[union-attr]
    assert len(told(site, proving.STREAM, ApproverRemoved)) == 1
    events = site.journal.events(site.environment, proving.STREAM)
    assert [event.actor for event in events] == ["lou", "ben", "lou", "lou"]
    assert KEYS["ben"] not in str([event.payload for event in events])
    assert len(proving.tries(site)) == 1, "a code that was used stays used after all this"
