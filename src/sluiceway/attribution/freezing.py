"""Where harm enters a chain, along which edges it travels, and what to take back.

Counterfactuals decide, not guesses: with one edge frozen to the baseline's values, how much of the
harm goes? With one change taken back, is every gate within its margin again? All estimates are
paired over the same rows, with the block jackknife of :mod:`sluiceway.statistics.jackknife`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluiceway.attribution.values import (
    Attribution,
    EdgeHarm,
    Effect,
    GateHarm,
    HarmPath,
    Origin,
    Reversion,
)
from sluiceway.gates import Gate, Verdict
from sluiceway.outcomes import Outcome
from sluiceway.replay.freezing import ChangedNode, FreezeTest, newly_read_sources
from sluiceway.replay.profiles import FeedFinding
from sluiceway.statistics.jackknife import are_paired, paired_harm
from sluiceway.statistics.metrics import BlockSums
from sluiceway.system.values import NodeKind, System

TRIVIAL_SHARE = 0.1
"""An edge, or a model's own change, that accounts for less of the harm than this is not named."""

Sums = Mapping[str, Mapping[str, BlockSums]]


def attribute(
    system: System,
    test: FreezeTest,
    verdicts: Sequence[Verdict],
    sums: Sums,
    *,
    alpha: float = 0.05,
    suspect_sources: Mapping[str, Sequence[FeedFinding]] | None = None,
) -> Attribution:
    """Read the freeze test.

    Args:
        system: The declared graph.
        test: The arms.
        verdicts: One for each gate of the blast radius, on the candidate. Those that
            :func:`is_harmed` are explained; others only have to stay within their margins.
        sums: Per-block sums of each gate for each of `test.arms`, over the same rows.
        alpha: Level of each one-sided bound.
        suspect_sources: Findings of :func:`~sluiceway.replay.profiles.stuck_or_shifted`. A change
            that newly reads such a source is not to blame; the source is.

    Raises:
        KeyError: An arm or gate has no sums.
        ValueError: Arms do not hold the same rows.
    """
    effects = _Effects(sums, alpha)
    harmed_gates = [one.gate for one in verdicts if is_harmed(one)]
    harmed = tuple(_gate_harm(system, test, gate, effects) for gate in harmed_gates)
    names = [gate.name for gate in harmed_gates]
    reversions = tuple(
        _reversion(test, nodes, [one.gate for one in verdicts], names, effects)
        for nodes in test.reverted
    )
    best = _smallest(reversions, harmed)
    revert = best.reverted if best is not None and harmed else ()
    node = _entry(test, revert, reversions, harmed)
    origin, findings = _origin(system, test, node, suspect_sources or {})
    edges = _travelled(test, harmed)
    partners, alone = _partners(system, test, node, origin, harmed, edges)
    return Attribution(
        harmed=harmed,
        edges=edges,
        reversions=reversions,
        revert=revert,
        origin=origin,
        findings=findings,
        partners=partners,
        must_not_go_alone=alone,
        alpha=alpha,
    )


def is_harmed(verdict: Verdict) -> bool:
    """Whether a gate's harm is to be explained.

    FAILED, at a level shared by all gates, is what stops a rollout. Once it is stopped, a gate
    whose harm is estimated beyond its margin and surely above 0 belongs to the explanation too.
    """
    if verdict.outcome is Outcome.FAILED:
        return True
    estimate = verdict.estimate
    if estimate is None or estimate.low is None or verdict.outcome is Outcome.PASSED:
        return False
    return estimate.low > 0 and estimate.harm > verdict.gate.margin


@dataclass(frozen=True, slots=True)
class _Effects:
    sums: Sums
    alpha: float

    def between(self, better: str, worse: str, gate: str) -> Effect:
        """Harm of one arm over another."""
        first, second = self.sums[better][gate], self.sums[worse][gate]
        if not are_paired(first, second):
            raise ValueError(f"{gate}: {better} and {worse} did not answer the same rows")
        paired = paired_harm(first, second)
        ends = (paired.harm, paired.lower(self.alpha), paired.upper(self.alpha))
        harm, low, high = (end if math.isfinite(end) else None for end in ends)
        return Effect(harm=harm, low=low, high=high)


def _gate_harm(system: System, test: FreezeTest, gate: Gate, effects: _Effects) -> GateHarm:
    baseline, candidate = test.baseline.name, test.candidate.name
    harm = effects.between(baseline, candidate, gate.name)
    upstream = _upstream(system, gate.model)
    edges = tuple(
        _edge_harm(test, name, gate, harm, effects)
        for name, consumer in ((edge.name, edge.consumer) for edge in test.edges)
        if consumer in upstream
    )
    frozen = test.all_inputs.get(gate.model)
    cut = candidate if frozen is None else frozen.name
    own = effects.between(baseline, cut, gate.name)
    through = effects.between(cut, candidate, gate.name)
    path = {
        (True, True): HarmPath.BOTH,
        (True, False): HarmPath.LOCALISED,
        (False, True): HarmPath.CASCADING,
        (False, False): HarmPath.UNDETERMINED,
    }[_counts(own, harm), _counts(through, harm)]
    return GateHarm(
        gate=gate.name,
        model=gate.model,
        unit=gate.unit,
        margin=gate.margin,
        harm=harm,
        own=own,
        through_inputs=through,
        path=path,
        edges=edges,
    )


