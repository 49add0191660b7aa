"""The dependency graph with the blast radius and the way the harm takes."""

from dataclasses import dataclass, field

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from sluiceway.reports.drawing import (
    ACCENT,
    BAD,
    BAD_TINT,
    FAINT,
    INK,
    LINE,
    MUTED,
    PANEL,
    PAPER,
    TINT,
    WIDTH,
    Sheet,
    drawn_quietly,
    text_width,
)
from sluiceway.reports.figures import shortened
from sluiceway.reports.graph_layout import Box, Layout, Point, lay_out
from sluiceway.reports.graph_nodes import GraphEdge, GraphNode, ShownGraph, shown_graph
from sluiceway.reports.story import Story
from sluiceway.system.values import NodeKind, Reliance

_TOP, _BOTTOM, _SIDE = 40.0, 46.0, 6.0
_SIZES = (9.5, 7.5, 7.5, 7.5)
_LINE = 12.0
_LATER = 44.0
"""How deep below its ends an arrow goes that reads an earlier answer, in points."""
_LETTERS = {
    Reliance.COLUMNAR: "C",
    Reliance.NUMERIC: "N",
    Reliance.BEHAVIOURAL: "B",
    Reliance.OPERATIONAL: "O",
}
_HEADINGS = {
    NodeKind.SOURCE: "SOURCES",
    NodeKind.FEATURE: "FEATURES",
    NodeKind.MODEL: "MODELS",
    NodeKind.CONSUMER: "CONSUMERS",
}


def draw_graph(story: Story) -> str:
    """Draw who feeds whom, what changes, what it reaches and where harm travels, as inline SVG."""
    with drawn_quietly():
        sheet = draw_sheet(shown_graph(story))
        return sheet.svg("graph", f"Dependency graph of {story.system.name}")


def draw_sheet(graph: ShownGraph, *, least_gap: float | None = None, plain: bool = False) -> Sheet:
    """Draw a graph; everything of node or edge number 3 is marked ``n3`` or ``e3``.

    Args:
        least_gap: Least distance between columns, in points, for which the sheet grows wider; None
            keeps its width.
        plain: Whether nothing changes, so that the legend need not tell what does.
    """
    boxes = [_box(node) for node in graph.nodes]
    edges = [(edge.producer, edge.consumer) for edge in graph.edges if not edge.later]
    width = WIDTH
    if least_gap is not None:
        widest: dict[int, float] = {}
        for box in boxes:
            widest[box.layer] = max(widest.get(box.layer, 0.0), box.width)
        gaps = least_gap * max(max(widest, default=0), 0)
        width = max(WIDTH, sum(widest.values()) + gaps + 2 * _SIDE)
    layout = lay_out(boxes, edges, width=width - 2 * _SIDE, gap=20.0)
    below = _LATER if any(edge.later for edge in graph.edges) else 0.0
    sheet = Sheet(width, layout.height + below + _TOP + _BOTTOM)
    picture = _Picture(sheet=sheet, layout=layout, boxes={box.name: box for box in boxes})
    picture.draw(graph)
    _legend(sheet, graph, plain=plain)
    return sheet


def _shown_lines(node: GraphNode) -> tuple[str, ...]:
    lines = [shortened(line, 24) for line in node.lines]
    return (*lines, node.harm) if node.harm else tuple(lines)


def _box(node: GraphNode) -> Box:
    lines = _shown_lines(node)
    widths = [
        text_width(line, _SIZES[min(place, 3)], bold=place == 0 or line == node.harm)
        for place, line in enumerate(lines)
    ]
    return Box(
        name=node.name,
        layer=node.layer,
        width=max(widths) + 20,
        height=_LINE * len(lines) + 12,
    )


