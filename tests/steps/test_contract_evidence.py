"""What a contract test came to is kept, and counts for the very contents that took part."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sluiceway.outcomes import Outcome
from sluiceway.releasing import Answer
from sluiceway.releasing.promoting import Reason, ReasonCode
from sluiceway.releasing.wording import reason_sentence
from sluiceway.steps import deciding
from sluiceway.steps.contract_evidence import STREAM, keep_contract_test
from sluiceway.steps.contract_tests import run_contract_test
from sluiceway.steps.release_plans import ask as can_promote
from sluiceway.steps.site import Site
from tests.driver import LIVE, TRAINED, Line, add

from .worlds import NOW, better_fraud, kinds, quick_site

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return quick_site(tmp_path)


def tried(site: Site, name: str, *more: str, now: datetime = NOW) -> Outcome:
    test = run_contract_test(site, name, together_with=more, now=now, window=timedelta(days=3))
    keep_contract_test(site, test, now=now, actor="ada")
    return test.outcome


def reasons(site: Site, *names: str, now: datetime = LATER) -> tuple[Answer, list[Reason]]:
    answer = can_promote(site, names, now=now).answer
    codes = (ReasonCode.TEST_PASSED, ReasonCode.TEST_FAILED)
    return answer.answer, [one for one in answer.reasons if one.code in codes]


def test_a_test_that_passed_is_told_and_is_no_yes_by_itself(site: Site) -> None:
    better_fraud(site)
    assert reasons(site, "fraud@2") == (Answer.UNKNOWN, [])
    assert tried(site, "fraud@2") is Outcome.PASSED
    answer, told = reasons(site, "fraud@2")
    assert answer is Answer.UNKNOWN, "nobody has seen the versions together"
    assert [reason_sentence(one) for one in told] == [
        f"fraud@2 kept its contract in a contract test on {NOW:%Y-%m-%d}",
        f"handling@1 bore all that fraud@2 promises in a contract test on {NOW:%Y-%m-%d}",
        f"cost@1 bore all that fraud@2 promises in a contract test on {NOW:%Y-%m-%d}",
    ]


def test_a_version_that_broke_its_contract_may_not_go_until_it_is_seen_to_keep_it(
    site: Site,
) -> None:
    add(site, "fraud", "2", Line({"signal": 9.0, "amount": 0.0}, fields=2))
    assert tried(site, "fraud@2") is Outcome.FAILED
    answer, told = reasons(site, "fraud@2")
    assert answer is Answer.NO
    (own,) = (one for one in told if one.producer is None)
    said = reason_sentence(own)
    assert said.startswith(f"fraud@2 broke its contract in a contract test on {NOW:%Y-%m-%d}: ")
    assert "fraud.probability: " in said
    assert said.endswith("another version, or a contract test of the very same that passes")
    better_fraud(site)  # other files under the same number; here they have the same digest
    assert tried(site, "fraud@2", now=LATER) is Outcome.PASSED
    answer, told = reasons(site, "fraud@2")
    assert answer is Answer.UNKNOWN
    assert {one.code for one in told} == {ReasonCode.TEST_PASSED}


def test_a_reader_that_does_not_bear_all_that_is_promised_keeps_both_from_going(
    site: Site,
) -> None:
    better_fraud(site)
    add(site, "cost", "2", Line({"amount": 0.02, "fraud.probability": 1500.0}))
    assert tried(site, "fraud@2", "cost@2") is Outcome.FAILED
    answer, told = reasons(site, "fraud@2", "cost@2")
    assert answer is Answer.NO
    (failed,) = (one for one in told if one.code is ReasonCode.TEST_FAILED)
    assert (failed.producer, failed.consumer) == ("fraud@2", "cost@2")
    assert "fraud.probability = 1: cost.euros: rises to 1,5" in reason_sentence(failed)
    assert ReasonCode.TEST_FAILED not in {one.code for one in reasons(site, "fraud@2")[1]}


def test_what_serves_is_not_kept_from_serving_by_a_test_of_it(site: Site) -> None:
    """It breaks in a corner that nobody has been in; whatever changes beside it is as good."""
    add(site, "cost", "1", Line({"amount": 0.02, "fraud.probability": 1500.0}))
    assert tried(site, "fraud@1") is Outcome.FAILED
    add(site, "priority", "2", LIVE["priority"], files=b"others")
    answer, told = reasons(site, "priority@2")
    assert (answer, told) == (Answer.UNKNOWN, [])


def test_evidence_is_of_contents_and_gets_old(site: Site) -> None:
    add(site, "fraud", "2", TRAINED)
    tried(site, "fraud@2")
    add(site, "fraud", "3", TRAINED)
    assert reasons(site, "fraud@3")[1] == []
    max_age = site.systems.current().policies.evidence_max_age
    assert reasons(site, "fraud@2", now=NOW + max_age)[1]
    assert reasons(site, "fraud@2", now=NOW + max_age + timedelta(days=1))[1] == []


def test_it_is_no_rollout(site: Site) -> None:
    better_fraud(site)
    tried(site, "fraud@2")
    assert kinds(site, STREAM) == ["contract_tested"]
    assert STREAM not in deciding.unfinished(site)
