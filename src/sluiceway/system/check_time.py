"""What can be wrong with a system file in time: cycles, earlier answers, latency and freshness."""

from collections.abc import Iterator

from sluiceway.digraph import Digraph
from sluiceway.system.parts import FileParts, Tell, edges_of
from sluiceway.system.shapes import EdgeShape, TimeNeedsShape
from sluiceway.system.timing import TimeNeed, Timing
from sluiceway.system.values import Edge


def check_time(parts: FileParts, tell: Tell) -> None:
    """Tell cycles, earlier answers of what gives none, and needs that the chain does not keep."""
    edges = edges_of(parts)
    _earlier_answers_are_models(parts, tell)
    if not _goes_round(parts, edges, tell):
        _needs_are_kept(parts, edges, tell)


def _earlier_answers_are_models(parts: FileParts, tell: Tell) -> None:
    for path, shape, _ in _shapes(parts):
        if "." in shape.reads:
            if shape.delayed is not None and shape.needs.latency_p99 is not None:
                tell(f"{path}.needs.latency_p99", "an earlier answer is there already")
            continue
        if shape.delayed is not None:
            what = f"{shape.reads} is a feature; only models give answers that can be read later"
            tell(f"{path}.delayed", what)
        for need in TimeNeed:
            if getattr(shape.needs, need) is not None:
                what = f"{shape.reads} is a feature; contracts promise times of models' answers"
                tell(f"{path}.needs.{need}", what)


def _goes_round(parts: FileParts, edges: dict[str, tuple[Edge, ...]], tell: Tell) -> bool:
    """Tell one way round for each set of models that read each other's answers."""
    names = list(parts.models)
    number = {name: place for place, name in enumerate(names)}
    now = [
        edge
        for name in names
        for edge in edges[name]
        if edge.producer in number and edge.delayed is None
    ]
    graph = Digraph(
        len(names), [number[e.producer] for e in now], [number[e.consumer] for e in now]
    )
    circles = [[names[place] for place in circle] for circle in graph.circles()]
    for circle in circles:
        reader, read = circle[0], circle[-2]
        place, edge = next(
            (place, edge)
            for place, edge in enumerate(edges[reader])
            if edge.producer == read and edge.delayed is None
        )
        around = " → ".join(circle)
        says = f"{{reads: {edge.column}, delayed: 1d}}"
        what = f"where {reader} reads what {read} answered earlier, it must say so: {says}"
        tell(f"models.{reader}.inputs[{place}]", f"closes a cycle: {around}; {what}")
    return bool(circles)


def _needs_are_kept(parts: FileParts, edges: dict[str, tuple[Edge, ...]], tell: Tell) -> None:
    known = {name: one for name, one in parts.contracts.items() if name in parts.models}
    complete = known.keys() == set(parts.named["models"])
    declared = {
        edge.name: (path, shape, outer)
        for (path, shape, outer), edge in zip(
            _shapes(parts), (e for reads in edges.values() for e in reads), strict=True
        )
    }
    for short in Timing(edges, known).shortfalls():
        path, shape, outer = declared[short.edge]
        if getattr(shape.needs, short.need) is None and outer is not None:
            path = path.rpartition(".")[0]
        # A contract that could not be read has told its own faults.
        if short.certain or complete:
            tell(f"{path}.needs", f"{short.sentence} ({short.edge})")


def _shapes(parts: FileParts) -> Iterator[tuple[str, EdgeShape, TimeNeedsShape | None]]:
    """Every edge in the order of `edges_of`: its path, and what its consumer as a whole needs."""
    for name, model in parts.models.items():
        for place, edge in enumerate(model.inputs):
            yield f"models.{name}.inputs[{place}]", edge, None
    for name, consumer in parts.consumers.items():
        for place, edge in enumerate(consumer.reads):
            yield f"consumers.{name}.reads[{place}]", edge, consumer.needs
