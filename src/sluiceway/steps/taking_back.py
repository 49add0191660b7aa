"""Which models of a candidate go back where some of what it changes is taken back."""

from collections.abc import Iterable

from sluiceway.releases import Release
from sluiceway.replay.freezing import ChangedNode, changed_nodes
from sluiceway.system.values import NodeKind, System


def models_taken_back(
    baseline: Release,
    candidate: Release,
    nodes: Iterable[ChangedNode],
    reverted: Iterable[str],
) -> frozenset[str] | None:
    """The changed models that go back whole with these nodes; None where one would go half back.

    A node may be a model's files, or features that models read anew: a registered version has
    both or neither.
    """
    names = frozenset(reverted)
    back = set()
    for model in candidate.changed_from(baseline):
        own = {node.name for node in nodes if _is_of(baseline, candidate, node, model)}
        if own & names and not own <= names:
            return None
        if own and own <= names:
            back.add(model)
    return frozenset(back)


def _is_of(baseline: Release, candidate: Release, node: ChangedNode, model: str) -> bool:
    if node.kind is NodeKind.MODEL:
        return node.name == model
    before, after = baseline.members.get(model), candidate.members.get(model)
    if before is None or after is None:
        return False
    return any(before.features.get(f) != after.features.get(f) for f in node.features)


def models_of(
    system: System, baseline: Release, candidate: Release, names: Iterable[str]
) -> frozenset[str]:
    """The changed models that have a part in these nodes."""
    wanted = frozenset(names)
    nodes = [n for n in changed_nodes(system, baseline, candidate) if n.name in wanted]
    return frozenset(
        model
        for model in candidate.changed_from(baseline)
        if any(_is_of(baseline, candidate, node, model) for node in nodes)
    )
