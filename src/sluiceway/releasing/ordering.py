"""The order of several releases: expand, migrate, remove.

A promotion switches all its models at once, so order matters between releases only. Two questions:
into how many releases a change can be taken apart so that each state between them is compatible;
and, where a router chooses at each hop, which releases lead there such that whatever two
neighbouring states mix is compatible as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from sluiceway.releasing.choosing import choose
from sluiceway.releasing.problems import Choice, Pick, Problem, fits_together

MOST_STEPS = 6
"""With more releases than this nobody should be asked to follow a plan."""


class StepRole(StrEnum):
    """What a release does for the plan that it is a step of."""

    EXPAND = "expand"
    """Promises more, so that readers can move."""
    MIGRATE = "migrate"
    """Moves readers to what is promised now."""
    REMOVE = "remove"
    """Takes away what nobody reads any more."""
    SWITCH = "switch"
    """Changes producers and their readers at once, or what has neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One release of a plan.

    Attributes:
        moves: What changes with it, sorted.
        state: Version of every model after it.
    """

    role: StepRole
    moves: tuple[Pick, ...]
    state: Mapping[str, str]


def smallest_steps(problem: Problem, goal: Mapping[str, str]) -> tuple[Step, ...]:
    """Take a change apart into as small releases as leave every state between compatible.

    Each release moves the fewest models that can move next; of these the most upstream, as far as
    `problem.versions` names producers before their consumers.

    Args:
        problem: What is compatible; `wanted` takes no part.
        goal: Version of every model; a compatible choice.

    Raises:
        ValueError: The goal is no compatible choice.
    """
    free = replace(problem, wanted={})
    if not fits_together(free, goal):
        raise ValueError("the goal is no compatible choice")
    states = [dict(problem.serving)]
    order = {model: place for place, model in enumerate(problem.versions)}
    while left := [m for m in goal if states[-1].get(m) != goal[m]]:
        states.append(_next_state(free, states[-1], goal, sorted(left, key=order.__getitem__)))
    return _as_steps(problem, states)


def _next_state(problem: Problem, now: Choice, goal: Mapping[str, str], left: list[str]) -> Choice:
    """The state after moving the fewest models; each is tried as the first to move."""
    # A version that serves and must not is left as soon as possible, not a fault of the step.
    narrow = replace(
        problem,
        versions={m: (now[m], goal[m]) if now[m] != goal[m] else (goal[m],) for m in goal},
        serving=now,
        forbidden=frozenset(pick for pick in problem.forbidden if pick not in now.items()),
    )
    best: Choice | None = None
    for model in left:
        found = choose(narrow.wanting({model: goal[model]}))
        if found is None:
            continue
        if best is None or _moved(now, found) < _moved(now, best):
            best = found
        if _moved(now, best) == 1:
            break
    return best or dict(goal)


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> int:
    return sum(before[model] != version for model, version in after.items())


def mixing_steps(
    problem: Problem, goal: Mapping[str, str], *, most: int = MOST_STEPS
) -> tuple[Step, ...] | None:
    """The fewest releases that lead to the goal, where neighbouring states mix at every hop.

    For a step from one state to the next, no version of a producer in either may meet a version of
    its consumer in the other that it does not fit. Other versions may be passed through on the
    way. It is one integer program over all states, tried with 1, 2, … steps.

    Args:
        problem: What is compatible; `wanted` takes no part.
        goal: Version of every model.
        most: Most releases.

    Returns:
        The steps; None where there are none, or more than `most`.
    """
    start = dict(problem.serving)
    if start == dict(goal):
        return ()
    for steps in range(1, most + 1):
        found = choose(_unrolled(problem, start, goal, steps))
        if found is not None:
            states = [{m: found[_at(m, t)] for m in problem.versions} for t in range(steps + 1)]
            return _as_steps(problem, states)
    return None


def _at(model: str, time: int) -> str:
    return f"{time} {model}"


def _unrolled(
    problem: Problem, start: Mapping[str, str], goal: Mapping[str, str], steps: int
) -> Problem:
    """The same problem at every time, bound together from one time to the next."""
    times = range(steps + 1)
    unfit: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}
    for (producer, consumer), bad in problem.unfit.items():
        for t in times:
            for other in (t - 1, t, t + 1):
                if other in times:
                    unfit[_at(producer, t), _at(consumer, other)] = bad
    return Problem(
        versions={_at(m, t): versions for t in times for m, versions in problem.versions.items()},
        serving={_at(m, t): goal[m] if t else start[m] for t in times for m in problem.versions},
        unfit=unfit,
        failed=tuple(
            frozenset((_at(m, t), v) for m, v in some) for t in times for some in problem.failed
        ),
        forbidden=frozenset((_at(m, t), v) for t in times[1:] for m, v in problem.forbidden),
        wanted={_at(m, t): v for t, state in ((0, start), (steps, goal)) for m, v in state.items()},
    )


def _as_steps(problem: Problem, states: list[Choice]) -> tuple[Step, ...]:
    """Name what each step does, from who reads whom."""
    moved = [{m for m in after if before[m] != after[m]} for before, after in pairwise(states)]
    found = []
    for place, models in enumerate(moved):
        earlier = set().union(*moved[:place])
        later = set().union(*moved[place + 1 :])
        found.append(
            Step(
                role=_role(problem, models, earlier, later),
                moves=tuple(sorted((m, states[place + 1][m]) for m in models)),
                state=states[place + 1],
            )
        )
    return tuple(found)


def _role(problem: Problem, models: set[str], earlier: set[str], later: set[str]) -> StepRole:
    bound = problem.unfit.keys()
    if any(p in models and k in models for p, k in bound):
        return StepRole.SWITCH
    if any(p in models and k in earlier for p, k in bound):
        return StepRole.REMOVE
    if any(p in models and k in later for p, k in bound):
        return StepRole.EXPAND
    if any(k in models and p in earlier | later for p, k in bound):
        return StepRole.MIGRATE
    return StepRole.SWITCH
