"""Canaries that did not happen, played through the judge and the states of those that do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sluiceway.gates import Gate, Levels, Role, combine, judge_canary
from sluiceway.outcomes import Outcome
from sluiceway.planning.detectable import Detectable, detectable_by
from sluiceway.planning.harms import Expected, Floats
from sluiceway.planning.live_blocks import begin, growth, live_block
from sluiceway.planning.schedule import Place, Schedule
from sluiceway.statistics.sequential import SequentialState

Seen = list[tuple[Gate, SequentialState]]
"""Every gate with what it has seen."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Blocks of one simulated canary, as the record would have them, ``float64[blocks, gates]``.

    Attributes:
        harms: Block harms.
        losses: The 0–1 losses of the same blocks (:attr:`RecordedHarms.losses`), NaN without any.
    """

    harms: Floats
    losses: Floats


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
        self._losses: Floats = np.column_stack([one.losses for one in expected])

    def play(self, random: np.random.Generator, horizon: int) -> Path:
        """Play one canary until it promotes, rolls back, or has seen `horizon` blocks."""
        drawn, evidence = self.draw(random, horizon), self._begun()
        place, passed = Place(), dict[str, int]()
        for blocks in range(1, horizon + 1):
            weight = self._schedule.weights[place.step]
            evidence = self._enter(evidence, drawn, blocks, weight)
            judged = judge_canary(evidence, self._levels, estimates=False)
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
        looks = sorted({*np.geomspace(start + 1, most, 60).astype(int).tolist(), most})
        hits: list[int] = []
        for _ in range(SEARCHES):
            drawn, evidence = self.draw(random, most), self._begun()
            entered = 0
            for look in looks if most > start else ():
                for blocks in range(entered, look):
                    evidence = self._enter(evidence, drawn, blocks + 1, self._last_weight)
                entered = look
                judged = judge_canary(evidence, self._levels, estimates=False)
                if judged.verdicts[0].outcome is Outcome.PASSED:
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
            drawn, evidence = self.draw(random, blocks), self._begun()
            for number in range(1, blocks + 1):
                evidence = self._enter(evidence, drawn, number, self._last_weight)
            states.append(evidence[0][1])
        return detectable_by(self.gates[0], states, self._levels, family, self.expected[0].harm)

    @property
    def _last_weight(self) -> int:
        return self._schedule.weights[-1]

    def _begun(self) -> Seen:
        both = zip(self.gates, self.expected, strict=True)
        return [(gate, begin(gate, own)) for gate, own in both]

    def draw(self, random: np.random.Generator, blocks: int) -> Drawn:
        """So many blocks, as they would have been recorded."""
        chosen = random.integers(0, self._deviations.shape[0], blocks)
        harms = self._harm + self._stretch(random) * self._deviations[chosen]
        return Drawn(harms=harms, losses=self._losses[chosen])

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

    def _enter(self, evidence: Seen, drawn: Drawn, number: int, weight: int) -> Seen:
        """The evidence after one more of the drawn blocks, at a step's weight."""
        after: Seen = []
        for place, (gate, state) in enumerate(evidence):
            expected, recorded = self._harm[place], float(drawn.harms[number - 1, place])
            grown = growth(gate, weight, self._schedule.mirror)
            block = live_block(
                gate,
                f"{number:06d}",
                math.nan if grown is None else expected + (recorded - expected) * grown,
                float(drawn.losses[number - 1, place]),
                self.expected[place].differences,
                units=self._units,
                weight=weight,
                mirror=self._schedule.mirror,
            )
            after.append((gate, state.enter(block)))
        return after