def _edge_harm(
    test: FreezeTest, name: str, gate: Gate, harm: Effect, effects: _Effects
) -> EdgeHarm:
    edge = next(one for one in test.edges if one.name == name)
    frozen = test.single[name].name
    taken_back = effects.between(frozen, test.candidate.name, gate.name)
    return EdgeHarm(
        edge=name,
        producer=edge.producer,
        consumer=edge.consumer,
        taken_back=taken_back,
        left=effects.between(test.baseline.name, frozen, gate.name),
        share=_share(taken_back, harm),
        carries=_counts(taken_back, harm),
    )


def _share(part: Effect, whole: Effect) -> float | None:
    if part.harm is None or whole.harm is None or whole.harm <= 0:
        return None
    return part.harm / whole.harm


def _counts(part: Effect, whole: Effect) -> bool:
    share = _share(part, whole)
    return part.is_real and share is not None and share >= TRIVIAL_SHARE


def _upstream(system: System, model: str) -> set[str]:
    """The model and all models that feed it."""
    found = {model}
    for name in reversed(tuple(system.models)):
        if name in found:
            found |= {e.producer for e in system.models[name].inputs if e.field is not None}
    return found


def _reversion(
    test: FreezeTest,
    nodes: tuple[str, ...],
    gates: Sequence[Gate],
    harmed: Sequence[str],
    effects: _Effects,
) -> Reversion:
    arms = test.baseline.name, test.reverted[nodes].name
    harms = {gate.name: effects.between(*arms, gate.name) for gate in gates}

    def within(gate: Gate) -> bool:
        effect = harms[gate.name]
        if gate.name in harmed:
            return effect.harm is not None and effect.harm <= gate.margin
        return effect.harm is not None and (effect.low is None or effect.low <= gate.margin)

    return Reversion(
        reverted=nodes, harms=harms, within_margins=all(within(gate) for gate in gates)
    )


def _remaining(reversion: Reversion, harmed: Sequence[GateHarm]) -> float:
    """The largest share of a gate's harm that stays."""
    shares = [_share(reversion.harms[one.gate], one.harm) for one in harmed]
    return max((math.inf if share is None else share for share in shares), default=math.inf)


def _smallest(reversions: Sequence[Reversion], harmed: Sequence[GateHarm]) -> Reversion | None:
    enough = [one for one in reversions if one.within_margins]
    return min(enough, key=lambda one: (len(one.reverted), _remaining(one, harmed)), default=None)


def _entry(
    test: FreezeTest,
    revert: tuple[str, ...],
    reversions: Sequence[Reversion],
    harmed: Sequence[GateHarm],
) -> ChangedNode | None:
    """Of the nodes to take back the one that alone takes most of the harm with it."""
    alone = {
        one.reverted[0]: _remaining(one, harmed) for one in reversions if len(one.reverted) == 1
    }
    nodes = [node for node in test.nodes if node.name in revert]
    return min(nodes, key=lambda node: alone[node.name], default=None)


def _origin(
    system: System,
    test: FreezeTest,
    node: ChangedNode | None,
    suspects: Mapping[str, Sequence[FeedFinding]],
) -> tuple[Origin | None, tuple[FeedFinding, ...]]:
    if node is None:
        return None, ()
    new = newly_read_sources(system, test.baseline.release, test.candidate.release, node)
    for source in new:
        if source in suspects:
            return Origin(kind=NodeKind.SOURCE.value, name=source), tuple(suspects[source])
    return Origin(kind=node.kind.value, name=node.name), ()


def _travelled(test: FreezeTest, harmed: Sequence[GateHarm]) -> tuple[str, ...]:
    carrying = {edge.edge for one in harmed for edge in one.edges if edge.carries}
    for one in harmed:
        # Inputs that only together let the harm go: each alone carries nothing that shows.
        if one.path in (HarmPath.CASCADING, HarmPath.BOTH):
            direct = {edge.edge for edge in one.edges if edge.consumer == one.model}
            carrying |= set() if direct & carrying else direct
    return tuple(edge.name for edge in test.edges if edge.name in carrying)


def _partners(
    system: System,
    test: FreezeTest,
    node: ChangedNode | None,
    origin: Origin | None,
    harmed: Sequence[GateHarm],
    edges: tuple[str, ...],
) -> tuple[tuple[str, ...], bool]:
    """Who has to move with the origin, and whether moving together is the way out at all."""
    if node is None or origin is None or origin.kind != NodeKind.MODEL.value:
        return (), False
    changed = {one.name for one in test.nodes}
    # A model that is worse by its own change has to be mended, not joined.
    at_fault = any(
        one.path in (HarmPath.LOCALISED, HarmPath.BOTH) or one.model == node.name for one in harmed
    )
    if at_fault:
        return (), False
    ends = {edge.consumer for edge in test.edges if edge.name in edges}
    partners = tuple(name for name in system.models if name in ends and name not in changed)
    return partners, bool(partners)
