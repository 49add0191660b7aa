"""Is the right change taken back, the right source named? On random chains with a known truth."""

from collections.abc import Mapping, Sequence

import numpy as np

from bench.chains.broken_sources import SourceCase, broken_rows, source_case
from bench.chains.harmful_changes import INTERACTIONS, Case, Names, change_case
from bench.chains.random_chains import draw_rows, release_of, system_of
from bench.rows import Bar, Effort, Measured, Row, in_processes, rate
from sluiceway.attribution import SourceArm, attribute, find_source
from sluiceway.gates import Levels, judge_replay
from sluiceway.graph import blast_radius
from sluiceway.replay import Evaluator, measure
from sluiceway.replay.evaluate import Arm
from sluiceway.replay.freezing import freeze_test
from sluiceway.replay.profiles import differing_sources, profile_blocks
from sluiceway.replay.replacing import ReferenceRows, Replaced, replaced

THIRDS = ("one harmful change", "interactions", "broken source")


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


def _measured(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
    totals: dict[str, list[int]] = {}
    parts, _ = in_processes(chunk, effort, seed)
    for part in parts:
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
    return rate(hits, tried, Bar(least=BAR), note)


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
        at_once=6,
        share=2.0,
        measure=_measured,
    ),
)
