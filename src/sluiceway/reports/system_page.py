"""A system as one self-contained HTML page: owners, what serves, contracts, reliance, budgets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from sluiceway.durations import render_duration
from sluiceway.reports.drawing import drawn_quietly
from sluiceway.reports.figures import count, joined
from sluiceway.reports.graph_nodes import GraphNode, grouped
from sluiceway.reports.graph_picture import draw_sheet
from sluiceway.reports.system_graph import (
    COLUMN_GAP,
    Serving,
    contract_serving,
    sources_of,
    system_graph,
)
from sluiceway.reports.templating import template
from sluiceway.system.timing import TimeSum, Timing, reads_of
from sluiceway.system.values import Edge, Model, NodeKind, System

_FITS = 1100.0
"""Width up to which a picture is made to fit the page, in points; a wider one is scrolled."""

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCard:
    """What a click on a node shows."""

    title: str
    kind: str
    said: str
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A model in the table of models; every cell as it is shown."""

    name: str
    owner: str
    risk: str
    version: str
    contract: str
    p99: str
    deadline: str
    freshness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRow:
    """An edge in the table of edges; every cell as it is shown."""

    reads: str
    reader: str
    relies_on: str
    later: str
    latency: str
    freshness: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRow:
    """An owner in the table of owners."""

    name: str
    contact: str
    owns: str


def render_system(system: System, serving: Serving | None) -> str:
    """Write a system as one HTML page that needs nothing but itself.

    A click on a node shows what it is, and marks what feeds it and what it reaches; without scripts
    the tables say the same.

    Args:
        serving: What serves; None where that is not known.
    """
    graph = system_graph(system, serving)
    with drawn_quietly():
        sheet = draw_sheet(graph, least_gap=COLUMN_GAP, plain=True)
        picture = Markup(sheet.svg("graph", f"Dependency graph of {system.name}"))
    number = {node.name: place for place, node in enumerate(graph.nodes)}
    groups = grouped({name: sources_of(feature) for name, feature in system.features.items()})
    return template("graph.html").render(
        system=system,
        facts=_facts(system, serving),
        picture=picture,
        width=round(sheet.width * 4 / 3) if sheet.width > _FITS else None,
        arrows=[[number[edge.producer], number[edge.consumer]] for edge in graph.edges],
        cards=[_card(system, serving, node, groups) for node in graph.nodes],
        models=[_model_row(model, serving) for model in system.models.values()],
        edges=_edge_rows(system),
        owners=_owner_rows(system),
    )


def _facts(system: System, serving: Serving | None) -> Facts:
    counted = [
        count(len(system.sources), "source"),
        count(len(system.features), "feature"),
        count(len(system.models), "model"),
        count(len(system.consumers), "outside consumer"),
        count(len(system.edges), "edge"),
    ]
    serves = (
        f"generation {serving.generation} in {serving.environment}"
        if serving
        else "not known here: there is no journal, or nothing was adopted yet"
    )
    return (("Holds", ", ".join(counted)), ("Serves", serves), ("System file", system.digest[:16]))


def _card(
    system: System,
    serving: Serving | None,
    node: GraphNode,
    groups: Mapping[str, tuple[str, ...]],
) -> NodeCard:
    if node.kind is NodeKind.FEATURE:
        names = groups[node.name]
        said = system.features[names[0]].description if len(names) == 1 else ""
        facts = tuple(
            (name, f"{system.features[name].current} · {system.owner_of(name).name}")
            for name in names
        )
        return NodeCard(title=node.lines[0], kind=node.kind.value, said=said, facts=facts)
    name = node.lines[0]
    owner = system.owner_of(name)
    owned: Facts = (("Owner", f"{owner.name} · {owner.contact}"),)
    if node.kind is NodeKind.MODEL:
        owned += _model_facts(system.models[name], serving)
    return NodeCard(title=name, kind=node.kind.value, said=_description(system, name), facts=owned)


def _description(system: System, name: str) -> str:
    match system.kind(name):
        case NodeKind.SOURCE:
            return system.sources[name].description
        case NodeKind.MODEL:
            return system.models[name].description
        case NodeKind.FEATURE:
            return system.features[name].description
        case NodeKind.CONSUMER:
            return system.consumers[name].description


def _model_facts(model: Model, serving: Serving | None) -> Facts:
    row = _model_row(model, serving)
    fields = [f"{f.name} in {f.unit}" if f.unit else f.name for f in model.contract.output]
    return (
        ("Serves", row.version),
        ("Contract", row.contract),
        ("Answers", joined(fields)),
        ("Time of an answer", f"p99 {row.p99}, deadline {row.deadline}"),
        ("Age of its inputs", row.freshness),
        ("Risk", row.risk),
    )


def _model_row(model: Model, serving: Serving | None) -> ModelRow:
    member = serving.members.get(model.name) if serving else None
    contract = model.contract
    shown = contract.version
    if member is not None and member.contract_hash != contract.content_hash:
        shown = f"{contract_serving(model, member)} serves, the file has {contract.version}"
    return ModelRow(
        name=model.name,
        owner=model.owner,
        risk=model.risk.value,
        version=member.version if member else "–",
        contract=shown,
        p99=_promised(contract.latency_p99),
        deadline=render_duration(contract.deadline),
        freshness=_promised(contract.freshness),
    )


def _promised(time: timedelta | None) -> str:
    return "not promised" if time is None else render_duration(time)


def _edge_rows(system: System) -> list[EdgeRow]:
    timing = Timing(reads_of(system), {n: m.contract for n, m in system.models.items()})
    return [
        EdgeRow(
            reads=edge.column,
            reader=edge.consumer,
            relies_on=", ".join(edge.relies_on),
            later=render_duration(edge.delayed) if edge.delayed else "",
            latency=_latency(edge, timing),
            freshness=budget(edge.needs.freshness, timing.freshness(edge)),
        )
        for edge in system.edges
        if edge.field is not None
    ]


def _latency(edge: Edge, timing: Timing) -> str:
    if edge.delayed is not None:
        return "there already"
    return budget(edge.needs.latency_p99, timing.latency(edge))


def budget(needed: timedelta | None, summed: TimeSum) -> str:
    """``150ms of 300ms: a 100ms + b 50ms``; what is not promised is said."""
    if summed.unknown:
        what = f"not known: not promised by {joined(summed.unknown)}"
        return what if needed is None else f"{render_duration(needed)} needed; {what}"
    total = render_duration(summed.total)
    whole = total if needed is None else f"{total} of {render_duration(needed)}"
    return f"{whole}: {' + '.join(part.sentence for part in summed.parts)}"


def _owner_rows(system: System) -> list[OwnerRow]:
    owned: dict[str, list[str]] = {name: [] for name in system.owners}
    for name in (*system.sources, *system.models, *system.consumers):
        owned[system.owner_of(name).name].append(name)
    features: dict[str, int] = {}
    for feature in system.features.values():
        features[feature.owner] = features.get(feature.owner, 0) + 1
    for name, many in features.items():
        owned[name].append(count(many, "feature"))
    return [
        OwnerRow(name=name, contact=system.owners[name].contact, owns=", ".join(owns) or "nothing")
        for name, owns in owned.items()
    ]
