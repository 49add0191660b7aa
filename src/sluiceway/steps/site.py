"""Everything a step may touch, as typed parts; :mod:`sluiceway.wiring` puts it together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from sluiceway.features import Definitions
from sluiceway.journal import Champion, JournalConflict
from sluiceway.ports import (
    Evidence,
    Journal,
    PredictionLog,
    Progress,
    Registry,
    Router,
    Trial,
    Window,
)
from sluiceway.releases import Release
from sluiceway.replay.features import Transformation
from sluiceway.replay.partitions import Needs, Partition
from sluiceway.rights import ApproverKeys, NobodyEnrolled
from sluiceway.rollouts.actions import Action
from sluiceway.rollouts.deciding import next_action
from sluiceway.rollouts.events import Happening, draft
from sluiceway.rollouts.folding import fold
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.state import RolloutState
from sluiceway.system.values import System

World = Literal["recorded", "live"]
"""Rows as the backfill has them, or as they arrived."""


class Recorded(Protocol):
    """The record of one system's sources."""

    def partitions(
        self,
        window: Window,
        *,
        world: World,
        needs: Needs,
        as_of: datetime,
        step: timedelta | None = None,
    ) -> Iterator[Partition]:
        """Read a window part by part; labels that came after `as_of` are masked."""


class TryVersion(Protocol):
    """First contact with a candidate, in a process of its own."""

    def __call__(
        self,
        model: str,
        version: str,
        artifact_sha256: str,
        columns: dict[str, np.ndarray],
        *,
        deadline: timedelta,
    ) -> Trial:
        """Load the version, let it answer the rows, and end it at its deadline."""


class Ask(Protocol):
    """A version in a process of its own, to be asked as often as one likes."""

    def __call__(self, columns: Mapping[str, np.ndarray], *, deadline: timedelta) -> Trial:
        """Let it answer the rows; where it dies over them, the next question starts it again."""


class MeetVersion(Protocol):
    """Starting to talk with a version."""

    def __call__(
        self, model: str, version: str, artifact_sha256: str
    ) -> AbstractContextManager[Ask]:
        """A process that loads the version at the first question and ends with the block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """The system file as it is now, and as each rollout began with.

    Attributes:
        current: Reads the file.
        kept: Reads the copy that a rollout keeps; copies the file where it keeps none yet.
        recorded: Opens the record of a system's sources.
        transformations: Imports the transformations that a system names.
        definitions: Hashes what makes the values of each version of each feature.
    """

    current: Callable[[], System]
    kept: Callable[[str], System]
    recorded: Callable[[System], Recorded]
    transformations: Callable[[System], dict[str, Transformation]]
    definitions: Callable[[System], Definitions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One environment: what decides, remembers, answers and is shown.

    Attributes:
        folder: Where a rollout keeps its own copy of the system file, and its report.
        progress: Who is told how far long operations are.
        approver_keys: By which approvers prove who they are.
    """

    environment: str
    systems: Systems
    journal: Journal
    registry: Registry
    router: Router
    predictions: PredictionLog
    evidence: Evidence
    try_version: TryVersion
    meet: MeetVersion
    folder: Callable[[str], Path]
    progress: Progress
    approver_keys: ApproverKeys = field(default_factory=NobodyEnrolled)

    def state(self, rollout_id: str) -> RolloutState:
        """What a rollout's events come to."""
        return fold(self.journal.events(self.environment, rollout_id))

    def state_for(self, rollout_id: str, action: Action, *, now: datetime) -> RolloutState:
        """The state of a rollout that is to do this now.

        A step asks again, because between a decision and its step another worker or a person may
        have written; adding an event `after` this state's `seq` then holds the two together.

        Raises:
            JournalConflict: It is to do something else by now; decide again.
        """
        state = self.state(rollout_id)
        displaced = self.is_displaced(state)
        if next_action(state, now=now, behind=None, displaced=displaced) != action:
            raise JournalConflict(f"{rollout_id} has moved on; decide again")
        return state

    def is_displaced(self, state: RolloutState) -> bool:
        """Whether a rollout's promoted versions serve no more, though it did not restore any."""
        if state.promoted is None or state.restored is not None or state.plan is None:
            return False
        serving = self.champion().release.members
        return any(serving.get(member.model) != member for member in state.plan.members)

    def plan(self, rollout_id: str) -> Plan:
        """A rollout's plan.

        Raises:
            LookupError: It has none yet, or there is no such rollout.
        """
        plan = self.state(rollout_id).plan
        if plan is None:
            raise LookupError(f"{rollout_id} has no plan")
        return plan

    def champion(self) -> Champion:
        """What serves.

        Raises:
            LookupError: Nothing was adopted or promoted yet.
        """
        champion = self.journal.champion(self.environment)
        if champion is None:
            raise LookupError(f"{self.environment} has no champion; adopt what serves first")
        return champion

    def tell(
        self,
        rollout_id: str,
        *happened: Happening,
        after: int,
        now: datetime,
        actor: str = "sluiceway",
        head: str | None = None,
    ) -> None:
        """Add one event, or several that belong together: all of them or none.

        Args:
            head: The environment's head, where the event rests on all rollouts; else None.

        Raises:
            JournalConflict: Somebody else has written since the event numbered `after`, or since
                the environment had this `head`.
        """
        drafts = [draft(one, at=now, actor=actor) for one in happened]
        self.journal.append(self.environment, rollout_id, drafts, after=after, head=head)

    def candidate_release(self, plan: Plan) -> Release:
        """The release that a plan wants live, on top of its own baseline."""
        return self.journal.release(self.environment, plan.baseline).with_members(plan.members)

    def release_by_hash(self, content_hash: str) -> Release:
        """Any release that ever served or wanted to.

        Raises:
            LookupError: There is none of that hash.
        """
        for generation, known in self.journal.generations(self.environment).items():
            if known == content_hash:
                return self.journal.release(self.environment, generation)
        for rollout_id in reversed(self.journal.rollouts(self.environment)):
            state = self.state(rollout_id)
            for plan in (state.plan, state.proposed, *(one.plan for one in state.narrowed)):
                if plan is not None and plan.release == content_hash:
                    return self.candidate_release(plan)
        raise LookupError(f"no release {content_hash[:12]}…")
