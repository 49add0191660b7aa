"""The rollout in one sentence, and what its end means for the people it concerns."""

from collections.abc import Iterable, Sequence

from sluiceway.contracts.change_kinds import sentence as change_sentence
from sluiceway.contracts.promises import sentence as promise_sentence
from sluiceway.gates import Role, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.reports.attribution_rows import alternatives_said
from sluiceway.reports.figures import (
    count,
    interval,
    joined,
    metric_name,
    places_for,
    plain,
    signed,
    with_unit,
)
from sluiceway.reports.sentences import outcomes_said
from sluiceway.reports.story import Story, failing, in_margins
from sluiceway.rights import removal_sentence
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import ContractCheck
from sluiceway.rollouts.reasons import drift_reason

_HARM = {
    ReasonCode.HARM_IN_SHADOW: "On recorded traffic",
    ReasonCode.HARM_IN_CANARY: "On live traffic",
    ReasonCode.HARM_AFTER_PROMOTION: "After the promotion",
}


def headline(story: Story) -> str:
    """Why the rollout stands where it stands, in one sentence with its numbers."""
    ended = story.state.ended
    if ended is None:
        return _running(story)
    if ended.code in _HARM:
        found = failing(_deciding(story))
        return _harm_sentence(_HARM[ended.code], found) if found else ended.reason
    if ended.code in (ReasonCode.PROMISE_BROKEN, ReasonCode.CONTRACT_CHANGE_BREAKS_CONSUMERS):
        return _contract_sentence(story) or ended.reason
    if ended.code is ReasonCode.ALL_GATES_PASSED:
        return _passed_sentence(story) or ended.reason
    return ended.reason


def _running(story: Story) -> str:
    if story.state.requested is None:
        return "The champion was moved by hand, without a rollout."
    if story.state.rollback is not None:
        return f"Being rolled back: {story.state.rollback.reason}"
    if story.state.abort is not None:
        return f"Being stopped: {story.state.abort.reason}"
    if story.state.waits_behind is not None:
        return f"Waits behind {story.state.waits_behind}. Nothing live was touched."
    if story.state.phase is Phase.CANARY:
        weight = story.state.weight
        if (drift := story.state.drift) is not None and not story.state.trusts_shadow:
            held = f"the candidate answers {weight} % of the units and no more"
            return f"In canary, held: {held}. Shadow evidence stale: {drift_reason(drift)}."
        look = story.state.look
        if look is not None and look.outcome is Outcome.ERROR:
            why = look.fault or outcomes_said(look.verdicts)
            said = f"the candidate answers {weight} % of the units, and nothing can be told"
            return f"In canary, the last look in error: {said}: {why}."
        said = f"the candidate answers {weight} % of the units"
        if look is not None and look.outcome is Outcome.INCONCLUSIVE and look.fault:
            return f"In canary, not promoted as it is: {said}. {look.fault}."
        return f"In canary: {said}. Nothing is decided yet."
    if story.state.phase is Phase.WATCH:
        return "Promoted, and watched: the previous generation still answers a sample beside it."
    return f"Not over: it is in {story.state.phase.value}. Nothing live was touched."


def _deciding(story: Story) -> Sequence[Verdict]:
    ended = story.state.ended
    shadow = ended is not None and (
        ended.phase is Phase.SHADOW or ended.code is ReasonCode.HARM_IN_SHADOW
    )
    return story.verdicts.get(Phase.SHADOW if shadow else Phase.CANARY, ())


def _harm_sentence(where: str, found: Sequence[Verdict]) -> str:
    worst = found[0]
    estimate, gate = worst.estimate, worst.gate
    name = f"{gate.model}'s {metric_name(gate.metric)}"
    if estimate is None:
        return f"{where}, {name} is harmed beyond its margin."
    places = places_for((gate.margin, _half_width(worst)))
    harm = with_unit(plain(estimate.harm, places), gate.unit)
    ends = interval(estimate.low, estimate.high, places)
    margin = with_unit(plain(gate.margin, places), gate.unit)
    said = f"{where}, {name} gets worse by {harm} {ends}; {margin} is tolerated"
    others = [f"{one.gate.model}'s {metric_name(one.gate.metric)}" for one in found[1:]]
    more = f" Beyond their margins too: {joined(others)}." if len(others) > 1 else ""
    return said + "." + (f" Beyond its margin too: {others[0]}." if len(others) == 1 else more)


