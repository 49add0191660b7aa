"""Rollouts of the flights system as real events in a real chain, with made-up numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from sluiceway.attribution import (
    Attribution,
    EdgeHarm,
    Effect,
    GateHarm,
    HarmPath,
    Origin,
    Reversion,
)
from sluiceway.contracts.promises import check_answers
from sluiceway.gates import Gate, Levels, Verdict, combine, judge_canary, judge_replay
from sluiceway.journal import GENESIS, Event, link
from sluiceway.outcomes import Outcome
from sluiceway.releases import Member, Release
from sluiceway.replay.profiles import FeedFinding, FindingKind
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    ChampionRestored,
    Confirmed,
    ContractCheck,
    ContractsChecked,
    Diagnosed,
    Ended,
    Happening,
    IncidentOpened,
    Looked,
    Planned,
    Promoted,
    Requested,
    RollbackDecided,
    ShadowMeasured,
    StepEntered,
    Waited,
    draft,
)
from sluiceway.rollouts.plan import Plan, make_plan
from sluiceway.rollouts.reasons import (
    contract_reason,
    contract_sentence,
    harm_reason,
    verdicts_sentence,
)
from sluiceway.statistics.accumulating import MetricAccumulator
from sluiceway.statistics.metrics import METRICS, BlockSums
from sluiceway.statistics.sequential import BlockHarm, SequentialHarm
from sluiceway.system.file import read_system
from sluiceway.system.values import System

ROOT = Path(__file__).parents[2]
NOON = datetime(2013, 9, 2, 12, tzinfo=UTC)
BASELINES = {
    "dep_delay.mae": 24.20,
    "dep_delay.rmse": 41.3,
    "air_time.mae": 10.1,
    "arr_delay.mae": 28.67,
    "arr_delay.rmse": 46.0,
    "missed_connection.brier": 0.1057,
    "missed_connection.roc_auc": 0.766,
}
SPREADS = {"mae": 2.4, "rmse": 4.0, "brier": 0.012, "roc_auc": 0.02}


def flights() -> System:
    return read_system(ROOT / "examples/flights/system.yaml")


def orders() -> System:
    return read_system(ROOT / "tests/orders/system.yaml")


@dataclass
class Chain:
    """Writes events one after the other, each a minute after the one before."""

    system: System
    rollout_id: str
    at: datetime = NOON
    events: list[Event] = field(default_factory=list)
    before: int = 40

    def tell(self, happening: Happening, *, after: timedelta | None = None, actor="sluiceway"):
        self.at += timedelta(seconds=1.3) if after is None else after
        seq = len(self.events) + 1
        previous = self.events[-1].hash if self.events else GENESIS
        self.events.append(
            link(
                draft(happening, at=self.at, actor=actor),
                environment="live",
                position=self.before + seq,
                rollout_id=self.rollout_id,
                seq=seq,
                previous=previous,
            )
        )

    def confirm(self) -> None:
        self.tell(Confirmed(seq=len(self.events), revision=self.before + len(self.events)))


def member(system: System, model: str, version: str, features: Mapping[str, str] | None = None):
    read = {e.producer: "1.0.0" for e in system.models[model].inputs if e.field is None}
    return Member(
        model=model,
        version=version,
        contract_hash=(version * 64)[:64],
        artifact_sha256=(f"{ord(version[0]):x}" * 64)[:64],
        features={**read, **(features or {})},
    )


def champion(system: System) -> Release:
    return Release(members={name: member(system, name, "1") for name in system.models})


def begin(chain: Chain, members: tuple[Member, ...], *, generation: int = 1) -> Plan:
    plan = make_plan(
        chain.system,
        rollout_id=chain.rollout_id,
        environment="live",
        members=members,
        champion=champion(chain.system),
        generation=generation,
        now=chain.at,
    )
    wanted = Requested(
        members=tuple(m.name for m in members),
        reserves=(*plan.radius.models, *plan.radius.consumers),
        system_digest=chain.system.digest,
    )
    chain.tell(wanted, actor="ada")
    chain.tell(Planned(plan=plan))
    chain.confirm()
    return plan


def kept(plan: Plan) -> ContractsChecked:
    checks = tuple(
        ContractCheck(
            model=m.model,
            version=m.version,
            outcome=Outcome.PASSED,
            changes=(),
            version_findings=(),
            broken_edges=(),
            findings=(),
            fault=None,
            rows=5200,
            seconds=0.06,
            sentence="keeps its contract",
        )
        for m in plan.members
    )
    return ContractsChecked(outcome=Outcome.PASSED, checks=checks)


def sums_of(gate: Gate, harm: float, noise: float, days: int = 62) -> tuple[BlockSums, BlockSums]:
    rng = np.random.default_rng(7)
    blocks = tuple(str(np.datetime64("2013-07-01") + d) for d in range(days))
    if gate.metric == "roc_auc":
        return _ranked(rng, harm, blocks)
    rows = np.full(days, 892, dtype=np.int64)
    none = np.zeros(days, dtype=np.int64)
    level = BASELINES[gate.name] * (1 + 0.3 * rng.standard_normal(days).clip(-2, 2))
    after = np.maximum(level + harm + noise * np.sqrt(days) * rng.standard_normal(days), 0.001)
    power = 2 if gate.metric == "rmse" else 1
    arms = [
        BlockSums(
            metric=gate.metric,
            blocks=blocks,
            sums=(values**power * rows)[:, None],
            rows=rows,
            unlabelled=none,
            label_faults=none,
            answer_faults=none,
        )
        for values in (level, after)
    ]
    return arms[0], arms[1]


def _ranked(rng, harm: float, blocks: tuple[str, ...]) -> tuple[BlockSums, BlockSums]:
    days = np.repeat(np.asarray(blocks, dtype=object), 80)
    labels = (rng.random(len(days)) < 0.15).astype(float)
    score = labels * 1.05 + rng.standard_normal(len(days))
    arms = []
    for values in (score, score - harm * 6 * labels + 0.05 * rng.standard_normal(len(days))):
        accumulator = MetricAccumulator(METRICS["roc_auc"])
        accumulator.add(labels, 1 / (1 + np.exp(-values)), days)
        arms.append(accumulator.finish())
    return arms[0], arms[1]


def shadow(
    plan: Plan, harms: Mapping[str, tuple[float, float]], attribution: Attribution | None = None
) -> ShadowMeasured:
    levels = Levels(alpha=plan.alpha, rollback_alpha=plan.alpha, min_blocks=plan.min_blocks)
    verdicts = tuple(
        judge_replay(gate, *sums_of(gate, *harms[gate.name]), levels, len(plan.gates))
        for gate in plan.gates
    )
    return ShadowMeasured(
        outcome=combine(verdicts),
        start=plan.shadow_end - plan.shadow_window,
        end=plan.shadow_end,
        rows=55_312,
        verdicts=verdicts,
        attribution=attribution,
        fault=None,
        seconds=21.4,
    )


def cascade_attribution(verdicts: tuple[Verdict, ...]) -> Attribution:
    """What a freeze test says when two consumers have learned to correct their producer."""
    edges = ("dep_delay.minutes → arr_delay", "arr_delay.minutes → missed_connection")

    def effect(size: float, width: float) -> Effect:
        return Effect(harm=size, low=size - width, high=size + width)

    harmed = []
    for verdict in verdicts:
        if verdict.outcome is not Outcome.FAILED or verdict.estimate is None:
            continue
        size = verdict.estimate.harm
        width = (verdict.estimate.high or size) - size
        last = verdict.gate.model == "missed_connection"
        harmed.append(
            GateHarm(
                gate=verdict.gate.name,
                model=verdict.gate.model,
                unit=verdict.gate.unit,
                margin=verdict.gate.margin,
                harm=effect(size, width),
                own=effect(0.0, 0.0),
                through_inputs=effect(size, width),
                path=HarmPath.CASCADING,
                edges=tuple(
                    EdgeHarm(
                        edge=edge,
                        producer=edge.split(".")[0],
                        consumer=edge.split("→ ")[1],
                        taken_back=effect(size, width),
                        left=effect(0.0, 0.0),
                        share=1.0,
                        carries=True,
                    )
                    for edge in (edges if last else edges[:1])
                ),
            )
        )
    reversion = Reversion(
        reverted=("dep_delay",),
        harms={one.gate.name: effect(0.0, 0.0) for one in verdicts},
        within_margins=True,
    )
    return Attribution(
        harmed=tuple(harmed),
        edges=edges,
        reversions=(reversion,),
        revert=("dep_delay",),
        origin=Origin(kind="model", name="dep_delay"),
        findings=(),
        partners=("arr_delay", "missed_connection"),
        must_not_go_alone=True,
        alpha=0.05,
    )


CASCADE = {
    "dep_delay.mae": (-2.98, 0.20),
    "dep_delay.rmse": (-1.9, 0.4),
    "arr_delay.mae": (2.86, 0.42),
    "arr_delay.rmse": (1.4, 0.6),
    "missed_connection.brier": (0.0059, 0.0011),
    "missed_connection.roc_auc": (-0.0008, 0.0),
}
JOINT = {
    "dep_delay.mae": (-2.98, 0.20),
    "dep_delay.rmse": (-1.9, 0.4),
    "arr_delay.mae": (-0.37, 0.08),
    "arr_delay.rmse": (-0.5, 0.3),
    "missed_connection.brier": (-0.0012, 0.0004),
    "missed_connection.roc_auc": (-0.01, 0.0),
}


def rejected_in_contracts(system: System | None = None) -> list[Event]:
    """Answers in hours under a contract that promises minutes."""
    system = system or flights()
    chain = Chain(system, "r0001-dep_delay3")
    plan = begin(chain, (member(system, "dep_delay", "3"),))
    contract = system.models["dep_delay"].contract
    hours = np.random.default_rng(1).gamma(2.0, 0.09, 5200)
    findings = check_answers(contract, hours, seconds=0.05)
    check = ContractCheck(
        model="dep_delay",
        version="3",
        outcome=Outcome.FAILED,
        changes=(),
        version_findings=(),
        broken_edges=("dep_delay.minutes → arr_delay",),
        findings=findings,
        fault=None,
        rows=5200,
        seconds=0.05,
        sentence="",
    )
    check = replace(check, sentence=contract_sentence(check))
    checked = ContractsChecked(outcome=Outcome.FAILED, checks=(check,))
    chain.tell(checked)
    code, reason, origin = contract_reason(checked)
    assert plan.members[0].name == "dep_delay@3"
    ended = Ended(
        ending=Ending.REJECTED, phase=Phase.CONTRACTS, code=code, reason=reason, origin=origin
    )
    chain.tell(ended)
    chain.confirm()
    return chain.events


def rejected_in_shadow(system: System | None = None) -> list[Event]:
    """A better producer whose consumers had learned to correct the worse one."""
    system = system or flights()
    chain = Chain(system, "r0002-dep_delay2")
    plan = begin(chain, (member(system, "dep_delay", "2"),))
    chain.tell(kept(plan))
    chain.confirm()
    measured = shadow(plan, CASCADE)
    found = cascade_attribution(measured.verdicts)
    chain.tell(replace(measured, attribution=found), after=timedelta(seconds=21))
    reason = f"{harm_reason_of(measured)}. {found.sentence}"
    chain.tell(
        Ended(
            ending=Ending.REJECTED,
            phase=Phase.SHADOW,
            code=ReasonCode.HARM_IN_SHADOW,
            reason=reason,
            origin=Origin(kind="model", name="dep_delay"),
        )
    )
    chain.confirm()
    return chain.events


def harm_reason_of(measured: ShadowMeasured | Looked) -> str:
    return verdicts_sentence(measured.verdicts, measured.outcome)


def joint(system: System, features: Mapping[str, str] | None = None) -> tuple[Member, ...]:
    names = ("dep_delay", "arr_delay", "missed_connection")
    return tuple(member(system, name, "2", features) for name in names)


def in_canary(
    chain: Chain, plan: Plan, harms: Mapping[str, tuple[float, float]], days: int
) -> tuple[Looked, bool]:
    """Plays steps and looks until the family has seen enough, or the days are over."""
    steps = list(plan.canary.steps)
    chain.tell(StepEntered(step=0, weight=steps[0].weight))
    chain.confirm()
    entered, step = chain.at, 0
    states = {gate.name: SequentialHarm() for gate in plan.gates}
    rng = np.random.default_rng(5)
    levels = Levels(alpha=plan.alpha, rollback_alpha=plan.alpha, min_blocks=plan.min_blocks)
    looked = None
    for day in range(days):
        watermark = plan.calendar.name(entered + timedelta(days=day + 1))
        for gate in plan.gates:
            size, spread = harms[gate.name]
            harm = float(size + spread * rng.standard_normal())
            level = BASELINES[gate.name]
            block = BlockHarm(
                block=watermark,
                harm=harm,
                baseline=level,
                candidate=level + harm * (-1 if gate.metric == "roc_auc" else 1),
                rows=870,
                unlabelled=11,
            )
            states[gate.name] = states[gate.name].enter(block)
        judged = judge_canary([(g, states[g.name]) for g in plan.gates], levels)
        looked = Looked(
            outcome=combine(judged.verdicts),
            watermark=watermark,
            states=dict(states),
            verdicts=judged.verdicts,
            log_e=judged.family_log_e,
            candidate_units=int(9 * steps[step].weight),
            champion_units=int(9 * (100 - steps[step].weight)),
            fault=None,
        )
        chain.at = plan.calendar.end(watermark) + plan.maturity
        chain.tell(looked, after=timedelta(minutes=2))
        if looked.outcome is Outcome.FAILED:
            return looked, True
        if day in (3, 6) and step + 1 < len(steps):
            step += 1
            chain.tell(StepEntered(step=step, weight=steps[step].weight))
            chain.confirm()
    assert looked is not None
    return looked, False


def promoted(system: System | None = None) -> list[Event]:
    """A joint release that is better everywhere."""
    system = system or flights()
    chain = Chain(system, "r0003-arr_delay2-dep_delay2-missed_connection2")
    plan = begin(chain, joint(system))
    chain.tell(kept(plan))
    chain.confirm()
    chain.tell(shadow(plan, JOINT), after=timedelta(seconds=30))
    chain.confirm()
    live = {**{k: (v[0], abs(v[0]) * 0.45 + 0.0005) for k, v in JOINT.items()}}
    live["arr_delay.rmse"] = (-0.2, 1.9)
    looked, stopped = in_canary(chain, plan, live, 13)
    assert not stopped
    assert looked.outcome is Outcome.PASSED, [v.outcome for v in looked.verdicts]
    chain.tell(Promoted(release=plan.release, previous_release=champion(system).content_hash))
    chain.confirm()
    reason = harm_reason_of(looked)
    ended = Ended(
        ending=Ending.PROMOTED, phase=Phase.WATCH, code=ReasonCode.ALL_GATES_PASSED, reason=reason
    )
    chain.tell(ended, after=timedelta(days=4))
    chain.confirm()
    return chain.events


STORM = {
    "dep_delay.mae": (24.0, 9.0),
    "dep_delay.rmse": (15.0, 9.0),
    "arr_delay.mae": (37.7, 11.0),
    "arr_delay.rmse": (22.0, 12.0),
    "missed_connection.brier": (0.09, 0.04),
    "missed_connection.roc_auc": (0.05, 0.04),
}


def rolled_back(system: System | None = None) -> list[Event]:
    """A release that reads a feed which froze in the live world."""
    system = system or flights()
    chain = Chain(system, "r0004-arr_delay3-dep_delay3-missed_connection3")
    feed = [name for name, f in system.features.items() if "2.0.0" in f.versions]
    members = tuple(
        member(
            system,
            m,
            "3",
            {f: "2.0.0" for f in feed if f in {e.producer for e in system.models[m].inputs}},
        )
        for m in ("dep_delay", "arr_delay", "missed_connection")
    )
    plan = begin(chain, members, generation=2)
    chain.tell(Waited(behind="r0003-joint"))
    chain.tell(kept(plan))
    chain.confirm()
    chain.tell(shadow(plan, JOINT), after=timedelta(seconds=30))
    chain.confirm()
    looked, stopped = in_canary(chain, plan, STORM, 12)
    assert stopped
    reason = harm_reason(looked)
    chain.tell(RollbackDecided(code=ReasonCode.HARM_IN_CANARY, reason=reason))
    chain.confirm()
    finding = FeedFinding(
        kind=FindingKind.STUCK,
        source="operations_2",
        column="mean_delay",
        blocks=6,
        live_blocks=6,
        reference_blocks=62,
        reference_like_it=0,
        live=3.0,
        reference=214.0,
        what=(
            "operations_2.mean_delay stands still: at most 3 different values a day over the "
            "latest 6 days, 214 in the recorded history"
        ),
    )
    found = replace(
        cascade_attribution(looked.verdicts),
        origin=Origin(kind="source", name="operations_2"),
        edges=(
            "origin_mean_delay → dep_delay",
            "dep_delay.minutes → arr_delay",
            "arr_delay.minutes → missed_connection",
        ),
        findings=(finding,),
        revert=("operations_2",),
        reversions=(Reversion(reverted=("operations_2",), harms={}, within_margins=True),),
        partners=(),
        must_not_go_alone=False,
    )
    chain.tell(Diagnosed(attribution=found, fault=None), after=timedelta(seconds=9))
    title = f"{chain.rollout_id} was rolled back: {reason}"
    chain.tell(IncidentOpened(title=title, owners=plan.radius.owners))
    chain.tell(
        Ended(
            ending=Ending.ROLLED_BACK,
            phase=Phase.CANARY,
            code=ReasonCode.HARM_IN_CANARY,
            reason=reason,
            origin=Origin(kind="source", name="operations_2"),
        )
    )
    chain.confirm()
    return chain.events


def restored_by_hand(system: System) -> list[Event]:
    """An operator moves the champion back."""
    chain = Chain(system, "rollback-0001")
    chain.tell(ChampionRestored(release=champion(system).content_hash), actor="ada")
    return chain.events
