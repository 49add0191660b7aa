"""Canaries in which something is wrong: how soon it is seen, how seldom it is passed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.decision_quality._canaries import (
    IN_TWENTY,
    LEVELS,
    LOOKS,
    Blocks,
    Generator,
    events_of,
    false_alarms,
    gate_of,
    judged,
    names,
    pairs_of,
    passes,
    repeated,
    simulated,
    stopped_at,
)
from bench.rows import Bar, Effort, Measured, Row, against, rate
from sluiceway.gates import Gate, Levels
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.paired import paired_block_harms


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A canary whose candidate is worse, looked at after every block.

    Attributes:
        harm: By how much its share of wrong answers is higher.
        block: Units a block (an arm, where unpaired).
        blocks: Blocks until it is given up.
    """

    harm: float
    block: int
    blocks: int
    levels: Levels = LEVELS

    def paired(self, rng: Generator) -> int | None:
        """Units until it is stopped; 4 % of pairs disagree."""
        worse, better = 0.02 + self.harm / 2, 0.02 - self.harm / 2
        columns = pairs_of(rng, self.block * self.blocks, worse, better)
        where = names(self.blocks, self.block)
        harms = paired_block_harms(metric_named("accuracy"), *columns, where)
        gate = gate_of("accuracy", paired=True, independent_units=True, units=4_400, rate=0.04)
        return self._units(gate, harms)

    def unpaired(self, rng: Generator, baseline: float = 0.1, planned: int = 12_000) -> int | None:
        """Units an arm until it is stopped."""
        units = 2 * self.block
        chosen = np.tile(np.repeat([0.0, 1.0], self.block), self.blocks)
        chance = baseline + self.harm * chosen
        wrong = rng.random(chance.size) < chance
        harms = events_of(rng, units, chosen, wrong, np.ones(chance.size))
        gate = gate_of(
            "accuracy", paired=False, independent_units=True, units=2 * planned, rate=baseline
        )
        return self._units(gate, harms)

    def _units(self, gate: Gate, harms: Blocks) -> int | None:
        look = stopped_at([gate], [harms], self.levels)
        return None if look is None else look * self.block


def errors(rng: Generator) -> bool:
    """Errors 1 % → 2 %, 3,000 requests an arm, looked at 30 times."""
    drop = Drop(harm=0.01, block=100, blocks=30)
    return drop.unpaired(rng, baseline=0.01, planned=3_000) is not None


def _median(found: Sequence[int | None]) -> tuple[float, float]:
    """The median with a standard error from its order statistics; infinite where never stopped."""
    ordered = np.sort([np.inf if one is None else one for one in found])
    spread = np.sqrt(ordered.size) / 2
    low, high = (
        ordered[int(np.clip(ordered.size / 2 + side * spread, 0, ordered.size - 1))]
        for side in (-1, 1)
    )
    return float(np.median(ordered)), float(high - low) / 2


