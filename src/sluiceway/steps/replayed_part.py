"""Replaying what would be left of a release without the version that broke a hard rule.

A rule that is broken within seconds leaves no live evidence behind to trace anything in, and what
may stay has to be seen to work all the same.
"""

import time
from dataclasses import replace

from sluiceway.gates import Verdict, combine, judge_replay
from sluiceway.outcomes import Outcome
from sluiceway.ports import UnknownVersion, UnloadableVersion
from sluiceway.releases import Member
from sluiceway.replay.evaluate import Arm
from sluiceway.replay.faults import FaultyAnswers, UnusableHistory
from sluiceway.replay.freezing import BASELINE, CANDIDATE
from sluiceway.rollouts.events import PartReplayed
from sluiceway.steps.replayed import Chains, measured_by, shadow_window


def part_replayed(chains: Chains, back: Member) -> PartReplayed:
    """Replay shadow's window through the champion and what stays, and judge every gate."""
    began = time.perf_counter()
    stays = tuple(member for member in chains.plan.members if member != back)
    plan = chains.plan.narrowed(chains.system, stays, chains.baseline)
    gates = plan.shadow_gates
    part = replace(chains, plan=plan, candidate=chains.baseline.with_members(stays))
    verdicts: tuple[Verdict, ...] = ()
    rows, fault, outcome = 0, None, Outcome.ERROR
    try:
        arms = (
            Arm(name=BASELINE, release=part.baseline),
            Arm(name=CANDIDATE, release=part.candidate),
        )
        words = "replay of what may stay"
        measured = measured_by(part, arms, shadow_window(part), "recorded", words=words)
        before, after = measured.evidence[BASELINE], measured.evidence[CANDIDATE]
        verdicts = tuple(
            judge_replay(gate, before[gate.name], after[gate.name], part.levels, len(gates))
            for gate in gates
        )
        rows, outcome = measured.rows, combine(verdicts)
    except (UnusableHistory, FaultyAnswers, UnknownVersion, UnloadableVersion) as error:
        fault = str(error).replace("\n", "; ")
    return PartReplayed(
        stays=stays,
        outcome=outcome,
        verdicts=verdicts,
        rows=rows,
        fault=fault,
        seconds=time.perf_counter() - began,
    )
