"""What to take back, read from the table of counterfactuals: the smallest set that is enough.

The rules, with their reasons, stand in docs/attribution.md.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sluiceway.attribution.estimates import UNKNOWN, Contrasts
from sluiceway.attribution.values import Effect, Interaction, Reversion, Undecided
from sluiceway.gates import Gate
from sluiceway.replay.freezing import FreezeTest

SMALL_LEFTOVER = 0.2
"""A leftover that may be within the margin and is at most this share of the harm is none."""

Names = tuple[str, ...]
Compatible = Callable[[Names], bool]
"""Whether the versions left after taking these nodes back fit each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The gates that a set of changes is judged by.

    Attributes:
        failed: Have to be brought back.
        others: Must not be harmed then, by the rule that calls a gate harmed.
    """

    failed: tuple[Gate, ...]
    others: tuple[Gate, ...]

    @property
    def level_divisor(self) -> int:
        """Gates that share the level of "surely harmed"."""
        return max(1, len(self.failed) + len(self.others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The set, or why there is none.

    Attributes:
        revert: The smallest compatible set that is enough; empty where none is named.
        alternatives: Others of the same size that are enough.
        undecided: Why none is named.
        interaction: How changes work on each other.
        interacting: Which do.
    """

    revert: Names
    alternatives: tuple[Names, ...]
    undecided: Undecided | None
    interaction: Interaction = Interaction.NONE
    interacting: Names = ()


def is_brought_back(
    margin: float, before: Effect, left: Effect, *, leftover: float = SMALL_LEFTOVER
) -> bool:
    """Whether a failed gate's harm is within its margin again.

    It is where the best estimate of what is left is at most the margin. Where it is above, the
    gate still counts as back if the harm may well be within (the interval reaches down to the
    margin) and hardly any of it is left (`leftover`, a share): a further change is not taken back
    on suspicion. "May be within" alone would be no rule: the less is measured, the more it allows.
    """
    if left.harm is None or left.low is None or before.harm is None:
        return False
    if left.harm <= margin:
        return True
    return left.low <= margin and left.harm <= leftover * before.harm


def is_newly_harmed(margin: float, left: Effect) -> bool:
    """Whether a gate that had not failed is harmed: beyond its margin and surely above 0.

    Args:
        left: With its interval at a level shared by all gates, so that noise in one of many does
            not add to what is taken back.
    """
    return left.harm is not None and left.harm > margin and left.is_real


def judge_reversions(
    test: FreezeTest, asked: Asked, contrasts: Contrasts, compatible: Compatible | None
) -> tuple[Reversion, ...]:
    """Look at every set that was taken back."""
    return tuple(_judge(test, names, asked, contrasts, compatible) for names in test.reverted)


def _judge(
    test: FreezeTest,
    names: Names,
    asked: Asked,
    contrasts: Contrasts,
    compatible: Compatible | None,
) -> Reversion:
    baseline, candidate, arm = test.baseline.name, test.candidate.name, test.reverted[names].name
    fits = compatible is None or compatible(names)
    gates = (*asked.failed, *asked.others)
    if not contrasts.answered(arm):
        unknown = dict.fromkeys((gate.name for gate in gates), UNKNOWN)
        return Reversion(
            reverted=names,
            harms=unknown,
            within_margins=False,
            compatible=fits,
            unknown=Undecided.NOT_ANSWERED,
        )
    harms = {gate.name: contrasts.between(baseline, arm, gate.name) for gate in gates}
    said = Reversion(reverted=names, harms=harms, within_margins=False, compatible=fits)
    back = True
    for gate in asked.failed:
        before, left = contrasts.between(baseline, candidate, gate.name), harms[gate.name]
        if left.harm is None or left.low is None:
            return replace(said, unknown=_why_unknown(left))
        back &= is_brought_back(gate.margin, before, left)
    for gate in asked.others:
        level = contrasts.alpha / asked.level_divisor
        before = contrasts.between(baseline, candidate, gate.name)
        left = contrasts.between(baseline, arm, gate.name, level)
        # A gate that cannot be measured at all says nothing for or against any set.
        if before.low is None:
            continue
        if left.low is None:
            return replace(said, unknown=_why_unknown(left))
        back &= not is_newly_harmed(gate.margin, left)
    return replace(said, within_margins=back)


def _why_unknown(left: Effect) -> Undecided:
    return Undecided.NOT_MEASURED if left.harm is None else Undecided.TOO_FEW_BLOCKS


