"""Nothing on top of anything, whatever the graph."""

from hypothesis import given
from hypothesis import strategies as st

from sluiceway.reports.graph_layout import Box, lay_out


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], list[tuple[str, str]]]:
    layers = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    boxes = [
        Box(
            name=f"{n}.{i}", layer=n, width=draw(st.floats(20, 120)), height=draw(st.floats(10, 60))
        )
        for n, size in enumerate(layers)
        for i in range(size)
    ]
    pairs = [(a.name, b.name) for a in boxes for b in boxes if a.layer < b.layer]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []
    return boxes, edges


@given(graphs())
def test_boxes_keep_their_distance(graph):
    boxes, edges = graph
    layout = lay_out(boxes, edges, width=800, gap=16)
    for one in boxes:
        for other in boxes:
            if one.name < other.name and one.layer == other.layer:
                apart = abs(layout.centres[one.name][1] - layout.centres[other.name][1])
                assert apart >= (one.height + other.height) / 2 + 16 - 1e-6


@given(graphs())
def test_everything_lies_inside_the_picture(graph):
    boxes, edges = graph
    layout = lay_out(boxes, edges, width=800)
    for box in boxes:
        y = layout.centres[box.name][1]
        assert y - box.height / 2 >= -1e-6
        assert y + box.height / 2 <= layout.height + 1e-6


@given(graphs())
def test_an_edge_passes_every_column_between_its_ends(graph):
    boxes, edges = graph
    layer = {box.name: box.layer for box in boxes}
    layout = lay_out(boxes, edges, width=800)
    for producer, consumer in edges:
        passed = layout.waypoints[producer, consumer]
        assert len(passed) == layer[consumer] - layer[producer] - 1
        assert [x for x, _ in passed] == sorted(x for x, _ in passed)


@given(graphs())
def test_equal_graphs_are_laid_out_equally(graph):
    boxes, edges = graph
    assert lay_out(boxes, edges, width=800) == lay_out(boxes, edges, width=800)
