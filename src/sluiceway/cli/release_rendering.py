"""What the plan of a release reads like."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sluiceway.cli.answer_rendering import answer_json, answer_lines, counted
from sluiceway.cli.rendering import radius_json, say
from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.durations import render_duration
from sluiceway.gates import Comparison, Gate
from sluiceway.planning import render_power
from sluiceway.releasing.wording import pick_name, step_sentence
from sluiceway.rights import NeededApproval, why_sentence
from sluiceway.rollouts.endings import Phase, ReasonCode
from sluiceway.steps.foreseen import ForeseenEnd, NeededSample
from sluiceway.steps.release_plans import ContractChange, ReleasePlan
from sluiceway.system.time_changes import TimeBudget


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
        "times": [_time_json(one) for one in found.times],
        "ends": _end_json(found.foreseen),
        "needed": _needed_json(found.needed),
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


def _end_json(end: ForeseenEnd | None) -> dict[str, Any] | None:
    if end is None:
        return None
    return {
        "phase": end.phase.value,
        "ending": end.ending.value,
        "code": end.code.value,
        "reason": end.reason,
    }


def _time_json(budget: TimeBudget) -> dict[str, Any]:
    return {
        "edge": budget.edge,
        "need": budget.need.value,
        "needed_seconds": budget.needed.total_seconds(),
        "before_seconds": budget.before.total_seconds(),
        "after_seconds": budget.after.total_seconds(),
        "unknown": list(budget.unknown),
        "sentence": budget.sentence,
    }


def _needed_json(needed: NeededSample) -> dict[str, Any]:
    """Numbers are null where nothing was recorded that they could be simulated from."""
    power = needed.power
    return {
        "at_least": render_duration(needed.at_least),
        "rests_on": needed.rollout_id,
        "estimate": power is not None and not needed.own,
        "fit": power.fit.value if power else None,
        "blocks": power.blocks_needed if power else None,
        "units": power.units_needed if power else None,
        "probability": power.probability if power else None,
        "sentence": "; ".join(_needed(needed)),
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
        "comparison": gate.comparison.value,
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
        ("How far would a rollout come?", _comes_to(found)),
        ("Contracts", _contracts(found)),
        ("Times", _times(found)),
        ("Affected", _affected(found)),
        ("Stages", _stages(found)),
        (
            f"Gates (α = {found.plan.alpha:g}, at least {found.plan.min_blocks} blocks)",
            _gates(found),
        ),
        ("Needed", _needed(found.needed)),
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
        f"shadow: {start:%Y-%m-%d} to {last:%Y-%m-%d} ({counted(blocks, 'block')} of "
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
        + _compared(gate)
        for gate in found.plan.gates
    ]


def _compared(gate: Gate) -> str:
    """How its arms are compared, where not in pairs."""
    where = "" if gate.in_shadow else ", in the canary only"
    return {
        Comparison.PAIRED: where,
        Comparison.PAIRED_ELSE_UNPAIRED: ", unpaired where there are no pairs",
        Comparison.UNPAIRED: f", unpaired{where}",
    }[gate.comparison]


def _comes_to(found: ReleasePlan) -> list[str]:
    lines = []
    if found.asked.proposal is not None and found.asked.proposal.companions:
        code = ReasonCode.MUST_GO_WITH
        lines.append(f"as asked it would end at its plan, rejected ({code}); all of them together:")
    end = found.foreseen
    if end is None:
        lines.append("to its replay, if the versions answer as they promise; none was asked yet")
    else:
        at = {Phase.PLAN: "its plan", Phase.CONTRACTS: "its contract check"}[end.phase]
        lines.append(f"it would end at {at}, {end.ending} ({end.code}): {end.reason}")
    return lines


def _times(found: ReleasePlan) -> list[str]:
    return [one.sentence for one in found.times] or ["nothing that it reaches needs any"]


def _needed(needed: NeededSample) -> list[str]:
    least = (
        f"at least {render_duration(needed.at_least)} of live evidence with mature labels; no "
        "required gate passes on less"
    )
    if needed.power is None:
        after = "more is not known before shadow, which sample and time are simulated from"
        return [least, after]
    if needed.own:
        return [render_power(needed.power)]
    whose = f"{needed.rollout_id} ({', '.join(needed.members)})"
    return [
        least,
        f"an estimate, by the scatter that other versions had in the shadow of {whose} on the same "
        f"gates: {render_power(needed.power)}",
        "simulated anew after the shadow of these versions",
    ]


def _approvals(found: ReleasePlan) -> list[str]:
    return [_approval(found, need) for need in found.approvals] or ["none"]


def _approval(found: ReleasePlan, need: NeededApproval) -> str:
    contacts = " or ".join(found.system.owners[owner].contact for owner in need.by)
    people = f", {need.people} people" if need.people > 1 else ""
    return f"{need.name} ({contacts}){people}: {'; '.join(map(why_sentence, need.why))}"


def _order(found: ReleasePlan) -> list[str]:
    if not found.steps and found.consistent:
        return ["none: these versions together are ruled out, whatever goes first; see above why"]
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
