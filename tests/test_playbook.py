"""The playbook says what the system file says, and names commands that exist."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from sluiceway.cli.commands import app
from sluiceway.playbook import Section, as_markdown, playbook
from sluiceway.system.file import read_system
from sluiceway.system.notifications import NoticeCode
from sluiceway.system.values import System
from tests.driver import variant
from tests.steps.test_notifying import DECLARED

ROOT = Path(__file__).parents[1]
SYSTEMS = {name: ROOT / name / "system.yaml" for name in ("examples/flights", "tests/orders")}


@pytest.fixture(params=SYSTEMS.values(), ids=SYSTEMS.keys())
def system(request: pytest.FixtureRequest) -> System:
    return read_system(request.param)


def part(system: System, title: str) -> Section:
    (found,) = (one for one in playbook(system) if one.title == title)
    return found


def test_every_gate_of_the_file_stands_in_it_with_its_margin(system: System) -> None:
    table = part(system, "Gates and margins").table
    assert table is not None
    told = {(row[0], row[1]): row[2] for row in table.rows}
    declared = [
        (model.name, target.metric) for model in system.models.values() for target in model.metrics
    ]
    assert sorted(told) == sorted(declared)
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_every_kind_of_notice_has_its_moment(system: System) -> None:
    table = part(system, "Who is told what, and when").table
    assert table is not None
    assert len({row[0] for row in table.rows}) == len(NoticeCode)


def test_the_criteria_are_the_policies(system: System) -> None:
    said = " ".join(part(system, "When the candidate goes without anybody's word").steps)
    assert f"α = {system.policies.alpha:g}" in said
    for step in system.policies.canary.steps:
        assert f"{step.weight} % for " in said
    off = replace(system, policies=replace(system.policies, drift=None))
    assert "drift: off" in " ".join(playbook(off)[0].steps)


def test_it_names_the_rule_that_waits_for_no_flow_and_the_ways_without_servers(
    system: System,
) -> None:
    text = as_markdown(system, playbook(system))
    assert "at least 5 and 50% of the last 200 rows got no usable answer" in text
    assert "unset PREFECT_API_URL" in text
    assert "put a copy of the database from before back" in text


def test_it_says_how_owners_are_reached_and_what_stands_in(tmp_path: Path) -> None:
    changes = (
        ("  approvals: []\n", "  approvals: {rules: [{risk: high, ask: [risk], people: 2}]}\n"),
        ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [ada, ben]}"),
    )
    file = variant(tmp_path, *changes)
    file.write_text(file.read_text() + DECLARED)
    text = as_markdown(read_system(file), playbook(read_system(file)))
    assert "| risk | risk@shop.example | ada, ben | pager | chat | post |" in text
    assert "fraud.probability 0.3" in text
    assert "- risk high or above among radius: risk, 2 people of each" in text
    assert "proves it with a one-time code. No answer within 14d is a no." in text


def test_every_command_that_it_names_exists(system: System) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = re.findall(r"sluiceway (\w+)", as_markdown(system, playbook(system)))
    assert {"hold", "abort", "rollback", "explain", "status"} <= set(named)
    assert set(named) <= set(known)


def test_it_is_text_markdown_or_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(SYSTEMS["examples/flights"]))
    text = CliRunner().invoke(app, ["playbook"]).output
    assert "WHAT A PERSON CAN DO\n  1. Look" in text
    markdown = CliRunner().invoke(app, ["playbook", "--markdown"]).output
    assert markdown.startswith("# Playbook of flights\n")
    value = json.loads(CliRunner().invoke(app, ["playbook", "--json"]).output)
    assert [one["title"] for one in value["sections"]][-1] == "Afterwards"
