"""Proof that an answer comes from whom it names: one-time codes, each good for one answer.

The codes are those of RFC 6238 as every authenticator app makes them: six digits, SHA-1, a new
one each thirty seconds. What was tried before comes in as an argument; the journal keeps it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

import pyotp
from pyotp.utils import strings_equal

DIGITS: Final = 6
STEP: Final = timedelta(seconds=30)
"""How long a code is the current one."""
SKEW: Final = 1
"""Steps by which an approver's clock may be early or late."""
MOST_FAILURES: Final = 5
"""Wrong or reused codes after which nothing more is looked at for a while."""
FAILURES_WITHIN: Final = timedelta(minutes=10)
"""The time in which so many failures lock, and for which they do."""
ISSUER: Final = "Sluiceway"


class ProofFault(StrEnum):
    """Why a code proves nothing."""

    MISSING = "missing"
    UNENROLLED = "unenrolled"
    WRONG = "wrong"
    REUSED = "reused"
    LOCKED = "locked"


_COUNTED: Final = frozenset({ProofFault.WRONG, ProofFault.REUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A code that somebody gave with an answer.

    Attributes:
        code: As it was typed.
        answer: Names the answer that it was given for. The same answer, looked at again after a
            crash, is no second use of its code.
        at: When it was given, by the clock (UTC); also where a rollout replays the past.
    """

    code: str
    answer: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a code.

    Attributes:
        step: The thirty seconds that it was of, counted from 1970; None where it was refused.
        fault: Why it was refused; None where it was accepted.
    """

    approver: str
    rollout_id: str
    answer: str
    at: datetime
    step: int | None
    fault: ProofFault | None


class ApproverKeys(Protocol):
    """The keys that approvers share with their apps."""

    def key(self, approver: str) -> str | None:
        """The approver's key in base 32; None for somebody who is not enrolled."""

    def approvers(self) -> tuple[str, ...]:
        """Names of all who are enrolled, sorted."""


class KeyStore(ApproverKeys, Protocol):
    """Keys that may be added to and taken from."""

    def keep(self, approver: str, key: str) -> None:
        """Remember somebody's key in the place of an earlier one."""

    def forget(self, approver: str) -> bool:
        """Take somebody's key away; False where there was none."""


class NobodyEnrolled:
    """No keys: nobody can prove anything."""

    def key(self, approver: str) -> None:
        """None, whoever it is."""
        del approver

    def approvers(self) -> tuple[str, ...]:
        """Nobody."""
        return ()


def judge_code(
    key: str | None,
    offered: Offered,
    tries: Iterable[Tried],
    *,
    approver: str,
    rollout_id: str,
) -> Tried:
    """What becomes of a code that somebody gave.

    A code counts for one answer: neither it nor any earlier one is taken again. After several
    failures within minutes none is looked at, right ones included, until these are past.

    Args:
        key: The approver's; None where they have none.
        tries: Everything that was tried before, in any order.

    Returns:
        What to write down; the very same as before for an answer that was judged before.
    """
    theirs = tuple(one for one in tries if one.approver == approver)
    this = (rollout_id, offered.answer)
    again = (one for one in theirs if (one.rollout_id, one.answer) == this)
    if (before := next(again, None)) is not None:
        return before
    step, fault = _judged(key, offered, theirs)
    return Tried(
        approver=approver,
        rollout_id=rollout_id,
        answer=offered.answer,
        at=offered.at,
        step=step,
        fault=fault,
    )


def _judged(
    key: str | None, offered: Offered, theirs: tuple[Tried, ...]
) -> tuple[int | None, ProofFault | None]:
    code = "".join(offered.code.split())
    if not code:
        return None, ProofFault.MISSING
    if key is None:
        return None, ProofFault.UNENROLLED
    failures = [
        one
        for one in theirs
        if one.fault in _COUNTED and abs(offered.at - one.at) < FAILURES_WITHIN
    ]
    if len(failures) >= MOST_FAILURES:
        return None, ProofFault.LOCKED
    step = _step_of(key, code, offered.at)
    used = max((one.step for one in theirs if one.step is not None), default=-1)
    if step is None:
        # Who gives their last code once more, and late, is told that, and not that it is wrong.
        is_last = used >= 0 and strings_equal(_codes(key).generate_otp(used), code)
        return None, ProofFault.REUSED if is_last else ProofFault.WRONG
    return (None, ProofFault.REUSED) if step <= used else (step, None)


def _step_of(key: str, code: str, at: datetime) -> int | None:
    """The step that a code is of; every one that it may be of is compared, each in constant time.

    Of several (one in a million) the latest, so that it is used up with all before it.
    """
    codes = _codes(key)
    now = codes.timecode(at)
    steps = range(max(0, now - SKEW), now + SKEW + 1)
    found = [step for step in steps if strings_equal(codes.generate_otp(step), code)]
    return max(found, default=None)


def _codes(key: str) -> pyotp.TOTP:
    return pyotp.TOTP(key, digits=DIGITS, interval=int(STEP.total_seconds()))


def new_key() -> str:
    """A key of 160 random bits, in base 32."""
    return pyotp.random_base32()


def enrolment_uri(approver: str, key: str, *, system: str) -> str:
    """What an authenticator app reads from the QR code."""
    return _codes(key).provisioning_uri(name=approver, issuer_name=f"{ISSUER} {system}")


def proof_sentence(tried: Tried) -> str:
    """Why a code was refused, and what to do instead."""
    who = tried.approver
    match tried.fault:
        case ProofFault.MISSING:
            return f"{who} has to prove it with a one-time code of their app"
        case ProofFault.UNENROLLED:
            return f'{who} has no key yet; enrol with: sluiceway approvers add "{who}"'
        case ProofFault.WRONG:
            return f"the code is not one of {who}'s of this minute"
        case ProofFault.REUSED:
            return f"the code of {who} was used already; wait for the next one"
        case ProofFault.LOCKED:
            minutes = int(FAILURES_WITHIN.total_seconds() // 60)
            return (
                f"{MOST_FAILURES} codes of {who} were refused within {minutes} minutes; none is "
                "looked at until these are past"
            )
        case None:
            return f"the code is {who}'s"
