"""Canaries that did not happen, played through the judge and the states of those that do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sluiceway.gates import Gate, Levels, Role, combine, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.planning.detectable import Detectable, detectable_by
from sluiceway.planning.harms import Expected, Floats
from sluiceway.planning.schedule import Place, Schedule, paired_share
from sluiceway.statistics.sequential import BlockHarm, SequentialHarm

SEARCHES = 60
"""Canaries that are played for one gate alone: the standard error of .8 is .05."""

# Spreads beyond these multiples of the recorded one come from a handful of blocks only.
_LEAST, _MOST = 0.25, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One simulated canary.

    Attributes:
        passed_at: Blocks at the look that would have promoted; None where none did.
        stopped_at: Blocks at the look that rolled back; None where none did.
        gates: By required gate, blocks at the first look at which it was PASSED.
    """

    passed_at: int | None
    stopped_at: int | None
    gates: dict[str, int] = field(default_factory=dict)


class Canaries:
    """Draws canaries of a candidate whose block harms are as expected.

    Whole recorded blocks are drawn with replacement, all gates together, so the joint covariance,
    the tails and the gaps of the record are kept. How sure the record is of its spreads counts
    too: each canary's spreads are what they would be if a second record of the same length had
    come out as a joint normal draw says, so that one gate's spread is s²/s* with
    s*² ~ s²·χ²(G - 1)/(G - 1), the fiducial distribution of a standard deviation.

    Attributes:
        gates: All gates.
        expected: What to expect of each.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        expected: Sequence[Expected],
        levels: Levels,
        schedule: Schedule,
        units: int,
    ) -> None:
        """Prepare.

        Args:
            gates: All gates of the plan.
            expected: What to expect of each, in the same order.
            levels: Levels of the plan.
            schedule: The canary's steps.
            units: Units of a usual block.
        """
        self.gates = tuple(gates)
        self.expected = tuple(expected)
        self._levels = levels
        self._schedule = schedule
        self._units = units
        self._harm = np.asarray([one.harm for one in expected])
        self._deviations: Floats = np.column_stack([one.deviations for one in expected])

    def play(self, random: np.random.Generator, horizon: int) -> Path:
        """Play one canary until it promotes, rolls back, or has seen `horizon` blocks."""
        harms = self.draw(random, horizon)
        evidence = [(gate, SequentialHarm()) for gate in self.gates]
        place, passed = Place(), dict[str, int]()
        for blocks in range(1, horizon + 1):
            share = place.share_of(self._schedule)
            evidence = self.enter(evidence, blocks, harms[blocks - 1], share)
            judged = judge_canary(evidence, self._levels)
            if judged.crossed:
                return Path(passed_at=None, stopped_at=blocks, gates=passed)
            for verdict in judged.verdicts:
                if verdict.gate.role is Role.REQUIRED and verdict.outcome is Outcome.PASSED:
                    passed.setdefault(verdict.gate.name, blocks)
            last = place.step + 1 == len(self._schedule.weights)
            ready = last and place.baked(self._schedule, blocks)
            if ready and combine(judged.verdicts) is Outcome.PASSED:
                return Path(passed_at=blocks, stopped_at=None, gates=passed)
            place = place.after(self._schedule, blocks, judged.family_log_e)
        return Path(passed_at=None, stopped_at=None, gates=passed)

    def of(self, place: int) -> "Canaries":
        """The same canaries as one gate sees them."""
        gates, expected = [self.gates[place]], [self.expected[place]]
        return Canaries(gates, expected, self._levels, self._schedule, self._units)

    def search(
        self, random: np.random.Generator, *, start: int, most: int, wanted: float
    ) -> int | None:
        """Blocks, beyond `start`, by which a single gate passes with the wanted probability.

        Looked at after every twentieth more of them, at the share of the last step.

        Returns:
            None where more than `most`.
        """
        share = self._last_share
        looks = sorted({*np.geomspace(start + 1, most, 60).astype(int).tolist(), most})
        hits: list[int] = []
        for _ in range(SEARCHES):
            harms, evidence = self.draw(random, most), [(self.gates[0], SequentialHarm())]
            entered = 0
            for look in looks if most > start else ():
                for blocks in range(entered, look):
                    evidence = self.enter(evidence, blocks + 1, harms[blocks], share)
                entered = look
                if judge_canary(evidence, self._levels).verdicts[0].outcome is Outcome.PASSED:
                    hits.append(look)
                    break
        place = math.ceil(wanted * SEARCHES - 1e-9)
        return sorted(hits)[place - 1] if place <= len(hits) else None

    def detectable(
        self, random: np.random.Generator, blocks: int, family: Sequence[Gate]
    ) -> Detectable | None:
        """How far a single gate can see with so many blocks; None where with none."""
        if blocks < 1 or self.expected[0].measured < 2:
            return None
        states = []
        for _ in range(SEARCHES):
            evidence = [(self.gates[0], SequentialHarm())]
            for number, harms in enumerate(self.draw(random, blocks), start=1):
                evidence = self.enter(evidence, number, harms, self._last_share)
            states.append(evidence[0][1])
        return detectable_by(self.gates[0], states, self._levels, family, self.expected[0].harm)

    @property
    def _last_share(self) -> float:
        return paired_share(self._schedule.weights[-1], self._schedule.mirror)

    def draw(self, random: np.random.Generator, blocks: int) -> Floats:
        """Harms of so many blocks in which every unit is paired, ``float64[blocks, gates]``."""
        recorded = self._deviations.shape[0]
        drawn = self._deviations[random.integers(0, recorded, blocks)]
        return self._harm + self._stretch(random) * drawn

    def _stretch(self, random: np.random.Generator) -> Floats:
        """By how much each gate's spread may differ from the recorded one, ``float64[gates]``."""
        measured = np.isfinite(self._deviations)
        centred = np.where(measured, self._deviations, 0.0)
        counts = np.maximum(measured.sum(axis=0), 2)
        again = random.standard_normal((len(centred) - 1, len(centred))) @ centred
        was = np.sqrt((centred**2).sum(axis=0) / counts)
        drawn = np.sqrt((again**2).sum(axis=0) / counts / (len(centred) - 1))
        ratio = np.divide(was, drawn, out=np.ones_like(was), where=drawn > 0)
        return np.asarray(np.clip(ratio, _LEAST, _MOST))

    def enter(
        self,
        evidence: Sequence[tuple[Gate, SequentialHarm]],
        number: int,
        harms: Floats,
        share: float,
    ) -> list[tuple[Gate, SequentialHarm]]:
        """The evidence after one more block in which `share` of the units were paired.

        All of the spread is taken to be row noise, which falls with the root of the rows: the
        part that belongs to the day would not grow with fewer rows, so the plan errs on the side
        of more blocks.
        """
        rows = max(1, round(self._units * share))
        grown = self._harm + (harms - self._harm) / math.sqrt(share)
        return [
            (
                gate,
                state.enter(
                    BlockHarm(
                        block=f"{number:06d}",
                        harm=harm,
                        baseline=0.0,
                        candidate=harm,
                        rows=rows,
                    )
                    if math.isfinite(harm)
                    else BlockHarm(
                        block=f"{number:06d}", harm=None, baseline=None, candidate=None, rows=0
                    )
                ),
            )
            for (gate, state), harm in zip(evidence, map(float, grown), strict=True)
        ]
