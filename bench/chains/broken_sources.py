"""Random chains that live on one broken source, while others drift without harm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.chains.clear_cases import FAR, FINE, POPULATION, visible
from bench.chains.random_chains import (
    Chain,
    Rows,
    draw_rows,
    gates_for,
    losses,
    random_chain,
)
from sluiceway.gates import Gate


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
        shown = visible(chain, direct, draw)
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
