"""Where a rollout is, as its events tell it; :mod:`sluiceway.rollouts.folding` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sluiceway.gates import Gate
from sluiceway.outcomes import Outcome
from sluiceway.planning import BlockLength, CanaryPower, in_blocks
from sluiceway.releases import Member
from sluiceway.rights import GivenApproval, NeededApproval, listed_approvals, still_open
from sluiceway.rollouts.endings import Phase
from sluiceway.rollouts.events import (
    AbortRequested,
    ApprovalRefused,
    ApprovalRequested,
    CanaryNarrowed,
    CandidateHalted,
    ChampionRestored,
    ContractsChecked,
    DeadlineLengthened,
    Diagnosed,
    DriftFound,
    Ended,
    FeaturesAudited,
    Held,
    IncidentOpened,
    Looked,
    PartServed,
    Promoted,
    Requested,
    RollbackDecided,
    ShadowMeasured,
    WayBackPlanned,
)
from sluiceway.rollouts.inputs import KeptProfile
from sluiceway.rollouts.plan import Plan
from sluiceway.statistics.sequential import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """A rollout as its events tell it.

    Attributes:
        seq: How many events were read.
        wanted_seq: The last event after which the world must look different.
        confirmed_seq: The last event up to which the world was observed to be right.
        requested_by: Who asked for it.
        plan: The plan in force: of what is left of the release, where a part went back.
        proposed: The plan as it was first made.
        narrowed: What went back in canary while the rest went on, in order.
        since_revision: Revision of the routing table with which the present candidate began; what
            was answered by an older one is no evidence of it.
        halted: The hard rule that the present candidate broke; None while it broke none.
        given: Every approval that was given.
        power: What the canary needs, simulated from the latest shadow replay.
        blocks: How long the blocks of live evidence are, from the canary's plan; it does not
            change once the canary has begun.
        evidence: How gates read live evidence, from the same plan; it does not change either.
        lengthened: The deadline that replaced the plan's, where one did.
        first_step_at: When the candidate first got traffic.
        step_at: When the present step was entered.
        weight: Percent of units the candidate is to answer now.
        audited_looks: Looks there had been when the features were audited last.
        error_since: When looks began to end in ERROR without one that did not.
        promoted_at: When the champion pointer moved.
        inputs: Profiles of all live blocks, each in one of them.
        compared_at: Live blocks when they were last held against the present reference.
        drift: The latest drift of the live inputs.
        drifts: How often they have drifted.
        shadows_at_drift: Shadow replays there had been when they drifted last.
        guarded: The slices' guards as they were when the canary began.
        measured_at_step: Blocks measured when the present step was entered.
        measured_at_promotion: Blocks measured when the champion pointer moved.
    """

    seq: int = 0
    wanted_seq: int = 0
    confirmed_seq: int = 0
    requested: Requested | None = None
    requested_by: str = ""
    waits_behind: str | None = None
    plan: Plan | None = None
    proposed: Plan | None = None
    narrowed: tuple[CanaryNarrowed, ...] = ()
    since_revision: int = 0
    contracts: ContractsChecked | None = None
    contract_attempts: int = 0
    shadows: tuple[ShadowMeasured, ...] = ()
    power: CanaryPower | None = None
    blocks: BlockLength | None = None
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    lengthened: DeadlineLengthened | None = None
    approval_requested: ApprovalRequested | None = None
    given: tuple[GivenApproval, ...] = ()
    refused: ApprovalRefused | None = None
    step: int | None = None
    weight: int = 0
    first_step_at: datetime | None = None
    step_at: datetime | None = None
    measured_at_step: int = 0
    measured_at_promotion: int = 0
    look: Looked | None = None
    looked_at: datetime | None = None
    looks: int = 0
    audit: FeaturesAudited | None = None
    audited_looks: int = 0
    error_since: datetime | None = None
    inputs: tuple[KeptProfile, ...] = ()
    compared_at: int = 0
    drift: DriftFound | None = None
    drifts: int = 0
    shadows_at_drift: int = 0
    guarded: tuple[Gate, ...] | None = None
    halted: CandidateHalted | None = None
    held: Held | None = None
    abort: AbortRequested | None = None
    promoted: Promoted | None = None
    promoted_at: datetime | None = None
    rollback: RollbackDecided | None = None
    restored: ChampionRestored | None = None
    diagnosed: Diagnosed | None = None
    way_back: WayBackPlanned | None = None
    part_served: PartServed | None = None
    incident: IncidentOpened | None = None
    ended: Ended | None = None

    @property
    def halted_member(self) -> Member | None:
        """The rollout's own version that broke a hard rule; None where it is another, or none."""
        if self.halted is None or self.plan is None:
            return None
        found = (m for m in self.plan.members if m.model == self.halted.model)
        return next((m for m in found if m.version == self.halted.version), None)

    @property
    def slice_gates(self) -> tuple[Gate, ...]:
        """The slices' guards, frozen by the shadow replay that let the canary begin."""
        if self.guarded is not None:
            return self.guarded
        measured = self.shadows[-1] if self.shadows else None
        gates = tuple(one.gate for one in measured.slices) if measured else ()
        return tuple(in_blocks(one, self.blocks) for one in gates) if self.blocks else gates

    @property
    def live_plan(self) -> Plan | None:
        """The plan with live evidence in the blocks, and read, as its canary was planned with."""
        if self.plan is None:
            return None
        plan = self.plan if self.blocks is None else self.plan.in_blocks(self.blocks)
        return plan.reading(self.evidence)

    @property
    def needed(self) -> tuple[NeededApproval, ...]:
        """The approvals it needs: by what is changed, or until that is known by the plan."""
        if self.contracts is not None and self.contracts.approvals is not None:
            return self.contracts.approvals
        return listed_approvals(self.plan.approvals) if self.plan else ()

    @property
    def waiting_for(self) -> tuple[NeededApproval, ...]:
        """The approvals that nobody has given yet."""
        return still_open(self.needed, self.given)

    @property
    def approved(self) -> bool:
        """Whether every approval it needs was given; nothing needed is nothing approved."""
        return bool(self.needed) and not self.waiting_for

    @property
    def trusts_shadow(self) -> bool:
        """Whether the latest shadow replay passed, and its inputs are still what they were."""
        return bool(self.shadows) and self.shadows[-1].outcome is Outcome.PASSED

    @property
    def stale(self) -> bool:
        """Whether the inputs have drifted since the latest shadow replay."""
        return self.drift is not None and len(self.shadows) == self.shadows_at_drift

    @property
    def replays(self) -> tuple[ShadowMeasured, ...]:
        """The shadow replays that the latest drift has led to."""
        return self.shadows[self.shadows_at_drift :] if self.drift is not None else ()

    @property
    def unconfirmed(self) -> bool:
        """Whether the world has not yet been observed to be as the events want it."""
        return self.wanted_seq > self.confirmed_seq

    def deadline_of(self, plan: Plan) -> timedelta:
        """Time from the first step by which every required gate must have passed."""
        return self.lengthened.after if self.lengthened else plan.canary.deadline

    @property
    def measured(self) -> int:
        """Blocks that the gate on answers with the most of them has measured.

        How models are served is known of blocks before their labels are.
        """
        states = self.look.states if self.look else {}
        served = {gate.name for gate in self.plan.serving} if self.plan else set()
        return max((one.n for name, one in states.items() if name not in served), default=0)

    @property
    def phase(self) -> Phase:
        """Where the rollout is; where it ended, once it has."""
        if self.ended is not None:
            return self.ended.phase
        if self.promoted is not None:
            return Phase.WATCH
        if self.step is not None:
            return Phase.CANARY
        if self.approval_requested is not None and not self.approved:
            return Phase.APPROVAL
        if self.shadows and self.shadows[-1].outcome is Outcome.PASSED:
            return Phase.CANARY
        if self.contracts is not None and self.contracts.outcome is Outcome.PASSED:
            return Phase.SHADOW
        return Phase.PLAN if self.plan is None else Phase.CONTRACTS
