"""What earlier promotions have spent: the best generation of each gate, out of the journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sluiceway.gates import Levels, Reason, Sums, Verdict, judge_replay
from sluiceway.outcomes import Outcome
from sluiceway.planning.budget import BudgetVerdict, Served, best_generation, judge_budget
from sluiceway.releases import Release
from sluiceway.replay.evaluate import Arm
from sluiceway.rollouts.events import (
    Adopted,
    ChampionRestored,
    PartServed,
    Promoted,
    happening,
)
from sluiceway.rollouts.plan import Plan
from sluiceway.steps.site import Site

_MOVES_THE_CHAMPION = frozenset({"adopted", "promoted", "champion_restored", "part_served"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """The best generations of a plan's gates, where they are not what serves.

    Attributes:
        best: Generation by gate name; gates whose best generation serves are not in here.
        arms: By generation, how it would answer: the champion's release with that generation's
            versions in the blast radius.
    """

    best: Mapping[str, int]
    arms: Mapping[int, Arm]


def budgets_of(site: Site, plan: Plan, *, now: datetime) -> Budgets:
    """Which generations a plan's candidate is held against, besides its baseline."""
    served, since = served_generations(site), now - plan.budget_window
    baseline = site.journal.release(site.environment, plan.baseline)
    best, arms = {}, {}
    for gate in plan.shadow_gates:
        generation = best_generation(gate, served, champion=plan.baseline, since=since)
        release = _in_radius(site, plan, baseline, generation)
        if release != baseline:
            best[gate.name] = generation
            arms[generation] = Arm(name=f"generation {generation}", release=release)
    return Budgets(best=best, arms=arms)


def _in_radius(site: Site, plan: Plan, baseline: Release, generation: int) -> Release:
    members = site.journal.release(site.environment, generation).members
    return baseline.with_members(members[m] for m in plan.radius.models if m in members)


def served_generations(site: Site) -> tuple[Served, ...]:
    """Every generation that served, with the harm that was measured when it was promoted."""
    numbers = {known: n for n, known in site.journal.generations(site.environment).items()}
    found: dict[int, Served] = {}
    serving: int | None = None
    for event in site.journal.chain(site.environment):
        if event.kind not in _MOVES_THE_CHAMPION:
            continue
        moved = happening(event)
        assert isinstance(moved, Adopted | Promoted | ChampionRestored | PartServed)
        generation, taken_back = numbers[moved.release], isinstance(moved, ChampionRestored)
        if serving is not None and serving != generation:
            found[serving] = replace(found[serving], until=event.at, rolled_back=taken_back)
        if generation in found:
            found[generation] = replace(found[generation], until=None, rolled_back=False)
        else:
            # What is taken back on top of another rollout's promotion is a release of its own.
            sign = -1 if taken_back else 1
            # A part was not measured by itself: it counts as what it stands on.
            unmeasured = isinstance(moved, Adopted | PartServed)
            harms = {} if unmeasured else _harms(site, event.rollout_id, sign)
            found[generation] = Served(
                generation=generation, against=serving, harms=harms, until=None
            )
        serving = generation
    return tuple(found.values())


def _harms(site: Site, rollout_id: str, sign: int) -> dict[str, float]:
    """What a rollout's last shadow replay measured, by gate."""
    shadows = site.state(rollout_id).shadows
    return {
        verdict.gate.name: sign * verdict.estimate.harm
        for verdict in (shadows[-1].verdicts if shadows else ())
        if verdict.estimate is not None
    }


def judge_budgets(
    budgets: Budgets,
    verdicts: Sequence[Verdict],
    sums: Mapping[str, Mapping[str, Sums]],
    candidate: Mapping[str, Sums],
    levels: Levels,
    *,
    looks: int,
) -> tuple[BudgetVerdict, ...]:
    """Judge every gate whose best generation does not serve.

    Args:
        budgets: The best generations.
        verdicts: The gates' own verdicts.
        sums: By arm and gate; without the best generations' arms where they could not answer.
        candidate: The candidate's sums by gate.
        levels: Levels of the plan.
        looks: Looks that share the levels.
    """
    found = []
    for own in verdicts:
        generation = budgets.best.get(own.gate.name)
        if generation is None:
            continue
        arm = sums.get(budgets.arms[generation].name)
        against = replace(
            own,
            outcome=Outcome.ERROR,
            reason=Reason.BASELINE_SILENT,
            estimate=None,
            rollback_low=None,
        )
        if arm is not None:
            name = own.gate.name
            against = judge_replay(
                own.gate, arm[name], candidate[name], levels, len(verdicts), looks=looks
            )
        found.append(judge_budget(generation, against, own))
    return tuple(found)