@dataclass
class _Picture:
    """One drawing in progress; `taken` keeps labels off each other and off the boxes."""

    sheet: Sheet
    layout: Layout
    boxes: dict[str, Box]
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def draw(self, graph: ShownGraph) -> None:
        for name in self.boxes:
            x, y = self.centre(name)
            box = self.boxes[name]
            half = box.width / 2 + 2, box.height / 2 + 2
            self.taken.append((x - half[0], y - half[1], x + half[0], y + half[1]))
        self._headings(graph)
        marks = {id(edge): f"e{place}" for place, edge in enumerate(graph.edges)}
        order = sorted(graph.edges, key=lambda e: (e.carries, e.affected))
        curves = []
        for edge in order:
            with self.sheet.marked(marks[id(edge)]):
                curves.append((edge, self._later(edge) if edge.later else self._edge(edge, graph)))
        for place, node in enumerate(graph.nodes):
            with self.sheet.marked(f"n{place}"):
                self._node(node)
        for edge, curve in reversed(curves):
            with self.sheet.marked(marks[id(edge)]):
                self._label(edge, curve)

    def centre(self, name: str) -> Point:
        x, y = self.layout.centres[name]
        return x + _SIDE, y + _TOP

    def _headings(self, graph: ShownGraph) -> None:
        for kind, heading in _HEADINGS.items():
            layers = [node.layer for node in graph.nodes if node.kind is kind]
            if not layers:
                continue
            left = self.layout.columns[min(layers)][0] + _SIDE
            right = self.layout.columns[max(layers)][1] + _SIDE
            self.sheet.write((left + right) / 2, 9, heading, size=7, colour=MUTED, align="center")
            self.sheet.rule((left, right), (18, 18), color=LINE, lw=0.8)

    def _node(self, node: GraphNode) -> None:
        box, (x, y) = self.boxes[node.name], self.centre(node.name)
        fill = ACCENT if node.changed else TINT if node.affected else PANEL
        ink = PAPER if node.changed else INK
        small = PAPER if node.changed else MUTED
        border = BAD if node.harm or node.origin else ACCENT if node.affected else LINE
        rounding = 9 if node.kind is NodeKind.FEATURE else 4 if node.kind is NodeKind.MODEL else 0.1
        self.sheet.add(
            FancyBboxPatch(
                (x - box.width / 2, y - box.height / 2),
                box.width,
                box.height,
                boxstyle=f"round,pad=0,rounding_size={rounding}",
                fc=fill,
                ec=border,
                lw=2.0 if node.harm or node.origin else 1.0,
                zorder=4,
            )
        )
        lines = _shown_lines(node)
        top = y - _LINE * (len(lines) - 1) / 2
        for place, line in enumerate(lines):
            harm = line == node.harm and place == len(lines) - 1
            if harm and not node.changed:
                self._harm_strip(x, top + place * _LINE, box)
            self.sheet.write(
                x,
                top + place * _LINE,
                line,
                size=_SIZES[min(place, 3)],
                colour=(BAD if not node.changed else ink) if harm else ink if place == 0 else small,
                bold=place == 0 or harm,
                align="center",
                layer=6,
            )
        if node.origin:
            self._pill(x, y - box.height / 2 - 6, node.origin, fill=BAD, ink=PAPER, size=7.0)

    def _harm_strip(self, x: float, y: float, box: Box) -> None:
        self.sheet.add(
            FancyBboxPatch(
                (x - box.width / 2 + 5, y - 6),
                box.width - 10,
                12,
                boxstyle="round,pad=0,rounding_size=3",
                fc=BAD_TINT,
                ec="none",
                zorder=5,
            )
        )

    def _pill(self, x: float, y: float, text: str, *, fill: str, ink: str, size: float) -> None:
        wide = text_width(text, size, bold=True) + 10
        self.sheet.add(
            FancyBboxPatch(
                (x - wide / 2, y - 6.5),
                wide,
                13,
                boxstyle="round,pad=0,rounding_size=6",
                fc=fill,
                ec=BAD,
                lw=0.8,
                zorder=8,
            )
        )
        self.sheet.write(x, y, text, size=size, colour=ink, bold=True, align="center", layer=9)
        self.taken.append((x - wide / 2, y - 7, x + wide / 2, y + 7))

    def _edge(self, edge: GraphEdge, graph: ShownGraph) -> list[Point]:
        points = self._points(edge, graph)
        path = _curve(points)
        colour = BAD if edge.carries else ACCENT if edge.affected else FAINT
        self.sheet.add(
            FancyArrowPatch(
                path=path,
                arrowstyle="-|>,head_length=4,head_width=2.2",
                color=colour,
                lw=2.4 if edge.carries else 1.3 if edge.affected else 0.8,
                fill=False,
                capstyle="butt",
                zorder=3 if edge.carries else 2 if edge.affected else 1,
            )
        )
        return _along(points)

    def _later(self, edge: GraphEdge) -> list[Point]:
        """A dashed way below everything between the two: not in this request, but later."""
        (x0, y0), (x1, y1) = self.centre(edge.producer), self.centre(edge.consumer)
        away = 12.0 if edge.producer == edge.consumer else 0.0
        start = (x0 + away, y0 + self.boxes[edge.producer].height / 2)
        end = (x1 - away, y1 + self.boxes[edge.consumer].height / 2 + 1)
        deep = max(start[1], end[1]) + _LATER
        controls = [start, (start[0], deep), (end[0], deep), end]
        self.sheet.add(
            FancyArrowPatch(
                path=Path(controls, [Path.MOVETO, *[Path.CURVE4] * 3]),
                arrowstyle="-|>,head_length=4,head_width=2.2",
                color=ACCENT if edge.affected else FAINT,
                lw=1.3 if edge.affected else 0.8,
                linestyle=(0, (4, 3)),
                fill=False,
                zorder=2,
            )
        )
        return [_on_curve(controls, (place + 0.5) / 24) for place in range(24)]

    def _points(self, edge: GraphEdge, graph: ShownGraph) -> list[Point]:
        start, end = self.boxes[edge.producer], self.boxes[edge.consumer]
        x0, y0 = self.centre(edge.producer)
        x1, _ = self.centre(edge.consumer)
        points = [(x0 + start.width / 2, y0)]
        for place, (_, y) in enumerate(self.layout.waypoints[edge.producer, edge.consumer]):
            left, right = self.layout.columns[start.layer + 1 + place]
            points += [(left + _SIDE, y + _TOP), (right + _SIDE, y + _TOP)]
        return [*points, (x1 - end.width / 2 - 1, self._port(edge, graph))]

    def _port(self, edge: GraphEdge, graph: ShownGraph) -> float:
        """Where the arrow meets its consumer: arrows arrive in the order they come from."""
        consumer = self.boxes[edge.consumer]
        arriving = [e for e in graph.edges if e.consumer == edge.consumer and not e.later]

        def comes_from(one: GraphEdge) -> float:
            passed = self.layout.waypoints[one.producer, one.consumer]
            return passed[-1][1] if passed else self.layout.centres[one.producer][1]

        arriving.sort(key=comes_from)
        step = min(11.0, (consumer.height - 10) / max(len(arriving) - 1, 1))
        middle = (len(arriving) - 1) / 2
        return self.centre(edge.consumer)[1] + (arriving.index(edge) - middle) * step

    def _label(self, edge: GraphEdge, curve: list[Point]) -> None:
        letters = " ".join(_LETTERS[one] for one in edge.relies_on)
        if edge.later:
            letters = f"{edge.later} earlier {letters}".strip()
        text = edge.harm if edge.carries and edge.harm else letters
        if not text:
            return
        bold = edge.carries
        wide = text_width(text, 7.5, bold=bold) + 8
        # The last stretch, between two columns, is where nothing but arrows is.
        last = curve[-24:]
        order = sorted(range(len(last)), key=lambda place: abs(place - len(last) * 0.45))
        for shift in (0.0, -12.0, 12.0, -20.0, 20.0):
            for place in order:
                x, y = last[place][0], last[place][1] + shift
                box = (x - wide / 2, y - 7, x + wide / 2, y + 7)
                if not any(_overlap(box, other) for other in self.taken):
                    self._write_label(x, y, text, edge)
                    return

    def _write_label(self, x: float, y: float, text: str, edge: GraphEdge) -> None:
        if edge.carries and edge.harm:
            self._pill(x, y, text, fill=PAPER, ink=BAD, size=7.5)
            return
        wide = text_width(text, 6.5) + 5
        self.sheet.add(
            FancyBboxPatch(
                (x - wide / 2, y - 5),
                wide,
                10,
                boxstyle="round,pad=0,rounding_size=4",
                fc=PAPER,
                ec=LINE,
                lw=0.5,
                zorder=7,
            )
        )
        self.sheet.write(x, y, text, size=6.5, colour=MUTED, align="center", layer=8)
        self.taken.append((x - wide / 2, y - 6, x + wide / 2, y + 6))


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _curve(points: list[Point]) -> Path:
    """Straight through columns, and an S between them."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for left, right in zip(points[::2], points[1::2], strict=True):
        if vertices[-1] != left:
            vertices.append(left)
            codes.append(Path.LINETO)
        middle = (left[0] + right[0]) / 2
        vertices += [(middle, left[1]), (middle, right[1]), right]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)


def _along(points: list[Point], steps: int = 24) -> list[Point]:
    """Points on the curve, the same number between any two columns."""
    found = []
    for (x0, y0), (x1, y1) in zip(points[::2], points[1::2], strict=True):
        middle = (x0 + x1) / 2
        controls = [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
        found += [_on_curve(controls, (place + 0.5) / steps) for place in range(steps)]
    return found


def _on_curve(controls: list[Point], t: float) -> Point:
    """A point of a cubic Bézier curve, `t` from 0 to 1."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x = sum(w * point[0] for w, point in zip(weights, controls, strict=True))
    return x, sum(w * point[1] for w, point in zip(weights, controls, strict=True))


