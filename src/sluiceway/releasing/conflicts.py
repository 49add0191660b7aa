"""Why no choice is possible: a smallest set of rules that cannot all be kept.

Smallest in the sense that leaving any one of them out makes a choice possible (found by Junker's
QuickXplain, AAAI 2004, which asks the solver about halves instead of about each rule).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sluiceway.releasing.choosing import is_possible
from sluiceway.releasing.problems import Pick, Problem


class RuleKind(StrEnum):
    """What a rule says."""

    WANTED = "wanted"
    FORBIDDEN = "forbidden"
    UNFIT = "unfit"
    FAILED = "failed"
    UNPROVEN = "unproven"
    """Never seen together; told apart from FAILED by whoever made the cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that a choice has to respect.

    Attributes:
        picks: The version wanted or forbidden; producer and consumer that do not fit; or the set
            that failed together.
    """

    kind: RuleKind
    picks: tuple[Pick, ...]


def conflict(problem: Problem) -> tuple[Rule, ...]:
    """A smallest set of rules that cannot all be kept; empty where a choice is possible.

    Wanted and forbidden versions come first, then what lies between versions.
    """
    small = _around_the_conflict(problem)
    if small is None:
        return ()
    rules = _rules(small)

    def possible(some: Sequence[Rule]) -> bool:
        return is_possible(_keeping(small, some))

    return tuple(
        sorted(_smallest((), rules, possible), key=lambda rule: list(RuleKind).index(rule.kind))
    )


def broken_rules(problem: Problem, choice: Mapping[str, str]) -> tuple[Rule, ...]:
    """Every rule that one whole choice breaks; wanted versions aside."""
    return tuple(
        rule
        for rule in _rules(replace(problem, wanted={}))
        if all(choice.get(model) == version for model, version in rule.picks)
    )


def _around_the_conflict(problem: Problem) -> Problem | None:
    """The problem of as few models around what is wanted as make it impossible; None if possible.

    A part of a possible problem is possible, so a part that is not holds a whole conflict.
    """
    if is_possible(problem):
        return None
    near: dict[str, set[str]] = {}
    for one, other in problem.unfit:
        near.setdefault(one, set()).add(other)
        near.setdefault(other, set()).add(one)
    for some in problem.failed:
        for model, _ in some:
            near.setdefault(model, set()).update(m for m, _ in some)
    region = set(problem.wanted) | {model for model, _ in problem.forbidden}
    while region:
        part = problem.within(region)
        if not is_possible(part):
            return part
        grown = region.union(*(near.get(model, set()) for model in region))
        if grown == region:
            break
        region = grown
    return problem


def _rules(problem: Problem) -> tuple[Rule, ...]:
    """Every rule that can be left out; that each model has one version cannot."""
    return (
        *(Rule(kind=RuleKind.WANTED, picks=(pick,)) for pick in problem.wanted.items()),
        *(Rule(kind=RuleKind.FORBIDDEN, picks=(pick,)) for pick in sorted(problem.forbidden)),
        *(
            Rule(kind=RuleKind.UNFIT, picks=((producer, given), (consumer, read)))
            for (producer, consumer), bad in problem.unfit.items()
            for given, read in sorted(bad)
        ),
        *(Rule(kind=RuleKind.FAILED, picks=tuple(sorted(some))) for some in problem.failed),
    )


def _keeping(problem: Problem, rules: Iterable[Rule]) -> Problem:
    """The problem with these rules alone."""
    unfit: dict[tuple[str, str], set[tuple[str, str]]] = {}
    wanted: dict[str, str] = {}
    forbidden: set[Pick] = set()
    failed: list[frozenset[Pick]] = []
    for rule in rules:
        match rule.kind:
            case RuleKind.WANTED:
                wanted.update(rule.picks)
            case RuleKind.FORBIDDEN:
                forbidden.update(rule.picks)
            case RuleKind.FAILED | RuleKind.UNPROVEN:
                failed.append(frozenset(rule.picks))
            case RuleKind.UNFIT:
                (producer, given), (consumer, read) = rule.picks
                unfit.setdefault((producer, consumer), set()).add((given, read))
    return replace(
        problem,
        wanted=wanted,
        forbidden=frozenset(forbidden),
        failed=tuple(failed),
        unfit={pair: frozenset(bad) for pair, bad in unfit.items()},
    )


def _smallest(
    kept: tuple[Rule, ...],
    rules: tuple[Rule, ...],
    possible: Callable[[Sequence[Rule]], bool],
    *,
    kept_grew: bool = False,
) -> tuple[Rule, ...]:
    """Of these rules the fewest that, with the kept ones, leave no choice."""
    if kept_grew and not possible(kept):
        return ()
    if len(rules) == 1:
        return rules
    half = len(rules) // 2
    first, second = rules[:half], rules[half:]
    of_second = _smallest((*kept, *first), second, possible, kept_grew=bool(first))
    of_first = _smallest((*kept, *of_second), first, possible, kept_grew=bool(of_second))
    return (*of_first, *of_second)
