"""Canaries that are looked at many times: how often stopped for nothing, how soon for harm.

Every simulated canary chooses its method by the automatic policy, enters its blocks into the
production states, writes them as JSON and reads them back before each look, and asks the production
judge. Blocks come from rows through the production metrics, but for the family of 100 gates.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from pydantic import TypeAdapter
from scipy.signal import lfilter

from bench.rows import Chunk, Measured, Row, at_most, in_processes, rate
from sluiceway.gates import Gate, Levels, Role, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.statistics.autocorrelation import block_length_needed
from sluiceway.statistics.metrics import metric_named
from sluiceway.statistics.paired import paired_block_harms
from sluiceway.statistics.recurring import in_first_block
from sluiceway.statistics.sequential import BlockHarm, SequentialState, method_for
from sluiceway.statistics.unpaired import unpaired_rows

LOOKS = 100
LEVELS = Levels(alpha=0.05, rollback_alpha=0.05)
IN_TWENTY = Levels(alpha=0.05 / 20, rollback_alpha=0.05 / 20)
STATES = TypeAdapter(dict[str, SequentialState])
Generator = np.random.Generator
Blocks = Sequence[BlockHarm]


def gate_of(metric: str, margin: float = 0.0, name: str = "model", **policy: object) -> Gate:
    return Gate(
        model=name,
        metric=metric,
        field="answer",
        label="truth.label",
        role=Role.REQUIRED,
        margin=margin,
        evidence=method_for(metric_named(metric), **policy),  # type: ignore[arg-type]
    )


def judged(gates: Sequence[Gate], blocks: Sequence[Blocks], levels: Levels) -> Iterator[object]:
    """What the judge says at each look; ``blocks[k]`` are gate k's, one a look."""
    states = {gate.name: gate.evidence.begin(gate.margin) for gate in gates}
    for look in zip(*blocks, strict=True):
        entered = {
            gate.name: states[gate.name].enter(block)
            for gate, block in zip(gates, look, strict=True)
        }
        states = STATES.validate_json(STATES.dump_json(entered))
        yield judge_canary([(gate, states[gate.name]) for gate in gates], levels)


def stopped_at(
    gates: Sequence[Gate], blocks: Sequence[Blocks], levels: Levels = LEVELS
) -> int | None:
    """The first look, counted from 1, that rolls back."""
    for look, said in enumerate(judged(gates, blocks, levels), start=1):
        if said.crossed:  # type: ignore[attr-defined]
            return look
    return None


def passes(gate: Gate, blocks: Blocks) -> bool:
    """Whether any look passes the gate."""
    return any(
        said.verdicts[0].outcome is Outcome.PASSED  # type: ignore[attr-defined]
        for said in judged([gate], [blocks], LEVELS)
    )


def names(blocks: int, rows: int) -> np.ndarray:
    return np.repeat([f"{g:04d}" for g in range(blocks)], rows)


# ------------------------------------------------------------------ nothing is wrong


def _mae_days(blocks: int, rows: int, before: np.ndarray, after: np.ndarray) -> bool:
    harms = paired_block_harms(
        metric_named("mae"), np.zeros(blocks * rows), before, after, names(blocks, rows)
    )
    gate = gate_of("mae", paired=True, independent_units=False)
    return stopped_at([gate], [harms]) is not None


def iid_by_day(rng: Generator) -> bool:
    before, after = np.abs(rng.normal(0, 10, (2, LOOKS * 20)))
    return _mae_days(LOOKS, 20, before, after)


