"""Where the nodes and edges of a layered graph go: left to right, nothing on top of anything.

After Sugiyama, Tagawa and Toda (1981): long edges get a waypoint in every layer they pass, layers
are ordered by barycentres, and heights are the closest ones to the neighbours' that keep their
distance (isotonic regression).
"""

from bisect import bisect_right, insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
_SWEEPS = 12
_WAYPOINT_HEIGHT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A node to be placed.

    Attributes:
        layer: Column, from 0 at the left.
        width: In points.
        height: In points.
    """

    name: str
    layer: int
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything went, in points from the upper left corner.

    Attributes:
        centres: Of the boxes, by name.
        waypoints: Points that an edge passes between its ends, by (producer, consumer).
        columns: Left and right end of each layer.
        height: Of the whole.
    """

    centres: Mapping[str, Point]
    waypoints: Mapping[tuple[str, str], tuple[Point, ...]]
    columns: Mapping[int, tuple[float, float]]
    height: float


_Slot = tuple[str, int]
"""A box, or the waypoint that all edges of a producer share in one layer."""


def lay_out(
    boxes: Sequence[Box], edges: Sequence[tuple[str, str]], *, width: float, gap: float = 16.0
) -> Layout:
    """Place boxes and waypoints.

    Args:
        boxes: Nodes; an edge goes from a lower layer to a higher one.
        edges: Names of producer and consumer.
        width: Of the whole, in points.
        gap: Least distance of two boxes in a layer, in points.
    """
    by_name = {box.name: box for box in boxes}
    links, paths = _slots(by_name, edges)
    layers = _layers(boxes, paths)
    _order(layers, links)
    heights = {
        slot: by_name[slot[0]].height if by_name[slot[0]].layer == slot[1] else _WAYPOINT_HEIGHT
        for slots in layers.values()
        for slot in slots
    }
    ys = _heights(layers, links, heights, gap)
    columns = _columns(boxes, width)
    lowest = min((ys[s] - heights[s] / 2 for s in ys), default=0.0)
    highest = max((ys[s] + heights[s] / 2 for s in ys), default=0.0)

    def centre(slot: _Slot) -> Point:
        left, right = columns[slot[1]]
        return (left + right) / 2, ys[slot] - lowest

    return Layout(
        centres={box.name: centre((box.name, box.layer)) for box in boxes},
        waypoints={
            edge: tuple(centre(slot) for slot in path[1:-1]) for edge, path in paths.items()
        },
        columns=columns,
        height=highest - lowest,
    )


def _slots(
    boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]]
) -> tuple[dict[_Slot, dict[_Slot, None]], dict[tuple[str, str], list[_Slot]]]:
    links: dict[_Slot, dict[_Slot, None]] = {}  # an ordered set, so that equal graphs look equal
    paths: dict[tuple[str, str], list[_Slot]] = {}
    for producer, consumer in edges:
        first, last = boxes[producer].layer, boxes[consumer].layer
        path = [(producer, layer) for layer in range(first, last)] + [(consumer, last)]
        paths[producer, consumer] = path
        for left, right in pairwise(path):
            links.setdefault(left, {})[right] = None
            links.setdefault(right, {})[left] = None
    return links, paths


def _layers(
    boxes: Sequence[Box], paths: Mapping[tuple[str, str], Sequence[_Slot]]
) -> dict[int, list[_Slot]]:
    layers: dict[int, list[_Slot]] = {layer: [] for layer in sorted({b.layer for b in boxes})}
    for box in boxes:
        layers[box.layer].append((box.name, box.layer))
    for path in paths.values():
        for slot in path[1:-1]:
            if slot not in layers.setdefault(slot[1], []):
                layers[slot[1]].append(slot)
    return layers


def _order(layers: dict[int, list[_Slot]], links: Mapping[_Slot, Collection[_Slot]]) -> None:
    """Sort each layer by where its neighbours are; keep the order with the fewest crossings."""
    best, fewest = {n: list(slots) for n, slots in layers.items()}, _crossings(layers, links)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        for layer in sorted(layers, reverse=not forth):
            place = {s: i / len(slots) for slots in layers.values() for i, s in enumerate(slots)}

            def weight(
                slot: _Slot, forth: bool = forth, place: dict[_Slot, float] = place
            ) -> float:
                near = [n for n in links.get(slot, ()) if (n[1] < slot[1]) == forth]
                return sum(place[n] for n in near) / len(near) if near else place[slot]

            layers[layer].sort(key=weight)
        crossings = _crossings(layers, links)
        if crossings < fewest:
            best, fewest = {n: list(slots) for n, slots in layers.items()}, crossings
    layers.update(best)


def _crossings(
    layers: Mapping[int, Sequence[_Slot]], links: Mapping[_Slot, Collection[_Slot]]
) -> int:
    place = {slot: i for slots in layers.values() for i, slot in enumerate(slots)}
    count = 0
    for slots in layers.values():
        pairs = sorted(
            (place[slot], place[right])
            for slot in slots
            for right in links.get(slot, ())
            if right[1] > slot[1]
        )
        # Two cross where the one that starts further up ends further down.
        ends: list[int] = []
        for _, end in pairs:
            count += len(ends) - bisect_right(ends, end)
            insort(ends, end)
    return count


def _heights(
    layers: Mapping[int, Sequence[_Slot]],
    links: Mapping[_Slot, Collection[_Slot]],
    heights: Mapping[_Slot, float],
    gap: float,
) -> dict[_Slot, float]:
    ys: dict[_Slot, float] = {}
    for slots in layers.values():
        ys.update(zip(slots, _spread([0.0] * len(slots), slots, heights, gap), strict=True))
    for sweep in range(_SWEEPS):
        for layer in sorted(layers, reverse=sweep % 2 == 1):
            slots = layers[layer]
            wanted = []
            for slot in slots:
                near = links.get(slot, ())
                wanted.append(sum(ys[n] for n in near) / len(near) if near else ys[slot])
            ys.update(zip(slots, _spread(wanted, slots, heights, gap), strict=True))
    return ys


def _spread(
    wanted: Sequence[float],
    slots: Sequence[_Slot],
    heights: Mapping[_Slot, float],
    gap: float,
) -> list[float]:
    """The heights closest to the wanted ones that keep order and distance."""
    offsets, total = [], 0.0
    for place, slot in enumerate(slots):
        if place:
            total += (heights[slots[place - 1]] + heights[slot]) / 2 + gap
        offsets.append(total)
    blocks: list[tuple[float, int]] = []  # mean and size of each pooled run
    for want, offset in zip(wanted, offsets, strict=True):
        mean, size = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, size = (before * many + mean * size) / (many + size), size + many
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _columns(boxes: Sequence[Box], width: float) -> dict[int, tuple[float, float]]:
    layers = range(max((box.layer for box in boxes), default=0) + 1)
    widths = {n: max((b.width for b in boxes if b.layer == n), default=0.0) for n in layers}
    free = max(width - sum(widths.values()), 0.0) / max(len(layers) - 1, 1)
    columns, left = {}, 0.0
    for layer in layers:
        columns[layer] = (left, left + widths[layer])
        left += widths[layer] + free
    return columns
