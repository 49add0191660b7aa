"""Who is affected: walks over the orders system against readers added until nothing is new."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.graph import SystemGraph, blast_radius, upstream
from sluiceway.system.file import read_system
from sluiceway.system.values import Edge, System

ORDERS = read_system(Path(__file__).parent / "orders" / "system.yaml")
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


def two_fields() -> System:
    """The orders system whose fraud model promises a second field, which only the cost reads."""
    fraud = ORDERS.models["fraud"]
    kind = replace(fraud.contract.output[0], name="kind", position=1)
    contract = replace(fraud.contract, output=(*fraud.contract.output, kind))
    models = {**ORDERS.models, "fraud": replace(fraud, contract=contract)}
    cost = models["cost"]
    reads = tuple(replace(e, field="kind") if e.field else e for e in cost.inputs)
    return replace(ORDERS, models={**models, "cost": replace(cost, inputs=reads)})


def test_a_change_of_one_field_starts_at_those_who_read_that_field() -> None:
    radius = blast_radius(two_fields(), ["fraud.kind"])
    assert radius.models == ("fraud", "cost", "priority")
    assert [edge.name for edge in radius.edges] == [
        "fraud.kind → cost",
        "cost.euros → priority",
        "priority.score → worklist",
    ]
    assert "logistics" not in radius.owners


def test_a_field_that_nobody_reads_reaches_nobody_but_its_model() -> None:
    fraud = two_fields().models["fraud"]
    unread = replace(fraud.contract.output[0], name="unread", position=2)
    contract = replace(fraud.contract, output=(*fraud.contract.output, unread))
    system = replace(
        two_fields(), models={**two_fields().models, "fraud": replace(fraud, contract=contract)}
    )
    radius = blast_radius(system, ["fraud.unread"])
    assert (radius.models, radius.consumers, radius.edges) == (("fraud",), (), ())


def test_a_column_of_a_source_starts_at_the_features_that_read_it() -> None:
    assert blast_radius(ORDERS, ["orders.distance"]).models == ("handling", "priority")
    # An older or newer version of the signal reads the hour.
    assert "fraud" in blast_radius(ORDERS, ["orders.hour"]).models
    assert blast_radius(ORDERS, ["orders.order_id"]).models == ()


@pytest.mark.parametrize("name", ["fraud.probabilty", "signal.value", "worklist.x", "nobody.x"])
def test_a_field_that_is_not_promised_is_no_empty_radius(name: str) -> None:
    with pytest.raises(KeyError, match=name.partition(".")[0]):
        blast_radius(ORDERS, [name])


def test_a_change_travels_along_an_earlier_answer_too() -> None:
    fraud, late = ORDERS.models["fraud"], timedelta(days=1)
    back = Edge(producer="priority", field="score", consumer="fraud", relies_on=(), delayed=late)
    models = {**ORDERS.models, "fraud": replace(fraud, inputs=(*fraud.inputs, back))}
    radius = blast_radius(replace(ORDERS, models=models), ["cost"])
    assert radius.models == tuple(ORDERS.models)
    assert back in radius.edges


@given(start=st.sets(st.sampled_from(list(ORDERS.models)), min_size=1))
def test_whoever_is_upstream_has_the_start_in_its_own_blast_radius(start: set[str]) -> None:
    found = upstream(ORDERS, start)
    assert list(found) == [name for name in ORDERS.models if name in found]
    for name in ORDERS.models:
        assert (name in found) == bool(start & set(blast_radius(ORDERS, [name]).models))


def test_a_graph_that_is_kept_answers_as_one_that_is_made_anew() -> None:
    kept = SystemGraph(ORDERS)
    for name in names:
        assert kept.blast_radius([name]) == blast_radius(ORDERS, [name])
