"""The counterfactual arms of the freeze test: which edges are cut, which changes are taken back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sluiceway.graph import BlastRadius
from sluiceway.releases import Member, Release
from sluiceway.replay.evaluate import Arm
from sluiceway.replay.partitions import feature_version
from sluiceway.system.values import Edge, NodeKind, System

ALL_SUBSETS_UP_TO = 4
"""With more changed nodes than this, subsets are sampled."""
SAMPLED_ORDERS = 8
"""Orders of the changes drawn then, each tried with its reverse."""
SAMPLING_SEED = 20140
"""Fixed, so that the same releases are always taken apart in the same way."""
BASELINE = "baseline"
CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedNode:
    """Something that differs between two releases and can be taken back by itself.

    Attributes:
        kind: Model, feature, or source where features move to another source together.
        name: Of the model, the feature or the new source.
        features: Features that are taken back with it; empty for a model.
    """

    kind: NodeKind
    name: str
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeTest:
    """Arms that together show where harm enters and how it travels.

    Attributes:
        baseline: What serves.
        candidate: What wants to.
        nodes: What changed, upstream first.
        edges: Edges whose value differs between the two.
        single: By edge name: the candidate with that edge frozen.
        all_inputs: By model: the candidate with every differing edge into the model frozen.
        reverted: By names of nodes, in the order of `nodes`: the candidate with those taken back.
            All subsets of up to 4 changes; of more, those of one, of two, of all but one, of all,
            and those that sampled orders lead through.
        orders: Orders in which changes are made one after the other, each followed by its
            reverse, where subsets are sampled; empty where all are tried.
    """

    baseline: Arm
    candidate: Arm
    nodes: tuple[ChangedNode, ...]
    edges: tuple[Edge, ...]
    single: Mapping[str, Arm]
    all_inputs: Mapping[str, Arm]
    reverted: Mapping[tuple[str, ...], Arm]
    orders: tuple[tuple[str, ...], ...] = ()

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every arm once, baseline and candidate first."""
        every = [self.baseline, self.candidate]
        for some in (self.single, self.all_inputs, self.reverted):
            every.extend(some.values())
        return tuple({arm.name: arm for arm in every}.values())


def freeze_test(
    system: System, baseline: Release, candidate: Release, radius: BlastRadius
) -> FreezeTest:
    """Lay the freeze test out.

    Arms that answer alike cost nothing: an `Evaluator` shares what they have in common.
    """
    nodes = changed_nodes(system, baseline, candidate)
    orders = _orders(nodes)
    edges = differing_edges(system, baseline, candidate, radius)
    into: dict[str, list[str]] = {}
    for edge in edges:
        into.setdefault(edge.consumer, []).append(edge.name)

    def frozen(name: str, names: Iterable[str]) -> Arm:
        return Arm(name=name, release=candidate, frozen=frozenset(names))

    return FreezeTest(
        baseline=Arm(name=BASELINE, release=baseline),
        candidate=Arm(name=CANDIDATE, release=candidate),
        nodes=nodes,
        edges=edges,
        single={edge.name: frozen(f"frozen: {edge.name}", [edge.name]) for edge in edges},
        all_inputs={
            model: frozen(f"inputs frozen: {model}", names) for model, names in into.items()
        },
        reverted={
            tuple(node.name for node in some): Arm(
                name="reverted: " + ", ".join(node.name for node in some),
                release=_reverted(system, baseline, candidate, some),
            )
            for some in _subsets(nodes, orders)
        },
        orders=tuple(tuple(node.name for node in order) for order in orders),
    )


def changed_nodes(system: System, baseline: Release, candidate: Release) -> tuple[ChangedNode, ...]:
    """What differs between two releases: sources and features first, then models downstream.

    Features that read another source than before are one node by that source's name: they moved
    together, and taking one of them back alone would answer no question.
    """
    models = []
    moved: dict[tuple[str, ...], list[str]] = {}
    redefined: list[str] = []
    for name in system.models:
        pair = _pair(baseline, candidate, name)
        if pair is None:
            continue
        before, after = pair
        if (before.version, before.artifact_sha256) != (after.version, after.artifact_sha256):
            models.append(ChangedNode(kind=NodeKind.MODEL, name=name, features=()))
        for feature, was, now in _feature_changes(system, before, after):
            versions = system.features[feature].versions
            new = tuple(s for s in versions[now].sources if s not in versions[was].sources)
            group = moved.setdefault(new, []) if new else redefined
            if feature not in group:
                group.append(feature)
    sources = [
        ChangedNode(kind=NodeKind.SOURCE, name=", ".join(new), features=tuple(features))
        if len(features) > 1
        else ChangedNode(kind=NodeKind.FEATURE, name=features[0], features=tuple(features))
        for new, features in moved.items()
    ]
    alone = [ChangedNode(kind=NodeKind.FEATURE, name=f, features=(f,)) for f in redefined]
    return (*sources, *alone, *models)


