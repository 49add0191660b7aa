"""Rollouts in random worlds: outcomes, faults, people, crashes and jumps in time in any order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway.gates import Role
from sluiceway.outcomes import Outcome
from sluiceway.planning import Fit
from sluiceway.rollouts.actions import (
    Action,
    AuditFeatures,
    CheckContracts,
    Diagnose,
    End,
    EnterStep,
    LengthenDeadline,
    Look,
    MakePlan,
    OpenIncident,
    PlanCanary,
    Promote,
    Reconcile,
    ReplayShadow,
    RequestApproval,
    Rest,
    RestoreChampion,
    RollBack,
    StopTraffic,
    Wait,
)
from sluiceway.rollouts.deciding import next_action
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import (
    AbortRequested,
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    CanaryPlanned,
    ChampionRestored,
    Confirmed,
    ContractsChecked,
    DeadlineLengthened,
    Diagnosed,
    DriftFound,
    Ended,
    FeaturesAudited,
    Happening,
    Held,
    IncidentOpened,
    Looked,
    Planned,
    Promoted,
    Resumed,
    RollbackDecided,
    ShadowMeasured,
    StepEntered,
    TrafficStopped,
)
from sluiceway.rollouts.state import RolloutState

from .happenings import (
    CANDIDATE,
    DAY,
    HARMS,
    LIVE,
    REQUESTED,
    START,
    Told,
    audited,
    contracts,
    drifted,
    looked,
    plan,
    planned,
    powered,
    projected,
    shadow,
)

ANY = tuple(Outcome)
# Mostly kind, so that many worlds reach a canary and a promotion.
KIND = (Outcome.PASSED,) * 12 + ANY
LIVELY = (Outcome.PASSED,) * 24 + (Outcome.INCONCLUSIVE,) * 12 + ANY
FITS = (Fit.IN_TIME,) * 6 + (Fit.LENGTHENED,) * 3 + (Fit.REFUSED,)
PEOPLE = ("nobody",) * 60 + ("hold", "resume", "resume", "abort")
TURNS = 600


@dataclass
class World:
    """Plays what the shell does, with whatever the world answers drawn at random."""

    chance: Random
    approvals: tuple[str, ...]
    steps: int
    planned: bool = True
    told: Told = field(default_factory=Told)
    now: datetime = START
    actions: list[Action] = field(default_factory=list)

    def write(self, happening: Happening) -> None:
        self.told.add(happening, self.now)

    def live(self) -> Ending:
        """Let the rollout run until it rests."""
        queued = self.chance.randint(0, 2)
        self.write(REQUESTED)
        for turn in range(TURNS):
            behind = "r0" if turn < queued else None
            state = self.told.state
            action = next_action(state, now=self.now, behind=behind)
            assert next_action(state, now=self.now, behind=behind) == action
            self.hold_true(state, action)
            self.actions.append(action)
            if isinstance(action, Rest):
                assert state.ended is not None
                return state.ended.ending
            self.perform(state, action)
            self.let_people_act()
        raise AssertionError(f"no end after {TURNS} turns: {self.actions[-5:]}")

    def hold_true(self, state: RolloutState, action: Action) -> None:
        """What must be so before every single action."""
        over = self.told.of(AbortRequested, RollbackDecided, Ended)
        if over:
            assert state.weight == 0
        if over or state.step is None:
            assert projected(state).routing.canaries == ()
        if self.told.of(Ended):
            assert isinstance(action, Reconcile | Rest)
        looks = self.told.of(Looked)
        latest = looks[-1][1] if looks else None
        assert latest is None or isinstance(latest, Looked)
        free = not isinstance(action, Reconcile | Look) and not over
        if free and latest is not None and latest.outcome is Outcome.FAILED:
            assert isinstance(action, RollBack)
        if free and latest is not None and latest.outcome is Outcome.ERROR:
            promoted = bool(self.told.of(Promoted))
            assert promoted or state.weight == 0 or isinstance(action, StopTraffic)
        if isinstance(action, RequestApproval) or (
            isinstance(action, EnterStep) and state.step is None
        ):
            self.has_time()
        if isinstance(action, Promote):
            self.may_promote()
        if isinstance(action, EnterStep) and state.step is not None and action.step > state.step:
            assert action.step == state.step + 1
            assert state.held is None
            assert latest is not None
            assert latest.log_e <= 0, "more units for a candidate whose evidence leans to harm"
        if isinstance(action, Wait):
            assert action.until is None or action.until > self.now, "waits for the past"

    def has_time(self) -> None:
        """Nobody is asked, and nothing live touched, for a canary that cannot finish in time."""
        told = self.told
        latest = told.of(ShadowMeasured)[-1][1]
        assert isinstance(latest, ShadowMeasured)
        if latest.harms is None:
            return  # written before canaries were planned
        (planned,) = [one for _, one in told.of(CanaryPlanned)]
        assert isinstance(planned, CanaryPlanned)
        assert planned.power.fit is not Fit.REFUSED
        assert len(told.of(DeadlineLengthened)) == (planned.power.fit is Fit.LENGTHENED)

    def deadline(self) -> timedelta:
        """From the first step, read from the raw events."""
        moved = [one for _, one in self.told.of(DeadlineLengthened)]
        assert all(isinstance(one, DeadlineLengthened) for one in moved)
        return moved[0].after if moved else 20 * DAY  # type: ignore[union-attr]

    def may_promote(self) -> None:
        """Everything that promotion rests on, read from the raw events."""
        told, fixed = self.told, plan(approvals=self.approvals, steps=self.steps)
        assert not isinstance(told.of(ShadowMeasured, DriftFound)[-1][1], DriftFound), "stale"
        assert not told.of(Promoted, AbortRequested, RollbackDecided, Ended, ApprovalRefused)
        for kind in (ContractsChecked, ShadowMeasured, Looked):
            latest = told.of(kind)[-1][1]
            assert isinstance(latest, kind)
            assert latest.outcome is Outcome.PASSED
            if isinstance(latest, Looked):
                required = [v for v in latest.verdicts if v.gate.role is Role.REQUIRED]
                assert len(required) == 2
                assert all(v.outcome is Outcome.PASSED for v in required)
                stopping = (Outcome.FAILED, Outcome.ERROR)
                assert all(v.outcome not in stopping for v in latest.verdicts)
        audit = told.of(FeaturesAudited)[-1][1]
        assert isinstance(audit, FeaturesAudited)
        assert audit.outcome in (Outcome.PASSED, Outcome.INCONCLUSIVE)
        assert bool(told.of(Approved)) == bool(fixed.approvals)
        first_step = told.of(StepEntered)[0][0]
        assert self.now < first_step + self.deadline(), "promoted after its deadline"
        holds = told.of(Held, Resumed)
        assert not holds or isinstance(holds[-1][1], Resumed)
        entered = [(at, s) for at, s in told.of(StepEntered) if isinstance(s, StepEntered)]
        last_entry = {s.step: at for at, s in entered}
        assert [s.weight for _, s in entered][-1] == fixed.canary.steps[-1].weight
        assert sorted(last_entry) == list(range(self.steps))
        left = [*(last_entry[n] for n in range(1, self.steps)), self.now]
        for number, until in enumerate(left):
            assert until - last_entry[number] >= fixed.canary.steps[number].bake_time
        stopped = told.of(TrafficStopped)
        assert not stopped or stopped[-1][0] <= last_entry[self.steps - 1]

    def perform(self, state: RolloutState, action: Action) -> None:
        match action:
            case Reconcile():
                if self.chance.randint(0, 3) == 0:
                    self.now += timedelta(minutes=1)  # not yet observed, or killed before
                else:
                    self.write(Confirmed(seq=state.wanted_seq, revision=1))
            case MakePlan():
                self.write(planned(approvals=self.approvals, steps=self.steps))
            case CheckContracts():
                self.write(contracts(self.chance.choice(KIND)))
            case ReplayShadow():
                outcome = self.chance.choice(KIND)
                harms = HARMS if self.planned else None
                self.write(shadow(outcome, action.start, action.end, harms))
            case PlanCanary():
                self.write(powered(self.chance.choice(FITS)))
            case LengthenDeadline():
                before, after = action.before, action.after
                moved = DeadlineLengthened(before=before, after=after, reason=action.reason)
                self.write(moved)
            case RequestApproval():
                self.write(ApprovalRequested(owners=action.owners))
            case EnterStep():
                self.write(StepEntered(step=action.step, weight=action.weight))
            case Look():
                self.look(state, action)
            case AuditFeatures():
                self.write(audited(self.chance.choice(KIND)))
            case StopTraffic():
                self.write(TrafficStopped(reason=action.reason))
            case RollBack():
                self.write(RollbackDecided(code=action.code, reason=action.reason))
            case Promote():
                release, before = CANDIDATE.content_hash, LIVE.content_hash
                self.write(Promoted(release=release, previous_release=before))
            case RestoreChampion():
                self.write(ChampionRestored(release=LIVE.content_hash))
            case Diagnose():
                self.write(Diagnosed(attribution=None, fault="not found"))
            case OpenIncident():
                self.write(IncidentOpened(title="harm", owners=("ada",)))
            case End():
                self.write(action.ended)
            case Wait():
                self.wait(action)

    def look(self, state: RolloutState, action: Look) -> None:
        unreadable = self.chance.randint(0, 9) == 0
        before = state.look.watermark if state.look else None
        fault = "the labels cannot be read" if unreadable else None
        outcomes = tuple(map(self.chance.choice, (LIVELY, LIVELY, LIVELY)))
        watermark = before if unreadable else action.last
        log_e = self.chance.choice((-1.0, -0.1, 0.0, 0.1))
        self.write(looked(outcomes, watermark, fault, log_e))
        shadows = self.told.of(ShadowMeasured, DriftFound)
        fresh = isinstance(shadows[-1][1], ShadowMeasured) and state.promoted is None
        if not unreadable and fresh and self.chance.randint(0, 9) == 0:
            self.write(drifted(action.last))

    def wait(self, action: Wait) -> None:
        if action.until is None:
            self.now += timedelta(hours=1)
            state = self.told.state
            if state.approval_requested is not None and not state.step:
                yes = self.chance.random() < 0.7
                self.write(Approved(reason="fine") if yes else ApprovalRefused(reason="no"))
            elif state.held is not None:
                self.write(Resumed(reason="go on"))
            return
        late = self.chance.choice((0, 0, 0, 1, 30, 2000))
        self.now = action.until + timedelta(hours=late)

    def let_people_act(self) -> None:
        state = self.told.state
        if state.ended is not None:
            return
        match self.chance.choice(PEOPLE):
            case "hold":
                self.write(Held(reason="freeze"))
            case "resume" if state.held is not None:
                self.write(Resumed(reason="go on"))
            case "abort" if state.promoted is None:
                self.write(AbortRequested(reason="enough"))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    approvals=st.sampled_from([(), ("ada",), ("ada", "bob")]),
    steps=st.integers(1, 3),
    planned=st.sampled_from([True, True, True, False]),
)
def test_every_world_ends_in_a_named_ending_and_promotes_only_on_proof(
    seed: int, approvals: tuple[str, ...], steps: int, planned: bool
) -> None:
    world = World(chance=Random(seed), approvals=approvals, steps=steps, planned=planned)
    ending = world.live()
    told = world.told
    assert len(told.of(Ended)) == 1
    assert len(told.of(Promoted)) <= 1
    assert len(told.of(Planned)) <= 1
    assert len(told.of(DriftFound)) <= 2, "one replay is allowed, and held at the second drift"
    assert len(told.of(Diagnosed)) == len(told.of(RollbackDecided))
    assert told.state.ended is not None
    unwatched = told.state.ended.code is ReasonCode.WATCH_UNMEASURABLE
    assert len(told.of(IncidentOpened)) == len(told.of(RollbackDecided)) + unwatched
    underpowered = told.state.ended.code is ReasonCode.CANARY_UNDERPOWERED
    assert not underpowered or (ending is Ending.INCONCLUSIVE and not told.of(StepEntered))
    fits = [one.power.fit for _, one in told.of(CanaryPlanned) if isinstance(one, CanaryPlanned)]
    assert len(fits) <= 1
    assert Fit.REFUSED not in fits or not told.of(StepEntered, ApprovalRequested)
    restored = bool(told.of(ChampionRestored))
    serves = bool(told.of(Promoted)) and not restored
    assert (ending is Ending.PROMOTED) == serves
    assert (ending is Ending.ROLLED_BACK) == bool(told.of(RollbackDecided))
    routing = projected(told.state).routing
    assert (routing.canaries, routing.watches) == ((), ())
    assert routing.generation == (2 if serves else 1)
    # Far in the future nothing more happens.
    assert next_action(told.state, now=world.now + 999 * DAY, behind=None) == Rest()
