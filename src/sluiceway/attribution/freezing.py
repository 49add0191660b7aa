"""Where harm enters a chain, along which edges it travels, and what to take back.

Counterfactuals decide, not guesses: with one edge frozen to the baseline's values, how much of the
harm goes? With one change taken back, is every gate within its margin again? All estimates are
paired over the same rows, with the block jackknife.
"""

import math
from collections.abc import Mapping, Sequence

from sluiceway.attribution.deciding import (
    Asked,
    Compatible,
    decide,
    judge_reversions,
    largest_leftover,
)
from sluiceway.attribution.estimates import Contrasts
from sluiceway.attribution.shapley import shapley_shares
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
    compatible: Compatible | None = None,
) -> Attribution:
    """Read the freeze test.

    Args:
        system: The declared graph.
        test: The arms.
        verdicts: One for each gate of the blast radius, on the candidate. Those that
            :func:`is_harmed` are explained; those that FAILED (all explained ones, where none
            did) have to be brought back; others must not be harmed by what is taken back.
        sums: Per-block sums of each gate for each of `test.arms`, over the same rows. An arm that
            gave no usable answer is left out: what rests on it is unknown.
        alpha: Level of each one-sided bound.
        suspect_sources: Findings of :func:`~sluiceway.replay.profiles.stuck_or_shifted`. A change
            that newly reads such a source is not to blame; the source is.
        compatible: Whether what is left after taking the named nodes back fits together; without
            it everything does.

    Raises:
        KeyError: The baseline or the candidate has no sums, or an arm lacks a gate's.
        ValueError: Arms do not hold the same rows.
    """
    contrasts = Contrasts(sums, alpha)
    for arm in (test.baseline.name, test.candidate.name):
        if not contrasts.answered(arm):
            raise KeyError(f"the {arm} has no sums")
    harmed_gates = [one.gate for one in verdicts if is_harmed(one)]
    asked = _asked(verdicts, harmed_gates)
    harmed = tuple(_gate_harm(system, test, gate, contrasts) for gate in harmed_gates)
    reversions = judge_reversions(test, asked, contrasts, compatible)
    decided = decide(test, reversions, asked, contrasts)
    node = _entry(test, decided.revert, reversions, asked, contrasts)
    origin, findings = _origin(system, test, node, suspect_sources or {})
    edges = _travelled(test, harmed)
    partners, alone = _partners(system, test, node, origin, harmed, edges)
    return Attribution(
        harmed=harmed,
        edges=edges,
        reversions=reversions,
        revert=decided.revert,
        origin=origin,
        findings=findings,
        partners=partners,
        must_not_go_alone=alone,
        alpha=alpha,
        undecided=decided.undecided,
        alternatives=decided.alternatives,
        interaction=decided.interaction,
        interacting=decided.interacting,
        shapley=shapley_shares(test, harmed_gates, contrasts),
    )


def _asked(verdicts: Sequence[Verdict], harmed: Sequence[Gate]) -> Asked:
    failed = tuple(one.gate for one in verdicts if one.outcome is Outcome.FAILED) or tuple(harmed)
    names = {gate.name for gate in failed}
    others = tuple(one.gate for one in verdicts if one.gate.name not in names)
    return Asked(failed=failed, others=others)


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


def _gate_harm(system: System, test: FreezeTest, gate: Gate, effects: Contrasts) -> GateHarm:
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
    test: FreezeTest, name: str, gate: Gate, harm: Effect, effects: Contrasts
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


def _entry(
    test: FreezeTest,
    revert: tuple[str, ...],
    reversions: Sequence[Reversion],
    asked: Asked,
    effects: Contrasts,
) -> ChangedNode | None:
    """Of the nodes to take back the one that alone takes most of the harm with it.

    None where one of several could not be taken back alone: then nobody can compare.
    """
    alone = {
        one.reverted[0]: largest_leftover(one, asked, test, effects)
        for one in reversions
        if len(one.reverted) == 1
    }
    nodes = [node for node in test.nodes if node.name in revert]
    if len(nodes) > 1 and not all(math.isfinite(alone[node.name]) for node in nodes):
        return None
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
