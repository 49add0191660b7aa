"""A one-time code proves who somebody is, once."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.rights import (
    Offered,
    ProofFault,
    Tried,
    enrolment_uri,
    judge_code,
    new_key,
    proof_sentence,
)
from sluiceway.rights.proof import FAILURES_WITHIN, MOST_FAILURES, STEP

KEY = base64.b32encode(b"12345678901234567890").decode()
"""The shared secret of RFC 6238's appendix B."""
PUBLISHED = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}
"""Last six digits of the appendix's SHA-1 column, by seconds since 1970."""
AT = 1234567890
CODE = PUBLISHED[AT]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def tried(
    code: str,
    *before: Tried,
    at: float = AT,
    key: str | None = KEY,
    answer: str = "one",
    approver: str = "ada",
    rollout: str = "r0001-fraud2",
) -> Tried:
    offered = Offered(code=code, answer=answer, at=moment(at))
    return judge_code(key, offered, before, approver=approver, rollout_id=rollout)


@pytest.mark.parametrize(("seconds", "code"), PUBLISHED.items())
def test_the_published_codes_are_the_ones_that_count(seconds: int, code: str) -> None:
    found = tried(code, at=seconds)
    assert (found.fault, found.step) == (None, seconds // 30)
    assert tried(code, at=seconds + 3600).fault is ProofFault.WRONG


def test_a_clock_may_be_one_step_off_and_no_more() -> None:
    begins = AT // 30 * 30
    last = STEP.total_seconds()
    for at, fault in (
        (begins - last, None),
        (begins - last - 1, ProofFault.WRONG),
        (begins + 2 * last - 1, None),
        (begins + 2 * last, ProofFault.WRONG),
    ):
        assert tried(CODE, at=at).fault is fault, at


def test_a_code_may_be_typed_as_apps_show_it() -> None:
    assert tried(f" {CODE[:3]} {CODE[3:]}\n").fault is None
    for nonsense in ("12345", "1234567", "٠٠٥٩٢٤", "abcdef", "-05924", "0" * 5000):
        assert tried(nonsense).fault is ProofFault.WRONG, nonsense
    assert tried("  ").fault is ProofFault.MISSING


def test_a_code_counts_for_one_answer_of_one_rollout() -> None:
    first = tried(CODE)
    assert tried(CODE, first) == first, "the same answer again, after a crash, is no second use"
    assert tried(CODE, first, answer="two").fault is ProofFault.REUSED
    assert tried(CODE, first, rollout="r0002-fraud3").fault is ProofFault.REUSED
    assert tried(CODE, first, approver="ben", answer="two").fault is None, "ben's key is ben's"


def test_the_last_used_code_is_known_as_used_however_late_it_comes_again() -> None:
    first = tried(CODE)
    late = AT + 3600
    assert tried(CODE, first, answer="two", at=late).fault is ProofFault.REUSED
    assert tried(CODE, answer="two", at=late).fault is ProofFault.WRONG, "nobody has used it"
    assert tried(CODE, first, approver="ben", answer="two", at=late).fault is ProofFault.WRONG


def test_no_code_before_the_last_used_one_is_taken() -> None:
    later = replace(tried(CODE), step=AT // 30 + 1, answer="later")
    assert tried(CODE, later, at=AT + 30, answer="two").fault is ProofFault.REUSED


def test_several_failures_within_minutes_lock_and_then_do_not() -> None:
    failures = [tried("000000", answer=str(n), at=AT - 60 + 10 * n) for n in range(MOST_FAILURES)]
    assert {one.fault for one in failures} == {ProofFault.WRONG}
    assert tried(CODE, *failures[1:], answer="right").fault is None
    locked = tried(CODE, *failures, answer="right")
    assert locked.fault is ProofFault.LOCKED, "a right code is not even looked at"
    assert tried(CODE, *failures, approver="ben", answer="right").fault is None
    later = AT - 60 + FAILURES_WITHIN.total_seconds()
    again = tried("000000", *failures, locked, answer="later", at=later)
    assert again.fault is ProofFault.WRONG, "what was locked out did not lengthen it"


def test_nobody_unknown_proves_anything() -> None:
    found = tried(CODE, key=None)
    assert found.fault is ProofFault.UNENROLLED
    assert proof_sentence(found) == (
        'ada has no key yet; enrol with: sluiceway approvers add "ada"'
    )


@given(st.text(max_size=12), st.integers(0, 4_000_000_000))
def test_whatever_is_typed_is_judged(code: str, at: int) -> None:
    found = tried(code, at=at)
    assert (found.step is None) == (found.fault is not None)
    assert proof_sentence(found)


def test_what_an_app_reads_holds_all_it_needs() -> None:
    key = new_key()
    assert len(base64.b32decode(key)) == 20
    uri = urlsplit(enrolment_uri("ada", key, system="shop"))
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Sluiceway%20shop:ada")
    assert parse_qs(uri.query)["secret"] == [key]
    assert {new_key() for _ in range(8)}.isdisjoint({key})


def test_faults_are_told_apart_in_words() -> None:
    said = {
        proof_sentence(
            Tried(
                approver="ada",
                rollout_id="r",
                answer="a",
                at=moment(AT),
                step=None if fault else 1,
                fault=fault,
            )
        )
        for fault in (None, *ProofFault)
    }
    assert len(said) == len(ProofFault) + 1
