"""`sluiceway init` drafts a project from a registry, and says what only people know."""

import json
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluiceway.adapters.mlflow_registry import PATIENCE
from sluiceway.adapters.project_files import PARTS, project_files
from sluiceway.adoption.drafting import DraftedModel, draft_files
from sluiceway.cli.commands import app
from sluiceway.errors import BadInput
from sluiceway.ports import RegistryUnavailable
from sluiceway.system.file import read_system
from sluiceway.yaml_text import yaml_values
from tests.adapters.mlflow_worlds import QUIET

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

ROOT = Path(__file__).parents[1]


def init(folder: Path, *arguments: str, registry: Path | None = None):  # type: ignore[no-untyped-def]
    uri = f"sqlite:///{registry / 'mlflow.db'}" if registry else ""
    environment = {"SLUICEWAY_TRACKING_URI": uri} if registry else {}
    home = {"SLUICEWAY_HOME": str(folder.parent / "home")}
    return CliRunner().invoke(app, ["init", str(folder), *arguments], env={**home, **environment})


def test_what_the_registry_knows_is_drafted(shop_registry: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    said = init(folder, "--json", registry=shop_registry)
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert told["models"] == ["cost@2", "fraud@2", "handling@1", "priority@1"]
    drafted = (folder / "system.yaml").read_text()
    edge = "      - {reads: fraud.probability, relies_on: [numeric, behavioural]}\n"
    assert drafted.count(edge) == 2, "handling and cost read it"
    signal = "  signal: {owner: team, dtype: double, version: 1.0.0, reads: [recorded.signal]}"
    assert signal in drafted
    with pytest.raises(BadInput) as refused:
        read_system(folder / "system.yaml")
    faults = [str(fault) for fault in refused.value.faults]
    assert faults[0] == (
        "system.yaml: description: is still to do: what the models do together, in a sentence"
    )
    assert "system.yaml: models.fraud.metrics[0].label: is still to do: labels.COLUMN" in faults
    assert "contracts/cost.yaml: output.euros.unit: is still to do: the unit of euros" in faults
    asked = "is still to do: which column of the answer, 0 to 1"
    assert f"contracts/fraud.yaml: output.probability.position: {asked}" in faults
    assert all("is still to do" in fault for fault in faults), "a draft is judged when filled in"


def test_columns_with_any_name_are_drafted_as_yaml_reads_them_back() -> None:
    names = ["price, net", "a: b", "#1", "yes", "1.5", "with space", "it's", 'say "x"', "größe"]
    model = DraftedModel(
        name="m", version="1", inputs=dict.fromkeys(names, "double"), outputs=tuple(names)
    )
    drafted = draft_files("s", [model], sluiceway_version="0")
    system = yaml_values(drafted["system.yaml"])
    assert list(system["features"]) == names
    assert system["models"]["m"]["inputs"] == names
    assert [one["reads"] for one in system["features"].values()] == [
        [f"recorded.{name}"] for name in names
    ]
    contract = yaml_values(drafted["contracts/m.yaml"])
    assert list(contract["output"]) == list(contract["fallback"]) == names


def test_a_column_named_like_a_model_is_drafted_as_an_edge_to_complete(tmp_path: Path) -> None:
    demand = DraftedModel(
        name="demand", version="3", inputs={"hour": "double"}, outputs=("units", "spread")
    )
    stock = DraftedModel(
        name="stock", version="1", inputs={"demand": "double", "hour": "long"}, outputs=("order",)
    )
    for path, text in draft_files("shop", [demand, stock], sluiceway_version="0").items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    drafted = yaml_values((tmp_path / "system.yaml").read_text(encoding="utf-8"))
    assert list(drafted["features"]) == ["hour"], "a name is that of one node"
    with pytest.raises(BadInput) as refused:
        read_system(tmp_path / "system.yaml")
    (told,) = (one for one in refused.value.faults if "models.stock.inputs" in one.where)
    assert str(told) == (
        "system.yaml: models.stock.inputs[0].reads: is still to do: demand.units or demand.spread, "
        "where the column demand holds what the model demand answers; log this model again with "
        "the column called that, since an edge's column is called demand.FIELD. Where it holds "
        "something else, log it with a name that no model has, and declare that as a feature"
    )


def test_a_registry_that_fails_is_named_after_two_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PATIENCE:  # set and unset, so that what `init` sets is taken back
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked: list[str] = []

    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        uri = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        refused = CliRunner().invoke(
            app, ["init", str(tmp_path / "new")], env={"SLUICEWAY_TRACKING_URI": uri}
        )
        server.shutdown()
    assert isinstance(refused.exception, RegistryUnavailable)
    assert str(refused.exception).startswith(f"registry {uri}: ")
    assert len(asked) == 2, "MLflow's own client tries for more than a minute"
    assert not (tmp_path / "new").exists()


def test_a_project_holds_the_flows_and_tasks_that_run_here(tmp_path: Path) -> None:
    said = init(tmp_path / "new")
    assert said.exit_code == 0, said.output
    below = (path for path in (ROOT / "deployments").rglob("*") if path.is_file())
    named = [path.relative_to(ROOT).as_posix() for path in below]
    assert named, "design section 10 lists the folder"
    for name in ("flows/rollout.py", "tasks/rollouts.py", "prefect.yaml", *named):
        assert (tmp_path / "new" / name).read_text() == (ROOT / name).read_text()
    assert set(project_files()) <= {
        path.relative_to(tmp_path / "new").as_posix()
        for path in (tmp_path / "new").rglob("*")
        if path.is_file()
    }


def test_the_wheel_carries_every_part_of_a_project() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = built["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {part: f"sluiceway/project/{part}" for part in PARTS}


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    (folder / "flows").mkdir(parents=True)
    (folder / "flows" / "rollout.py").write_text("mine")
    (folder / "system.yaml").write_text("mine too")
    refused = init(folder)
    assert isinstance(refused.exception, BadInput)
    assert [str(fault) for fault in refused.exception.faults] == [
        f"{folder}/flows/rollout.py: is there already; nothing is overwritten, so name an empty "
        "folder",
        f"{folder}/system.yaml: is there already; nothing is overwritten, so name an empty folder",
    ]
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "rollout.py",
        "system.yaml",
    ]


def test_a_model_that_is_not_registered_is_refused(shop_registry: Path, tmp_path: Path) -> None:
    refused = init(tmp_path / "new", "--model", "fraude", registry=shop_registry)
    assert isinstance(refused.exception, BadInput)
    assert str(refused.exception) == (
        "fraude: is no registered model (there are: cost, fraud, handling, priority)"
    )
    assert not (tmp_path / "new").exists()


def test_a_folder_whose_name_names_no_system_needs_another(tmp_path: Path) -> None:
    refused = init(tmp_path / "my models")
    assert isinstance(refused.exception, BadInput)
    assert str(refused.exception) == (
        "init: 'my models' is no name for a system; letters, digits, - and _ are; give --name"
    )
    assert init(tmp_path / "my models", "--name", "mine").exit_code == 0
