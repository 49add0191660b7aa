"""Power first: whether a canary can finish in time, decided before it begins.

Design: "sample and calendar time so that all required gates together pass with probability ≥ .8
for a harmless candidate". ``docs/planning.md`` has the method, its sources and its limits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

import numpy as np

from sluiceway.gates import Gate, Levels, Role
from sluiceway.planning.block_length import BlockLength, in_blocks, in_longer_blocks
from sluiceway.planning.detectable import Detectable
from sluiceway.planning.harms import RecordedHarms, expected_of
from sluiceway.planning.schedule import Schedule
from sluiceway.planning.simulated import Canaries, Path

WANTED = 0.8
"""Probability with which a harmless candidate must be able to pass."""

SIMULATIONS = 200
"""Canaries that one plan plays: the standard error of a probability of .8 is .028."""

HOPELESS_AFTER = 40
"""Canaries after which a plan that is clearly refused plays no more."""

MOST_BLOCKS = 1000
"""Up to here it is searched how many blocks a gate needs that cannot pass in time."""


class Fit(StrEnum):
    """What a plan says about the deadline."""

    IN_TIME = "in_time"
    """It can finish by its deadline."""
    LENGTHENED = "lengthened"
    """It can finish by a later deadline that the policy allows."""
    REFUSED = "refused"
    """It cannot finish by any deadline that the policy allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePower:
    """One required gate's part in a plan; harms, spread and margin in the metric's unit.

    Attributes:
        gate: Its name.
        unit: The metric's unit; empty where it has none.
        block: What one block is called.
        margin: Its margin.
        harm: Mean block harm that was planned for, at most 0.
        spread: Standard deviation of the recorded block harms.
        blocks_needed: Blocks by which it alone passes with the wanted probability; None where
            more than were searched.
        blocks_searched: Blocks up to which that was searched.
        probability: That it passes by the deadline.
        detectable: What it can see with the blocks needed, or where more than ``blocks_longest``
            are needed, with those.
    """

    gate: str
    unit: str
    block: str
    margin: float
    harm: float
    spread: float
    blocks_needed: int | None
    blocks_searched: int
    probability: float
    detectable: Detectable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPower:
    """What a canary needs, and what it has.

    Attributes:
        blocks_needed: Blocks by which all required gates together have passed, at the last step
            and after its bake time, with the wanted probability; None where more than
            ``blocks_longest``.
        blocks_available: Blocks that are surely looked at before the deadline.
        blocks_longest: The same before the latest deadline that the policy allows.
        usual_units: Units of a usual block, paired or not.
        units_needed: Units that arrive in ``blocks_needed`` usual blocks; None with it.
        probability: That the canary promotes a harmless candidate by the deadline.
        probability_longest: The same by the latest deadline.
        stopped: Share of the simulated canaries that were rolled back, though harmless.
        deadline: From the first step, by the policy.
        longest: The latest deadline that the policy allows.
        deadline_needed: From the first step, the earliest by which ``blocks_needed`` are surely
            looked at; None with it.
        wanted: The wanted probability.
        simulations: Canaries played; fewer where a refusal was clear before.
        seed: Seed of the simulation.
        recorded_blocks: Blocks of the record it rests on, as long as the canary's.
        blocks: How long a block is, for this plan and its canary, and why; None in journals older
            than that.
        gates: Each required gate, the one that needs most first.
        unplanned: Names of required gates of which nothing was recorded to simulate from; the
            probabilities are without them.
    """

    blocks_needed: int | None
    blocks_available: int
    blocks_longest: int
    usual_units: int
    units_needed: int | None
    probability: float
    probability_longest: float
    stopped: float
    deadline: timedelta
    longest: timedelta
    deadline_needed: timedelta | None
    wanted: float
    simulations: int
    seed: int
    recorded_blocks: int
    gates: tuple[GatePower, ...]
    blocks: BlockLength | None = None
    unplanned: tuple[str, ...] = ()

    @property
    def fit(self) -> Fit:
        """What follows from it."""
        if self.blocks_needed is None:
            return Fit.REFUSED
        return Fit.IN_TIME if self.blocks_needed <= self.blocks_available else Fit.LENGTHENED


