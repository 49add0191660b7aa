"""Random chains of models of which some change, and one change or combination is known to harm."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bench.chains.clear_cases import FAR, FINE, HARMFUL, POPULATION, visible
from bench.chains.random_chains import (
    Chain,
    Curve,
    Rows,
    draw_rows,
    gates_for,
    losses,
    random_chain,
    refitted,
)
from sluiceway.gates import Gate

Names = frozenset[str]
INTERACTIONS = ("either", "each", "fitted", "pair beside")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Changes with what is true of them.

    Attributes:
        chain: As it is, with version 1 of each model.
        second: Version 2 of those that change.
        gates: What is measured.
        right: The sets of which one has to be named.
    """

    chain: Chain
    second: Mapping[str, Curve]
    gates: Sequence[Gate]
    right: frozenset[Names]


Fault = Callable[[Curve, float, np.random.Generator], Curve]
FAULTS: tuple[Fault, ...] = (
    lambda one, size, draw: replace(one, shift=float(draw.choice([-1, 1])) * 0.5 * size),
    lambda one, size, _: replace(one, scale=1 + 0.5 * size),
    lambda one, size, _: replace(one, scale=1 / (1 + size)),
    lambda one, size, _: replace(one, most=1.5 / (1 + 2 * size)),
    lambda one, size, _: replace(one, weights=_one_turned(one, size)),
)
SIZES = (0.4, 0.6, 0.9, 1.3, 2.0, 3.0)


def _one_turned(one: Curve, size: float) -> np.ndarray:
    """The loudest input counts for less, and in the end the other way round."""
    weights = one.weights.copy()
    weights[np.argmax(np.abs(weights))] *= 1 - size
    return weights


def _harmless(chain: Chain, name: str, draw: np.random.Generator) -> Curve:
    """Fitted again just as well, or better."""
    return refitted(chain.truth[name], draw, error=float(draw.choice([0.01, 0.04])))


def _holds(
    case: Case, rows: Rows, harmful: Callable[[Names], bool], origins: Sequence[str]
) -> bool:
    """Whether the case is what it was built to be, clearly, and shows two hops away."""
    far = {name for name, hops in case.chain.hops(origins).items() if hops >= 2}
    before = losses(case.chain.first, rows, case.gates)

    def harms(made: Names) -> dict[str, float]:
        """In margins, over the population."""
        curves = {**case.chain.first, **{name: case.second[name] for name in made}}
        now = losses(curves, rows, case.gates)
        return {g.model: (now[g.name] - before[g.name]) / g.margin for g in case.gates}

    everything = harms(frozenset(case.second))
    if not any(harm >= FAR for name, harm in everything.items() if name in far):
        return False
    for size in range(1, len(case.second) + 1):
        for some in combinations(case.second, size):
            worst = max(harms(frozenset(some)).values())
            if not (worst >= HARMFUL if harmful(frozenset(some)) else worst <= FINE):
                return False
    return True


def _with_path(chain: Chain, draw: np.random.Generator, depth: int = 2) -> str | None:
    """A model from which some other is at least so many hops away."""
    good = [name for name in chain.truth if max(chain.hops([name]).values()) >= depth]
    return str(draw.choice(good)) if good else None


def _others(chain: Chain, taken: Sequence[str], draw: np.random.Generator, most: int) -> list[str]:
    free = [name for name in chain.truth if name not in taken]
    least = 1 if len(taken) == 1 else 0
    return [str(n) for n in draw.permutation(free)[: int(draw.integers(least, most + 1))]]


def change_case(kind: str, draw: np.random.Generator) -> Case:
    """Draw until a case is what it is meant to be."""
    while True:
        chain = random_chain(draw, sources=int(draw.integers(2, 5)))
        for case in _tries(kind, chain, draw):
            return case


def _tries(kind: str, chain: Chain, draw: np.random.Generator) -> Sequence[Case]:
    origin = _with_path(chain, draw)
    if origin is None:
        return ()
    readers = chain.readers(origin)
    # The partner has readers of its own, so that harm shows two hops from the origin.
    leading = [name for name in readers if chain.readers(name)]
    if not leading:
        return ()
    partner = str(draw.choice(leading))
    taken = {
        "single": [origin],
        "either": [origin, partner],
        "each": [origin, str(draw.choice([n for n in chain.truth if n != origin]))],
        "fitted": [origin, partner],
        "pair beside": [origin, *readers],
    }[kind]
    if kind == "pair beside" and len(readers) > 2:
        return ()
    if kind == "fitted" and len(readers) < 2:
        return ()
    shift = float(draw.choice([-1, 1]) * draw.uniform(0.8, 1.5))
    if kind in ("fitted", "pair beside"):
        # Version 1 of the origin is biased, version 2 is not; its readers know version 1.
        chain = replace(chain, label_shift={origin: shift})
    victim = origin
    if kind == "pair beside":
        rest = [n for n in chain.truth if n not in taken and max(chain.hops([n]).values()) >= 2]
        if not rest:
            return ()
        victim = str(draw.choice(rest))
        taken = [*taken, victim]
    others = _others(chain, taken, draw, max(0, 4 - len(taken)))
    rows = draw_rows(chain, draw, POPULATION, 200)
    shown = visible(chain, [victim], draw)
    if kind == "either":
        shown = [name for name in shown if name != origin]
    if not shown:
        return ()
    gates = gates_for(chain, shown, rows, draw)
    faults = [FAULTS[n] for n in draw.integers(0, len(FAULTS), 2)]
    plain = {name: _harmless(chain, name, draw) for name in [*taken, *others]}
    for size in SIZES:
        second = dict(plain)
        if kind == "single":
            second[origin] = faults[0](plain[origin], size, draw)
            harmful, right = (lambda made: origin in made), [{origin}]
        elif kind == "either":
            second[origin] = replace(plain[origin], marks_above=1.6 - 0.6 * size)
            second[partner] = replace(plain[partner], knows_marks=False)
            harmful, right = (lambda made: {origin, partner} <= made), [{origin}, {partner}]
        elif kind == "each":
            for name, fault in zip(taken, faults, strict=True):
                second[name] = fault(plain[name], size, draw)
            harmful, right = (lambda made: bool(made & set(taken))), [set(taken)]
        else:
            second[origin] = replace(plain[origin], shift=shift)
            for name in taken[1 : 1 + (len(readers) if kind == "pair beside" else 1)]:
                second[name] = replace(plain[name], expects={origin: (shift, 1.0)})
            if kind == "fitted":
                harmful, right = (lambda made: bool(made & {origin, partner})), [{origin, partner}]
            else:
                second[victim] = faults[0](plain[victim], size, draw)
                harmful = _beside(victim, frozenset({origin, *readers}))
                right = [{victim}]
        names = [name for name in chain.truth if name in second]
        case = Case(
            chain=chain,
            second={name: second[name] for name in names},
            gates=gates,
            right=frozenset(frozenset(one) for one in right),
        )
        if 2 <= len(second) <= 4 and _holds(case, rows, harmful, [victim]):
            return (case,)
    return ()


def _beside(victim: str, pair: Names) -> Callable[[Names], bool]:
    """The victim harms, and so does a part of what is fitted to each other."""
    return lambda made: victim in made or 0 < len(made & pair) < len(pair)
