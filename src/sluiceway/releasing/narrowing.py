"""What follows from the rules without trying: versions that cannot be chosen, and parts apart.

A version that no remaining version of a neighbour fits is crossed out, until nothing changes
(arc consistency, Mackworth's AC-3, *Artificial Intelligence* 8, 1977). What is left falls into
parts that have no rule in common; a part whose serving versions keep every rule stays as it is,
for no move is fewer than none. Only the other parts are left to the solver.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from sluiceway.digraph import Digraph
from sluiceway.releasing.problems import Pick, Problem, fits_together

Left = dict[str, tuple[str, ...]]
"""The versions of each model that may still be chosen."""


def narrowed(problem: Problem) -> Left | None:
    """Cross out what cannot be chosen; None where a model has nothing left."""
    left = {model: set(versions) for model, versions in problem.versions.items()}
    for model, version in problem.wanted.items():
        left[model] &= {version}
    for model, version in problem.forbidden:
        left.get(model, set()).discard(version)
    if not all(left.values()):
        return None
    against, neighbours = _against(problem), _neighbours(problem)
    queue = deque(against)
    while True:
        while queue:
            one, other = queue.popleft()
            gone = {
                version
                for version, bad in against[one, other].items()
                if version in left[one] and left[other] <= bad
            }
            if gone:
                left[one] -= gone
                queue.extend((near, one) for near in neighbours[one])
            if not left[one]:
                return None
        crossed = _last_of_failed(problem, left)
        if not crossed:
            break
        for model, version in crossed:
            left[model].discard(version)
            queue.extend((near, model) for near in neighbours.get(model, ()))
            if not left[model]:
                return None
    return {m: tuple(v for v in all_ if v in left[m]) for m, all_ in problem.versions.items()}


def _against(problem: Problem) -> dict[tuple[str, str], dict[str, set[str]]]:
    """By (model, neighbour): for each version of the model, the neighbour's that do not fit it."""
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for (producer, consumer), bad in problem.unfit.items():
        for given, read in bad:
            found.setdefault((producer, consumer), {}).setdefault(given, set()).add(read)
            found.setdefault((consumer, producer), {}).setdefault(read, set()).add(given)
    return found


def _neighbours(problem: Problem) -> dict[str, set[str]]:
    near: dict[str, set[str]] = {}
    for one, other in problem.unfit:
        near.setdefault(one, set()).add(other)
        near.setdefault(other, set()).add(one)
    return near


def _last_of_failed(problem: Problem, left: Mapping[str, set[str]]) -> list[Pick]:
    """Versions that would complete a set that failed, all others of which are certain."""
    found = []
    for some in problem.failed:
        if any(version not in left.get(model, ()) for model, version in some):
            continue
        open_ones = [(model, version) for model, version in some if len(left[model]) > 1]
        if len(open_ones) == 1:
            found.append(open_ones[0])
        elif not open_ones and some:
            found.append(next(iter(some)))  # nothing can be done: it empties a model
    return found


def parts_to_solve(problem: Problem, left: Left) -> tuple[dict[str, str], list[Problem]]:
    """What is certain after narrowing, and the parts that are left to choose.

    Models with one version left are certain. Of the others, parts whose serving versions are left
    and keep every rule stay.
    """
    certain = {model: versions[0] for model, versions in left.items() if len(versions) == 1}
    open_ones = {model: versions for model, versions in left.items() if len(versions) > 1}
    rest = _rest_of(problem, certain, open_ones)
    near = _neighbours(rest)
    for some in rest.failed:
        for model, _ in some:
            near.setdefault(model, set()).update(m for m, _ in some)
    parts: list[Problem] = []
    for members in _connected(list(open_ones), near):
        part = rest.within(members)
        stays = {m: part.serving.get(m, "") for m in part.versions}
        if all(v in part.versions[m] for m, v in stays.items()) and fits_together(part, stays):
            certain |= stays
        else:
            parts.append(part)
    return certain, parts


def _connected(models: Sequence[str], near: Mapping[str, Collection[str]]) -> list[set[str]]:
    """Sets of models that rules connect, in the order of their first model."""
    number = {model: place for place, model in enumerate(models)}
    arrows = [(number[a], number[b]) for a, others in near.items() for b in others]
    tails, heads = zip(*arrows, strict=True) if arrows else ((), ())
    found: dict[int, set[str]] = {}
    for model, label in zip(
        models, Digraph(len(models), tails, heads).components().tolist(), strict=True
    ):
        found.setdefault(label, set()).add(model)
    return list(found.values())


def _rest_of(problem: Problem, certain: Mapping[str, str], open_ones: Left) -> Problem:
    """The rules between models that are still open, with what is certain taken as given."""
    failed = []
    for some in problem.failed:
        still = {pick for pick in some if pick[0] in open_ones}
        given = all(certain.get(m) == v for m, v in some if m not in open_ones)
        if given and all(version in open_ones[model] for model, version in still):
            failed.append(frozenset(still))
    unfit = {}
    for (producer, consumer), bad in problem.unfit.items():
        if producer in open_ones and consumer in open_ones:
            versions = (open_ones[producer], open_ones[consumer])
            still_bad = frozenset(p for p in bad if p[0] in versions[0] and p[1] in versions[1])
            if still_bad:
                unfit[producer, consumer] = still_bad
    return Problem(
        versions=open_ones,
        serving={m: v for m, v in problem.serving.items() if m in open_ones},
        unfit=unfit,
        failed=tuple(failed),
    )
