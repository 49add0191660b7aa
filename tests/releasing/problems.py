"""Random systems that are small enough to try every choice."""

from collections.abc import Iterator, Mapping
from itertools import product

from hypothesis import strategies as st

from sluiceway.releasing import Problem

NAMES = ("a", "b", "c", "d", "e", "f")


@st.composite
def problems(
    draw: st.DrawFn, *, models: int = 6, versions: int = 4, sound: bool = False
) -> Problem:
    """Up to so many models.

    Args:
        sound: Whether what serves is itself a compatible choice.
    """
    names = NAMES[: draw(st.integers(1, models))]
    shelf = {
        name: tuple(str(n + 1) for n in range(draw(st.integers(1, versions)))) for name in names
    }
    serving = {name: draw(st.sampled_from(shelf[name])) for name in names}
    pairs = [(p, k) for i, p in enumerate(names) for k in names[i + 1 :]]
    unfit = {}
    for producer, consumer in pairs:
        if not draw(st.booleans()):
            continue
        every = list(product(shelf[producer], shelf[consumer]))
        bad = draw(st.sets(st.sampled_from(every), max_size=len(every)))
        if sound:
            bad = bad - {(serving[producer], serving[consumer])}
        if bad:
            unfit[producer, consumer] = frozenset(bad)
    picks = [(name, version) for name in names for version in shelf[name]]
    failed = []
    for _ in range(draw(st.integers(0, 3))):
        some = draw(st.sets(st.sampled_from(picks), min_size=1, max_size=4))
        one_each = frozenset({m: (m, v) for m, v in sorted(some)}.values())
        if not (sound and all(serving[m] == v for m, v in one_each)):
            failed.append(one_each)
    forbidden = draw(st.sets(st.sampled_from(picks), max_size=2))
    if sound:
        forbidden = {(m, v) for m, v in forbidden if serving[m] != v}
    wanted = draw(st.dictionaries(st.sampled_from(names), st.none(), max_size=3))
    return Problem(
        versions=shelf,
        serving=serving,
        unfit=unfit,
        failed=tuple(failed),
        forbidden=frozenset(forbidden),
        wanted={name: draw(st.sampled_from(shelf[name])) for name in sorted(wanted)},
    )


def every_choice(problem: Problem) -> Iterator[dict[str, str]]:
    """All choices, whether or not they keep the rules."""
    for versions in product(*problem.versions.values()):
        yield dict(zip(problem.versions, versions, strict=True))


def is_allowed(problem: Problem, choice: Mapping[str, str]) -> bool:
    """Whether a choice keeps the rules, read one by one from their meaning."""
    for model, version in choice.items():
        if (model, version) in problem.forbidden:
            return False
        if problem.wanted.get(model, version) != version:
            return False
    for (producer, consumer), bad in problem.unfit.items():
        for given, read in bad:
            if choice[producer] == given and choice[consumer] == read:
                return False
    return all({(m, choice[m]) for m, _ in some} != set(some) for some in problem.failed)


def cost(problem: Problem, choice: Mapping[str, str]) -> tuple[int, int]:
    """Moves, then how many newer versions there are of what was chosen."""
    moved = sum(problem.serving[m] != v for m, v in choice.items())
    age = sum(
        len(problem.versions[m]) - 1 - problem.versions[m].index(v) for m, v in choice.items()
    )
    return moved, age
