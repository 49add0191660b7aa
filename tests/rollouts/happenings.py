"""Small true-to-type happenings, a plan to go with them, and a journal that is a list."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sluiceway.drift import (
    Aspect,
    Distance,
    DriftFinding,
    DriftPolicy,
    DriftReason,
    DriftReport,
    Method,
    Side,
)
from sluiceway.features import (
    AuditedFeature,
    FeatureAudit,
    FeatureFinding,
    FindingCode,
    Stamp,
)
from sluiceway.gates import Gate, Reason, Role, Verdict, combine
from sluiceway.graph import BlastRadius
from sluiceway.journal import GENESIS, Champion, Event, link
from sluiceway.outcomes import Outcome
from sluiceway.planning import CanaryPower, Fit, RecordedHarms
from sluiceway.releases import Member, Release
from sluiceway.rollouts.events import (
    CanaryPlanned,
    ContractCheck,
    ContractsChecked,
    DriftFound,
    FeaturesAudited,
    Happening,
    Looked,
    Planned,
    Requested,
    ShadowMeasured,
    draft,
)
from sluiceway.rollouts.folding import fold
from sluiceway.rollouts.inputs import KeptProfile
from sluiceway.rollouts.plan import Plan
from sluiceway.rollouts.projection import Projection, project
from sluiceway.rollouts.state import RolloutState
from sluiceway.statistics.sequential import SequentialHarm
from sluiceway.system.values import CanaryPolicy, CanaryStep, DriftWatch, WatchPolicy

START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def gate(model: str, role: Role) -> Gate:
    return Gate(
        model=model,
        metric="mae",
        field="out",
        label="truth.out",
        role=role,
        margin=0.1,
        unit="units",
    )


def member(model: str, version: str) -> Member:
    return Member(
        model=model,
        version=version,
        contract_hash="c" * 64,
        artifact_sha256=f"{model}{version}".ljust(64, "0"),
        features={},
    )


LIVE = Release(members={name: member(name, "1") for name in ("up", "down")})
CANDIDATE = LIVE.with_members([member("up", "2")])
REQUIRED = (gate("up", Role.REQUIRED), gate("down", Role.REQUIRED))
GUARD = gate("side", Role.GUARD)


def plan(*, approvals: tuple[str, ...] = (), steps: int = 2) -> Plan:
    return Plan(
        rollout_id="r1",
        system="pair",
        system_digest="d" * 64,
        environment="test",
        members=(member("up", "2"),),
        baseline=1,
        release=CANDIDATE.content_hash,
        radius=BlastRadius(
            changed=("up",), models=("up", "down"), consumers=(), edges=(), owners=("ada",)
        ),
        gates=(*REQUIRED, GUARD),
        alpha=0.05,
        min_blocks=10,
        shadow_end=START - DAY,
        shadow_window=20 * DAY,
        shadow_extension=10 * DAY,
        timezone="UTC",
        maturity=DAY,
        canary=CanaryPolicy(
            steps=tuple(
                CanaryStep(weight=10 * (place + 1), bake_time=2 * DAY) for place in range(steps)
            ),
            mirror=20,
            deadline=20 * DAY,
            block=DAY,
        ),
        watch=WatchPolicy(window=2 * DAY),
        approvals=approvals,
        drift=DriftWatch(replays=1),
    )


REQUESTED = Requested(members=("up@2",), reserves=("up", "down"), system_digest="d" * 64)


def planned(**more: object) -> Planned:
    return Planned(plan=plan(**more))  # type: ignore[arg-type]


def verdict(of: Gate, outcome: Outcome) -> Verdict:
    reason = {
        Outcome.PASSED: Reason.WITHIN_MARGIN,
        Outcome.INCONCLUSIVE: Reason.MARGIN_NOT_EXCLUDED,
        Outcome.ERROR: Reason.FAULTY_ROWS,
        Outcome.FAILED: Reason.HARM_BEYOND_MARGIN,
    }[outcome]
    return Verdict(
        gate=of,
        outcome=outcome,
        reason=reason,
        estimate=None,
        alpha=0.05,
        rollback_alpha=0.05,
        family_size=3,
    )


def verdicts(outcomes: tuple[Outcome, Outcome, Outcome]) -> tuple[Verdict, ...]:
    return tuple(verdict(g, o) for g, o in zip((*REQUIRED, GUARD), outcomes, strict=True))


def contracts(outcome: Outcome) -> ContractsChecked:
    check = ContractCheck(
        model="up",
        version="2",
        outcome=outcome,
        changes=(),
        version_findings=(),
        broken_edges=(),
        findings=(),
        fault=None,
        rows=10,
        seconds=0.1,
        sentence="as told",
    )
    return ContractsChecked(outcome=outcome, checks=(check,))


HARMS = RecordedHarms(
    blocks=("2026-02-01", "2026-02-02"),
    units=(5, 5),
    harms={g.name: (-0.1, 0.1) for g in (*REQUIRED, GUARD)},
)


def powered(fit: Fit) -> CanaryPlanned:
    """What the simulation came to: 15 days needed, 25 or more than 38 of the 18 there are."""
    needed = {Fit.IN_TIME: 15, Fit.LENGTHENED: 25, Fit.REFUSED: None}[fit]
    power = CanaryPower(
        blocks_needed=needed,
        blocks_available=18,
        blocks_longest=38,
        usual_units=5,
        units_needed=None if needed is None else 5 * needed,
        probability=0.9 if fit is Fit.IN_TIME else 0.3,
        probability_longest=0.5 if fit is Fit.REFUSED else 0.95,
        stopped=0.0,
        deadline=20 * DAY,
        longest=40 * DAY,
        deadline_needed=None if needed is None else (needed + 2) * DAY,
        wanted=0.8,
        simulations=200,
        seed=0,
        recorded_blocks=2,
        gates=(),
    )
    assert power.fit is fit
    return CanaryPlanned(power=power)


def shadow(
    outcome: Outcome, start: datetime, end: datetime, harms: RecordedHarms | None = None
) -> ShadowMeasured:
    return ShadowMeasured(
        outcome=outcome,
        start=start,
        end=end,
        rows=10,
        verdicts=(),
        attribution=None,
        fault="unreadable" if outcome is Outcome.ERROR else None,
        seconds=0.1,
        harms=harms,
    )


def looked(
    outcomes: tuple[Outcome, Outcome, Outcome],
    watermark: str | None,
    fault: str | None = None,
    log_e: float = 0.0,
) -> Looked:
    """A look as the step writes it: its outcome is what its verdicts combine to."""
    told = verdicts(outcomes)
    outcome = combine(told)
    if fault is not None and outcome is not Outcome.FAILED:
        outcome = Outcome.ERROR
    return Looked(
        outcome=outcome,
        watermark=watermark,
        states={g.name: SequentialHarm() for g in (*REQUIRED, GUARD)},
        verdicts=told,
        log_e=log_e,
        candidate_units=1,
        champion_units=9,
        fault=fault,
    )


def drifted(watermark: str) -> DriftFound:
    """One input that has drifted, up to a block."""
    kept = KeptProfile(digest="e" * 64, start=START, end=START + DAY, blocks=20, rows=200)
    side = Side(rows=200, blocks=20)
    finding = DriftFinding(
        column="wind",
        aspect=Aspect.VALUES,
        outcome=Outcome.FAILED,
        reason=DriftReason.BEYOND_THRESHOLD,
        reference=side,
        current=side,
        distance_kind=Distance.KS,
        distance=0.5,
        threshold=0.25,
    )
    report = DriftReport(
        findings=(finding,),
        method=Method.BLOCKS,
        policy=DriftPolicy(),
        block="day",
        reference_blocks=("2026-02-01", "2026-02-20"),
        current_blocks=("2026-03-02", watermark),
    )
    live = replace(kept, blocks=10)
    return DriftFound(watermark=watermark, reference=kept, live=(live,), report=report)


def audited(outcome: Outcome) -> FeaturesAudited:
    """An audit of one feature, with what it takes to come to an outcome."""
    code = {
        Outcome.FAILED: FindingCode.VALUES_DIFFER,
        Outcome.INCONCLUSIVE: FindingCode.NOT_STAMPED,
        Outcome.ERROR: FindingCode.UNREADABLE,
    }.get(outcome)
    stamp = Stamp(version="1.0.0", definition="ab12")
    one = AuditedFeature(
        model="eta",
        version="2",
        feature="distance",
        trained=stamp,
        serves=stamp,
        declared=stamp,
        parity=None,
    )
    found = (
        () if code is None else (FeatureFinding(code=code, models=("eta@2",), feature="distance"),)
    )
    audit = FeatureAudit(start=START, end=START + DAY, features=(one,), findings=found)
    assert audit.outcome is outcome
    return FeaturesAudited(outcome=outcome, audit=audit)


@dataclass
class Told:
    """One rollout's events, and what they come to."""

    events: list[Event] = field(default_factory=list)
    happened: list[tuple[datetime, Happening]] = field(default_factory=list)

    def add(self, happening: Happening, at: datetime) -> None:
        self.happened.append((at, happening))
        self.events.append(
            link(
                draft(happening, at=at),
                environment="test",
                position=len(self.events) + 1,
                rollout_id="r1",
                seq=len(self.events) + 1,
                previous=self.events[-1].hash if self.events else GENESIS,
            )
        )

    @property
    def state(self) -> RolloutState:
        """Read anew each time, as after a crash."""
        return fold(self.events)

    def of(self, *kinds: type) -> list[tuple[datetime, Happening]]:
        return [(at, one) for at, one in self.happened if isinstance(one, kinds)]


def projected(state: RolloutState) -> Projection:
    """How the world should look where this is the only rollout."""
    promoted = state.promoted is not None and state.restored is None
    champion = Champion(
        environment="test",
        generation=2 if promoted else 1,
        revision=1,
        release=CANDIDATE if promoted else LIVE,
    )
    return project(champion, [(1, state)], {1: LIVE.members, 2: CANDIDATE.members})
