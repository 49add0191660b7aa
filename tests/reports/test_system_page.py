"""A system's picture and page say who owns what, what serves, and what time is left."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.releases import Member
from sluiceway.reports.system_graph import Serving, draw_system, system_graph
from sluiceway.reports.system_page import budget, render_system
from sluiceway.system.file import read_system
from sluiceway.system.timing import Basis, TimePart, TimeSum
from sluiceway.system.values import Edge, System
from tests.end_to_end.pages import read_self_contained

ORDERS = read_system(Path(__file__).parents[1] / "orders" / "system.yaml")
SECOND = timedelta(seconds=1)


def serving(system: System) -> Serving:
    members = {
        name: Member(
            model=name,
            version=str(place),
            contract_hash=model.contract.content_hash if place > 1 else "f" * 64,
            contract_version="0.9.0",
            artifact_sha256="a" * 64,
            features={},
        )
        for place, (name, model) in enumerate(system.models.items(), start=1)
    }
    return Serving(environment="production", generation=12, members=members)


def circular() -> System:
    """The orders system whose first model reads what the last answered a day earlier."""
    fraud = ORDERS.models["fraud"]
    back = Edge(
        producer="priority",
        field="score",
        consumer="fraud",
        relies_on=(),
        delayed=timedelta(days=1),
    )
    itself = replace(back, producer="fraud", field="probability")
    models = {**ORDERS.models, "fraud": replace(fraud, inputs=(*fraud.inputs, back, itself))}
    return replace(ORDERS, models=models)


@pytest.mark.parametrize("system", [ORDERS, circular()], ids=["orders", "circular"])
def test_the_page_is_one_and_marks_every_node_and_edge(system: System, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render_system(system, serving(system)))
    text = read_self_contained(page)
    graph = system_graph(system, None)
    marks = set(re.findall(r'data-mark="(\w+)"', text))
    nodes = {f"n{place}" for place in range(len(graph.nodes))}
    assert marks == nodes | {f"e{place}" for place in range(len(graph.edges))}
    assert set(re.findall(r'data-card="(\w+)"', text)) == nodes
    assert text == render_system(system, serving(system))


def test_the_page_says_what_serves_and_who_owns_it() -> None:
    text = render_system(ORDERS, serving(ORDERS))
    assert "generation 12 in production" in text
    assert "0.9.0 serves, the file has 1.0.0" in text
    assert "@1 · contract 0.9.0" in text
    assert "@2 · contract 1.0.0" in text
    assert "logistics@shop.example" in text
    assert "not known here" in render_system(ORDERS, None)


def test_what_people_wrote_stays_text() -> None:
    strange = replace(ORDERS, description="<script>alert(1)</script>")
    assert "<script>alert" not in render_system(strange, None)


def test_the_picture_is_a_file_that_any_program_can_read() -> None:
    picture = draw_system(circular(), None)
    root = ET.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(--" not in picture
    assert "1d earlier" in picture
    assert draw_system(circular(), None) == picture


def test_a_wide_system_gets_a_wide_picture() -> None:
    """Columns keep their distance however many there are."""
    fraud = ORDERS.models["fraud"]
    models = {}
    for place in range(30):
        reads = Edge(
            producer=f"m{place - 1}", field="probability", consumer=f"m{place}", relies_on=()
        )
        inputs = (reads,) if place else fraud.inputs
        models[f"m{place}"] = replace(fraud, name=f"m{place}", inputs=inputs)
    picture = draw_system(replace(ORDERS, models=models, consumers={}), None)
    width = float(ET.fromstring(picture).attrib["viewBox"].split()[2])
    assert width > 30 * 74


@pytest.mark.parametrize(
    ("needed", "unknown", "said"),
    [
        (None, (), "3s: a 1s + b 2s (its deadline: it promises no p99)"),
        (5 * SECOND, (), "3s of 5s: a 1s + b 2s (its deadline: it promises no p99)"),
        (5 * SECOND, ("c", "d"), "5s needed; not known: not promised by c and d"),
        (None, ("c",), "not known: not promised by c"),
    ],
)
def test_a_budget_says_each_part(
    needed: timedelta | None, unknown: tuple[str, ...], said: str
) -> None:
    parts = (
        TimePart(name="a", time=SECOND, basis=Basis.LATENCY_P99),
        TimePart(name="b", time=2 * SECOND, basis=Basis.DEADLINE),
    )
    assert budget(needed, TimeSum(parts=parts, unknown=unknown)) == said