def _half_width(verdict: Verdict) -> float | None:
    estimate = verdict.estimate
    if estimate is None or estimate.high is None:
        return None
    return estimate.high - estimate.harm


def _contract_sentence(story: Story) -> str | None:
    for check in _worst_first(story):
        name = f"{check.model}@{check.version}"
        relying = f"; relied on by {joined(check.broken_edges)}" if check.broken_edges else ""
        for finding in check.findings:
            if finding.outcome is Outcome.FAILED:
                return f"{name} breaks a promise. {promise_sentence(finding)}{relying}."
        for removal in check.removals:
            return f"{name} may not take a field away yet. {removal_sentence(removal)}."
        for change in check.changes:
            if change.breaks:
                return f"{name} changes what others rely on. {change_sentence(change)}{relying}."
    return None


def _worst_first(story: Story) -> list[ContractCheck]:
    contracts = story.state.contracts
    checks = contracts.checks if contracts else ()
    return sorted(checks, key=lambda one: -one.outcome.severity)


def _passed_sentence(story: Story) -> str | None:
    verdicts = story.verdicts.get(Phase.CANARY) or story.verdicts.get(Phase.SHADOW, ())
    required = [one for one in verdicts if one.gate.role is Role.REQUIRED]
    if not required:
        return None
    tightest = max(required, key=in_margins)
    gate, estimate = tightest.gate, tightest.estimate
    said = f"All {count(len(required), 'required gate')} passed on live traffic"
    if len(required) == 1:
        said = "The one required gate passed on live traffic"
    if estimate is None:
        return said + "."
    places = places_for((gate.margin, _half_width(tightest)))
    harm = f"{signed(estimate.harm, places)} {interval(estimate.low, estimate.high, places)}"
    margin = with_unit(plain(gate.margin, places), gate.unit)
    name = f"{gate.model}'s {metric_name(gate.metric)}"
    return f"{said}. Closest to its margin: {name}, harm {harm}, {margin} tolerated."


def what_now(story: Story, generation_after: int | None = None) -> tuple[str, ...]:
    """What serves now, who was told, and what would have to happen next.

    Args:
        generation_after: The champion's generation now; None where that is not known.
    """
    ended = story.state.ended
    if ended is None:
        return ()
    by_ending = {
        Ending.PROMOTED: _after_promotion,
        Ending.ROLLED_BACK: _after_rollback,
        Ending.REJECTED: _after_rejection,
    }
    serving = _serving(story, generation_after)
    said = [*serving, *by_ending.get(ended.ending, _after_other)(story)]
    return tuple(said)


def _serving(story: Story, generation: int | None) -> list[str]:
    ended, plan = story.state.ended, story.plan
    number = "the champion" if generation is None else f"generation {generation}"
    if ended is not None and ended.ending is Ending.PROMOTED:
        said = f"{number[0].upper()}{number[1:]} serves all units"
    elif story.steps:
        said = f"{number[0].upper()}{number[1:]} serves all units; the candidate answers nobody"
    else:
        said = f"Nothing live was touched; {number} keeps serving"
    observed = story.revision is not None and not story.state.unconfirmed
    if plan is not None and observed and story.steps:
        said += f" (observed at routing revision {story.revision})"
    return [said + "."]


def _after_promotion(story: Story) -> list[str]:
    plan = story.plan
    names = joined(member.name for member in story.members)
    said = [f"{names} went live together, in one transaction."]
    if plan is not None:
        said.append(f"The way back is one step: sluiceway rollback --to {plan.baseline}")
    return said


def _after_rollback(story: Story) -> list[str]:
    said = []
    if story.state.incident is not None:
        owners = joined(contacts(story, story.state.incident.owners))
        said.append(f"An incident was opened for {owners}.")
    said += _origin_said(story)
    said += _way_back_said(story)
    diagnosed = story.state.diagnosed
    if diagnosed is not None and diagnosed.fault is not None:
        said.append(f"The origin could not be found out: {diagnosed.fault}.")
    return said


def _way_back_said(story: Story) -> list[str]:
    back = story.state.way_back
    if back is None:
        return []
    said = [f"{back.reason[0].upper()}{back.reason[1:]}."]
    if not back.stays:
        return said
    names = [member.name for member in back.stays]
    if story.state.part_served is not None:
        verb = "serves" if len(names) == 1 else "serve"
        return [*said, f"{joined(names)} {verb} on, as a generation of their own."]
    return [*said, f"The rest may go by itself: sluiceway rollout {' '.join(names)}"]


