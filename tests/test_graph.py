"""Who is affected: the walk against a transitive closure by matrix powers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.graph import blast_radius, reachable
from sluiceway.system.file import read_system

ORDERS = read_system(Path(__file__).parent / "orders" / "system.yaml")
NODES = "abcdefgh"
graphs = st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=24)


def closure(edges: set[tuple[str, str]]) -> dict[str, set[str]]:
    steps = np.eye(len(NODES), dtype=int)
    for producer, consumer in edges:
        steps[NODES.index(producer), NODES.index(consumer)] = 1
    reached = np.linalg.matrix_power(steps, len(NODES)) > 0
    return {a: {b for j, b in enumerate(NODES) if reached[i, j]} for i, a in enumerate(NODES)}


@given(edges=graphs, start=st.sets(st.sampled_from(NODES)))
def test_reachable_is_the_transitive_closure_cycles_or_not(
    edges: set[tuple[str, str]], start: set[str]
) -> None:
    readers = {a: [b for x, b in edges if x == a] for a in NODES}
    whole = closure(edges)
    assert reachable(readers, start) == set().union(*(whole[name] for name in start), set())


names = [*ORDERS.models, *ORDERS.features, *ORDERS.sources]


def of_orders(start: set[str]) -> set[str]:
    """Everything reached in the orders system, by adding direct readers until nothing is new."""
    reached = set(start)
    while True:
        more = {e.consumer for e in ORDERS.edges if e.producer in reached}
        for feature in ORDERS.features.values():
            sources = {s for v in feature.versions.values() for s in v.sources}
            more |= {feature.name} if sources & reached else set()
        if more <= reached:
            return reached
        reached |= more


@given(changed=st.lists(st.sampled_from(names), min_size=1, unique=True))
def test_the_blast_radius_holds_all_that_is_reached_and_nothing_else(changed: list[str]) -> None:
    radius = blast_radius(ORDERS, changed)
    reached = of_orders(set(changed))
    assert radius.changed == tuple(changed)
    assert set(radius.models) == reached & ORDERS.models.keys()
    assert set(radius.consumers) == reached & ORDERS.consumers.keys()
    assert set(radius.edges) == {e for e in ORDERS.edges if e.producer in reached}
    owned = {ORDERS.owner_of(n).name for n in (*radius.models, *radius.consumers)}
    assert radius.owners == tuple(sorted(owned))


@given(changed=st.lists(st.sampled_from(names), min_size=1, unique=True))
def test_producers_stand_before_their_consumers(changed: list[str]) -> None:
    models = blast_radius(ORDERS, changed).models
    for edge in ORDERS.edges:
        if edge.producer in models and edge.consumer in models:
            assert models.index(edge.producer) < models.index(edge.consumer)


def test_a_change_of_one_side_of_the_diamond_leaves_the_other_side_alone() -> None:
    radius = blast_radius(ORDERS, ["handling"])
    assert radius.models == ("handling", "priority")
    assert radius.consumers == ("worklist",)
    assert radius.owners == ("desk", "logistics")


def test_the_order_in_which_nodes_are_named_does_not_change_the_radius() -> None:
    one, other = blast_radius(ORDERS, ["cost", "fraud"]), blast_radius(ORDERS, ["fraud", "cost"])
    assert replace(one, changed=()) == replace(other, changed=())


def test_an_unknown_node_is_no_empty_radius() -> None:
    with pytest.raises(KeyError, match="frod"):
        blast_radius(ORDERS, ["frod"])