def plan_canary(
    gates: Sequence[Gate],
    levels: Levels,
    recorded: RecordedHarms,
    schedule: Schedule,
    *,
    seed: int,
    wanted: float = WANTED,
    simulations: int = SIMULATIONS,
    blocks: BlockLength | None = None,
) -> CanaryPower:
    """Simulate the canary of a harmless candidate, through the judge and states of real ones.

    Args:
        gates: All gates of the plan.
        levels: Levels of the plan.
        recorded: What a shadow replay measured, of every unit.
        schedule: The canary's steps and times, with the declared length of a block.
        seed: Fixes every draw.
        wanted: Probability with which all required gates together must pass.
        simulations: Canaries to play, unless it is refused clearly before.
        blocks: How long its blocks are to be, where not as declared; all of it is planned in them.
    """
    if blocks is not None:
        recorded = in_longer_blocks(recorded, blocks)
        schedule = replace(schedule, block=blocks.length)
        gates = [in_blocks(gate, blocks) for gate in gates]
    expected = [expected_of(recorded, gate, levels.alpha) for gate in gates]
    units = recorded.usual_units
    canaries = Canaries(gates, expected, levels, schedule, units)
    available = schedule.blocks_within(schedule.deadline)
    longest = max(available, schedule.blocks_within(schedule.longest))
    seeds = np.random.SeedSequence(seed).spawn(simulations + 1)
    paths: list[Path] = []
    for one in seeds[:-1] if len(recorded.blocks) > 1 else ():
        paths.append(canaries.play(np.random.default_rng(one), longest))
        if _is_hopeless(paths, longest, wanted):
            break
    passed = [path.passed_at for path in paths] or [None]
    needed = reached(passed, wanted)
    return CanaryPower(
        blocks_needed=needed,
        blocks_available=available,
        blocks_longest=longest,
        usual_units=units,
        units_needed=None if needed is None else needed * units,
        probability=share_by(passed, available),
        probability_longest=share_by(passed, longest),
        stopped=sum(path.stopped_at is not None for path in paths) / len(passed),
        deadline=schedule.deadline,
        longest=schedule.longest,
        deadline_needed=None if needed is None else schedule.time_of(needed),
        wanted=wanted,
        simulations=len(paths),
        seed=seed,
        recorded_blocks=len(recorded.blocks),
        gates=_gate_powers(
            canaries,
            paths,
            available=available,
            longest=longest,
            planned=longest if needed is None else needed,
            wanted=wanted,
            seed=seeds[-1],
        ),
        blocks=blocks,
    )


def share_by(passed: Sequence[int | None], blocks: int) -> float:
    """Share of the simulations that passed by so many blocks."""
    return sum(one is not None and one <= blocks for one in passed) / len(passed)


def reached(passed: Sequence[int | None], wanted: float) -> int | None:
    """Fewest blocks by which the wanted share of the simulations passed; None where never."""
    times = sorted(one for one in passed if one is not None)
    place = math.ceil(wanted * len(passed) - 1e-9)
    return times[place - 1] if 0 < place <= len(times) else None


def _is_hopeless(paths: Sequence[Path], longest: int, wanted: float) -> bool:
    """Whether more simulations would not change that it is refused (four standard errors)."""
    played = len(paths)
    if played < HOPELESS_AFTER:
        return False
    share = share_by([path.passed_at for path in paths], longest)
    return share + 4 * math.sqrt(wanted * (1 - wanted) / played) < wanted


def _gate_powers(
    canaries: Canaries,
    paths: Sequence[Path],
    *,
    available: int,
    longest: int,
    planned: int,
    wanted: float,
    seed: np.random.SeedSequence,
) -> tuple[GatePower, ...]:
    """Each required gate by itself, the one that passes least often first."""
    required = [n for n, gate in enumerate(canaries.gates) if gate.role is Role.REQUIRED]
    passed = {
        n: [path.gates.get(canaries.gates[n].name) for path in paths] or [None] for n in required
    }

    def in_vain(n: int) -> tuple[float, ...]:
        own = canaries.expected[n]
        room = canaries.gates[n].margin - own.harm
        shares = [share_by(passed[n], blocks) for blocks in (longest, available)]
        return (*shares, room / own.spread if own.spread else math.inf)

    order = sorted(required, key=in_vain)
    told = []
    for n, own_seed in zip(order, seed.spawn(len(order)), strict=True):
        gate, own = canaries.gates[n], canaries.expected[n]
        needed, searched = reached(passed[n], wanted), longest
        alone = canaries.of(n)
        random = np.random.default_rng(own_seed)
        if needed is None and n == order[0] and own.measured >= 2:
            needed = alone.search(random, start=longest, most=MOST_BLOCKS, wanted=wanted)
            searched = max(MOST_BLOCKS, longest)
        told.append(
            GatePower(
                gate=gate.name,
                unit=gate.unit,
                block=gate.block,
                margin=gate.margin,
                harm=own.harm,
                spread=own.spread,
                blocks_needed=needed,
                blocks_searched=searched,
                probability=share_by(passed[n], available),
                detectable=alone.detectable(random, planned, canaries.gates),
            )
        )
    return tuple(told)
