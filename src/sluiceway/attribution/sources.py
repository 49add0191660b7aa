"""Which source a live chain suffers from, where no model changed or none is to blame.

The counterfactual is the same release on the same rows with a source's values replaced, source by
source and in sets. The rules, with their reasons, stand in docs/attribution.md.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from sluiceway.attribution.deciding import SMALL_LEFTOVER, is_brought_back, is_newly_harmed
from sluiceway.attribution.estimates import Replicates, difference, effect
from sluiceway.attribution.values import (
    Attribution,
    Effect,
    Origin,
    SourceAttribution,
    SourceHarm,
    SourceReplacement,
    Undecided,
)
from sluiceway.gates import Gate
from sluiceway.replay.freezing import ALL_SUBSETS_UP_TO
from sluiceway.replay.profiles import FeedFinding
from sluiceway.replay.replacing import Replaced, Treatment
from sluiceway.statistics.jackknife import are_paired
from sluiceway.statistics.metrics import BlockSums
from sluiceway.system.values import NodeKind

HEARD_AT_MOST = 0.6
"""A source is no longer heard where at most this share of what it used to tell is left."""
LEFTOVER_BETWEEN_WINDOWS = 0.5
"""Two windows differ by themselves: a leftover that may be within the margin is forgiven up to this
share of the harm, where most of it surely goes with the replacement."""

ByGate = Mapping[str, BlockSums]
"""Per-block sums by gate name."""


def with_sources(
    found: Attribution, sources: SourceAttribution, findings: Mapping[str, Sequence[FeedFinding]]
) -> Attribution:
    """An attribution to changes, corrected by what replacing sources showed.

    Where a source is named it is the origin, and the change that felt it first its victim: there
    is nothing to fit to it. What to take back stays, for as long as the source is not mended.

    Args:
        findings: What is wrong with feeds, by source.
    """
    if not sources.sources:
        return replace(found, sources=sources)
    return replace(
        found,
        sources=sources,
        origin=Origin(kind=NodeKind.SOURCE.value, name=", ".join(sources.sources)),
        findings=tuple(one for name in sources.sources for one in findings.get(name, ())),
        partners=(),
        must_not_go_alone=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceArm:
    """One release's answers with some sources' values replaced, on both sides alike.

    Attributes:
        replaced: Sources with what took the place of their values; empty for the values as they
            are.
        live: The chain on the live rows; the same rows in every arm.
        recorded: The same chain on the recorded rows; the same rows in every arm.
        beside: A baseline on the same live rows with the same values, where one answers beside
            the chain (a canary); harm is measured against it then, and against `recorded` else.
    """

    replaced: Replaced
    live: ByGate
    recorded: ByGate
    beside: ByGate | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources replaced."""
        return tuple(source for source, _ in self.replaced)


def find_source(
    gates: Sequence[Gate],
    sources: Sequence[str],
    measured: Callable[[Replaced], SourceArm],
    *,
    differing: Collection[str] | None = None,
    alpha: float = 0.05,
) -> SourceAttribution:
    """Replace source by source, then in sets until one suffices, and say which it is.

    Args:
        gates: Of the models that the sources reach.
        sources: What may be wrong, each once. Sets of all sizes are tried with up to 4 of them,
            pairs only with more.
        measured: Answers the same rows with these sources replaced; called once for each set.
        differing: As in :func:`attribute_sources`.
        alpha: Level of each one-sided bound.

    Raises:
        KeyError: An arm has no sums of a gate.
        ValueError: Arms do not hold the same rows.
    """
    names = [name for name in sources if differing is None or name in differing]
    arms = [measured(())]
    found = attribute_sources(gates, arms, differing=differing, alpha=alpha)
    if not found.harmed:
        return found
    arms += [measured(((name, one),)) for name in names for one in Treatment]
    found = attribute_sources(gates, arms, differing=differing, alpha=alpha)
    silent = {one.sources[0] for one in found.replacements if _is_silent(one.heard)}
    largest = len(names) if len(names) <= ALL_SUBSETS_UP_TO else 2
    for size in range(2, largest + 1):
        if found.undecided is not Undecided.NOTHING_SUFFICES:
            break
        for some in combinations(names, size):
            how = [(n, Treatment.DRAWN if n in silent else Treatment.MATCHED) for n in some]
            arms.append(measured(tuple(how)))
        found = attribute_sources(gates, arms, differing=differing, alpha=alpha)
    return found


