"""What of the declared graph a report shows: which nodes, in which column, what the edges carry."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sluiceway.attribution import Attribution, EdgeHarm, GateHarm
from sluiceway.durations import render_duration
from sluiceway.gates import Verdict
from sluiceway.outcomes import Outcome
from sluiceway.reports.figures import count, metric_name, places_for, signed, with_unit
from sluiceway.reports.story import Story
from sluiceway.rollouts.endings import Phase
from sluiceway.system.values import Edge, NodeKind, Reliance, System

MOST_FEATURES = 8
"""With more features than this, those of the same sources become one node."""
MOST_MODELS = 30
"""With more models than this, only the blast radius and what feeds it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """A node of the picture.

    Attributes:
        layer: Column, from 0 at the left.
        lines: What stands in it: its name, then smaller lines.
        changed: Whether it changes with the candidate.
        affected: Whether the change reaches it.
        origin: What enters here, in words; None where nothing does.
        harm: What its gates say, in words; None where none failed.
    """

    name: str
    kind: NodeKind
    layer: int
    lines: tuple[str, ...]
    changed: bool = False
    affected: bool = False
    origin: str | None = None
    harm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEdge:
    """An arrow of the picture.

    Attributes:
        relies_on: What the consumer relies on; empty where that is not shown.
        affected: Whether the change can travel along it.
        carries: Whether harm does travel along it.
        harm: How much, in words; empty where that is not known.
        later: How much earlier the answer was given that is read, such as ``1d``; empty where it is
            the answer to the same request.
    """

    producer: str
    consumer: str
    relies_on: tuple[Reliance, ...]
    affected: bool
    carries: bool
    harm: str = ""
    later: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownGraph:
    """The picture's content.

    Attributes:
        left_out: Models that are not shown, because there are too many.
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    left_out: int


def shown_graph(story: Story) -> ShownGraph:
    """Choose what the picture shows."""
    system = story.system
    models = _models(story)
    features = _features(story, models)
    groups = grouped(features)
    nodes = [*_source_nodes(story, features), *_feature_nodes(story, groups)]
    nodes += _model_nodes(story, models)
    edges = _source_edges(story, features, groups)
    edges += _declared_edges(story, {node.name for node in nodes}, groups)
    return ShownGraph(
        nodes=tuple(nodes), edges=tuple(edges), left_out=len(system.models) - len(models)
    )


def _models(story: Story) -> list[str]:
    system = story.system
    if len(system.models) <= MOST_MODELS or story.plan is None:
        return list(system.models)
    wanted = set(story.plan.radius.models)
    wanted |= {e.producer for m in story.plan.radius.models for e in system.models[m].inputs}
    return [name for name in system.models if name in wanted]


def _features(story: Story, models: list[str]) -> dict[str, tuple[str, ...]]:
    """Each feature that is read, with the sources of the versions that are in use."""
    system = story.system
    read: dict[str, list[str]] = {}
    for model in models:
        for edge in system.models[model].inputs:
            if edge.field is None:
                read.setdefault(edge.producer, []).append(model)
    candidate = {member.model: member.features for member in story.members}
    found = {}
    for name, readers in read.items():
        feature = system.features[name]
        used = {candidate.get(m, {}).get(name, feature.current) for m in readers}
        used.add(feature.current)
        versions = [v for number, v in feature.versions.items() if number in used]
        found[name] = tuple(dict.fromkeys(s for v in versions for s in v.sources))
    return found


def grouped(features: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The features of each node, by the node's name; of each feature its sources are given."""
    if len(features) <= MOST_FEATURES:
        return {f"feature:{name}": (name,) for name in features}
    by_sources: dict[tuple[str, ...], list[str]] = {}
    for name, sources in features.items():
        by_sources.setdefault(sources, []).append(name)
    return {f"feature:{'+'.join(s)}": tuple(names) for s, names in by_sources.items()}


def _source_nodes(story: Story, features: Mapping[str, tuple[str, ...]]) -> list[GraphNode]:
    used = dict.fromkeys(source for sources in features.values() for source in sources)
    return [
        GraphNode(
            name=f"source:{name}",
            kind=NodeKind.SOURCE,
            layer=0,
            lines=(name, story.system.owner_of(name).name),
            origin=_origin(story, name),
        )
        for name in used
    ]


def _feature_nodes(story: Story, groups: Mapping[str, tuple[str, ...]]) -> list[GraphNode]:
    nodes = []
    for group, names in groups.items():
        first = names[0] if len(names) == 1 else count(len(names), "feature")
        versions = _new_versions(story, names)
        new = (f"candidate: {', '.join(versions)}",) if versions else ()
        nodes.append(
            GraphNode(
                name=group,
                kind=NodeKind.FEATURE,
                layer=1,
                lines=(first, *new),
                changed=any(name in story.changed for name in names),
                origin=_origin(story, *names),
            )
        )
    return nodes


def _new_versions(story: Story, names: tuple[str, ...]) -> list[str]:
    """Versions that the candidate reads and that are not the current ones."""
    features = story.system.features
    return sorted(
        {
            member.features[name]
            for member in story.members
            for name in names
            if member.features.get(name, features[name].current) != features[name].current
        }
    )


