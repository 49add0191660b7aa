"""Canaries that are looked at many times: how often stopped for nothing, how soon for harm.

Every simulated canary chooses its method by the automatic policy, enters its blocks into the
production states, writes them as JSON and reads them back before each look, and asks the production
judge. Blocks come from rows through the production metrics, but for the family of 100 gates.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from pydantic import TypeAdapter

from bench.rows import Chunk, Effort, Measured, at_most, in_processes, rate
from sluiceway.gates import Gate, Levels, Role, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.statistics.metrics import metric_named
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


def events_of(
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


def repeated(
    one: Callable[..., bool | int | None], sims: int, seed: np.random.SeedSequence
) -> list:
    rng = np.random.default_rng(seed)
    return [one(rng) for _ in range(sims)]


def simulated(chunk: Chunk, effort: Effort, seed: np.random.SeedSequence) -> list:
    """What each simulation gave."""
    parts, _ = in_processes(chunk, effort, seed)
    return [one for part in parts for one in part]


def false_alarms(
    key: str,
    variants: Mapping[str, Chunk],
    effort: Effort,
    seed: np.random.SeedSequence,
    said: str = "",
) -> dict[str, Measured]:
    """The worst variant's share of canaries that were rolled back."""
    found = {
        name: simulated(chunk, own, seeds)
        for (name, chunk), own, seeds in zip(
            variants.items(),
            effort.shared(len(variants)),
            seed.spawn(len(variants)),
            strict=True,
        )
    }
    shares = {name: sum(alarms) / len(alarms) for name, alarms in found.items()}
    note = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
    worst = found[max(shares, key=shares.__getitem__)]
    return {key: rate(sum(worst), len(worst), at_most(0.05), note + said)}