def attribute_sources(
    gates: Sequence[Gate],
    arms: Sequence[SourceArm],
    *,
    differing: Collection[str] | None = None,
    alpha: float = 0.05,
) -> SourceAttribution:
    """Read the arms: the smallest set of sources whose replacement brings every gate back.

    Args:
        gates: Of the models that these sources reach.
        arms: First the values as they are, then replacements. A set counts as no longer heard only
            where each of its sources was also replaced alone, in both ways.
        differing: Sources whose live profile differs from their reference; no other is named.
            None where nobody looked.
        alpha: Level of each one-sided bound.

    Raises:
        KeyError: An arm has no sums of a gate.
        ValueError: The first arm replaces something, or arms do not hold the same rows.
    """
    if not arms or arms[0].sources:
        raise ValueError("the first arm must hold the values as they are")
    table = _Table(gates, arms, alpha)
    failed, harmed = table.harmed()
    said = tuple(
        SourceHarm(
            gate=gate.name,
            model=gate.model,
            unit=gate.unit,
            margin=gate.margin,
            harm=table.harm(arms[0], gate),
        )
        for gate in harmed
    )
    tried = tuple(table.judge(arm, failed, harmed, differing) for arm in arms[1:] if harmed)
    best, alternatives, undecided = _decide(table, tried, harmed)
    return SourceAttribution(
        harmed=said,
        replacements=tried,
        sources=best.sources if best else (),
        treatments=best.treatments if best else (),
        alternatives=alternatives,
        undecided=undecided,
        alpha=alpha,
    )


class _Table:
    """Differences between arms, each looked at once."""

    def __init__(self, gates: Sequence[Gate], arms: Sequence[SourceArm], alpha: float) -> None:
        self.gates = gates
        self.alpha = alpha
        self._as_is = arms[0]
        self._singles = {arm.replaced[0]: arm for arm in arms if len(arm.replaced) == 1}
        self._seen: dict[tuple[int, str, str], Replicates] = {}
        _check_rows(gates, arms)

    def harm(self, arm: SourceArm, gate: Gate, level: float | None = None) -> Effect:
        """Of the live rows, with the same values replaced on both sides."""
        alpha = self.alpha if level is None else level
        live = self._of(arm, "live", gate)
        if arm.beside is None:
            return difference(live, self._of(arm, "recorded", gate), alpha)
        beside = self._of(arm, "beside", gate)
        return effect(Replicates.sum_of([(1.0, live), (-1.0, beside)]), alpha)

    def as_is_harm(self, gate: Gate) -> Effect:
        """Of the live rows as they are."""
        return self.harm(self._as_is, gate)

    def taken_away(self, arm: SourceArm, gate: Gate) -> Effect:
        """Harm that goes with the replacement; precise, as each side is paired in itself."""
        if arm.beside is not None:
            sides = [(self._as_is, 1.0), (arm, -1.0)]
            parts = [
                (sign * way, self._of(one, side, gate))
                for one, sign in sides
                for side, way in (("live", 1.0), ("beside", -1.0))
            ]
            return effect(Replicates.sum_of(parts), self.alpha)
        live = self._change(arm, self._as_is, "live", gate)
        return difference(live, self._change(arm, self._as_is, "recorded", gate), self.alpha)

    def heard(self, sources: Sequence[str], harmed: Sequence[Gate]) -> float | None:
        """The best heard of the sources, as the share of what it tells the recorded rows.

        What a source tells is what the metric loses when its values, brought to the reference's
        level and scale, are exchanged for another row's.
        """
        shares = [self._heard_alone(source, harmed) for source in sources]
        known = [share for share in shares if share is not None]
        # Each source of a set has to be silent, so the one heard best decides.
        return max(known) if len(known) == len(shares) and known else None

    def _heard_alone(self, source: str, harmed: Sequence[Gate]) -> float | None:
        kept = self._singles.get((source, Treatment.MATCHED))
        lost = self._singles.get((source, Treatment.DRAWN))
        if kept is None or lost is None:
            return None
        now = used = 0.0
        for gate in harmed:
            told = effect(self._change(kept, lost, "recorded", gate), self.alpha)
            whole = self.harm(self._as_is, gate).harm
            # A source that told this gate nothing cannot fall silent here.
            if not told.is_real or told.harm is None or not whole:
                continue
            used += told.harm / whole
            now += self._change(kept, lost, "live", gate).value / whole
        return now / used if used > 0 and math.isfinite(now) else None

    def harmed(self) -> tuple[tuple[Gate, ...], tuple[Gate, ...]]:
        """Gates surely beyond their margin (all harmed ones, where none is), and harmed ones."""
        failed, harmed = [], []
        for gate in self.gates:
            plain = self.harm(self._as_is, gate)
            sure = self.harm(self._as_is, gate, self.alpha / len(self.gates))
            if is_newly_harmed(gate.margin, plain):
                harmed.append(gate)
            if sure.low is not None and sure.low > gate.margin:
                failed.append(gate)
        return tuple(failed or harmed), tuple(harmed)

    def judge(
        self,
        arm: SourceArm,
        failed: Sequence[Gate],
        harmed: Sequence[Gate],
        differing: Collection[str] | None,
    ) -> SourceReplacement:
        """Whether replacing these sources brings the gates back, surely because of it."""
        harms = {gate.name: self.harm(arm, gate) for gate in self.gates}
        taken = {gate.name: self.taken_away(arm, gate) for gate in harmed}
        silenced = [name for name, how in arm.replaced if how is Treatment.DRAWN]
        heard = self.heard(arm.sources, harmed)
        unknown = next(
            (
                Undecided.NOT_MEASURED if left.harm is None else Undecided.TOO_FEW_BLOCKS
                for left in (harms[gate.name] for gate in failed)
                if left.harm is None or left.low is None
            ),
            None,
        )
        back = unknown is None and (differing is None or set(arm.sources) <= set(differing))
        # Exchanging what a chain leans on hides other harm, so silence has to be shown.
        back = back and (not silenced or _is_silent(self.heard(silenced, harmed)))
        level = self.alpha / len(self.gates)
        for gate in self.gates if back else ():
            if gate in failed:
                before, left = self.harm(self._as_is, gate), self.harm(arm, gate, level)
                share = LEFTOVER_BETWEEN_WINDOWS if arm.beside is None else SMALL_LEFTOVER
                back &= is_brought_back(gate.margin, before, left, leftover=share)
                back &= taken[gate.name].is_real
            else:
                back &= not is_newly_harmed(gate.margin, self.harm(arm, gate, level))
        return SourceReplacement(
            sources=arm.sources,
            treatments=tuple(how for _, how in arm.replaced),
            harms=harms,
            taken_away=taken,
            heard=heard,
            brought_back=bool(back),
            unknown=unknown,
        )

    def _change(self, first: SourceArm, second: SourceArm, side: str, gate: Gate) -> Replicates:
        """How much worse the second arm is than the first, on one side."""
        parts = [(-1.0, self._of(first, side, gate)), (1.0, self._of(second, side, gate))]
        return Replicates.sum_of(parts)

    def _of(self, arm: SourceArm, side: str, gate: Gate) -> Replicates:
        key = (id(arm), side, gate.name)
        if key not in self._seen:
            self._seen[key] = Replicates.of(getattr(arm, side)[gate.name])
        return self._seen[key]


