"""The report of one rollout as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from sluiceway.attribution.sources import HEARD_AT_MOST
from sluiceway.durations import render_duration
from sluiceway.gates import Comparison, Levels, Verdict, render
from sluiceway.journal import Event
from sluiceway.planning import render_block_length
from sluiceway.planning.budget import BudgetVerdict
from sluiceway.reports.advice import headline, what_now
from sluiceway.reports.attribution_rows import (
    alternatives_said,
    edge_rows,
    interaction_rows,
    interaction_said,
    path_rows,
    reversion_rows,
    share_rows,
    shares_said,
    source_rows,
)
from sluiceway.reports.canary_picture import draw_canary
from sluiceway.reports.effects_picture import draw_effects, share_groups, source_groups
from sluiceway.reports.evidence import (
    cross_checks_said,
    levels_said,
    seen_in_canary,
    seen_in_replay,
)
from sluiceway.reports.figures import count, duration, joined, moment, percent, spoken
from sluiceway.reports.forest_picture import draw_forest
from sluiceway.reports.graph_picture import draw_graph
from sluiceway.reports.rows import (
    BudgetRow,
    GateRow,
    budget_rows,
    budget_said,
    contract_rows,
    gate_rows,
)
from sluiceway.reports.sentences import sentence
from sluiceway.reports.slices import slices_said, worst_slices
from sluiceway.reports.story import Story, read_story
from sluiceway.reports.templating import template
from sluiceway.reports.timeline import timeline_said
from sluiceway.reports.timeline_picture import draw_timeline
from sluiceway.reports.walk import event_rows, phase_rows
from sluiceway.rights import waits_for
from sluiceway.rollouts.endings import Ending, Phase
from sluiceway.rollouts.events import CanaryPlanned, DeadlineLengthened, ShadowMeasured
from sluiceway.rollouts.plan import Plan
from sluiceway.system.values import System

_TONES = {
    Ending.PROMOTED: "good",
    Ending.REJECTED: "bad",
    Ending.ROLLED_BACK: "bad",
    Ending.ERRORED: "broken",
    Ending.INCONCLUSIVE: "open",
    Ending.ABORTED: "open",
    Ending.EXPIRED: "open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseHarm:
    """Picture and table of one phase's gates."""

    name: str
    said: str
    levels: str
    picture: Markup
    rows: tuple[GateRow, ...]
    slices: Markup | None
    slices_said: str
    slices_told: tuple[tuple[str, str], ...]
    budget: tuple[BudgetRow, ...]
    budget_drawn: Markup | None
    budget_said: str


def render_report(
    *,
    system: System,
    events: Sequence[Event],
    champion_generation_after: int | None,
    chain_head: str,
    title: str | None = None,
    drift: Markup = Markup(""),  # noqa: B008 - it is text
) -> str:
    """Write the report of one rollout, over or not.

    The page needs nothing but itself, and equal arguments give an equal page.

    Args:
        system: The system file the rollout is judged by.
        events: The rollout's events, from the first.
        champion_generation_after: The champion's generation now; None where there is none.
        chain_head: Hash of the journal's last event, by which a lost event shows.
        title: Of the page; the rollout's id by default.
        drift: The section about the live inputs (:mod:`sluiceway.reports.drift_section`).

    Returns:
        HTML.

    Raises:
        ValueError: There are no events.
    """
    story = read_story(system, events)
    ending = story.ending
    return template("report.html").render(
        title=title or story.rollout_id,
        story=story,
        system=system,
        plan=story.plan,
        badge=spoken(ending.value) if ending else _present(story),
        tone=_TONES[ending] if ending else "now",
        headline=headline(story),
        reason=story.state.ended.reason if story.state.ended else "",
        facts=_facts(story, champion_generation_after),
        what_now=what_now(story, champion_generation_after),
        phases=phase_rows(story),
        reach=reach(story),
        graph=Markup(draw_graph(story)),
        harms=_phase_harms(story),
        contracts=contract_rows(story),
        canary=_optional(draw_canary(story)),
        timeline=_optional(draw_timeline(story)),
        timeline_said=timeline_said(story),
        drift=drift,
        attribution=story.attribution,
        traced=_traced(story),
        events=event_rows(story),
        plan_facts=plan_facts(story),
        chain_head=chain_head,
        system_digest=story.state.requested.system_digest if story.state.requested else "",
    )