def _model_nodes(story: Story, models: list[str]) -> list[GraphNode]:
    system, plan = story.system, story.plan
    affected = {*plan.radius.models, *plan.radius.consumers} if plan else set(story.changed)
    versions = {member.model: member.version for member in story.members}
    harms = _harms(story)
    depth = depths(system, models)
    last = 1 + max(depth.values(), default=1)
    nodes = [
        GraphNode(
            name=name,
            kind=NodeKind.MODEL,
            layer=depth[name],
            lines=(name, _version_line(story, name, versions), system.owner_of(name).name),
            changed=name in story.changed,
            affected=name in affected,
            origin=_origin(story, name),
            harm=harms.get(name),
        )
        for name in models
    ]
    readers = {e.consumer for e in system.edges if e.producer in models}
    nodes += [
        GraphNode(
            name=name,
            kind=NodeKind.CONSUMER,
            layer=last,
            lines=(name, system.owner_of(name).name),
            affected=name in affected,
        )
        for name in system.consumers
        if name in readers
    ]
    return nodes


def _version_line(story: Story, name: str, versions: Mapping[str, str]) -> str:
    if name in versions:
        return f"candidate: version {versions[name]}"
    return "reads the change" if story.plan and name in story.plan.radius.models else "unchanged"


def _origin(story: Story, *names: str) -> str | None:
    if not any(_is_origin(story, name) for name in names):
        return None
    ended = story.state.ended
    broke = ended is not None and ended.phase is Phase.CONTRACTS
    return "breaks its contract" if broke else "harm enters here"


def _is_origin(story: Story, name: str) -> bool:
    found = story.attribution.origin if story.attribution else None
    ended = story.state.ended.origin if story.state.ended else None
    return name in {one.name for one in (found, ended) if one is not None}


def _harms(story: Story) -> dict[str, str]:
    """The worst failed gate of each model, in words."""
    newest: tuple[Verdict, ...] = ()
    for verdicts in story.verdicts.values():
        newest = verdicts
    found: dict[str, str] = {}
    for verdict in newest:
        estimate, gate = verdict.estimate, verdict.gate
        if verdict.outcome is Outcome.FAILED and estimate is not None and gate.model not in found:
            found[gate.model] = f"{metric_name(gate.metric)} {_size(estimate.harm, gate.unit)}"
    return found


def _size(harm: float, unit: str) -> str:
    text = signed(harm, places_for((harm,)))
    return with_unit(text, unit) if len(unit) <= 8 else text


def _source_edges(
    story: Story, features: Mapping[str, tuple[str, ...]], groups: Mapping[str, tuple[str, ...]]
) -> list[GraphEdge]:
    carried = _carrying_features(story.attribution)
    edges = []
    for group, names in groups.items():
        for source in features[names[0]]:
            origin = _is_origin(story, source)
            edges.append(
                GraphEdge(
                    producer=f"source:{source}",
                    consumer=group,
                    relies_on=(),
                    affected=False,
                    carries=origin and (bool(carried & set(names)) or not carried),
                )
            )
    return edges


def _carrying_features(found: Attribution | None) -> set[str]:
    if found is None:
        return set()
    return {edge.split(" → ")[0] for edge in found.edges}


def _declared_edges(
    story: Story, shown: set[str], groups: Mapping[str, tuple[str, ...]]
) -> list[GraphEdge]:
    group_of = {name: group for group, names in groups.items() for name in names}
    radius = {edge.name for edge in story.plan.radius.edges} if story.plan else set()
    carrying = set(story.attribution.edges) if story.attribution else set()
    drawn = []
    for (producer, consumer, later), edges in merged_edges(story.system, shown, group_of).items():
        names = {edge.name for edge in edges}
        drawn.append(
            GraphEdge(
                producer=producer,
                consumer=consumer,
                relies_on=relied_on(edges),
                affected=bool(names & radius),
                carries=bool(names & carrying),
                harm=edge_harm(story.attribution, sorted(names & carrying)),
                later=later,
            )
        )
    return drawn


def merged_edges(
    system: System, shown: Collection[str], group_of: Mapping[str, str]
) -> dict[tuple[str, str, str], list[Edge]]:
    """Edges that are one arrow: by the names of its ends, and how much earlier it reads."""
    merged: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in system.edges:
        producer = group_of.get(edge.producer) if edge.field is None else edge.producer
        if producer is not None and producer in shown and edge.consumer in shown:
            later = "" if edge.delayed is None else render_duration(edge.delayed)
            merged.setdefault((producer, edge.consumer, later), []).append(edge)
    return merged


def relied_on(edges: Sequence[Edge]) -> tuple[Reliance, ...]:
    """What an arrow's reader relies on; nothing is shown of features."""
    found = {one for edge in edges if edge.field is not None for one in edge.relies_on}
    return tuple(one for one in Reliance if one in found)


def depths(system: System, models: Sequence[str]) -> dict[str, int]:
    """Column of each model: one right of the last that it reads, features being in column 1."""
    depth: dict[str, int] = {}
    for name in models:
        reads = [edge for edge in system.models[name].inputs if edge.delayed is None]
        depth[name] = 1 + max((depth.get(edge.producer, 1) for edge in reads), default=1)
    return depth


def edge_harm(found: Attribution | None, names: list[str]) -> str:
    """What the strongest of these edges carries.

    Told of the first harmed gate of their own consumer, which is the one its box names, else of
    the gate they carry most to.
    """
    if found is None:
        return ""
    seen = [
        (one.consumer == harmed.model, -place, one.share or 0.0, harmed, one)
        for place, harmed in enumerate(found.harmed)
        for one in harmed.edges
        if one.edge in names and one.carries and one.taken_back.harm is not None
    ]
    if not seen:
        return ""
    own = [one for one in seen if one[0]]
    best = max(own, key=lambda one: one[1:3]) if own else max(seen, key=lambda one: one[2])
    return _carried(best[3], best[4])


def _carried(harmed: GateHarm, edge: EdgeHarm) -> str:
    assert edge.taken_back.harm is not None
    return _size(edge.taken_back.harm, harmed.unit)
