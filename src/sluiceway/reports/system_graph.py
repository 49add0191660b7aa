"""A system as a picture: who feeds whom, who owns what, what serves."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluiceway.releases import Member
from sluiceway.reports.drawing import drawn_quietly, svg_file
from sluiceway.reports.figures import count
from sluiceway.reports.graph_nodes import (
    GraphEdge,
    GraphNode,
    ShownGraph,
    depths,
    grouped,
    merged_edges,
    relied_on,
)
from sluiceway.reports.graph_picture import draw_sheet
from sluiceway.system.inputs import Feature
from sluiceway.system.values import Model, NodeKind, System

COLUMN_GAP = 74.0
"""Least distance between columns, in points: room for a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What serves in one environment.

    Attributes:
        generation: Of the champion release.
        members: By model.
    """

    environment: str
    generation: int
    members: Mapping[str, Member]


def draw_system(system: System, serving: Serving | None) -> str:
    """Draw a system as an SVG file."""
    with drawn_quietly():
        return svg_file(
            draw_sheet(system_graph(system, serving), least_gap=COLUMN_GAP, plain=True).figure
        )


def system_graph(system: System, serving: Serving | None) -> ShownGraph:
    """All nodes and edges; features of the same sources are one node where there are many."""
    features = {name: sources_of(feature) for name, feature in system.features.items()}
    groups = grouped(features)
    depth = depths(system, list(system.models))
    last = 1 + max(depth.values(), default=1)
    used = dict.fromkeys(source for sources in features.values() for source in sources)
    nodes = [
        *(_node(system, NodeKind.SOURCE, name, 0, f"source:{name}") for name in used),
        *(
            GraphNode(
                name=group,
                kind=NodeKind.FEATURE,
                layer=1,
                lines=(names[0] if len(names) == 1 else count(len(names), "feature"),),
            )
            for group, names in groups.items()
        ),
        *(
            _node(system, NodeKind.MODEL, name, depth[name], name, _serves(model, serving))
            for name, model in system.models.items()
        ),
        *(_node(system, NodeKind.CONSUMER, name, last, name) for name in system.consumers),
    ]
    shown = {node.name for node in nodes}
    group_of = {name: group for group, names in groups.items() for name in names}
    edges = [
        GraphEdge(
            producer=f"source:{source}", consumer=group, relies_on=(), affected=False, carries=False
        )
        for group, names in groups.items()
        for source in features[names[0]]
    ]
    edges += [
        GraphEdge(
            producer=producer,
            consumer=consumer,
            relies_on=relied_on(merged),
            affected=False,
            carries=False,
            later=later,
        )
        for (producer, consumer, later), merged in merged_edges(system, shown, group_of).items()
    ]
    return ShownGraph(nodes=tuple(nodes), edges=tuple(edges), left_out=0)


def sources_of(feature: Feature) -> tuple[str, ...]:
    """The sources that any version of a feature reads, each once, in order."""
    return tuple(dict.fromkeys(s for v in feature.versions.values() for s in v.sources))


def _node(
    system: System, kind: NodeKind, name: str, layer: int, called: str, *lines: str
) -> GraphNode:
    owner = system.owner_of(name).name
    return GraphNode(name=called, kind=kind, layer=layer, lines=(name, *lines, owner))


def _serves(model: Model, serving: Serving | None) -> str:
    """``@2 · contract 1.1.0``, or the contract of the file where nothing serves."""
    member = serving.members.get(model.name) if serving else None
    if member is None:
        return f"contract {model.contract.version}"
    return f"@{member.version} · contract {contract_serving(model, member)}"


def contract_serving(model: Model, member: Member) -> str:
    """Version of the contract that serves, or the first digits of its hash where none is known."""
    if member.contract_hash == model.contract.content_hash:
        return model.contract.version
    return member.contract_version or f"{member.contract_hash[:8]}…"
