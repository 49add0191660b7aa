"""A rollout's events read once, in the order and shape that people are told them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sluiceway.attribution import Attribution
from sluiceway.gates import Verdict
from sluiceway.journal import Event
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member
from sluiceway.rollouts.endings import Ending, Phase
from sluiceway.rollouts.events import (
    Confirmed,
    Ended,
    Happening,
    Looked,
    Requested,
    ShadowMeasured,
    StepEntered,
    happening,
)
from sluiceway.rollouts.folding import fold
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.system.values import System

PHASES = (Phase.PLAN, Phase.CONTRACTS, Phase.SHADOW, Phase.APPROVAL, Phase.CANARY, Phase.WATCH)
"""In the order a rollout walks them. Promotion is one transaction between canary and watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event with what happened in it."""

    event: Event
    what: Happening


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything that pages, pictures and texts about one rollout read.

    Attributes:
        told: Every event, from the first.
        state: What they come to.
    """

    system: System
    told: tuple[Told, ...]
    state: RolloutState

    @property
    def rollout_id(self) -> str:
        """The rollout's id."""
        return self.told[0].event.rollout_id

    @property
    def began(self) -> datetime:
        """When the first event happened (UTC)."""
        return self.told[0].event.at

    @property
    def latest(self) -> datetime:
        """When the last event happened (UTC)."""
        return self.told[-1].event.at

    @property
    def ended_at(self) -> datetime | None:
        """When it ended (UTC); None while it has not."""
        ended = [one.event.at for one in self.told if isinstance(one.what, Ended)]
        return ended[0] if ended else None

    @property
    def asked_by(self) -> str:
        """Who asked for it, or who wrote its first event."""
        asked = [one.event.actor for one in self.told if isinstance(one.what, Requested)]
        return asked[0] if asked else self.told[0].event.actor

    @property
    def plan(self) -> Plan | None:
        """The plan, once there is one, in the blocks that its canary was planned with."""
        return self.state.live_plan

    @property
    def wanted(self) -> tuple[str, ...]:
        """What was asked for: ``model@version`` of each."""
        return self.state.requested.members if self.state.requested else ()

    @property
    def members(self) -> tuple[Member, ...]:
        """The candidate's own versions, once they were looked up."""
        return self.plan.members if self.plan else ()

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the models that are to change."""
        if self.plan is not None:
            return self.plan.radius.changed
        return tuple(name.partition("@")[0] for name in self.wanted)

    @property
    def shadow(self) -> ShadowMeasured | None:
        """The newest replay."""
        return self.state.shadows[-1] if self.state.shadows else None

    @property
    def looks(self) -> tuple[tuple[datetime, Looked], ...]:
        """Every look at live evidence with when it was made (UTC)."""
        return tuple((o.event.at, o.what) for o in self.told if isinstance(o.what, Looked))

    @property
    def steps(self) -> tuple[tuple[datetime, StepEntered], ...]:
        """Every canary step with when it was entered (UTC)."""
        return tuple((o.event.at, o.what) for o in self.told if isinstance(o.what, StepEntered))

    @property
    def verdicts(self) -> dict[Phase, tuple[Verdict, ...]]:
        """The newest verdicts of each phase that has any."""
        found = {}
        if self.shadow is not None and self.shadow.verdicts:
            found[Phase.SHADOW] = self.shadow.verdicts
        if self.state.look is not None and self.state.look.verdicts:
            found[Phase.CANARY] = self.state.look.verdicts
        return found

    @property
    def attribution(self) -> Attribution | None:
        """The newest finding of where harm enters: of the live harm, else of shadow's."""
        if self.state.diagnosed is not None and self.state.diagnosed.attribution is not None:
            return self.state.diagnosed.attribution
        return self.shadow.attribution if self.shadow else None

    @property
    def revision(self) -> int | None:
        """Routing revision that was last observed."""
        seen = [o.what.revision for o in self.told if isinstance(o.what, Confirmed)]
        return seen[-1] if seen else None

    @property
    def ending(self) -> Ending | None:
        """How it ended; None while it has not."""
        return self.state.ended.ending if self.state.ended else None


def read_story(system: System, events: Sequence[Event]) -> Story:
    """Read a rollout's events.

    Raises:
        ValueError: There are none.
    """
    if not events:
        raise ValueError("a rollout without events cannot be told")
    told = tuple(Told(event=event, what=happening(event)) for event in events)
    return Story(system=system, told=told, state=fold(events))


def failing(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """FAILED gates, the largest harm in margins first."""
    failed = [one for one in verdicts if one.outcome is Outcome.FAILED]
    return tuple(sorted(failed, key=lambda one: -in_margins(one)))


def in_margins(verdict: Verdict) -> float:
    """Harm by margin; 0 where there is no estimate."""
    if verdict.estimate is None:
        return 0.0
    return verdict.estimate.harm / (verdict.gate.margin or 1.0)
