"""The way back of a release that failed: only the origin, where what stays fits and was seen."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sluiceway.attribution import Attribution
from sluiceway.releases import Member, Release
from sluiceway.releasing import Facts, Pick, Rule, RuleKind, WayBack, way_back
from sluiceway.releasing.proposing import why_forbidden
from sluiceway.releasing.wording import way_back_sentence
from sluiceway.rollouts.actions import NarrowCanary, PlanWayBack, ServePart
from sluiceway.rollouts.events import CanaryNarrowed, PartServed, WayBackPlanned, draft
from sluiceway.rollouts.state import RolloutState
from sluiceway.steps.known import facts_of
from sluiceway.steps.promotion import changed_artifacts
from sluiceway.steps.site import Site
from sluiceway.steps.taking_back import models_of
from sluiceway.system.values import System


def plan_way_back(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Write down what of the release goes back, and what may stay.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, PlanWayBack(), now=now)
    site.tell(rollout_id, _planned(site, rollout_id, state, now), after=state.seq, now=now)


def serve_part(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Make what may stay the champion; where that no longer holds, write down what does.

    Its evidence, its files and what it would replace are looked at again: a diagnosis takes a
    while, and people and other rollouts do not wait for it.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: Pointer or rollout moved just now; decide again.
    """
    state = site.state_for(rollout_id, ServePart(), now=now)
    champion = site.champion()
    planned = _planned(site, rollout_id, state, now)
    if planned != state.way_back:
        site.tell(rollout_id, planned, after=state.seq, now=now)
        return
    release = champion.release.with_members(planned.stays)
    site.journal.move_champion(
        site.environment,
        release,
        rollout_id,
        [draft(PartServed(release=release.content_hash), at=now)],
        after=state.seq,
        revision=champion.revision,
    )


def narrow_canary(site: Site, rollout_id: str, *, now: datetime) -> None:
    """Let what may stay go on in canary; where that no longer holds, write down what does.

    It is a candidate that nobody has seen live: it begins at the first step, and its evidence
    begins anew.

    Raises:
        RegistryUnavailable: The registry did not answer; try again.
        JournalConflict: The rollout has moved on since; decide again.
    """
    state = site.state_for(rollout_id, NarrowCanary(), now=now)
    planned = _planned(site, rollout_id, state, now)
    if planned != state.way_back:
        site.tell(rollout_id, planned, after=state.seq, now=now)
        return
    assert state.plan is not None
    plan = state.plan.narrowed(
        site.systems.kept(rollout_id),
        planned.stays,
        site.journal.release(site.environment, state.plan.baseline),
    )
    narrowed = CanaryNarrowed(
        plan=plan,
        back=tuple(m for m in state.plan.members if m.model in planned.back),
        weight=plan.canary.steps[0].weight,
        reason=planned.reason,
    )
    site.tell(rollout_id, narrowed, after=state.seq, now=now)


def _planned(site: Site, rollout_id: str, state: RolloutState, now: datetime) -> WayBackPlanned:
    plan = state.plan
    assert plan is not None
    assert state.diagnosed is not None
    everything = tuple(sorted(member.model for member in plan.members))

    def whole(why: str) -> WayBackPlanned:
        return WayBackPlanned(back=everything, stays=(), release=None, reason=why)

    champion = site.champion().release
    before = site.journal.release(site.environment, plan.baseline)
    if any(champion.members.get(m) != before.members.get(m) for m in everything):
        return whole("the whole release goes back: the champion was moved since")
    if changed := changed_artifacts(site, plan):
        return whole(f"the whole release goes back: {'; '.join(changed)}")
    system = site.systems.kept(rollout_id)
    live = champion.with_members(plan.members)
    bad: frozenset[str] = frozenset()
    if state.halted_member is not None:
        bad = frozenset([state.halted_member.model])
    elif state.diagnosed.attribution is not None:
        bad = bad_models(system, champion, live, state.diagnosed.attribution)
    if not bad:
        return whole("the whole release goes back: no version of it is named as the origin")
    facts = facts_of(site, system, plan.members, now=now)
    back = way_back(facts, live, champion, bad)
    return WayBackPlanned(
        back=back.back,
        stays=tuple(m for m in plan.members if m.model in back.stays),
        release=back.release.content_hash if back.is_partial else None,
        reason=way_back_said(facts, back, live, champion),
    )


def bad_models(
    system: System, baseline: Release, candidate: Release, found: Attribution
) -> frozenset[str]:
    """The models whose new versions must go: the origin's, or all that would be taken back.

    A source or a feature is no version; the models that read it anew are.
    """
    origin = found.origin
    if origin is not None and origin.name in candidate.changed_from(baseline):
        return frozenset([origin.name])
    return models_of(system, baseline, candidate, found.revert)


def way_back_said(facts: Facts, back: WayBack, live: Release, before: Release) -> str:
    """A way back in words, with what the contracts say of what does not fit."""
    rules = [rule for one in back.kept_out for rule in one.rules]
    members = (*live.members.values(), *before.members.values())
    return way_back_sentence(back, why_unfit(facts, rules, members))


def why_unfit(
    facts: Facts, rules: Iterable[Rule], versions: Iterable[Member]
) -> Mapping[tuple[Pick, Pick], str]:
    """The weightiest thing that the contracts say of each pair of a conflict.

    What must not serve at all stands under itself twice.
    """
    members = {(m.model, m.version): m for m in versions}
    found: dict[tuple[Pick, Pick], str] = {}
    for rule in rules:
        if rule.kind is RuleKind.FORBIDDEN:
            one = members.get(rule.picks[0])
            if one is not None and (said := why_forbidden(facts, one)) is not None:
                found[rule.picks[0], rule.picks[0]] = said
        if rule.kind is not RuleKind.UNFIT:
            continue
        producer, consumer = rule.picks
        for edge in facts.model_edges:
            if (edge.producer, edge.consumer) != (producer[0], consumer[0]):
                continue
            if producer in members and consumer in members:
                fit = facts.fit(edge, members[producer], members[consumer])
                if fit.said:
                    found.setdefault((producer, consumer), fit.said[0])
    return found


def possible_ways_back(facts: Facts, live: Release, before: Release) -> tuple[WayBack, ...]:
    """For each version that changes: what would go back if it alone were bad, by contracts."""
    changed = live.changed_from(before)
    return tuple(way_back(facts, live, before, [model], proven=False) for model in changed)