def _is_silent(heard: float | None) -> bool:
    return heard is not None and heard <= HEARD_AT_MOST


def _decide(
    table: _Table, tried: Sequence[SourceReplacement], harmed: Sequence[Gate]
) -> tuple[SourceReplacement | None, tuple[tuple[str, ...], ...], Undecided | None]:
    if not harmed:
        return None, (), _why_no_harm(table)
    enough = [one for one in tried if one.brought_back]
    unknown = [one for one in tried if one.unknown is not None]
    if not enough:
        return None, (), unknown[0].unknown if unknown else Undecided.NOTHING_SUFFICES
    best = min(enough, key=lambda one: (len(one.sources), _leftover(one)))
    # A smaller set of which nothing is known may be the answer.
    if any(len(one.sources) < len(best.sources) for one in unknown):
        return None, (), Undecided.NOT_MEASURED
    others = dict.fromkeys(
        one.sources
        for one in enough
        if len(one.sources) == len(best.sources) and one.sources != best.sources
    )
    return best, tuple(others), None


def _why_no_harm(table: _Table) -> Undecided:
    """No harm that was measured is not the same as harm that could not be measured."""
    plain = [table.as_is_harm(gate) for gate in table.gates]
    if any(one.harm is None for one in plain):
        return Undecided.NOT_MEASURED
    if any(one.low is None for one in plain):
        return Undecided.TOO_FEW_BLOCKS
    return Undecided.NO_HARM


def _leftover(one: SourceReplacement) -> float:
    """The largest share of a harmed gate's harm that stays."""
    shares = []
    for gate, taken in one.taken_away.items():
        left = one.harms[gate].harm
        if left is None or taken.harm is None or left + taken.harm <= 0:
            return math.inf
        shares.append(left / (left + taken.harm))
    return max(shares, default=math.inf)


def _check_rows(gates: Sequence[Gate], arms: Sequence[SourceArm]) -> None:
    for gate in gates:
        for side in ("live", "recorded"):
            first = getattr(arms[0], side)[gate.name]
            held = [getattr(arm, side)[gate.name] for arm in arms]
            if side == "live":
                held += [arm.beside[gate.name] for arm in arms if arm.beside is not None]
            if not all(are_paired(first, one) for one in held):
                raise ValueError(f"{gate.name}: not all arms hold the same {side} rows")
    if len({arm.beside is None for arm in arms}) > 1:
        raise ValueError("a baseline answers beside every arm or beside none")
