"""`sluiceway contract export` and `contract import`."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluiceway.cli.commands import app
from sluiceway.contracts.file import read_contract
from sluiceway.errors import BadInput

ROOT = Path(__file__).parents[2]
FLIGHTS = {"SLUICEWAY_SYSTEM": str(ROOT / "examples" / "flights" / "system.yaml")}


def run(*arguments: object):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, ["contract", *map(str, arguments)], env=FLIGHTS)


def test_a_declared_contract_goes_out_with_its_owner_and_comes_back(tmp_path: Path) -> None:
    document, contract = tmp_path / "dep_delay.odcs.yaml", tmp_path / "dep_delay.yaml"
    assert run("export", "dep_delay", "--out", document).exit_code == 0
    assert "mailto:delay-forecasting@airline.example" in document.read_text()
    back = run("import", document, "--out", contract)
    assert back.exit_code == 0, back.output
    assert "no counterpart in a contract: support" in back.stderr
    declared = ROOT / "examples" / "flights" / "contracts" / "dep_delay.yaml"
    assert read_contract(contract) == read_contract(declared)


def test_json_lists_what_has_no_counterpart() -> None:
    said = run(
        "import", Path(__file__).parent / "full-example.odcs.yaml", "--schema", "tbl", "--json"
    )
    assert said.exit_code == 0, said.output
    assert "price" in json.loads(said.stdout)["without_counterpart"]


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    taken = tmp_path / "there.yaml"
    taken.write_text("mine")
    refused = run("export", "dep_delay", "--out", taken)
    assert isinstance(refused.exception, BadInput)
    assert taken.read_text() == "mine"
    assert run("export", "dep_delay", "--out", taken, "--force").exit_code == 0


def test_without_the_extra_the_command_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sluiceway.adapters.odcs", raising=False)
    monkeypatch.delattr("sluiceway.adapters.odcs", raising=False)
    monkeypatch.setitem(sys.modules, "open_data_contract_standard.model", None)
    refused = run("export", "dep_delay")
    assert str(refused.exception) == (
        "contract: the Open Data Contract Standard needs an extra: pip install 'sluiceway[odcs]'"
    )