def _traced(story: Story) -> dict[str, object]:
    """What the section on the origin of harm reads, each table with its sentence."""
    found = story.attribution
    return {
        "paths": path_rows(found),
        "edges": edge_rows(found),
        "reversions": reversion_rows(found),
        "alternatives": alternatives_said(found),
        "interaction_said": interaction_said(found),
        "interactions": interaction_rows(found),
        "shares_said": shares_said(found),
        "shares": share_rows(found),
        "shares_drawn": _optional(
            draw_effects("shares", share_groups(found), "Whose share of the harm is how large")
        ),
        "sources_drawn": _optional(
            draw_effects("sources", source_groups(found), "Harm that stays with sources replaced")
        ),
        "sources": source_rows(found),
        "heard_at_most": percent(HEARD_AT_MOST),
    }


def _present(story: Story) -> str:
    return "done by hand" if story.state.requested is None else f"in {story.state.phase.value}"


def _optional(picture: str | None) -> Markup | None:
    return None if picture is None else Markup(picture)


def _facts(story: Story, generation_after: int | None) -> tuple[tuple[str, str], ...]:
    ended, plan, at = story.state.ended, story.plan, story.ended_at
    after = "–" if generation_after is None else str(generation_after)
    before = "–" if plan is None else str(plan.baseline)
    span = f"{moment(story.began)} UTC"
    if at is not None:
        span += f", over after {duration(at - story.began)}"
    facts = [
        ("Wanted", joined(story.wanted) if story.wanted else "–"),
        ("Asked for by", story.asked_by),
        ("Began", span),
        ("Where it ended" if ended else "Where it is", story.state.phase.value),
        ("Origin", f"{ended.origin.kind} {ended.origin.name}" if ended and ended.origin else "–"),
        ("Generation", f"{before} before, {after} {'after' if ended else 'now'}"),
    ]
    return tuple(facts)


def reach(story: Story) -> str:
    """What changes, what answers differently, and whose that is; empty before a plan."""
    if story.plan is None:
        return ""
    radius = story.plan.radius
    changed = f"{len(radius.changed)} of {count(len(story.system.models), 'model')}"
    verb = "changes" if len(radius.changed) == 1 else "change"
    reached = f"{count(len(radius.models), 'model')} and "
    reached += count(len(radius.consumers), "outside consumer")
    return f"{changed} {verb}; {reached} answer differently. Owners: {joined(radius.owners)}."


def _phase_harms(story: Story) -> tuple[PhaseHarm, ...]:
    found = []
    for phase, verdicts in story.verdicts.items():
        what = story.shadow if phase is Phase.SHADOW else story.state.look
        if what is None:
            continue
        if isinstance(what, ShadowMeasured):
            seen, budget, said = seen_in_replay(verdicts), what.budget, budget_said(story)
            crossed: Mapping[str, str] = {}
        else:
            seen, budget, said = seen_in_canary(story, what), (), ""
            crossed = cross_checks_said(what)
        found.append(
            PhaseHarm(
                name=phase.value,
                said=sentence(what),
                levels=levels_said(phase, verdicts),
                picture=Markup(draw_forest(phase.value, verdicts, f"Harm in {phase.value}")),
                rows=gate_rows(story.system, verdicts, seen, crossed),
                slices=_slices_drawn(phase, what.slices),
                slices_said=slices_said(what.slices),
                slices_told=tuple(
                    (one.outcome.value, render(one)) for one in worst_slices(what.slices)
                ),
                budget=budget_rows(budget),
                budget_drawn=_budget_drawn(phase, budget),
                budget_said=said,
            )
        )
    return tuple(found)


