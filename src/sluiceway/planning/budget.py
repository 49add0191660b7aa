"""The cumulative budget: many small harms must not add up to a large one.

Each promotion may cost up to its margin. So that ten of them do not cost ten margins, a candidate
is also held against the best generation that served lately: its whole harm since then must stay
within the *same* margin, once. ``docs/decisions/0008-cumulative-budget.md`` says why the best
generation answers again instead of adding up what was journalled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sluiceway.gates import Gate, Verdict, render
from sluiceway.outcomes import Outcome

WINDOW = timedelta(days=90)
"""How long ago a generation may have served to be a best one, where the policy does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A generation that served, as the journal has it.

    Attributes:
        generation: Its number.
        against: The generation that its harms were measured against; None for the first.
        harms: By gate name, its measured harm in the metric's unit; a gate that its rollout could
            not reach stands at 0 and is not in here.
        until: When it stopped serving (UTC); None while it serves.
        rolled_back: Whether it was taken back for harm: then it is never the best.
    """

    generation: int
    against: int | None
    harms: Mapping[str, float]
    until: datetime | None
    rolled_back: bool = False


def best_generation(gate: Gate, served: Sequence[Served], *, champion: int, since: datetime) -> int:
    """The generation that was best by one gate, of those that served since a moment.

    A generation's level is the sum of the measured harms that led to it. Equal levels go to the
    later generation, and to the champion before all: comparing it with itself costs nothing.

    Args:
        gate: The gate.
        served: All generations in order, the champion among them.
        champion: The generation that serves now.
        since: The window's begin (UTC).

    Returns:
        Its number; ``champion`` where none was better.
    """
    levels: dict[int, float] = {}
    for one in served:
        before = levels.get(one.against, 0.0) if one.against is not None else 0.0
        levels[one.generation] = before + one.harms.get(gate.name, 0.0)
    recent = [
        one.generation
        for one in served
        if not one.rolled_back and (one.until is None or one.until > since)
    ]
    order = sorted({*recent, champion}, key=lambda n: (levels.get(n, 0.0), n != champion, -n))
    return order[0]


class BudgetReason(StrEnum):
    """Why a budget's verdict is what it is."""

    WITHIN_BUDGET = "within_budget"
    """PASSED: the upper bound of the harm since the best generation is below the margin."""
    NOT_WORSE_THAN_CHAMPION = "not_worse_than_champion"
    """PASSED: it spends nothing, whatever earlier promotions have spent."""
    BUDGET_SPENT = "budget_spent"
    """FAILED: the harm since the best generation is above the margin at the rollback level."""
    BUDGET_NOT_EXCLUDED = "budget_not_excluded"
    """INCONCLUSIVE: harm since the best generation at the margin is still possible."""
    BUDGET_UNMEASURABLE = "budget_unmeasurable"
    """ERROR: the comparison with the best generation is no evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetVerdict:
    """What one gate says of all the harm since the best generation.

    Attributes:
        generation: The best generation.
        outcome: The answer; it counts by the gate's role, as the gate's own verdict does.
        reason: Why.
        against_best: The candidate's harm against the best generation, held against the margin.
        against_champion: The gate's own verdict, against what serves now.
    """

    generation: int
    outcome: Outcome
    reason: BudgetReason
    against_best: Verdict
    against_champion: Verdict

    @property
    def gate(self) -> Gate:
        """The gate."""
        return self.against_best.gate


def judge_budget(
    generation: int, against_best: Verdict, against_champion: Verdict
) -> BudgetVerdict:
    """Judge the harm since the best generation, from two verdicts over the same rows.

    Both are a fixed sample's, at the plan's level α for PASSED (one-sided) and at α shared among
    the gates for FAILED; the budgets are a family of their own.

    Args:
        generation: The best generation by this gate.
        against_best: The gate's verdict with that generation as its baseline.
        against_champion: The gate's verdict with what serves as its baseline.

    Raises:
        ValueError: The verdicts are of two gates.
    """
    if against_best.gate.name != against_champion.gate.name:
        raise ValueError(f"{against_best.gate.name} and {against_champion.gate.name} are two gates")

    def says(outcome: Outcome, reason: BudgetReason) -> BudgetVerdict:
        return BudgetVerdict(
            generation=generation,
            outcome=outcome,
            reason=reason,
            against_best=against_best,
            against_champion=against_champion,
        )

    # A step back towards the best generation is never forbidden.
    if _is_not_worse(against_champion):
        return says(Outcome.PASSED, BudgetReason.NOT_WORSE_THAN_CHAMPION)
    match against_best.outcome:
        case Outcome.ERROR:
            return says(Outcome.ERROR, BudgetReason.BUDGET_UNMEASURABLE)
        case Outcome.FAILED:
            return says(Outcome.FAILED, BudgetReason.BUDGET_SPENT)
        case Outcome.PASSED:
            return says(Outcome.PASSED, BudgetReason.WITHIN_BUDGET)
        case _:
            return says(Outcome.INCONCLUSIVE, BudgetReason.BUDGET_NOT_EXCLUDED)


def _is_not_worse(verdict: Verdict) -> bool:
    """Whether it passed its own gate, and its upper bound says that nothing was spent."""
    estimate = verdict.estimate
    if verdict.outcome is not Outcome.PASSED or estimate is None or estimate.high is None:
        return False
    return estimate.high <= 0


def render_budget(verdict: BudgetVerdict) -> str:
    """One line: the harm since the best generation with its numbers, and what it means."""
    said = f"since generation {verdict.generation}, {render(verdict.against_best)}"
    match verdict.reason:
        case BudgetReason.BUDGET_UNMEASURABLE if verdict.against_best.estimate is None:
            return f"{said}; without that comparison nobody can say what was spent"
        case BudgetReason.NOT_WORSE_THAN_CHAMPION:
            return f"{said}; it is not worse than what serves now, so it spends nothing"
        case BudgetReason.BUDGET_SPENT:
            return f"{said}; earlier promotions and this one together spend more than one margin"
        case _:
            return said
