"""Whether it is they who answer: one-time codes, and what the journal keeps of them.

What was tried stands in one stream of the environment's journal, beside the rollouts, because a
code that was used for one rollout is used up for all.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sluiceway.journal import Event, JournalConflict
from sluiceway.rights import KeyStore, NotTheirs, Offered, Tried, judge_code, proof_sentence
from sluiceway.rollouts.events import (
    ApproverEnrolled,
    ApproverRemoved,
    CodeTried,
    draft,
    happening,
)
from sluiceway.steps.site import Site
from sluiceway.system.rights import Proof
from sluiceway.system.values import System

STREAM: Final = "approvers"
"""Under which the journal keeps who was enrolled, and which codes were tried."""


def tries(site: Site) -> tuple[Tried, ...]:
    """Every code that was tried in this environment, in order."""
    return _tries(site.journal.events(site.environment, STREAM))


def _tries(events: Sequence[Event]) -> tuple[Tried, ...]:
    told = (happening(event) for event in events)
    return tuple(one.tried for one in told if isinstance(one, CodeTried))


def enrol(
    site: Site, store: KeyStore, approver: str, key: str, *, kept_in: str, now: datetime, actor: str
) -> None:
    """Give somebody a key, in the place of an earlier one.

    It is written down first: a key that nobody could see given is worse than an entry without one.

    Args:
        store: Where the key is kept.
        kept_in: The same in words.
        actor: Who enrols them.
    """
    replaced = approver in store.approvers()
    enrolled = ApproverEnrolled(approver=approver, kept_in=kept_in, replaced=replaced)
    _tell(site, enrolled, now=now, actor=actor)
    store.keep(approver, key)


def remove(
    site: Site, store: KeyStore, approver: str, *, kept_in: str, now: datetime, actor: str
) -> None:
    """Take somebody's key away, and write it down.

    Raises:
        KeyError: They have none there.
    """
    if approver not in store.approvers():
        raise KeyError(approver)
    _tell(site, ApproverRemoved(approver=approver, kept_in=kept_in), now=now, actor=actor)
    store.forget(approver)


def _tell(
    site: Site, told: ApproverEnrolled | ApproverRemoved, *, now: datetime, actor: str
) -> None:
    event = draft(told, at=now, actor=actor)
    while True:
        known = site.journal.events(site.environment, STREAM)
        try:
            site.journal.append(site.environment, STREAM, [event], after=len(known))
        except JournalConflict:
            continue
        return


def prove(
    site: Site, system: System, rollout_id: str, offered: Offered | None, *, actor: str
) -> bool:
    """Hold a code against the actor's key, and write down what became of it.

    It is used up here, before the answer is written: an answer may be lost on the way and given
    again, a code may not be used twice.

    Returns:
        Whether it was proven; False where the policy asks for no proof.

    Raises:
        NotTheirs: It was not proven, and has to be.
    """
    if system.policies.rights.proof is Proof.NONE:
        return False
    if offered is None:
        raise NotTheirs(
            f"{actor} has to prove it with a one-time code: --code; policies.approvals.proof is "
            f"{system.policies.rights.proof}"
        )
    tried = _written(site, rollout_id, offered, actor)
    if tried.fault is not None:
        raise NotTheirs(proof_sentence(tried))
    return True


def _written(site: Site, rollout_id: str, offered: Offered, actor: str) -> Tried:
    """Whoever writes first has used the code; whoever comes second reads that."""
    while True:
        events = site.journal.events(site.environment, STREAM)
        known = _tries(events)
        key = site.approver_keys.key(actor)
        tried = judge_code(key, offered, known, approver=actor, rollout_id=rollout_id)
        if tried in known:
            return tried
        told = draft(CodeTried(tried=tried), at=offered.at, actor=actor)
        try:
            site.journal.append(site.environment, STREAM, [told], after=len(events))
        except JournalConflict:
            continue
        return tried