def _slices_drawn(phase: Phase, verdicts: Sequence[Verdict]) -> Markup | None:
    if not verdicts:
        return None
    shown = worst_slices(verdicts)
    drawn = draw_forest(
        f"{phase.value}-slices", shown, f"Harm of the worst slices in {phase.value}"
    )
    return Markup(drawn)


def _budget_drawn(phase: Phase, budget: Sequence[BudgetVerdict]) -> Markup | None:
    """Each gate's harm since its best generation; None where that is what serves."""
    if not budget:
        return None
    since = [replace(one.against_best, outcome=one.outcome) for one in budget]
    title = "Harm since the best generation"
    return Markup(draw_forest(f"{phase.value}-budget", since, title))


def plan_facts(story: Story) -> tuple[tuple[str, str], ...]:
    """The plan as pairs of a name and what was fixed; nothing before there is one."""
    plan = story.plan
    if plan is None:
        return ()
    steps = [f"{s.weight} % for {render_duration(s.bake_time)}" for s in plan.canary.steps]
    look = story.verdicts.get(Phase.SHADOW, ())
    bonferroni = f"; in shadow each gate at {percent(look[0].rollback_alpha)}" if look else ""
    shared = f" ({percent(look[0].alpha)} in shadow, which may look twice)" if look else ""
    family = f"{count(len(plan.gates), 'gate')} as one family at α = {percent(plan.alpha)}"
    limit = percent(Levels().unlabelled_limit)
    return (
        ("Candidate", joined(member.name for member in plan.members)),
        ("Against", f"generation {plan.baseline}"),
        (
            "Promotion",
            f"every required gate's upper bound below its margin, α = "
            f"{percent(plan.alpha)} each{shared}, at least {plan.min_blocks} blocks, at most "
            f"{limit} of labels missing",
        ),
        ("Rollback", f"{family} over all looks{bonferroni}"),
        ("Blocks", _blocks_said(story, plan)),
        *_own_units(plan),
        (
            "Shadow",
            f"{render_duration(plan.shadow_window)} up to {moment(plan.shadow_end)} UTC, "
            f"once {render_duration(plan.shadow_extension)} longer if inconclusive",
        ),
        ("Labels mature", f"{render_duration(plan.maturity)} after the event"),
        (
            "Canary",
            f"{', then '.join(steps)}; deadline {render_duration(plan.canary.deadline)}, "
            f"at most {render_duration(plan.canary.longest)} where it needs more; "
            f"{plan.canary.mirror} % of the champion's units mirrored",
        ),
        *_needed(story),
        ("Watch", f"{render_duration(plan.watch.window)} after the promotion"),
        ("Approval", waits_for(story.state.needed) or "none needed"),
    )


def _own_units(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Which gates may be judged by what each arm's own consumers received; of most plans none."""
    unpaired = [one.name for one in plan.gates if one.comparison is Comparison.UNPAIRED]
    live = [one.name for one in plan.gates if not one.in_shadow]
    said = []
    if unpaired:
        said.append(f"{joined(unpaired)} by each arm's own units")
    if live:
        said.append(f"{joined(live)} in the canary only")
    if any(one.comparison is Comparison.PAIRED_ELSE_UNPAIRED for one in plan.gates):
        said.append("blocks without any pair by each arm's own units")
    return (("Unpaired", "; ".join(said)),) if said else ()


def _needed(story: Story) -> tuple[tuple[str, str], ...]:
    """What the canary needs to finish, and the deadline that it was given for it."""
    planned = (CanaryPlanned, DeadlineLengthened)
    said = [f"{sentence(one.what)}." for one in story.told if isinstance(one.what, planned)]
    return (("Canary needs", " ".join(said)),) if said else ()


def _blocks_said(story: Story, plan: Plan) -> str:
    said = f"{render_duration(plan.canary.block)}, cut in {plan.timezone}"
    blocks = story.state.blocks
    return said if blocks is None else f"{said}; canary: {render_block_length(blocks)}"