def _answers(label: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Probabilities whose side of one half is wrong where it is to be."""
    right_side = np.where(wrong, 1 - label, label)
    return np.where(right_side == 1, 0.75, 0.25)


def pairs_of(rng: Generator, units: int, worse: float, better: float) -> tuple[np.ndarray, ...]:
    """0–1 pairs: shares where only the candidate, only the baseline is wrong; both are in 8 %."""
    label = rng.integers(0, 2, units).astype(float)
    kind = rng.random(units)
    both = kind > 0.92
    after_wrong = both | (kind < worse)
    before_wrong = both | ((kind >= worse) & (kind < worse + better))
    return label, _answers(label, before_wrong), _answers(label, after_wrong)


def iid_pairs(rng: Generator) -> bool:
    columns = pairs_of(rng, LOOKS * 50, 0.02, 0.02)
    harms = paired_block_harms(metric_named("accuracy"), *columns, names(LOOKS, 50))
    gate = gate_of("accuracy", paired=True, independent_units=True, units=5_000, rate=0.04)
    return stopped_at([gate], [harms]) is not None


def iid_bets(rng: Generator) -> bool:
    chance = rng.beta(1, 4, LOOKS * 20)
    label = (rng.random(chance.size) < chance).astype(float)
    before, after = np.clip(chance + rng.normal(0, 0.1, (2, chance.size)), 0, 1)
    harms = paired_block_harms(metric_named("brier"), label, before, after, names(LOOKS, 20))
    gate = gate_of("brier", paired=True, independent_units=True, units=2_000, rate=0.01)
    return stopped_at([gate], [harms]) is not None


def shared_by_day(rng: Generator) -> bool:
    """Each day's errors grow or shrink by half for both arms, whose units differ."""
    shock = np.repeat(np.exp(rng.normal(0, 0.5, LOOKS)), 40)
    answer = np.abs(rng.normal(0, 10, shock.size)) * shock
    gate = gate_of("mae", paired=False, independent_units=False)
    harms = unpaired_rows(
        metric_named("mae"),
        np.zeros(shock.size),
        answer,
        names(LOOKS, 40),
        np.ones(shock.size),
        rng.random(shock.size) < 0.5,
    )
    return stopped_at([gate], [harms]) is not None


def _events(
    rng: Generator, units: int, share: np.ndarray, wrong: np.ndarray, revision: np.ndarray
) -> Blocks:
    """Blocks of unpaired 0–1 losses; columns are rows, `units` a block."""
    blocks = wrong.size // units
    label = np.ones(wrong.size)
    return unpaired_rows(
        metric_named("accuracy"),
        label,
        np.where(wrong, 0.25, 0.75),
        names(blocks, units),
        revision,
        rng.random(wrong.size) < share,
    )


def shared_events(rng: Generator) -> bool:
    chance = np.repeat(rng.beta(1, 9, LOOKS), 100)
    wrong = rng.random(chance.size) < chance
    half = np.full(chance.size, 0.5)
    harms = _events(rng, 100, half, wrong, np.ones(chance.size))
    gate = gate_of("accuracy", paired=False, independent_units=True, units=10_000, rate=0.1)
    return stopped_at([gate], [harms]) is not None


def _ar1(rng: Generator, n: int) -> np.ndarray:
    noise = rng.normal(0, np.sqrt(1 - 0.8**2), n)
    noise[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -0.8], noise))


def ar1_length(rng: Generator) -> int:
    """Rows a block, as planning finds it from a record of 20,000 rows."""
    length = block_length_needed(_ar1(rng, 20_000) - _ar1(rng, 20_000))
    assert length is not None
    return length


def ar1_days(rng: Generator, rows: int) -> bool:
    before, after = (20 + _ar1(rng, LOOKS * rows) for _ in range(2))
    return _mae_days(LOOKS, rows, before, after)


def clustered(rng: Generator) -> bool:
    """Ten units a day with ten rows each; a third of a difference's variance is the unit's."""
    days, units, rows = LOOKS, 10, 10
    unit = np.repeat(rng.normal(0, np.sqrt(0.3), (2, days * units)), rows, axis=1)
    before, after = 20 + unit + rng.normal(0, np.sqrt(0.7), unit.shape)
    return _mae_days(days, units * rows, before, after)


def sticky(rng: Generator, once: bool = True) -> bool:
    """A unit comes back on other days, always as good or bad for the candidate as before."""
    activity = rng.beta(0.6, 20, 3_000)
    day, unit = np.nonzero(rng.random((LOOKS, activity.size)) < activity)
    taste = rng.normal(0, 1, activity.size)
    before = 20 + rng.normal(0, 1, unit.size)
    after = before + taste[unit] + rng.normal(0, 0.5, unit.size)
    block = np.asarray([f"{g:04d}" for g in range(LOOKS)])[day]
    counted = in_first_block(unit, block) if once else np.ones(unit.size, dtype=bool)
    harms = paired_block_harms(
        metric_named("mae"),
        np.zeros(int(counted.sum())),
        before[counted],
        after[counted],
        block[counted],
    )
    gate = gate_of("mae", paired=True, independent_units=False)
    return stopped_at([gate], [harms]) is not None


