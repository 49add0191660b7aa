"""Writing down that a candidate broke a hard rule and answers nobody any more."""

from datetime import datetime
from typing import Protocol

from sluiceway.journal import JournalConflict
from sluiceway.rollouts.endings import ReasonCode
from sluiceway.rollouts.events import CandidateHalted
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.site import Site


class BrokenRule(Protocol):
    """What somebody who answers has seen a candidate break."""

    @property
    def rollout_id(self) -> str:
        """Whose candidate it is."""

    @property
    def model(self) -> str:
        """Whose version broke it."""

    @property
    def version(self) -> str:
        """The version."""

    @property
    def code(self) -> str:
        """``breaker_open`` or ``contract_broken``."""

    @property
    def broken(self) -> int:
        """Recent rows to which it gave no usable answer."""

    @property
    def rows(self) -> int:
        """Recent rows that it was asked."""

    @property
    def what(self) -> str:
        """What the first unusable answer looked like."""

    @property
    def revision(self) -> int:
        """Revision of the routing table that was followed."""


def halt(site: Site, rule: BrokenRule, *, instance: str, now: datetime) -> bool:
    """Write the halt down, once whoever else reports it too.

    Args:
        instance: Name of who saw it.

    Returns:
        Whether it was written; not where it is known already, or where the candidate that broke
        the rule has lost its traffic for good meanwhile.
    """
    while True:
        state = site.state(rule.rollout_id)
        if not _concerns(state, rule):
            return False
        try:
            site.tell(
                rule.rollout_id,
                CandidateHalted(
                    code=ReasonCode(rule.code),
                    reason=_said(rule),
                    model=rule.model,
                    version=rule.version,
                    broken=rule.broken,
                    rows=rule.rows,
                    instance=instance,
                    revision=rule.revision,
                ),
                after=state.seq,
                now=now,
                actor=instance,
            )
        except JournalConflict:
            continue
        return True


def _concerns(state: RolloutState, rule: BrokenRule) -> bool:
    """Whether the candidate that broke the rule is the one that answers, and nobody said so yet."""
    live = state.step is not None or state.promoted is not None
    over = state.ended or state.rollback or state.halted
    return live and over is None and rule.revision >= state.since_revision


def _said(rule: BrokenRule) -> str:
    named = f"{rule.model}@{rule.version}"
    rows = f"{rule.broken:,} of its last {rule.rows:,} rows"
    if rule.code == ReasonCode.BREAKER_OPEN:
        return f"breaker open: {named} gave no usable answer to {rows}; the first: {rule.what}"
    return f"contract broken: {named} broke its contract in {rows}; the first: {rule.what}"
