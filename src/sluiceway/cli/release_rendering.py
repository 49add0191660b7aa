"""How answers about releases look, and what a plan reads like."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sluiceway.cli.rendering import radius_json, say
from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.durations import render_duration
from sluiceway.gates import Gate
from sluiceway.planning import render_power
from sluiceway.releasing import Answer, Mixture, PromotionAnswer, Reason, ReasonCode
from sluiceway.releasing.wording import (
    clears,
    pick_name,
    reason_sentence,
    seen_sentence,
    step_sentence,
)
from sluiceway.rights import NeededApproval, why_sentence
from sluiceway.steps.release_plans import Asked, ContractChange, ReleasePlan

_MARKS = {Answer.YES: "+", Answer.UNKNOWN: "?", Answer.NO: "x"}
_SPOKEN = {
    Answer.YES: "may go live",
    Answer.UNKNOWN: "whether to go live cannot be told",
    Answer.NO: "may not go live",
}


def answer_json(asked: Asked) -> dict[str, Any]:
    """An answer in plain types."""
    along = asked.proposal.companions if asked.proposal else ()
    return {
        "environment": asked.environment,
        "generation": asked.generation,
        "members": list(asked.answer.members),
        "answer": asked.answer.answer.value,
        "reasons": [_reason_json(one) for one in asked.answer.reasons],
        "must_go_with": [pick_name(pick) for pick in along],
        "possible": asked.proposal is None or asked.proposal.choice is not None,
        "proposed": asked.proposed,
    }


def _reason_json(reason: Reason) -> dict[str, Any]:
    record, ignore = reason.record, reason.ignored or reason.expired
    return {
        "code": reason.code.value,
        "answer": reason.answer.value,
        "counts": reason.counts,
        "mixture": reason.mixture.value,
        "edge": reason.edge,
        "producer": reason.producer,
        "consumer": reason.consumer,
        "relied_on": [one.value for one in reason.relied_on],
        "evidence": None
        if record is None
        else {
            "kind": record.kind.value,
            "rollout": record.rollout_id,
            "at": record.at.isoformat(),
            "until": record.until.isoformat() if record.until else None,
        },
        "ignore": None
        if ignore is None
        else {
            "owner": ignore.owner,
            "reason": ignore.reason,
            "expires": ignore.expires.isoformat(),
            "expired": reason.ignored is None,
        },
        "sentence": reason_sentence(reason),
        "clears": clears(reason),
    }


def say_answer(asked: Asked) -> None:
    """Print an answer with each reason in one sentence."""
    for line in answer_lines(asked):
        say(line)


def answer_lines(asked: Asked) -> list[str]:
    """The answer, what speaks against it, what is ignored, and what speaks for it in numbers."""
    answer = asked.answer
    names = ", ".join(answer.members) or "what serves"
    lines = [
        f"{_MARKS[answer.answer]} {names}: {_SPOKEN[answer.answer]} in {asked.environment}, where "
        f"generation "
        f"{asked.generation} serves"
    ]
    lines += [f"  {_MARKS[one.answer]} {reason_sentence(one)}" for one in answer.against]
    lines += [f"  - {reason_sentence(one)}" for one in answer.reasons if not one.counts]
    lines += [f"  + {line}" for line in _for(answer)]
    if asked.proposed is not None:
        lines.append(f"  {asked.proposed}")
    return lines


def _for(answer: PromotionAnswer) -> list[str]:
    """What was seen to work, a line for each occasion, and how many edges fit."""
    seen: dict[tuple[Mixture, int], list[Reason]] = {}
    for one in answer.reasons:
        if one.code is ReasonCode.SEEN_TOGETHER and one.edge is None and one.record is not None:
            seen.setdefault((one.mixture, one.record.position), []).append(one)
    fits = sum(one.code is ReasonCode.FITS for one in answer.reasons)
    lines = [seen_sentence(some) for some in seen.values()]
    lines += [reason_sentence(r) for r in answer.reasons if r.code is ReasonCode.ACKNOWLEDGED]
    return [*lines, *([f"contracts fit on {_count(fits, 'edge')}"] if fits else [])]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plan_json(found: ReleasePlan) -> dict[str, Any]:
    """A plan in plain types."""
    plan, system = found.plan, found.system
    return {
        **answer_json(found.asked),
        "planned": [member.name for member in found.members],
        "contracts": [_change_json(one) for one in found.contract_changes],
        "affected": radius_json(plan.radius),
        "owners": {name: system.owners[name].contact for name in plan.radius.owners},
        "waits_for": found.waits_for,
        "stages": {
            "shadow": {
                "start": (plan.shadow_end - plan.shadow_window).isoformat(),
                "end": plan.shadow_end.isoformat(),
                "extension": render_duration(plan.shadow_extension),
            },
            "approvals": [
                {
                    "name": need.name,
                    "owners": list(need.by),
                    "people": need.people,
                    "why": [why_sentence(why) for why in need.why],
                }
                for need in found.approvals
            ],
            "canary": [
                {"weight": step.weight, "bake": render_duration(step.bake_time)}
                for step in plan.canary.steps
            ],
            "mirror": plan.canary.mirror,
            "deadline": render_duration(plan.canary.deadline),
            "longest": render_duration(plan.canary.longest),
            "maturity": render_duration(plan.maturity),
            "watch": render_duration(plan.watch.window),
        },
        "gates": [_gate_json(gate) for gate in plan.gates],
        "alpha": plan.alpha,
        "min_blocks": plan.min_blocks,
        "needed": None
        if found.power is None
        else {
            "fit": found.power.fit.value,
            "blocks": found.power.blocks_needed,
            "units": found.power.units_needed,
            "probability": found.power.probability,
            "sentence": render_power(found.power),
        },
        "order": [
            {"role": step.role.value, "moves": [pick_name(pick) for pick in step.moves]}
            for step in found.steps
        ],
        "way_back": {
            "generation": plan.baseline,
            "partial": [
                {
                    "bad": list(one.bad),
                    "back": list(one.back),
                    "stays": list(one.stays),
                    "sentence": said,
                }
                for one, said in zip(found.ways_back, found.ways_back_said, strict=True)
            ],
        },
    }


def _change_json(change: ContractChange) -> dict[str, Any]:
    return {
        "model": change.model,
        "before": change.before,
        "after": change.after,
        "bump": change.bump,
        "changes": [change_sentence(one) for one in change.changes],
    }


def _gate_json(gate: Gate) -> dict[str, Any]:
    return {
        "gate": gate.name,
        "role": gate.role.value,
        "margin": gate.margin,
        "unit": gate.unit,
        "label": gate.label,
    }


def say_plan(found: ReleasePlan) -> None:
    """Print a plan as one reads it before applying."""
    for line in plan_lines(found):
        say(line)


def plan_lines(found: ReleasePlan) -> list[str]:
    """The plan, part by part."""
    names = ", ".join(member.name for member in found.members)
    head = [
        f"Plan for {names} in {found.asked.environment}, on top of generation "
        f"{found.plan.baseline}; nothing has been done"
    ]
    parts: Iterable[tuple[str, list[str]]] = (
        ("May they go live now?", answer_lines(found.asked)),
        ("Contracts", _contracts(found)),
        ("Affected", _affected(found)),
        ("Stages", _stages(found)),
        (
            f"Gates (α = {found.plan.alpha:g}, at least {found.plan.min_blocks} blocks)",
            _gates(found),
        ),
        ("Needed", [_needed(found)]),
        ("Approvals", _approvals(found)),
        ("Order", _order(found)),
        ("Way back", _way_back(found)),
    )
    lines = list(head)
    for title, part in parts:
        lines += ["", title, *(f"  {line}" for line in part)]
    return lines


def _contracts(found: ReleasePlan) -> list[str]:
    lines = []
    for one in found.contract_changes:
        said = f"{one.before} → {one.after}" if one.before != one.after else one.after
        needs = f", needs a {one.bump} bump" if one.bump else ", unchanged"
        lines.append(f"{one.model}: {said}{needs}")
        lines += [f"  {change_sentence(change)}" for change in one.changes]
    return lines or ["not known"]


def _affected(found: ReleasePlan) -> list[str]:
    radius, system = found.plan.radius, found.system
    followers = [name for name in radius.models if name not in radius.changed]
    owners = [f"{name} ({system.owners[name].contact})" for name in radius.owners]
    lines = [
        f"changed: {', '.join(radius.changed)}",
        f"models downstream: {', '.join(followers) or 'none'}",
        f"outside consumers: {', '.join(radius.consumers) or 'none'}",
        f"owners: {', '.join(owners)}",
    ]
    if found.waits_for is not None:
        lines.append(f"waits for {found.waits_for}, which touches the same nodes")
    return lines


def _stages(found: ReleasePlan) -> list[str]:
    plan = found.plan
    start = plan.shadow_end - plan.shadow_window
    last = plan.shadow_end - timedelta(seconds=1)
    blocks = plan.shadow_window // plan.canary.block
    steps = ", ".join(
        f"{step.weight} % for {render_duration(step.bake_time)}" for step in plan.canary.steps
    )
    least = sum((step.bake_time for step in plan.canary.steps), timedelta(0)) + plan.maturity
    return [
        "contracts: each version answers recorded rows in a process of its own",
        f"shadow: {start:%Y-%m-%d} to {last:%Y-%m-%d} ({_count(blocks, 'block')} of "
        f"{render_duration(plan.canary.block)}), once longer by "
        f"{render_duration(plan.shadow_extension)} where that is not enough",
        f"canary: {steps}; {plan.canary.mirror} % mirrored; at least {render_duration(least)} with "
        f"labels mature after {render_duration(plan.maturity)}, at most "
        f"{render_duration(plan.canary.deadline)}, lengthened to "
        f"{render_duration(plan.canary.longest)} at the latest",
        "promotion: all models at once, in one transaction",
        f"watch: {render_duration(plan.watch.window)}; what served before answers a copy",
    ]


def _levels(found: ReleasePlan) -> str:
    return f"α = {found.plan.alpha:g}, at least {found.plan.min_blocks} blocks"


def _gates(found: ReleasePlan) -> list[str]:
    return [
        f"{gate.role.value}: {gate.name}, harm below {gate.margin:g} {gate.unit}".rstrip()
        + (f", against {gate.label}" if gate.label else "")
        for gate in found.plan.gates
    ]


def _needed(found: ReleasePlan) -> str:
    if found.power is None:
        return "sample and time: after shadow, which they are simulated from"
    return render_power(found.power)


def _approvals(found: ReleasePlan) -> list[str]:
    return [_approval(found, need) for need in found.approvals] or ["none"]


def _approval(found: ReleasePlan, need: NeededApproval) -> str:
    contacts = " or ".join(found.system.owners[owner].contact for owner in need.by)
    people = f", {need.people} people" if need.people > 1 else ""
    return f"{need.name} ({contacts}){people}: {'; '.join(map(why_sentence, need.why))}"


def _order(found: ReleasePlan) -> list[str]:
    if not found.steps:
        return ["no order of releases keeps every state between compatible"]
    if len(found.steps) == 1:
        apart = "" if len(found.steps[0].moves) == 1 else "; no part of it may go first"
        return [f"one release{apart}"]
    return [
        "one release, or one after the other, each with a replay of its own:"
        if found.consistent
        else "one after the other, since each hop chooses versions by itself:",
        *(f"{place}. {step_sentence(step)}" for place, step in enumerate(found.steps, start=1)),
    ]


def _way_back(found: ReleasePlan) -> list[str]:
    lines = [f"generation {found.plan.baseline}, in one step"]
    for one, said in zip(found.ways_back, found.ways_back_said, strict=True):
        lines.append(f"if {', '.join(one.bad)} alone is bad: {said}")
    if any(one.is_partial for one in found.ways_back):
        lines.append("in part only where a replay has shown that what stays works")
    return lines