def _after_rejection(story: Story) -> list[str]:
    ended = story.state.ended
    if ended is not None and ended.must_go_with:
        names = " ".join([*story.wanted, *ended.must_go_with])
        return [f"Propose them as one release: sluiceway rollout {names}"]
    if ended is not None and ended.phase is Phase.CONTRACTS:
        return _after_broken_contract(story)
    return _origin_said(story)


def _after_broken_contract(story: Story) -> list[str]:
    said = []
    for check in _worst_first(story):
        if check.outcome is Outcome.PASSED:
            continue
        name = f"{check.model}@{check.version}"
        if check.broken_edges:
            owners = contacts(story, relying_owners(story, check.broken_edges))
            edges = joined(check.broken_edges)
            rely = "relies" if len(check.broken_edges) == 1 else "rely"
            said.append(f"{edges} {rely} on what {name} broke; to be asked: {joined(owners)}.")
        if check.removals:
            said.append(
                f"Keep promising what {name} takes away until its deprecation has run its course: "
                "see who is waited for with: sluiceway deprecations."
            )
        elif check.outcome is Outcome.FAILED:
            said.append(
                f"Mend {check.model} so that it keeps its promise, or raise the contract's major "
                "version and send the consumers' new versions in the same release."
            )
    return said


def _origin_said(story: Story) -> list[str]:
    found = story.attribution
    if found is None:
        return []
    if found.origin is None:
        return [f"{found.sentence}."]
    origin = found.origin
    said = [f"Harm enters at the {origin.kind} {origin.name}."]
    names = found.sources.sources if found.sources and found.sources.sources else (origin.name,)
    said += [f"Its feed: {finding.what}." for finding in found.findings[:2]]
    if found.must_not_go_alone:
        said += joint_release(story)
    elif found.revert and origin.kind == "model":
        said.append(f"Without {joined(found.revert)} every gate is within its margin.")
    elif origin.kind in ("source", "feature"):
        owner = joined(contacts(story, _owners_of(story, names)))
        said.append(f"{owner} would have to mend it before the same versions are tried again.")
    said += alternatives_said(found)
    return said


def joint_release(story: Story) -> list[str]:
    """Who has to move with the origin, and the command that would move them together."""
    found = story.attribution
    if found is None or found.origin is None or not found.partners:
        return []
    origin = next((m.name for m in story.members if m.model == found.origin.name), None)
    if origin is None:
        return []
    others = [f"{name}@NEW" for name in found.partners]
    owners = joined(contacts(story, _owners_of(story, found.partners)))
    need = "needs a version" if len(others) == 1 else "need versions"
    exist = "it may not exist yet" if len(others) == 1 else "they may not exist yet"
    return [
        f"{found.origin.name} must not go alone: {joined(found.partners)} {need} fitted to its "
        f"new answers; {exist} (to be asked: {owners}).",
        f"Then propose them as one release: sluiceway rollout {' '.join([origin, *others])}",
    ]


def _after_other(story: Story) -> list[str]:
    open_gates = [
        one.gate.name
        for one in _deciding(story)
        if one.gate.role is Role.REQUIRED and one.outcome is not Outcome.PASSED
    ]
    if not open_gates:
        return []
    return [f"Required gates that did not pass: {joined(open_gates)}."]


def relying_owners(story: Story, edges: Iterable[str]) -> tuple[str, ...]:
    """Names of the owners of the consumers of these edges, each once."""
    wanted = set(edges)
    return _owners_of(story, [e.consumer for e in story.system.edges if e.name in wanted])


def _owners_of(story: Story, nodes: Iterable[str]) -> tuple[str, ...]:
    known = {*story.system.sources, *story.system.features, *story.system.models}
    known |= set(story.system.consumers)
    owners = [story.system.owner_of(name).name for name in nodes if name in known]
    return tuple(dict.fromkeys(owners))


def contacts(story: Story, owners: Iterable[str]) -> list[str]:
    """Owners with how to reach them, where the system file says so."""
    declared = story.system.owners
    return [_reached(name, declared[name].contact) if name in declared else name for name in owners]


def _reached(name: str, contact: str) -> str:
    # "risk@shop.example" already says that it is risk's.
    return contact if contact.startswith(name) else f"{name} ({contact})"
