"""Each change's share in a gate's harm: Shapley values, which explain and do not decide.

Source: Shapley (1953), "A value for n-person games", Contributions to the Theory of Games II. The
players are the changes, a coalition's worth is the harm of the baseline with these changes made.
Where orders are sampled: Castro, Gómez & Tejada (2009), Computers & Operations Research 36, each
order with its reverse (Mitchell, Cooper, Frank & Holmes 2022, JMLR 23).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from sluiceway.attribution.estimates import Contrasts
from sluiceway.attribution.values import ShapleyShare
from sluiceway.gates import Gate
from sluiceway.replay.freezing import FreezeTest

Weights = dict[str, float]
"""Weight by name of an arm."""


def shapley_shares(
    test: FreezeTest, gates: Sequence[Gate], contrasts: Contrasts
) -> tuple[ShapleyShare, ...]:
    """Shares of every change in every gate given; none where nothing changed."""
    names = [node.name for node in test.nodes]
    orders = len(test.orders) if test.orders else None
    shares = []
    for name in names:
        runs = _sampled(test, name) if test.orders else [_exact(test, name)]
        mean: Weights = defaultdict(float)
        for run in runs:
            for arm, weight in run.items():
                mean[arm] += weight / len(runs)
        shares += [
            ShapleyShare(
                node=name,
                gate=gate.name,
                share=contrasts.combined(_without_zeros(mean), gate.name),
                orders=orders,
                sampling_error=None if orders is None else _error(runs, gate, contrasts),
            )
            for gate in gates
        ]
    return tuple(shares)


def _arm(test: FreezeTest, made: frozenset[str]) -> str:
    """The arm in which only these changes are made."""
    back = tuple(node.name for node in test.nodes if node.name not in made)
    if not back:
        return test.candidate.name
    return test.baseline.name if not made else test.reverted[back].name


def _exact(test: FreezeTest, name: str) -> Weights:
    others = [node.name for node in test.nodes if node.name != name]
    count = len(others) + 1
    weights: Weights = defaultdict(float)
    for size in range(count):
        weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
        for some in combinations(others, size):
            weights[_arm(test, frozenset({*some, name}))] += weight
            weights[_arm(test, frozenset(some))] -= weight
    return weights


def _sampled(test: FreezeTest, name: str) -> list[Weights]:
    """One set of weights for each order and its reverse, which stand side by side."""
    runs = []
    for first, second in zip(test.orders[::2], test.orders[1::2], strict=True):
        weights: Weights = defaultdict(float)
        for order in (first, second):
            before = frozenset(order[: order.index(name)])
            weights[_arm(test, before | {name})] += 0.5
            weights[_arm(test, before)] -= 0.5
        runs.append(weights)
    return runs


def _error(runs: Sequence[Weights], gate: Gate, contrasts: Contrasts) -> float | None:
    found = [contrasts.combined(_without_zeros(run), gate.name).harm for run in runs]
    known = [one for one in found if one is not None]
    if len(known) < max(2, len(runs)):
        return None
    return float(np.std(known, ddof=1) / math.sqrt(len(known)))


def _without_zeros(weights: Weights) -> dict[str, float]:
    return {arm: weight for arm, weight in weights.items() if weight != 0}
