"""Walks over arrows by number, against matrix powers and against trying every way."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.digraph import Digraph

NODES = 7
nodes = st.integers(0, NODES - 1)
# Lists: an arrow may stand there several times.
arrows = st.lists(st.tuples(nodes, nodes), max_size=20)


def graph_of(edges: list[tuple[int, int]]) -> Digraph:
    return Digraph(NODES, [a for a, _ in edges], [b for _, b in edges])


def closure(edges: list[tuple[int, int]], *, steps: int = NODES) -> np.ndarray:
    """Who reaches whom in up to so many steps."""
    one = np.eye(NODES, dtype=int)
    for tail, head in edges:
        one[tail, head] = 1
    return np.linalg.matrix_power(one, steps) > 0


@given(edges=arrows, starts=st.sets(nodes))
def test_what_is_reached_is_the_transitive_closure(
    edges: list[tuple[int, int]], starts: set[int]
) -> None:
    whole = closure(edges)
    expected = np.zeros(NODES, dtype=bool)
    for start in starts:
        expected |= whole[start]
    graph = graph_of(edges)
    assert graph.reached(starts).tolist() == expected.tolist()
    backwards = [any(whole[a, b] for b in starts) for a in range(NODES)]
    assert graph.reversed.reached(starts).tolist() == backwards


@given(edges=arrows, starts=st.sets(nodes))
def test_arrows_that_leave_are_told_in_the_order_given(
    edges: list[tuple[int, int]], starts: set[int]
) -> None:
    graph = graph_of(edges)
    reached = graph.reached(starts)
    assert graph.leaving(reached).tolist() == [bool(reached[tail]) for tail, _ in edges]


@given(edges=arrows)
def test_there_is_an_order_exactly_where_nothing_goes_round(edges: list[tuple[int, int]]) -> None:
    order = graph_of(edges).order()
    round_trips = [closure(edges)[head, tail] for tail, head in edges]
    assert (order is None) == any(round_trips)
    if order is not None:
        assert sorted(order) == list(range(NODES))
        assert all(order.index(tail) < order.index(head) for tail, head in edges)


@given(edges=arrows)
def test_each_set_of_nodes_that_reach_each_other_has_one_shortest_way_round(
    edges: list[tuple[int, int]],
) -> None:
    whole, known = closure(edges), set(edges)
    told = graph_of(edges).circles()
    expected = {
        frozenset(b for b in range(NODES) if whole[a, b] and whole[b, a])
        for a in range(NODES)
        if any(whole[b, a] for t, b in edges if t == a)
    }
    assert len(told) == len(expected)
    for way in told:
        assert way[0] == way[-1]
        assert all(step in known for step in pairwise(way))
        (there,) = [one for one in expected if set(way) <= one]
        assert way[0] == min(there)
        others = there - {way[0]}
        shorter = (
            middle
            for length in range(len(way) - 2)
            for middle in permutations(others, length)
            if all(step in known for step in pairwise((way[0], *middle, way[0])))
        )
        assert next(shorter, None) is None


@given(edges=arrows)
def test_nodes_share_a_component_exactly_where_each_reaches_the_other(
    edges: list[tuple[int, int]],
) -> None:
    whole, found = closure(edges), graph_of(edges).components()
    for a in range(NODES):
        for b in range(NODES):
            assert (found[a] == found[b]) == bool(whole[a, b] and whole[b, a])


def test_an_arrow_that_stands_there_twice_ends_in_an_answer() -> None:
    many = [(a, b) for a in range(5) for b in range(5)] * 3
    assert len(set(graph_of(many).components().tolist())) == NODES - 4


def test_nothing_at_all_is_a_graph_too() -> None:
    empty = Digraph(0, [], [])
    assert empty.order() == []
    assert empty.circles() == []
    assert empty.reached([]).shape == (0,)


@pytest.mark.parametrize(("tails", "heads"), [([0], []), ([3], [0]), ([0], [3]), ([-1], [0])])
def test_an_arrow_without_ends_is_refused(tails: list[int], heads: list[int]) -> None:
    with pytest.raises(ValueError, match=r"tails and|ends at none"):
        Digraph(3, tails, heads)


def test_a_chain_of_a_hundred_thousand_is_walked_to_its_end() -> None:
    many = 100_000
    chain = Digraph(many, np.arange(many - 1), np.arange(1, many))
    assert chain.reached([0]).all()
    assert chain.order() == list(range(many))
