"""`sluiceway features`: what is defined, and whether what is served is what was trained."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluiceway.cli.commands import app
from sluiceway.errors import BadInput
from sluiceway.steps import requests
from tests.adapters.mlflow_worlds import QUIET
from tests.end_to_end.shop import LIVE, NOW, SYSTEM, Shop

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

AS_OF = f"{NOW:%Y-%m-%dT%H:%M:%S}"


def run(*arguments: str, **environment: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", **environment})


def test_list_shows_each_definition_with_its_hash() -> None:
    listed = run("features", "list", "--json", SLUICEWAY_SYSTEM=str(SYSTEM))
    assert listed.exit_code == 0, listed.output
    rows = json.loads(listed.stdout)["features"]
    signal = [row for row in rows if row["feature"] == "signal"]
    assert [(row["version"], row["current"]) for row in signal] == [
        ("1.0.0", True),
        ("2.0.0", False),
    ]
    assert signal[0]["definition"] != signal[1]["definition"]
    assert signal[0]["read_by"] == ["fraud"]
    told = run("features", "list", SLUICEWAY_SYSTEM=str(SYSTEM))
    assert signal[1]["definition"] in told.stdout
    assert "tests.orders.data:signal_2" in told.stdout


def test_audit_says_that_nobody_wrote_down_what_training_had(
    shop_registry: Path, tmp_path: Path
) -> None:
    shop = Shop.opened(shop_registry, tmp_path / "home")
    nothing = run("features", "audit", **shop.environment)
    assert nothing.exit_code != 0, "nothing serves, so nothing agrees"
    with shop.site() as site:
        requests.adopt(site, LIVE, now=NOW, actor="ada")
    audited = run("features", "audit", "--as-of", AS_OF, "--json", **shop.environment)
    assert audited.exit_code == 3, audited.output
    found = json.loads(audited.stdout)
    assert found["outcome"] == "inconclusive"
    assert {one["code"] for one in found["findings"]} == {"not_stamped"}
    told = run("features", "audit", "--as-of", AS_OF, **shop.environment)
    assert "fraud@1 does not say which definition it was trained with; stamp it" in told.stdout
    assert "one loader for both: nothing to compare in " in told.stdout
    assert "looked at: definitions of no feature; values of no feature" in told.stdout
    assert "not looked at: values of amount, distance, hour, signal" in told.stdout


def test_a_window_that_is_no_time_is_refused(shop_registry: Path, tmp_path: Path) -> None:
    shop = Shop.opened(shop_registry, tmp_path / "home")
    refused = run("features", "audit", "--window", "soon", **shop.environment)
    assert isinstance(refused.exception, BadInput)
    assert str(refused.exception) == (
        "--window: 'soon' is no duration; write a number with ms, s, m, h or d, like 3d"
    )


def test_drift_says_what_serves_is_fed_otherwise(shop_registry: Path, tmp_path: Path) -> None:
    shop = Shop.opened(shop_registry, tmp_path / "home")
    with shop.site() as site:
        requests.adopt(site, LIVE, now=NOW, actor="ada")
    asked = ("features", "drift", "--window", "12d", "--against", "12d", "--together")
    found = run(*asked, "--as-of", AS_OF, "--json", **shop.environment)
    plain = json.loads(found.stdout)
    assert found.exit_code == {"passed": 0, "failed": 1}.get(plain["outcome"], 3)
    assert {one["column"] for one in plain["columns"]} == {"amount", "distance", "hour", "signal"}
    assert plain["together"]["reason"] == "not_told_apart"
    told = run(*asked, "--as-of", AS_OF, **shop.environment)
    assert told.exit_code == found.exit_code
    assert "against what was recorded" in told.stdout
    assert "all columns together: not told apart" in told.stdout
    refused = run("features", "drift", "--window", "soon", "--against", "x", **shop.environment)
    assert isinstance(refused.exception, BadInput)
    assert [fault.where for fault in refused.exception.faults] == ["--window", "--against"]