def sticky_ignored(rng: Generator) -> bool:
    return sticky(rng, once=False)


def _ramp(rng: Generator, independent: bool) -> bool:
    """Weights 5, 25, 50 % while the base rate climbs from 4 to 20 %, inside a step too."""
    units = 300
    step = np.repeat(np.minimum(np.arange(LOOKS) // 34, 2), units)
    base = np.repeat(np.linspace(0.04, 0.2, LOOKS), units)
    wrong = rng.random(base.size) < base
    harms = _events(rng, units, np.asarray([0.05, 0.25, 0.5])[step], wrong, step)
    policy = {"units": 30_000, "rate": 0.1, "candidate_share": 0.25} if independent else {}
    gate = gate_of("accuracy", paired=False, independent_units=independent, **policy)
    return stopped_at([gate], [harms]) is not None


def ramp_by_block(rng: Generator) -> bool:
    return _ramp(rng, independent=False)


def ramp_events(rng: Generator) -> bool:
    return _ramp(rng, independent=True)


FAMILY = tuple(
    gate_of("mae", name=f"m{gate}_s{part}", paired=True, independent_units=False)
    for gate in range(20)
    for part in range(5)
)


def family(rng: Generator) -> bool:
    """20 gates × 5 slices that share a shock of the day, the gate's noise, and have their own."""
    shape = (LOOKS, 20, 5)
    noise = rng.normal(0, 1, (LOOKS, 1, 1)) + rng.normal(0, 1, (LOOKS, 20, 1))
    harms = (noise + rng.normal(0, 1.5, shape)).reshape(LOOKS, -1)
    blocks = [
        [
            BlockHarm(block=f"{g:04d}", harm=harm, baseline=20.0, candidate=20.0 + harm, rows=50)
            for g, harm in enumerate(column)
        ]
        for column in harms.T.tolist()
    ]
    return stopped_at(FAMILY, blocks) is not None


def repeated(
    one: Callable[..., bool | int | None], sims: int, seed: np.random.SeedSequence
) -> list:
    rng = np.random.default_rng(seed)
    return [one(rng) for _ in range(sims)]


def repeated_ar1(sims: int, seed: np.random.SeedSequence) -> list:
    rng = np.random.default_rng(seed)
    rows = ar1_length(rng)
    return [ar1_days(rng, rows) for _ in range(sims)]


def simulated(chunk: Chunk, sims: int, seed: np.random.SeedSequence) -> list:
    """Quick runs stay in this process: starting others takes longer than they do."""
    parts = [chunk(sims, seed)] if sims < 200 else in_processes(chunk, sims, seed)
    return [one for part in parts for one in part]


def false_alarms(
    key: str, variants: Mapping[str, Chunk], sims: int, seed: np.random.SeedSequence, said: str = ""
) -> dict[str, Measured]:
    """The worst variant's share of canaries that were rolled back."""
    shares = {
        name: sum(simulated(chunk, sims, own)) / sims
        for (name, chunk), own in zip(variants.items(), seed.spawn(len(variants)), strict=True)
    }
    note = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    worst = max(shares.values())
    return {key: rate(round(worst * sims), sims, at_most(0.05), note + said)}


def aa(
    key: str,
    claim: str,
    variants: Mapping[str, Callable[[Generator], bool]],
    sims: int = 2_000,
    quick: int = 5,
    said: str = "",
) -> Row:
    chunks = {name: partial(repeated, one) for name, one in variants.items()}
    return Row(
        keys=(key,),
        claim=f"nothing is wrong, {LOOKS} looks: {claim}",
        bar="≤ .05 + 3 s.e.",
        sims=sims,
        quick_sims=quick,
        measure=lambda sims, seed: false_alarms(key, chunks, sims, seed, said),
    )


def measure_sticky(sims: int, seed: np.random.SeedSequence) -> dict[str, Measured]:
    counted, ignored = seed.spawn(2)
    fewer = max(sims // 4, 1)
    share = sum(simulated(partial(repeated, sticky_ignored), fewer, ignored)) / fewer
    said = f"; were units counted on each of their days: {share:.2f}"
    return false_alarms("aa_sticky", {"by day": partial(repeated, sticky)}, sims, counted, said)


# ------------------------------------------------------------------ something is wrong


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
        harms = _events(rng, units, chosen, wrong, np.ones(chance.size))
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
    def measure(sims: int, seed: np.random.SeedSequence) -> dict[str, Measured]:
        first, second = seed.spawn(2)
        units, error = _median(simulated(partial(repeated, partial(how, drop)), sims, first))
        note = f"median {units:,.0f}"
        if not alone:
            stricter = Drop(
                harm=drop.harm, block=drop.block, blocks=3 * drop.blocks, levels=IN_TWENTY
            )
            fewer = max(sims // 2, 1)
            found = simulated(partial(repeated, partial(how, stricter)), fewer, second)
            note = f"at α/20: {_median(found)[0]:,.0f}"
        never = not np.isfinite(units + error)
        return {
            key: Measured(
                value=None if never else units,
                standard_error=None if never else error,
                met=not never and units <= bar,
                note=note,
            )
        }

    return Row(
        keys=(key,),
        claim=claim,
        bar=f"≤ {bar:,}",
        sims=2_000,
        quick_sims=5,
        measure=measure,
    )


def measure_errors(sims: int, seed: np.random.SeedSequence) -> dict[str, Measured]:
    found = sum(simulated(partial(repeated, errors), sims, seed))
    return {"errors_power": rate(found, sims, lambda share, _error: share >= 0.7)}


# ------------------------------------------------------------------ harm exactly at the margin


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
    harms = _events(rng, units, chosen.astype(float), wrong, np.ones(chosen.size))
    gate = gate_of("accuracy", 0.05, paired=False, independent_units=True, units=5_000, rate=0.05)
    return passes(gate, harms)


AT_MARGIN = {
    "days": margin_by_day,
    "pairs": margin_pairs,
    "bets": margin_bets,
    "unpaired events": margin_unpaired,
}


def measure_margin(sims: int, seed: np.random.SeedSequence) -> dict[str, Measured]:
    chunks = {name: partial(repeated, one) for name, one in AT_MARGIN.items()}
    return false_alarms("at_margin", chunks, sims, seed)


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


def measure_unit(sims: int, seed: np.random.SeedSequence) -> dict[str, Measured]:
    same = all(simulated(partial(repeated, same_in_any_unit), sims, seed))
    return {"unit_invariant": Measured(value=same, standard_error=None, met=same)}


ROWS: tuple[Row, ...] = (
    aa(
        "aa_iid",
        "independent rows",
        {"days": iid_by_day, "pairs, declared": iid_pairs, "bets, declared": iid_bets},
    ),
    aa(
        "aa_shared",
        "shocks shared by both arms, unpaired",
        {"days": shared_by_day, "events, declared": shared_events},
    ),
    Row(
        keys=("aa_ar1",),
        claim=f"nothing is wrong, {LOOKS} looks: each arm AR(1) ρ = .8, blocks as long as needed",
        bar="≤ .05 + 3 s.e.",
        sims=2_000,
        quick_sims=5,
        measure=lambda sims, seed: false_alarms("aa_ar1", {"blocks": repeated_ar1}, sims, seed),
    ),
    aa("aa_clustered", "10 correlated rows a unit (ICC .3)", {"days": clustered}),
    Row(
        keys=("aa_sticky",),
        claim=f"nothing is wrong, {LOOKS} looks: sticky units that come back over days",
        bar="≤ .05 + 3 s.e.",
        sims=2_000,
        quick_sims=5,
        measure=measure_sticky,
    ),
    aa(
        "aa_ramp",
        "ramp 5 → 25 → 50 % with a moving base rate, unpaired",
        {"days": ramp_by_block, "events, declared": ramp_events},
    ),
    aa(
        "aa_family",
        "20 gates × 5 slices as one family",
        {"days": family},
        quick=2,
        said=" (block harms drawn as such)",
    ),
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
        quick_sims=20,
        measure=measure_errors,
    ),
    Row(
        keys=("at_margin",),
        claim=f"harm exactly at the margin passes at one of {LOOKS} looks",
        bar="≤ .05 + 3 s.e.",
        sims=2_000,
        quick_sims=3,
        measure=measure_margin,
    ),
    Row(
        keys=("unit_invariant",),
        claim="the verdict is the same in units 1e-6 … 1e6 as large",
        bar="always",
        sims=2_000,
        quick_sims=5,
        measure=measure_unit,
    ),
)