def _legend(sheet: Sheet, graph: ShownGraph, *, plain: bool) -> None:
    x, y = _SIDE, sheet.height - 26
    for fill, border, text in (
        (
            (ACCENT, ACCENT, "changes"),
            (TINT, ACCENT, "is reached by the change"),
            (PANEL, LINE, "is not"),
        )
        if not plain
        else ()
    ):
        sheet.axes.add_patch(
            FancyBboxPatch(
                (x, y - 5), 14, 10, boxstyle="round,pad=0,rounding_size=2", fc=fill, ec=border, lw=1
            )
        )
        sheet.write(x + 19, y, text, size=7.5, colour=MUTED)
        x += text_width(text, 7.5) + 36
    if any(edge.carries for edge in graph.edges):
        sheet.rule((x, x + 16), (y, y), color=BAD, lw=2.4)
        text = "harm travels here, with what goes when this edge alone is frozen"
        if any(node.lines[0].endswith(" features") for node in graph.nodes):
            text += "; of several features, the strongest"
        sheet.write(x + 21, y, text, size=7.5, colour=MUTED)
    x = _SIDE
    parts = ["An edge's letters say what the reader relies on:"]
    parts += [f"{letter} {reliance}" for reliance, letter in _LETTERS.items()]
    if graph.left_out:
        parts.append(f"({graph.left_out:,} models outside the blast radius are not shown)")
    for part in parts:
        sheet.write(x, sheet.height - 9, part, size=7.5, colour=MUTED)
        x += text_width(part, 7.5) + 12
