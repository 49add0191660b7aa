"""The solver's choice is the best there is, its refusals are true, and its orders are safe."""

from dataclasses import replace
from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.releasing import (
    Problem,
    Rule,
    RuleKind,
    StepRole,
    choose,
    conflict,
    fits_together,
    mixing_steps,
    propose,
    smallest_steps,
)

from .problems import cost, every_choice, is_allowed, problems


@given(problem=problems())
@settings(max_examples=100, deadline=None)
def test_the_choice_is_the_best_of_all_choices(problem: Problem) -> None:
    allowed = [choice for choice in every_choice(problem) if is_allowed(problem, choice)]
    chosen = choose(problem)
    if not allowed:
        assert chosen is None
        return
    assert chosen is not None
    assert is_allowed(problem, chosen)
    assert cost(problem, chosen) == min(cost(problem, choice) for choice in allowed)


@given(problem=problems())
@settings(max_examples=40, deadline=None)
def test_whether_a_choice_keeps_the_rules_is_what_they_say(problem: Problem) -> None:
    for choice in every_choice(problem):
        assert fits_together(problem, choice) == is_allowed(problem, choice)


def keeping(problem: Problem, rules: tuple[Rule, ...]) -> Problem:
    """The problem with these rules alone, put together from their meaning."""
    unfit: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
    for rule in rules:
        if rule.kind is RuleKind.UNFIT:
            (p, i), (k, j) = rule.picks
            unfit[p, k] = unfit.get((p, k), frozenset()) | {(i, j)}
    return replace(
        problem,
        unfit=unfit,
        failed=tuple(frozenset(r.picks) for r in rules if r.kind is RuleKind.FAILED),
        forbidden=frozenset(r.picks[0] for r in rules if r.kind is RuleKind.FORBIDDEN),
        wanted=dict(r.picks[0] for r in rules if r.kind is RuleKind.WANTED),
    )


@given(problem=problems(models=4))
@settings(max_examples=100, deadline=None)
def test_a_conflict_cannot_be_kept_and_no_rule_of_it_is_superfluous(problem: Problem) -> None:
    possible = any(is_allowed(problem, choice) for choice in every_choice(problem))
    rules = conflict(problem)
    assert (rules == ()) == possible
    if possible:
        return
    whole = keeping(problem, rules)
    assert not any(is_allowed(whole, choice) for choice in every_choice(whole))
    for left_out in rules:
        rest = keeping(problem, tuple(rule for rule in rules if rule is not left_out))
        assert any(is_allowed(rest, choice) for choice in every_choice(rest)), left_out


@given(problem=problems(models=5, sound=True), draw=st.data())
@settings(max_examples=50, deadline=None)
def test_every_state_between_several_releases_is_compatible(
    problem: Problem, draw: st.DataObject
) -> None:
    free = replace(problem, wanted={})
    goals = [choice for choice in every_choice(free) if is_allowed(free, choice)]
    goal = draw.draw(st.sampled_from(goals))
    steps = smallest_steps(problem, goal)
    states = [problem.serving, *(step.state for step in steps)]
    assert states[-1] == goal
    for state in states:
        assert is_allowed(free, state)
    for (before, after), step in zip(pairwise(states), steps, strict=True):
        assert {(m, v) for m, v in after.items() if before[m] != v} == set(step.moves)
        assert step.moves
        # No smaller release can be the next one.
        left = [m for m in goal if before[m] != goal[m]]
        sizes = [
            sum(chosen)
            for chosen in product((False, True), repeat=len(left))
            if any(chosen)
            and is_allowed(
                free, {**before, **{m: goal[m] for m, c in zip(left, chosen, strict=True) if c}}
            )
        ]
        assert len(step.moves) == min(sizes)


@given(problem=problems(models=3, versions=3, sound=True), draw=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_neighbouring_states_mix_is_compatible_where_hops_choose(
    problem: Problem, draw: st.DataObject
) -> None:
    free = replace(problem, wanted={}, failed=())
    goals = [choice for choice in every_choice(free) if is_allowed(free, choice)]
    goal = draw.draw(st.sampled_from(goals))
    steps = mixing_steps(free, goal)
    fewest = fewest_steps(free, goal)
    assert (steps is None) == (fewest is None or fewest > 6)
    if steps is None:
        return
    assert len(steps) == fewest
    states = [free.serving, *(step.state for step in steps)]
    assert dict(states[-1]) == goal
    for before, after in pairwise(states):
        assert mixes(free, before, after)


def mixes(problem: Problem, before: dict[str, str], after: dict[str, str]) -> bool:
    """Whether every mixture of two states, hop by hop, keeps the rules."""
    return all(
        is_allowed(problem, dict(zip(before, mixed, strict=True)))
        for mixed in product(*({before[m], after[m]} for m in before))
    )


def fewest_steps(problem: Problem, goal: dict[str, str]) -> int | None:
    """Breadth first over all states."""
    states = list(every_choice(problem))
    reached, steps = [dict(problem.serving)], 0
    seen = [dict(problem.serving)]
    while reached:
        if goal in reached:
            return steps
        steps += 1
        reached = [
            s for s in states if s not in seen and any(mixes(problem, r, s) for r in reached)
        ]
        seen += reached
    return None


SHARED = Problem(
    # Version 2 of the producer promises both the old field and the new one.
    versions={"producer": ("1", "2", "3"), "consumer": ("1", "2")},
    serving={"producer": "1", "consumer": "1"},
    unfit={("producer", "consumer"): frozenset({("1", "2"), ("3", "1")})},
)


def test_a_field_is_replaced_by_expanding_migrating_and_removing() -> None:
    steps = mixing_steps(SHARED, {"producer": "3", "consumer": "2"})
    assert steps is not None
    assert [(step.role, step.moves) for step in steps] == [
        (StepRole.EXPAND, (("producer", "2"),)),
        (StepRole.MIGRATE, (("consumer", "2"),)),
        (StepRole.REMOVE, (("producer", "3"),)),
    ]


def test_without_a_version_between_no_order_is_safe_and_one_switch_is() -> None:
    abrupt = replace(SHARED, forbidden=frozenset({("producer", "2")}))
    goal = {"producer": "3", "consumer": "2"}
    assert mixing_steps(abrupt, goal) is None
    (step,) = smallest_steps(abrupt, goal)
    assert (step.role, step.moves) == (
        StepRole.SWITCH,
        (("consumer", "2"), ("producer", "3")),
    )


def test_what_must_go_along_is_named_with_the_reason() -> None:
    proposal = propose(SHARED, {"producer": "3"})
    assert proposal.companions == (("consumer", "2"),)
    assert proposal.alone == (
        Rule(kind=RuleKind.UNFIT, picks=(("producer", "3"), ("consumer", "1"))),
    )


def test_an_unknown_version_is_no_choice() -> None:
    assert choose(SHARED.wanting({"producer": "9"})) is None
