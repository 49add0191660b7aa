"""Is the right change taken back, the right source named? On random chains with a known truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from bench.random_chains import (
    Chain,
    Curve,
    Rows,
    draw_rows,
    gates_for,
    losses,
    random_chain,
    refitted,
    release_of,
    system_of,
)
from bench.rows import Measured, Row, in_processes, rate
from sluiceway.attribution import SourceArm, attribute, find_source
from sluiceway.gates import Gate, Levels, judge_replay
from sluiceway.graph import blast_radius
from sluiceway.replay import Evaluator, measure
from sluiceway.replay.evaluate import Arm
from sluiceway.replay.freezing import freeze_test
from sluiceway.replay.profiles import differing_sources, profile_blocks
from sluiceway.replay.replacing import ReferenceRows, Replaced, replaced

FINE, HARMFUL = 0.6, 1.8
"""In margins: what is meant to be harmless is at most the first at every gate, what is meant to be
harmful at least the second at one. In between nobody could say what would be right."""
FAR = 3.0
"""In margins: harm that a gate two hops away from its origin shows, at least."""
POPULATION = 12_000
"""Rows that stand for the population when a case is built."""

Names = frozenset[str]
SINGLE = ("single",)
INTERACTIONS = ("either", "each", "fitted", "pair beside")
THIRDS = ("one harmful change", "interactions", "broken source")


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


# What changes ------------------------------------------------------------------------------------

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


def _visible(chain: Chain, origins: Sequence[str], draw: np.random.Generator) -> list[str]:
    """Models with a gate: most; in half of the cases none nearer to the origin than two hops."""
    hops = chain.hops(origins)
    hidden = draw.random() < 0.5
    return [
        name
        for name in chain.truth
        if draw.random() < 0.75 and not (hidden and hops.get(name, 9) < 2)
    ]


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
    shown = _visible(chain, [victim], draw)
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


def changes_named(case: Case, draw: np.random.Generator) -> Names:
    """What a shadow replay of the case would take back."""
    chain = case.chain
    rows = draw_rows(chain, draw, int(draw.integers(1500, 3001)), int(draw.integers(15, 41)))
    system = system_of(chain)
    baseline, candidate = release_of(chain), release_of(chain, tuple(case.second))
    radius = blast_radius(system, candidate.changed_from(baseline))
    test = freeze_test(system, baseline, candidate, radius)
    predictors = {(name, "1"): curve for name, curve in chain.first.items()}
    predictors |= {(name, "2"): curve for name, curve in case.second.items()}
    evaluator = Evaluator(
        system,
        test.arms,
        baseline=test.baseline.name,
        predictors=predictors,
        transformations={},
        only=radius.models,
    )
    gates = [gate for gate in case.gates if gate.model in radius.models]
    sums = measure(gates, evaluator, [rows.partition(chain)])
    verdicts = [
        judge_replay(
            gate,
            sums[test.baseline.name][gate.name],
            sums[test.candidate.name][gate.name],
            Levels(),
            len(gates),
            looks=2,
        )
        for gate in gates
    ]
    return frozenset(attribute(system, test, verdicts, sums).revert)


# What breaks -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SourceCase:
    """A live world in which one source is broken and others drift without harm."""

    chain: Chain
    gates: Sequence[Gate]
    broken: str
    kind: str
    size: float
    since: float
    drift: Mapping[str, tuple[float, float]]


BREAKS = ("stuck", "few values", "unit slip", "shift", "noise", "defaults")


def broken_rows(chain: Chain, rows: Rows, case: SourceCase, draw: np.random.Generator) -> Rows:
    """The same rows as the broken feed tells them; what is true of them stays."""
    bad = rows.codes >= case.since * rows.blocks
    features = dict(rows.features)
    for name in chain.sources[case.broken]:
        values = rows.features[name]
        told = {
            "stuck": lambda v=values: np.full(len(v), draw.choice(v)),
            "few values": lambda v=values: draw.choice(draw.choice(v, 3), len(v)),
            "unit slip": lambda v=values: v * (case.size * 10),
            "shift": lambda v=values: v + case.size,
            "noise": lambda v=values: v + draw.normal(0, 1.5 + case.size, len(v)),
            "defaults": lambda v=values: np.where(draw.random(len(v)) < 0.8, -case.size, v),
        }[case.kind]()
        features[name] = np.where(bad, told, values)
    return replace(rows, features=features)


def source_case(draw: np.random.Generator) -> SourceCase:
    """Draw until a case is what it is meant to be."""
    while True:
        count, unheard = int(draw.integers(3, 6)), int(draw.integers(0, 2))
        chain = random_chain(draw, sources=count, unheard=unheard)
        broken = f"s{draw.integers(0, count - unheard)}"
        direct = sorted({m for f in chain.sources[broken] for m in chain.readers(f)})
        shown = _visible(chain, direct, draw)
        # One hop from a model that reads the source is two from the source's feature.
        far = {name for name, hops in chain.hops(direct).items() if hops >= 1}
        if not far & set(shown):
            continue
        population = draw_rows(chain, draw, POPULATION, 200)
        decoys = [s for s in chain.sources if s != broken]
        decoys = [str(s) for s in draw.permutation(decoys)[: int(draw.integers(1, 3))]]
        quiet = {f"s{n}" for n in range(count - unheard, count)}
        drift = {}
        for source in decoys:
            strong = 3.0 if source in quiet else 0.7
            for name in chain.sources[source]:
                way = float(draw.choice([-1, 1]) * draw.uniform(0.5, 1.0) * strong)
                drift[name] = (way, float(draw.uniform(0.8, 1.2)))
        case = SourceCase(
            chain=chain,
            gates=gates_for(chain, shown, population, draw),
            broken=broken,
            kind=str(draw.choice(BREAKS)),
            size=float(draw.uniform(0.6, 2.5)),
            since=float(draw.choice([0.0, 0.0, 0.2])),
            drift=drift,
        )
        if _source_holds(case, population, far, draw):
            return case


def _source_holds(
    case: SourceCase, reference: Rows, far: set[str], draw: np.random.Generator
) -> bool:
    chain = case.chain
    before = losses(chain.first, reference, case.gates)
    drifted = draw_rows(chain, draw, POPULATION, 200, case.drift)
    broken = broken_rows(chain, drifted, case, draw)

    def harms(rows: Rows) -> dict[str, float]:
        now = losses(chain.first, rows, case.gates)
        return {g.model: (now[g.name] - before[g.name]) / g.margin for g in case.gates}

    harmless, harmful = harms(drifted), harms(broken)
    return max(harmless.values()) <= FINE and any(harmful.get(name, 0) >= FAR for name in far)


def sources_named(case: SourceCase, draw: np.random.Generator) -> Names:
    """What a look at the live chain would name."""
    chain = case.chain
    recorded = draw_rows(chain, draw, int(draw.integers(2500, 4001)), int(draw.integers(25, 46)))
    live = draw_rows(
        chain, draw, int(draw.integers(1500, 3001)), int(draw.integers(15, 31)), case.drift
    )
    live = broken_rows(chain, live, case, draw)
    sides = {"live": live.partition(chain), "recorded": recorded.partition(chain)}
    system = system_of(chain)
    evaluator = Evaluator(
        system,
        [Arm(name="champion", release=release_of(chain))],
        baseline="champion",
        predictors={(name, "1"): curve for name, curve in chain.first.items()},
        transformations={},
    )
    columns = tuple(sides["recorded"].columns)
    reference = ReferenceRows.of([sides["recorded"]], columns)

    def measured(some: Replaced) -> SourceArm:
        sums = {
            side: measure(case.gates, evaluator, [replaced(part, some, reference)])["champion"]
            for side, part in sides.items()
        }
        return SourceArm(replaced=some, live=sums["live"], recorded=sums["recorded"])

    profiles = {side: profile_blocks(part, columns) for side, part in sides.items()}
    differing = differing_sources(profiles["live"], profiles["recorded"])
    found = find_source(case.gates, tuple(chain.sources), measured, differing=differing)
    return frozenset(found.sources)


# The row -----------------------------------------------------------------------------------------


def chunk(sims: int, seed: np.random.SeedSequence) -> dict[str, tuple[int, int]]:
    """Cases right and cases tried, by kind; the thirds in turn."""
    draw = np.random.default_rng(seed)
    found: dict[str, tuple[int, int]] = {}
    # Where a chunk begins in the cycle is drawn, so that short chunks do not favour a third.
    first = int(draw.integers(0, 12))
    for n in range(first, first + sims):
        if n % 3 == 0:
            kind = "one harmful change"
            case = change_case("single", draw)
            right = changes_named(case, draw) in case.right
        elif n % 3 == 1:
            kind = INTERACTIONS[n // 3 % 4]
            case = change_case(kind, draw)
            right = changes_named(case, draw) in case.right
        else:
            kind = "broken source"
            source = source_case(draw)
            right = sources_named(source, draw) == {source.broken}
        hits, tried = found.get(kind, (0, 0))
        found[kind] = (hits + right, tried + 1)
    return found


def _measured(sims: int, seed: np.random.SeedSequence) -> dict[str, Measured]:
    totals: dict[str, list[int]] = {}
    for part in in_processes(chunk, sims, seed):
        for kind, (hits, tried) in part.items():
            total = totals.setdefault(kind, [0, 0])
            total[0] += hits
            total[1] += tried
    return {"attribution_right": _share(totals)}


def _share(totals: Mapping[str, Sequence[int]]) -> Measured:
    thirds: dict[str, list[int]] = {}
    for kind, (hits, tried) in totals.items():
        third = thirds.setdefault("interactions" if kind in INTERACTIONS else kind, [0, 0])
        third[0] += hits
        third[1] += tried
    said = [f"{name} {thirds[name][0]} of {thirds[name][1]}" for name in THIRDS if name in thirds]
    kinds = [
        f"{name} {totals[name][0]} of {totals[name][1]}" for name in INTERACTIONS if name in totals
    ]
    note = f"{'; '.join(said)} ({', '.join(kinds)})"
    hits, tried = (sum(one[n] for one in totals.values()) for n in (0, 1))
    return rate(hits, tried, lambda share, _: share >= BAR, note)


BAR = 0.95

ROWS = (
    Row(
        keys=("attribution_right",),
        claim=(
            "attribution: random chains of 5 to 12 models, harm two hops from its origin; one "
            "harmful change among 2 to 4, interactions, or a broken source: the set named is right"
        ),
        bar="≥ .95",
        sims=2004,
        quick_sims=42,
        measure=_measured,
    ),
)
