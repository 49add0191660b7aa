"""Choosing one version of every model so that all fit: an integer program.

One binary x(m, v) for each version v of each model m.

- exactly one a model: Σ_v x(m, v) = 1;
- wanted and forbidden versions, and all that follows from them, are taken out before
  (:mod:`sluiceway.releasing.narrowing`);
- versions that do not fit, an edge p → k at a time: for each version i of the producer,
  x(p, i) + Σ_j x(k, j) ≤ 1 over all versions j of the consumer that do not fit it. As exactly one
  j is chosen, this one row says as much as a row for each pair, and its relaxation is tighter;
- a set S that failed together: Σ_S x ≤ |S| − 1.

Minimised is W × (models that move) + Σ age, where a version's age is the number of newer versions
of its model, and W is one more than all ages together can come to: fewest moves first, then the
newest. All coefficients are whole numbers and the gap is 0, so the optimum is exact.
"""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from sluiceway.errors import SluicewayError
from sluiceway.quieting import strays_to_stderr
from sluiceway.releasing.narrowing import narrowed, parts_to_solve
from sluiceway.releasing.problems import Choice, Pick, Problem, fits_together


class NotSolved(SluicewayError):
    """The solver neither found a choice nor showed that there is none."""


def choose(problem: Problem) -> Choice | None:
    """The choice with the fewest moves, of these the newest; None where nothing fits.

    Raises:
        NotSolved: The solver gave up.
    """
    unknown = any(v not in problem.versions[m] for m, v in problem.wanted.items())
    left = None if unknown else narrowed(problem)
    if left is None:
        return None
    chosen, parts = parts_to_solve(problem, left)
    for part in parts:
        found = _solved(part)
        if found is None:
            return None
        chosen |= found
    if not fits_together(problem, chosen):
        raise NotSolved("the solver's choice breaks a rule of its problem")
    return {model: chosen[model] for model in problem.versions}


def is_possible(problem: Problem) -> bool:
    """Whether any choice keeps every rule; quicker than the best one.

    Where newer versions go with newer ones, the newest or the oldest of all that is left fits as
    soon as anything does, and the solver need not be asked.

    Raises:
        NotSolved: The solver gave up.
    """
    unknown = any(v not in problem.versions[m] for m, v in problem.wanted.items())
    left = None if unknown else narrowed(problem)
    if left is None:
        return False
    for end in (-1, 0):
        if fits_together(problem, {model: versions[end] for model, versions in left.items()}):
            return True
    return choose(problem) is not None


def _solved(problem: Problem) -> Choice | None:
    """One part, by the solver.

    HiGHS 1.12 now and then prints a line to the console, whatever it is told (its issue 2783), with
    presolve and without; it goes to standard error, so that no answer of ours has it inside.
    """
    models = tuple(problem.versions)
    columns = {
        pick: place
        for place, pick in enumerate((m, v) for m in models for v in problem.versions[m])
    }
    with strays_to_stderr():
        result = milp(
            _costs(problem, columns),
            integrality=np.ones(len(columns)),
            bounds=Bounds(0, 1),
            constraints=_constraints(problem, models, columns),
            options={"mip_rel_gap": 0},
        )
    if result.status == _INFEASIBLE:
        return None
    if result.x is None or result.status != 0:
        raise NotSolved(f"the solver gave up: {result.message}")
    return {m: v for (m, v), place in columns.items() if result.x[place] > 0.5}


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
