"""``graph``, ``impact`` and ``consumers`` over a system file alone: looking makes nothing."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.adapters.mlflow_worlds import QUIET
from tests.driver import variant
from tests.end_to_end.pages import read_self_contained
from tests.test_cli import Sluiceway, orders, sluiceway

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

__all__ = ["orders", "sluiceway"]  # fixtures of the command line's own tests


def test_a_picture_and_a_page_are_written_where_one_says(orders: Sluiceway, tmp_path: Path) -> None:
    picture, page = tmp_path / "graph.svg", tmp_path / "graph.html"
    said = orders("graph", "--svg", str(picture), "--html", str(page))
    assert (said.code, said.out.splitlines()) == (0, [str(picture), str(page)])
    assert ET.parse(picture).getroot().tag.endswith("svg")
    assert "orders" in read_self_contained(page)
    assert not (tmp_path / "home").exists()
    value = orders("graph", "--html", str(page), "--json").value
    assert value["html"] == str(page)


def test_a_picture_that_cannot_be_written_is_bad_input(orders: Sluiceway, tmp_path: Path) -> None:
    said = orders("graph", "--svg", str(tmp_path / "no" / "graph.svg"))
    assert said.code == 2
    assert "cannot be written: No such file or directory" in said.err


def test_the_impact_of_one_field_is_told(orders: Sluiceway) -> None:
    value = orders("impact", "fraud", "probability", "--json").value
    assert value["changed"] == ["fraud.probability"]
    assert value["models"] == ["fraud", "handling", "cost", "priority"]
    column = orders("impact", "orders", "distance", "--json").value
    assert column["models"] == ["handling", "priority"]


def test_the_impact_says_which_edge_reads_earlier_answers(
    orders: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now, later = "inputs: [amount, hour, signal]", "{reads: priority.score, delayed: 1d}"
    reads = f"inputs: [amount, hour, signal, {later}]"
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(variant(tmp_path, (now, reads))))
    said = orders("impact", "priority")
    assert said.code == 0, said.err
    assert "priority.score → fraud (columnar, 1d earlier)" in said.out.splitlines()
    assert "fraud.probability → cost (numeric, behavioural)" in said.out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("fraud", "score"), "✗ fraud score: fraud 1.0.0 does not promise score (it has: probab"),
        (("signal", "value"), "✗ signal: is a feature, which has no field value"),
        (("worklist", "x"), "✗ worklist: is a consumer, which has no field x"),
        (("froud", "x"), "✗ froud: is not in orders (there are: orders, outcomes"),
    ],
)
def test_a_field_that_is_not_there_is_bad_input(
    orders: Sluiceway, arguments: tuple[str, ...], told: str
) -> None:
    said = orders("impact", *arguments)
    assert said.code == 2
    assert said.err.startswith(told)


def test_without_a_journal_only_the_file_was_looked_at_and_it_is_said(
    orders: Sluiceway, tmp_path: Path
) -> None:
    said = orders("consumers", "fraud")
    assert said.code == 0
    assert "not looked at: log of answers and registry, for there is no journal here" in said.out
    assert "none that is not declared" not in said.out
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("froud",), "✗ froud: is no model of orders (there are: fraud, handling, cost, priority)"),
        (("signal",), "✗ signal: is no model of orders"),
        (("fraud", "--window", "soon"), "✗ --window: 'soon' is no duration"),
        (("fraud", "--window", "0d"), "✗ --window: is no time at all; write a number above 0"),
    ],
)
def test_consumers_of_what_is_no_model_are_bad_input(
    orders: Sluiceway, arguments: tuple[str, ...], told: str
) -> None:
    said = orders("consumers", *arguments)
    assert said.code == 2
    assert said.err.startswith(told)