def soonness(
    key: str,
    claim: str,
    bar: int,
    drop: Drop,
    how: Callable[[Drop, Generator], int | None],
    alone: bool = True,
) -> Row:
    def measure(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
        first, second = seed.spawn(2)
        efforts = effort.shared(1 if alone else 2)
        found = simulated(partial(repeated, partial(how, drop)), next(efforts), first)
        (units, error), sims = _median(found), len(found)
        note = f"median {units:,.0f}"
        if not alone:
            stricter = Drop(
                harm=drop.harm, block=drop.block, blocks=3 * drop.blocks, levels=IN_TWENTY
            )
            fewer = replace(next(efforts), sims=effort.sims // 2)
            found = simulated(partial(repeated, partial(how, stricter)), fewer, second)
            note = f"at α/20: {_median(found)[0]:,.0f}"
        if not np.isfinite(units + error):
            never = not np.isfinite(units)  # by most of them; else too few were to say when
            unknown = Measured(
                value=None, standard_error=None, sims=sims, met=False, clear=never, note=note
            )
            return {key: unknown}
        return {key: against(Bar(most=bar), units, error, sims, note)}

    return Row(
        keys=(key,),
        claim=claim,
        bar=f"≤ {bar:,}",
        sims=2_000,
        at_once=5,
        measure=measure,
    )


def measure_errors(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
    found = simulated(partial(repeated, errors), effort, seed)
    return {"errors_power": rate(sum(found), len(found), Bar(least=0.7))}


def margin_by_day(rng: Generator) -> bool:
    rows = 20
    before = 20 + rng.normal(0, 1, LOOKS * rows)
    after = before + 0.3 + rng.normal(0, 1, before.size)
    harms = paired_block_harms(
        metric_named("mae"), np.zeros(before.size), before, after, names(LOOKS, rows)
    )
    return passes(gate_of("mae", 0.3, paired=True, independent_units=False), harms)


def margin_pairs(rng: Generator) -> bool:
    columns = pairs_of(rng, LOOKS * 100, 0.025, 0.015)
    harms = paired_block_harms(metric_named("accuracy"), *columns, names(LOOKS, 100))
    gate = gate_of("accuracy", 0.01, paired=True, independent_units=True, units=5_000, rate=0.04)
    return passes(gate, harms)


def margin_bets(rng: Generator) -> bool:
    """Brier differences of mean .01: the candidate answers where the truth is a coin."""
    label = rng.integers(0, 2, LOOKS * 50).astype(float)
    before = np.full(label.size, 0.5)
    after = 0.5 + rng.choice([-0.1, 0.1], label.size)
    harms = paired_block_harms(metric_named("brier"), label, before, after, names(LOOKS, 50))
    gate = gate_of("brier", 0.01, paired=True, independent_units=True, units=5_000, rate=0.01)
    return passes(gate, harms)


def margin_unpaired(rng: Generator) -> bool:
    units = 200
    chosen = rng.random(LOOKS * units) < 0.5
    wrong = rng.random(chosen.size) < 0.05 + 0.05 * chosen
    harms = events_of(rng, units, chosen.astype(float), wrong, np.ones(chosen.size))
    gate = gate_of("accuracy", 0.05, paired=False, independent_units=True, units=5_000, rate=0.05)
    return passes(gate, harms)


AT_MARGIN = {
    "days": margin_by_day,
    "pairs": margin_pairs,
    "bets": margin_bets,
    "unpaired events": margin_unpaired,
}


def measure_margin(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
    chunks = {name: partial(repeated, one) for name, one in AT_MARGIN.items()}
    return false_alarms("at_margin", chunks, effort, seed)


def same_in_any_unit(rng: Generator) -> bool:
    """Outcome and rollback at each of 30 looks, for the metric in units 1e-6 … 1e6 as large."""
    blocks, rows, margin = 30, 20, 0.2
    before = 20 + rng.normal(0, 1, blocks * rows)
    after = before + rng.choice([-0.3, 0.1, 0.9]) + rng.normal(0, 1, before.size)
    said = []
    for scale in (1.0, 1e-6, 1e-3, 1e3, 1e6):
        harms = paired_block_harms(
            metric_named("mae"),
            np.zeros(before.size),
            before * scale,
            after * scale,
            names(blocks, rows),
        )
        gate = gate_of("mae", margin * scale, paired=True, independent_units=False)
        looks = judged([gate], [harms], LEVELS)
        said.append([(look.crossed, look.verdicts[0].outcome) for look in looks])  # type: ignore[attr-defined]
    return all(one == said[0] for one in said)


def measure_unit(effort: Effort, seed: np.random.SeedSequence) -> dict[str, Measured]:
    found = simulated(partial(repeated, same_in_any_unit), effort, seed)
    same, sims = all(found), len(found)
    return {"unit_invariant": Measured(value=same, standard_error=None, sims=sims, met=same)}


ROWS: tuple[Row, ...] = (
    soonness(
        "paired_1pct",
        "paired, 4 % disagreement, 1 % drop: median labelled units to stop",
        4_400,
        Drop(harm=0.01, block=50, blocks=240),
        Drop.paired,
        alone=False,
    ),
    soonness(
        "paired_2pct",
        "paired, 4 % disagreement, 2 % drop: median labelled units to stop",
        2_000,
        Drop(harm=0.02, block=50, blocks=80),
        Drop.paired,
        alone=False,
    ),
    soonness(
        "unpaired_1pct",
        "unpaired, baseline .9, 1 % drop: median units an arm to stop",
        13_000,
        Drop(harm=0.01, block=250, blocks=120),
        Drop.unpaired,
    ),
    soonness(
        "unpaired_2pct",
        "unpaired, baseline .9, 2 % drop: median units an arm to stop",
        4_000,
        Drop(harm=0.02, block=100, blocks=100),
        Drop.unpaired,
    ),
    Row(
        keys=("errors_power",),
        claim="errors 1 % → 2 %, 3,000 requests an arm: stopped",
        bar="≥ .70",
        sims=4_000,
        at_once=20,
        measure=measure_errors,
    ),
    Row(
        keys=("at_margin",),
        claim=f"harm exactly at the margin passes at one of {LOOKS} looks",
        bar="≤ .05 + 3 s.e.",
        sims=2_000,
        at_once=3,
        measure=measure_margin,
        share=2.0,
    ),
    Row(
        keys=("unit_invariant",),
        claim="the verdict is the same in units 1e-6 … 1e6 as large",
        bar="always",
        sims=2_000,
        at_once=5,
        measure=measure_unit,
        share=0.5,
    ),
)