def decide(
    test: FreezeTest, reversions: Sequence[Reversion], asked: Asked, contrasts: Contrasts
) -> Decided:
    """Choose the smallest compatible set; of equals the one that leaves least."""
    if not asked.failed:
        return Decided(revert=(), alternatives=(), undecided=Undecided.NO_HARM)
    if not test.nodes:
        return Decided(revert=(), alternatives=(), undecided=Undecided.NOTHING_CHANGED)
    enough = [one for one in reversions if one.within_margins]
    fitting = [one for one in enough if one.compatible]
    if not fitting:
        return Decided(revert=(), alternatives=(), undecided=_why_none(reversions, enough))

    def rank(one: Reversion) -> tuple[int, float]:
        return len(one.reverted), largest_leftover(one, asked, test, contrasts)

    best, *rest = sorted(fitting, key=rank)
    size = len(best.reverted)
    # A smaller set of which nothing is known may be the answer. One that cannot answer at all is
    # none: nobody could serve it.
    if any(
        one.unknown not in (None, Undecided.NOT_ANSWERED)
        and one.compatible
        and len(one.reverted) < size
        for one in reversions
    ):
        return Decided(revert=(), alternatives=(), undecided=Undecided.NOT_MEASURED)
    alternatives = tuple(one.reverted for one in rest if len(one.reverted) == size)
    kind, which = _interaction(test, best.reverted, alternatives, reversions, asked, contrasts)
    return Decided(
        revert=best.reverted,
        alternatives=alternatives,
        undecided=None,
        interaction=kind,
        interacting=which,
    )


def largest_leftover(one: Reversion, asked: Asked, test: FreezeTest, contrasts: Contrasts) -> float:
    """The largest share of a failed gate's harm that stays; infinite where that is not known."""
    largest = -math.inf
    for gate in asked.failed:
        before = contrasts.between(test.baseline.name, test.candidate.name, gate.name).harm
        left = one.harms[gate.name].harm
        if left is None or before is None or before <= 0:
            return math.inf
        largest = max(largest, left / before)
    return largest if asked.failed else math.inf


def _why_none(reversions: Sequence[Reversion], enough: Sequence[Reversion]) -> Undecided:
    if enough:
        return Undecided.NOT_COMPATIBLE
    unknown = {one.unknown for one in reversions}
    for reason in (Undecided.TOO_FEW_BLOCKS, Undecided.NOT_MEASURED, Undecided.NOT_ANSWERED):
        if reason in unknown:
            return reason
    return Undecided.NOTHING_SUFFICES


def _interaction(
    test: FreezeTest,
    revert: Names,
    alternatives: Sequence[Names],
    reversions: Sequence[Reversion],
    asked: Asked,
    contrasts: Contrasts,
) -> tuple[Interaction, Names]:
    """How the named changes work on each other, as far as the table says."""
    within = {one.reverted: one.within_margins for one in reversions if one.unknown is None}
    order = [node.name for node in test.nodes]

    def harms_alone(name: str) -> bool | None:
        rest = tuple(other for other in order if other != name)
        if not rest:
            return True
        return None if rest not in within else not within[rest]

    if len(revert) == 1:
        singles = {revert[0], *(names[0] for names in alternatives)}
        either = tuple(name for name in order if name in singles)
        if len(either) > 1 and all(harms_alone(name) is False for name in either):
            return Interaction.HARMFUL_TOGETHER, either
        return Interaction.NONE, ()
    if any(_worse_without(test, (name,), asked, contrasts) for name in revert):
        return Interaction.FITTED, revert
    if all(harms_alone(name) for name in revert):
        return Interaction.EACH_HARMS, revert
    return Interaction.ONLY_TOGETHER, revert


def _worse_without(test: FreezeTest, names: Names, asked: Asked, contrasts: Contrasts) -> bool:
    """Whether taking these back makes a gate surely worse than the candidate, beyond its margin."""
    arm = test.reverted.get(names)
    if arm is None:
        return False
    for gate in (*asked.failed, *asked.others):
        level = contrasts.alpha / asked.level_divisor
        added = contrasts.between(test.candidate.name, arm.name, gate.name, level)
        left = contrasts.between(test.baseline.name, arm.name, gate.name, level)
        if is_newly_harmed(gate.margin, added) and is_newly_harmed(gate.margin, left):
            return True
    return False
