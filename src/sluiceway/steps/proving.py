"""Whether it is they who answer: one-time codes, and what the journal keeps of them.

What was tried stands in one stream of the environment's journal, beside the rollouts, because a
code that was used for one rollout is used up for all.
"""

from typing import Final

from sluiceway.journal import JournalConflict
from sluiceway.rights import NotTheirs, Offered, Tried, judge_code, proof_sentence
from sluiceway.rollouts.events import CodeTried, draft, happening
from sluiceway.steps.site import Site
from sluiceway.system.rights import Proof
from sluiceway.system.values import System

STREAM: Final = "approvers"
"""Under which the journal keeps which codes were tried."""


def tries(site: Site) -> tuple[Tried, ...]:
    """Every code that was tried in this environment, in order."""
    events = site.journal.events(site.environment, STREAM)
    told = (happening(event) for event in events)
    return tuple(one.tried for one in told if isinstance(one, CodeTried))


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
        known = tries(site)
        key = site.approver_keys.key(actor)
        tried = judge_code(key, offered, known, approver=actor, rollout_id=rollout_id)
        if tried in known:
            return tried
        told = draft(CodeTried(tried=tried), at=offered.at, actor=actor)
        try:
            site.journal.append(site.environment, STREAM, [told], after=len(known))
        except JournalConflict:
            continue
        return tried
