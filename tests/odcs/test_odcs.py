"""Contracts in the Open Data Contract Standard: exports validate, imports hide nothing.

The schema and the full example beside this file are those of version 3.1.0, which its authors
publish under the Apache License 2.0 (bitol-io/open-data-contract-standard).
"""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from ruamel.yaml import YAML

from sluiceway.adapters.odcs import export_odcs, import_odcs
from sluiceway.contracts.file import read_contract
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput
from sluiceway.system.values import Owner
from tests.contracts.contracts_made_up import contracts

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "odcs-json-schema-v3.1.0.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft201909Validator(SCHEMA)
FLIGHTS = HERE.parents[1] / "examples" / "flights" / "contracts"


def read(text: str) -> object:
    return YAML(typ="safe", pure=True).load(text)


def back(contract: Contract, folder: Path) -> Contract:
    imported = import_odcs(export_odcs(contract), where="it.odcs.yaml")
    file = folder / "contract.yaml"
    file.write_text(imported.text, encoding="utf-8")
    return read_contract(file)


@pytest.mark.parametrize("file", sorted(FLIGHTS.glob("*.yaml")), ids=lambda file: file.stem)
def test_an_export_is_valid_and_reads_back_whole(file: Path, tmp_path: Path) -> None:
    contract = read_contract(file)
    owner = Owner(name="delay-forecasting", contact="delay-forecasting@airline.example")
    exported = export_odcs(contract, owner=owner)
    VALID.validate(read(exported))
    assert back(contract, tmp_path) == contract
    assert import_odcs(exported, where="it").without_counterpart == ("support", "team")


@settings(max_examples=40, deadline=None)
@given(contracts())
def test_any_contract_survives_the_way_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, contract: Contract
) -> None:
    VALID.validate(read(export_odcs(contract)))
    assert back(contract, tmp_path_factory.mktemp("odcs")) == contract


def test_what_the_standards_own_example_says_and_a_contract_cannot_is_told() -> None:
    text = (HERE / "full-example.odcs.yaml").read_text(encoding="utf-8")
    imported = import_odcs(text, where="full-example.odcs.yaml", schema="tbl")
    lost = set(imported.without_counterpart)
    assert {"servers", "price", "team", "roles", "support", "tenant"} <= lost
    assert "schema.tbl.transaction_reference_date: is of the type date" in lost
    assert "schema.tbl.rcvr_id.primaryKey" in lost
    assert "schema.receivers" in lost
    drafted = read(imported.text)
    assert isinstance(drafted, dict)
    assert set(drafted["output"]) == {"rcvr_id", "rcvr_cntry_code"}
    assert drafted["output"]["rcvr_id"]["dtype"] == "string"
    assert drafted["fallback"]["rcvr_id"].startswith("TODO: ")


def test_a_draft_from_elsewhere_is_refused_until_it_is_filled_in(tmp_path: Path) -> None:
    text = (HERE / "full-example.odcs.yaml").read_text(encoding="utf-8")
    file = tmp_path / "tbl.yaml"
    imported = import_odcs(text, where="full-example.odcs.yaml", schema="tbl")
    file.write_text(imported.text, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        read_contract(file)
    assert all("is still to do" in str(fault) for fault in refused.value.faults)


@pytest.mark.parametrize(
    ("text", "schema", "said"),
    [
        ("kind: DataProduct\napiVersion: v3.1.0\n", None, "it: is no data contract of version 3 "),
        ("kind: DataContract\napiVersion: v2.2.2\n", None, "it: is no data contract of version 3 "),
        ("kind: DataContract\nstrange: 1\n", None, "it: strange: extra inputs are not permitted"),
        (
            "kind: DataContract\napiVersion: v3.1.0\nschema: [{name: a}, {name: b}]\n",
            None,
            "it: schema: has several schema objects; say which one the model answers "
            "(there are: a, b)",
        ),
        (
            "kind: DataContract\napiVersion: v3.1.0\nschema: [{name: a}]\n",
            "c",
            "it: schema: has no schema object c (there are: a)",
        ),
        (
            "kind: DataContract\napiVersion: v3.1.0\n"
            "schema: [{name: a, properties: [{name: at, logicalType: date}]}]\n",
            None,
            "it: schema a: has no property of a type that a model's answer can have",
        ),
    ],
)
def test_what_is_no_contract_is_refused(text: str, schema: str | None, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        import_odcs(text, where="it", schema=schema)
    assert str(refused.value).startswith(said)