def differing_edges(
    system: System, baseline: Release, candidate: Release, radius: BlastRadius
) -> tuple[Edge, ...]:
    """Edges into models whose value may differ between two releases."""
    changed = set(candidate.changed_from(baseline))
    differing = []
    moved = set(changed)
    for name, model in system.models.items():
        pair = _pair(baseline, candidate, name)
        features = {f for f, _, _ in _feature_changes(system, *pair)} if pair else set()
        for edge in model.inputs:
            differs = edge.producer in (features if edge.field is None else moved)
            if differs and name in radius.models:
                differing.append(edge)
                moved.add(name)
    return tuple(differing)


def newly_read_sources(
    system: System, baseline: Release, candidate: Release, node: ChangedNode
) -> tuple[str, ...]:
    """Sources that the candidate reads through a node and the baseline does not, sorted."""
    read: list[set[str]] = []
    for release in (baseline, candidate):
        sources: set[str] = set()
        for name, model in system.models.items():
            member = release.members.get(name)
            if member is None or (node.kind is NodeKind.MODEL and name != node.name):
                continue
            for edge in model.inputs:
                if edge.field is None and (not node.features or edge.producer in node.features):
                    version = feature_version(system, member, edge.producer)
                    sources.update(system.features[edge.producer].versions[version].sources)
        read.append(sources)
    return tuple(sorted(read[1] - read[0]))


def _pair(baseline: Release, candidate: Release, model: str) -> tuple[Member, Member] | None:
    before, after = baseline.members.get(model), candidate.members.get(model)
    return None if before is None or after is None else (before, after)


def _feature_changes(system: System, before: Member, after: Member) -> list[tuple[str, str, str]]:
    """Features of one model with the versions before and after, where they differ."""
    changes = []
    for edge in system.models[before.model].inputs:
        if edge.field is None:
            was = feature_version(system, before, edge.producer)
            now = feature_version(system, after, edge.producer)
            if was != now:
                changes.append((edge.producer, was, now))
    return changes


def _orders(nodes: tuple[ChangedNode, ...]) -> list[tuple[ChangedNode, ...]]:
    if len(nodes) <= ALL_SUBSETS_UP_TO:
        return []
    draw = np.random.default_rng(SAMPLING_SEED)
    drawn = [
        tuple(nodes[place] for place in draw.permutation(len(nodes))) for _ in range(SAMPLED_ORDERS)
    ]
    return [order for one in drawn for order in (one, one[::-1])]


def _subsets(
    nodes: tuple[ChangedNode, ...], orders: Iterable[tuple[ChangedNode, ...]]
) -> list[tuple[ChangedNode, ...]]:
    """Sets to take back, smallest first."""
    count = len(nodes)
    sizes = set(range(1, count + 1))
    if count > ALL_SUBSETS_UP_TO:
        sizes = {1, 2, count - 1, count}
    places = {some for size in sizes for some in combinations(range(count), size)}
    for order in orders:
        # Changes come one after the other: those that are still to come are taken back.
        come = [nodes.index(node) for node in order]
        places |= {tuple(sorted(come[made:])) for made in range(count)}
    return [tuple(nodes[n] for n in some) for some in sorted(places, key=lambda p: (len(p), p))]


def _reverted(
    system: System, baseline: Release, candidate: Release, nodes: Iterable[ChangedNode]
) -> Release:
    taken_back = tuple(nodes)
    models = {node.name for node in taken_back if node.kind is NodeKind.MODEL}
    features = {feature for node in taken_back for feature in node.features}
    members = []
    for name in system.models:
        pair = _pair(baseline, candidate, name)
        if pair is None:
            continue
        before, after = pair
        chosen = before if name in models else after
        versions = {
            feature: was if feature in features else now
            for feature, was, now in _feature_changes(system, before, after)
        }
        members.append(
            Member(
                model=name,
                version=chosen.version,
                contract_hash=chosen.contract_hash,
                artifact_sha256=chosen.artifact_sha256,
                features={**chosen.features, **versions},
            )
        )
    return candidate.with_members(members)
