"""Choosing one version of every model so that all fit: an integer program.

One binary x(m, v) for each version v of each model m.

- exactly one a model: Σ_v x(m, v) = 1;
- a wanted version is fixed at 1, a forbidden one at 0;
- versions that do not fit, an edge p → k at a time: for each version i of the producer,
  x(p, i) + Σ_j x(k, j) ≤ 1 over all versions j of the consumer that do not fit it. As exactly one
  j is chosen, this one row says as much as a row for each pair, and its relaxation is tighter;
- a set S that failed together: Σ_S x ≤ |S| − 1.

Minimised is W × (models that move) + Σ age, where a version's age is the number of newer versions
of its model, and W is one more than all ages together can come to: fewest moves first, then the
newest. All coefficients are whole numbers and the gap is 0, so the optimum is exact.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from sluiceway.errors import SluicewayError

Pick = tuple[str, str]
"""A model and one of its versions."""

Choice = dict[str, str]
"""The chosen version of every model."""


class NotSolved(SluicewayError):
    """The solver neither found a choice nor showed that there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What may be chosen, and what does not go together.

    Attributes:
        versions: Versions by model, oldest first; never empty.
        serving: The version by model that moving is counted from.
        unfit: By (producer, consumer): pairs of their versions that do not fit.
        failed: Sets of versions, of different models, that failed together.
        forbidden: Versions that must not be chosen.
        wanted: Versions by model that must be.
    """

    versions: Mapping[str, tuple[str, ...]]
    serving: Mapping[str, str]
    unfit: Mapping[tuple[str, str], frozenset[tuple[str, str]]] = field(default_factory=dict)
    failed: tuple[frozenset[Pick], ...] = ()
    forbidden: frozenset[Pick] = frozenset()
    wanted: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError where a model has no version, or one of them twice."""
        for model, versions in self.versions.items():
            if not versions or len(set(versions)) < len(versions):
                raise ValueError(f"{model} needs versions, each once: {versions}")

    def wanting(self, wanted: Mapping[str, str]) -> "Problem":
        """The same with these versions wanted instead."""
        return replace(self, wanted=dict(wanted))

    def within(self, models: Iterable[str]) -> "Problem":
        """The same, of these models alone; what binds them to others is left out."""
        kept = frozenset(models)
        return Problem(
            versions={m: v for m, v in self.versions.items() if m in kept},
            serving={m: v for m, v in self.serving.items() if m in kept},
            unfit={pair: bad for pair, bad in self.unfit.items() if kept.issuperset(pair)},
            failed=tuple(some for some in self.failed if all(m in kept for m, _ in some)),
            forbidden=frozenset(pick for pick in self.forbidden if pick[0] in kept),
            wanted={m: v for m, v in self.wanted.items() if m in kept},
        )


def moves(problem: Problem, choice: Mapping[str, str]) -> tuple[str, ...]:
    """Models that a choice moves, sorted."""
    return tuple(sorted(m for m, v in choice.items() if problem.serving.get(m) != v))


def fits_together(problem: Problem, choice: Mapping[str, str]) -> bool:
    """Whether a whole choice keeps every rule of the problem."""
    if any(choice.get(model) != version for model, version in problem.wanted.items()):
        return False
    if any(pick in problem.forbidden for pick in choice.items()):
        return False
    if any((choice[p], choice[k]) in bad for (p, k), bad in problem.unfit.items()):
        return False
    return not any(all(choice.get(m) == v for m, v in some) for some in problem.failed)


def choose(problem: Problem) -> Choice | None:
    """The choice with the fewest moves, of these the newest; None where nothing fits.

    Raises:
        NotSolved: The solver gave up.
    """
    models = tuple(problem.versions)
    unknown = any(v not in problem.versions[m] for m, v in problem.wanted.items())
    if unknown or any(pick in problem.forbidden for pick in problem.wanted.items()):
        return None
    columns = {
        pick: place
        for place, pick in enumerate((m, v) for m in models for v in problem.versions[m])
    }
    if not columns:
        return {}
    result = milp(
        _costs(problem, columns),
        integrality=np.ones(len(columns)),
        bounds=_bounds(problem, columns),
        constraints=_constraints(problem, models, columns),
        options={"mip_rel_gap": 0},
    )
    if result.status == _INFEASIBLE:
        return None
    if result.x is None or result.status != 0:
        raise NotSolved(f"the solver gave up: {result.message}")
    chosen = {m: v for (m, v), place in columns.items() if result.x[place] > 0.5}
    if len(chosen) != len(models) or not fits_together(problem, chosen):
        raise NotSolved("the solver's choice breaks a rule of its problem")
    return chosen


_INFEASIBLE = 2


def _costs(problem: Problem, columns: Mapping[Pick, int]) -> np.ndarray:
    dearest = 1 + sum(len(versions) - 1 for versions in problem.versions.values())
    costs = np.empty(len(columns))
    for model, versions in problem.versions.items():
        for place, version in enumerate(versions):
            age = len(versions) - 1 - place
            moved = problem.serving.get(model) != version
            costs[columns[model, version]] = age + dearest * moved
    return costs


def _bounds(problem: Problem, columns: Mapping[Pick, int]) -> Bounds:
    low, high = np.zeros(len(columns)), np.ones(len(columns))
    for pick in problem.wanted.items():
        low[columns[pick]] = 1
    for pick in problem.forbidden:
        if pick in columns:
            high[columns[pick]] = 0
    return Bounds(low, high)


def _constraints(
    problem: Problem, models: tuple[str, ...], columns: Mapping[Pick, int]
) -> list[LinearConstraint]:
    sizes = [len(problem.versions[model]) for model in models]
    one_each = csr_array(
        (
            np.ones(len(columns)),
            (np.repeat(np.arange(len(models)), sizes), np.arange(len(columns))),
        ),
        shape=(len(models), len(columns)),
    )
    found = [LinearConstraint(one_each, 1, 1)]
    rows: list[list[int]] = []
    most: list[int] = []
    for (producer, consumer), bad in problem.unfit.items():
        against: dict[str, list[int]] = {}
        for given, read in bad:
            if (producer, given) in columns and (consumer, read) in columns:
                against.setdefault(given, []).append(columns[consumer, read])
        for given, places in against.items():
            rows.append([columns[producer, given], *places])
            most.append(1)
    for some in problem.failed:
        if some and all(pick in columns for pick in some):
            rows.append([columns[pick] for pick in some])
            most.append(len(some) - 1)
    if rows:
        entries = np.concatenate([np.asarray(row) for row in rows])
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        matrix = csr_array(
            (np.ones(len(entries)), entries, starts), shape=(len(rows), len(columns))
        )
        found.append(LinearConstraint(matrix, -np.inf, np.asarray(most, dtype=float)))
    return found
