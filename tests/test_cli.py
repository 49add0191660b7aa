"""Each command answers people and programs, and its code says yes, no, bad input or cannot tell."""

import json
import os
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from flows.evaluate_canaries import evaluate_canaries
from flows.rollout import rollout
from sluiceway.adapters.flag_file import FlagFileRouter
from sluiceway.cli import main
from sluiceway.cli.commands import app
from sluiceway.settings import Settings
from sluiceway.steps import requests
from tests.adapters.mlflow_worlds import QUIET
from tests.end_to_end.pages import read_self_contained
from tests.end_to_end.prefect_server import PrefectServer, flows_through
from tests.end_to_end.shop import CASCADE, JOINT, LIVE, NOW, SYSTEM, Shop

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

REPOSITORY = Path(__file__).parents[1]
AS_OF = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%S}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value on stdout."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


Sluiceway = Callable[..., Said]


@pytest.fixture
def sluiceway(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Sluiceway]:
    """The command line, in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "CRITICAL")
    for name in ("SYSTEM", "HOME", "ENVIRONMENT"):  # options write them
        monkeypatch.setenv(f"SLUICEWAY_{name}", "unset")
        monkeypatch.delenv(f"SLUICEWAY_{name}")

    def run(*arguments: str) -> Said:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["sluiceway", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        written = capfd.readouterr()
        return Said(code=int(left.value.code or 0), out=written.out, err=written.err)

    return run


@pytest.fixture
def orders(
    sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Sluiceway]:
    """The command line over the tiny system's file, with an empty home."""
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(SYSTEM))
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path / "home"))
    return sluiceway


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A shop with a rejected rollout, and one in canary."""

    home: Path
    rejected: str
    canary: str


@pytest.fixture(scope="module")
def lived(
    shop_registry: Path, prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Lived:
    shop = Shop.opened(shop_registry, tmp_path_factory.mktemp("cli") / "home")
    with pytest.MonkeyPatch.context() as patch, flows_through(prefect_server):
        for name, value in shop.environment.items():
            patch.setenv(name, value)
        with shop.site() as site:
            requests.adopt(site, LIVE, now=NOW, actor="ada")
        evaluate_canaries(as_of=NOW)
        rejected = rollout(list(CASCADE), as_of=NOW, actor="ada")
        canary = rollout(list(JOINT), as_of=NOW, actor="ada")
    return Lived(home=shop.home, rejected=rejected, canary=canary)


@pytest.fixture
def living(
    lived: Lived, sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Sluiceway]:
    """The command line over a copy of that shop."""
    shop = Shop(home=shutil.copytree(lived.home, tmp_path / "home"))
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    return sluiceway


def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by the words that call it."""
    if hasattr(command, "commands"):
        for short, inner in command.commands.items():
            yield from leaves(inner, f"{name} {short}".strip())
    else:
        yield name, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


# The command line itself


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_answer_programs(name: str) -> None:
    assert "--json" in {word for option in COMMANDS[name].params for word in option.opts}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    text = (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"`sluiceway {name}" in text


@pytest.mark.parametrize(
    "arguments", [("fly",), ("impact",), ("graph", "--jso"), ("rollback",), ("rollout",)]
)
def test_wrong_usage_is_2(sluiceway: Sluiceway, arguments: tuple[str, ...]) -> None:
    said = sluiceway(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert "Usage: sluiceway" in said.err


def test_the_installed_program_runs() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("sluiceway"), "--system", SYSTEM, "validate", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["valid"] is True


# Errors


def test_a_misspelt_setting_is_told_with_the_one_that_may_be_meant(
    sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_DATABSE_URL", "postgresql://me:hidden@there/x")
    said = sluiceway("status")
    assert said.code == 2
    what = "SLUICEWAY_DATABSE_URL: there is no such setting; is SLUICEWAY_DATABASE_URL meant?"
    assert said.err == f"✗ {what}\n"


def test_every_wrong_line_of_the_settings_file_is_told_with_its_place_and_no_secret(
    sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path))
    monkeypatch.setenv("SLUICEWAY_WEBHOK_SECRET", "hidden")
    for name in ("DATABASE_URL", "ENVIRONMENT"):
        monkeypatch.delenv(f"SLUICEWAY_{name}", raising=False)
    lines = (
        "# ours",
        "SLUICEWAY_ENVIRONMENT=Production",
        "SLUICEWAY_DATABSE_URL=postgresql://me:hidden@there/x",
        "PREFECT_API_URL=http://127.0.0.1:4200/api",
        "SLUICEWAY_XYZ=hidden",
    )
    (tmp_path / "settings.env").write_text("\n".join(lines), encoding="utf-8")
    said = sluiceway("status")
    assert said.code == 2
    none = "there is no such setting;"
    at = f"✗ {tmp_path}/settings.env: line"
    assert sorted(said.err.splitlines()) == [
        f"{at} 2: SLUICEWAY_ENVIRONMENT: String should match pattern '^[a-z0-9][a-z0-9_-]*$', "
        "it is 'Production'",
        f"{at} 3: SLUICEWAY_DATABSE_URL: {none} is SLUICEWAY_DATABASE_URL meant?",
        f"{at} 5: SLUICEWAY_XYZ: {none} see docs/operating.md for those there are",
        f"✗ SLUICEWAY_WEBHOK_SECRET: {none} is SLUICEWAY_WEBHOOK_SECRET meant?",
    ]


def test_where_there_is_no_system_up_says_what_to_do_and_makes_nothing(
    sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(tmp_path / "system.yaml"))
    said = sluiceway("up")
    assert said.code == 2
    assert said.err.startswith(f"✗ {tmp_path}/system.yaml: there is no such system file; name ")
    assert "make demo sets up an example first" in said.err
    assert list(tmp_path.iterdir()) == [], "the demo may still make its home here"


def test_a_setting_that_cannot_be_read_is_bad_input(
    orders: Sluiceway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_PROGRESS", "perhaps")
    said = orders("status")
    assert said.code == 2
    assert said.err.startswith("✗ SLUICEWAY_PROGRESS: ")
    assert "perhaps" in said.err


def test_a_setting_that_is_no_json_is_bad_input(
    orders: Sluiceway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_SERVED_AT", "fraud@1")
    said = orders("status")
    assert said.code == 2
    assert said.err.startswith("✗ SLUICEWAY_SERVED_AT: is no JSON; ")
    assert "Traceback" not in said.err


def test_a_home_that_cannot_be_made_is_bad_input(orders: Sluiceway, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = orders("--home", str(tmp_path / "file" / "home"), "explain", "r0001")
    assert said.code == 2
    assert said.err.startswith("✗ SLUICEWAY_HOME: ")
    assert "is no folder" in said.err
    assert "Traceback" not in said.err


def test_a_journal_that_is_no_database_is_cannot_tell(orders: Sluiceway, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "journal.db").write_text("no database " * 1000)
    said = orders("status")
    assert said.code == 3
    assert "journal" in said.err
    assert "Traceback" not in said.err


def test_an_error_nobody_foresaw_is_not_a_no(
    orders: Sluiceway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("what nobody foresaw")

    monkeypatch.setattr("sluiceway.cli.graph_commands.read_system", broken)
    said = orders("graph")
    assert said.code == 3
    assert "ZeroDivisionError: what nobody foresaw" in said.err


# The system file


def test_a_valid_file_is_told_so(orders: Sluiceway) -> None:
    said = orders("validate")
    assert (said.code, said.err) == (0, "")
    assert "orders is valid: 4 models" in said.out
    assert orders("validate", "--json").value["valid"] is True


def test_all_faults_of_a_file_are_told_together(orders: Sluiceway, tmp_path: Path) -> None:
    folder = shutil.copytree(SYSTEM.parent, tmp_path / "bad")
    text = SYSTEM.read_text(encoding="utf-8")
    text = text.replace("metric: brier", "metric: brie", 1)
    text = text.replace("owner: risk\n    unit", "owner: '[nobody]'\n    unit", 1)
    (folder / "system.yaml").write_text(text, encoding="utf-8")
    for more in ((), ("--json",)):
        said = orders("--system", str(folder / "system.yaml"), "validate", *more)
        assert said.code == 2
        lines = said.err.splitlines()
        assert len(lines) == 2
        assert any("models.fraud.metrics[0].metric: brie" in line for line in lines)
        assert any("features.signal.owner: [nobody] is not among" in line for line in lines)
        if not more:
            assert said.out == ""
            continue
        assert said.value["valid"] is False
        faults = said.value["faults"]
        assert [f"✗ {fault['where']}: {fault['what']}" for fault in faults] == lines


def test_a_file_that_is_not_there_is_bad_input(orders: Sluiceway, tmp_path: Path) -> None:
    said = orders("--system", str(tmp_path / "none.yaml"), "validate")
    assert said.code == 2
    assert "none.yaml" in said.err


def test_the_graph_names_every_model_and_edge(orders: Sluiceway) -> None:
    drawn = orders("graph")
    assert drawn.code == 0
    for word in ("fraud", "handling", "cost", "priority", "worklist", "behavioural"):
        assert word in drawn.out
    value = orders("graph", "--json").value
    assert value["models"] == ["fraud", "handling", "cost", "priority"]
    assert {"producer": "priority", "field": "score", "consumer": "worklist"}.items() <= (
        next(edge for edge in value["edges"] if edge["consumer"] == "worklist").items()
    )


def test_the_impact_of_a_feature_reaches_the_last_consumer(orders: Sluiceway) -> None:
    value = orders("impact", "signal", "--json").value
    assert value["models"] == ["fraud", "handling", "cost", "priority"]
    assert value["consumers"] == ["worklist"]
    assert "cost.euros → priority" in value["edges"]
    shown = orders("impact", "cost")
    assert shown.code == 0
    assert "finance@shop.example" in shown.out
    assert "handling" not in shown.out.replace("handling.days", "")


def test_the_impact_of_what_is_not_there_is_bad_input(orders: Sluiceway) -> None:
    said = orders("impact", "froud")
    assert said.code == 2
    assert said.err.startswith("✗ froud: is not in orders (there are: orders, outcomes")


# What is there before anything was adopted


@pytest.mark.parametrize("command", [("status",), ("status", "--json"), ("explain", "r0001")])
def test_a_folder_that_has_nothing_to_do_with_us_is_told_so_and_left_as_it_was(
    sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLUICEWAY_DATABASE_URL", raising=False)
    said = sluiceway(*command)
    assert said.code == 2
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(f"✗ {tmp_path}: nothing of Sluiceway is here: no system file (system.")
    assert line.endswith("to begin, declare a system file, then: sluiceway adopt MODEL@VERSION …")
    assert list(tmp_path.iterdir()) == []


def test_a_look_at_what_serves_makes_no_journal(orders: Sluiceway, tmp_path: Path) -> None:
    orders("status")
    assert not (tmp_path / "home").exists()


def test_mlflow_tells_nothing_of_the_tables_it_makes(tmp_path: Path) -> None:
    quiet = {k: v for k, v in os.environ.items() if k != "MLFLOW_LOGGING_LEVEL"}
    said = subprocess.run(
        [sys.executable, "-c", "from sluiceway.cli import main; main()",
         "--system", str(SYSTEM), "--home", str(tmp_path / "home"), "explain", "r0001"],
        capture_output=True, text=True, env=quiet, timeout=120, check=False,
    )  # fmt: skip
    assert (tmp_path / "home" / "mlflow.db").exists()
    assert said.stdout == ""
    assert said.stderr == "✗ r0001: is no rollout (there are: none yet)\n"


def test_a_home_says_where_the_rest_is(
    sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the home of a demo does; what is said aloud wins."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "other"
    home.mkdir()
    (home / "settings.env").write_text(f"SLUICEWAY_SYSTEM={SYSTEM}\nSLUICEWAY_ENVIRONMENT=fair\n")
    assert sluiceway("graph", "--json").code == 2
    assert sluiceway("--home", str(home), "graph", "--json").value["system"] == "orders"
    assert sluiceway("--home", str(home), "status", "--json").value["environment"] == "fair"
    said = sluiceway("--home", str(home), "--environment", "test", "status", "--json")
    assert said.value["environment"] == "test"


def test_nothing_serves_at_first(orders: Sluiceway) -> None:
    assert "nothing serves yet" in orders("status").out
    value = orders("status", "--json").value
    assert value == {
        "environment": "production",
        "generation": None,
        "champion": None,
        "rollouts": [],
        "isolations": [],
        "flags": [],
        "gateways": [],
        "journal_faults": [],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "r0007"),
        ("report", "r0007"),
        ("hold", "r0007", "--reason", "why"),
        ("resume", "r0007"),
        ("abort", "r0007", "--reason", "why"),
        ("approve", "r0007"),
    ],
)
def test_an_unknown_rollout_is_bad_input(orders: Sluiceway, arguments: tuple[str, ...]) -> None:
    for more in ((), ("--json",)):
        said = orders(*arguments, *more)
        assert said.code == 2
        assert said.out == ""
        assert said.err == "✗ r0007: is no rollout (there are: none yet)\n"


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["froud@1"], "froud is no model of orders (there are: fraud, handling, cost, priority)"),
        (["fraud@1", "fraud@2"], "fraud is named twice"),
        (["fraud"], "MODEL@VERSION"),
    ],
)
def test_a_release_that_cannot_be_meant_is_bad_input(
    orders: Sluiceway, names: list[str], fault: str
) -> None:
    for command in ("rollout", "adopt"):
        said = orders(command, *names, "--here")
        assert said.code == 2
        assert fault in said.err


def test_a_release_without_all_models_cannot_be_adopted(orders: Sluiceway) -> None:
    said = orders("adopt", "fraud@1")
    assert said.code == 2
    assert "missing: handling, cost, priority" in said.err


# A shop that lives


def test_adopting_tells_the_generation(
    shop: Shop, prefect_flows: PrefectServer, sluiceway: Sluiceway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shop.environment.items():
        monkeypatch.setenv(name, value)
    assert sluiceway("rollout", *CASCADE, "--here", *AS_OF).code == 2, "there is no champion"
    said = sluiceway("adopt", *LIVE, "--json", *AS_OF)
    assert said.code == 0, said.err
    assert said.value["generation"] == 1
    again = sluiceway("adopt", *LIVE, *AS_OF)
    assert again.code == 2
    assert "has champion generation 1; use a rollout" in again.err


def test_a_rollout_that_waits_says_for_whom(
    living: Sluiceway, prefect_flows: PrefectServer, lived: Lived
) -> None:
    said = living("rollout", "cost@2", "fraud@1", "--here", "--json", *AS_OF)
    assert (said.code, said.value["phase"]) == (0, "plan")
    assert said.value["waits_behind"] == lived.canary
    waiting = said.value["rollout"]
    told = living("rollout", "cost@2", "fraud@1", "--here", *AS_OF)
    assert f"{waiting} waits for {lived.canary}; follow it" in told.out
    assert f"waits for {lived.canary}" in living("status").out


def test_a_version_that_is_not_there_is_bad_input(
    living: Sluiceway, prefect_flows: PrefectServer, lived: Lived
) -> None:
    assert living("abort", lived.canary, "--reason", "make room", "--here", *AS_OF).code == 0
    said = living("rollout", "fraud@99", "--here", *AS_OF)
    assert said.code == 2
    assert "rejected" in said.out
    assert "fraud@99" in said.out
    same = living("rollout", "fraud@1", "--here", "--json", *AS_OF)
    assert (same.code, same.value["reason_code"]) == (1, "already_champion")


def test_status_shows_what_serves_and_every_rollout(living: Sluiceway, lived: Lived) -> None:
    shown = living("status")
    assert shown.code == 0
    assert "production: generation 1: " in shown.out
    assert "in canary at 10 %" in shown.out
    assert "rejected" in shown.out
    value = living("status", "--json").value
    assert value["champion"] == {"cost": "1", "fraud": "1", "handling": "1", "priority": "1"}
    assert [r["rollout"] for r in value["rollouts"]] == [lived.rejected, lived.canary]
    assert [r["ending"] for r in value["rollouts"]] == ["rejected", None]
    assert value["rollouts"][0]["origin"] == {"kind": "model", "name": "fraud"}
    assert value["rollouts"][1]["weight"] == 10


def test_status_is_watched_on_a_terminal_until_it_is_interrupted(
    living: Sluiceway, lived: Lived
) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("sluiceway")), "status", "--watch"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm"},
        start_new_session=True,
        # As a terminal starts it; what runs in the background inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(theirs)
    seen = b""
    try:
        while seen.count(b"UTC; ends with Ctrl-C") < 2:
            assert select.select([ours], [], [], 60)[0], seen
            seen += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).splitlines()
    heading = next(line for line in lines if line.startswith("rollout "))
    assert heading.split() == ["rollout", "is", "because"]
    row = next(line for line in lines if line.startswith(lived.canary))
    assert "in canary at 10 %" in row
    assert len(row) <= 100


def test_a_rollout_is_explained_to_people_and_programs(living: Sluiceway, lived: Lived) -> None:
    for name in (lived.rejected, lived.rejected[:5]):
        told = living("explain", name)
        assert told.code == 0
        assert "must not go alone" in told.out
        assert "cost.mae" in told.out
    value = living("explain", lived.rejected, "--json").value
    assert value["reason_code"] == "harm_in_shadow"
    assert [event["kind"] for event in value["events"]][:2] == ["requested", "planned"]


def test_the_beginning_of_several_rollouts_is_refused(living: Sluiceway, lived: Lived) -> None:
    said = living("explain", "r")
    assert said.code == 2
    assert "is the beginning of several rollouts" in said.err
    assert lived.canary in said.err


def test_a_report_is_one_page(living: Sluiceway, lived: Lived) -> None:
    said = living("report", lived.canary)
    assert said.code == 0
    page = Path(said.out.strip())
    page.unlink()
    value = living("report", lived.canary, "--json").value
    assert Path(value["report"]) == page
    assert lived.canary in read_self_contained(page)


def test_consumers_are_told_with_version_and_training(living: Sluiceway, lived: Lived) -> None:
    value = living("consumers", "fraud", "--json").value
    cost = next(one for one in value["declared"] if one["consumer"] == "cost")
    assert cost["environment"] == "production"
    assert (cost["version"], cost["serves"], cost["trained_on"]) == ("1", "1", None)
    assert value["looked_at"]["versions"] > 4
    assert value["looked_at"]["faults"] == []
    shown = living("consumers", "fraud")
    assert shown.code == 0
    assert "not recorded" in shown.out
    assert "versions of 4 registered models" in shown.out


def test_a_registry_that_is_away_cannot_tell(
    living: Sluiceway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_TRACKING_URI", "http://127.0.0.1:9")
    said = living("consumers", "fraud")
    assert said.code == 3
    assert "not looked at: the registry was not searched" in said.out


def test_the_page_says_what_serves(living: Sluiceway, tmp_path: Path) -> None:
    page = tmp_path / "graph.html"
    assert living("graph", "--html", str(page)).code == 0
    assert "generation 1 in production" in read_self_contained(page)


def test_a_hold_holds_until_it_is_resumed(living: Sluiceway, lived: Lived) -> None:
    assert living("resume", lived.canary).code == 2, "it is not held"
    said = living("hold", lived.canary, "--reason", "the desk is on holiday")
    assert (said.code, said.out) == (0, f"{lived.canary} is held\n")
    assert living("status", "--json").value["rollouts"][1]["held"] is True
    assert "held" in living("status").out
    assert living("resume", lived.canary, "--json").value["held"] is False


def test_what_is_over_cannot_be_held_or_aborted(living: Sluiceway, lived: Lived) -> None:
    for command in ("hold", "abort"):
        said = living(command, lived.rejected, "--reason", "why")
        assert said.code == 2
        assert said.err == f"✗ {lived.rejected}: has ended: rejected\n"


def test_an_approval_that_nobody_waits_for_is_refused(living: Sluiceway, lived: Lived) -> None:
    for more in ((), ("--refuse",), ("--json",)):
        said = living("approve", lived.canary, *more)
        assert said.code == 2
        assert "does not wait for an approval" in said.err


def test_an_abort_takes_the_traffic_away(
    living: Sluiceway, lived: Lived, prefect_flows: PrefectServer
) -> None:
    arguments = ("abort", lived.canary, "--reason", "enough", "--here", "--json", *AS_OF)
    value = living(*arguments).value
    assert (value["ending"], value["weight"]) == ("aborted", 0)
    assert value["reason"] == "enough"


def test_evaluating_does_what_is_due_and_shows_the_status(
    living: Sluiceway, lived: Lived, prefect_flows: PrefectServer
) -> None:
    month = NOW + timedelta(days=60)
    late = ("--as-of", f"{month:%Y-%m-%dT%H:%M:%S}")
    said = living("evaluate", "--here", "--json", *late)
    assert said.code == 0, said.err
    assert said.value["rollouts"][1]["ending"] == "expired", "no orders came for 60 days"


def test_a_generation_that_never_served_cannot_be_gone_back_to(
    living: Sluiceway, prefect_flows: PrefectServer
) -> None:
    said = living("rollback", "--reason", "why", "--to", "7", "--here", *AS_OF)
    assert said.code == 2
    assert said.err == "✗ rollback: generation 7 cannot be gone back to (there are: none)\n"


def test_a_flow_that_fails_here_is_told_in_words(
    living: Sluiceway, prefect_server: PrefectServer
) -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("sluiceway"), "rollback", "--reason", "why", "--here"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=REPOSITORY,
        env={
            **{n: v for n, v in os.environ.items() if not n.startswith("PREFECT_LOGGING")},
            "PREFECT_API_URL": prefect_server.api_url,
        },
    )
    assert ran.returncode == 2
    assert ran.stderr == "✗ rollback: generation 1 replaced none (there are: none)\n"


def test_flows_are_run_where_they_are(
    living: Sluiceway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    said = living("evaluate", "--here")
    assert said.code == 2
    assert "there is no flows/evaluate_canaries.py in" in said.err


def test_where_no_flow_can_run_nothing_is_asked_for(
    living: Sluiceway, lived: Lived, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = living("status", "--json").value
    monkeypatch.chdir(tmp_path)
    for wanted in (
        ("rollout", "handling@1", *AS_OF),
        ("abort", lived.canary, "--reason", "why"),
    ):
        said = living(*wanted, "--here")
        assert said.code == 2
        assert "there is no flows/" in said.err
    assert living("status", "--json").value == before


def _deployed(api_url: str) -> subprocess.CompletedProcess[str]:
    """`sluiceway evaluate --deployed`, as its own program."""
    return subprocess.run(
        [sys.executable, "-c", "from sluiceway.cli import main; main()", "evaluate", "--deployed"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=REPOSITORY,
        env={**os.environ, "PREFECT_API_URL": api_url, "PREFECT_CLIENT_MAX_RETRIES": "0"},
    )


def test_a_prefect_that_is_away_is_told_in_words(living: Sluiceway) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        ran = _deployed(f"http://127.0.0.1:{nobody.getsockname()[1]}/api")
    assert ran.returncode == 3
    assert ran.stderr.startswith("✗ Prefect does not answer for evaluate-canaries at http://127.")
    assert "(PREFECT_API_URL)" in ran.stderr
    assert "nothing was done" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_prefect_without_deployments_is_told_in_words(
    living: Sluiceway, prefect_server: PrefectServer
) -> None:
    ran = _deployed(prefect_server.api_url)
    assert ran.returncode == 3
    said = "there is no deployment evaluate-canaries/evaluate-canaries"
    assert ran.stderr == f"✗ {said}; make it with: prefect --no-prompt deploy --all\n"


@pytest.mark.parametrize("terminal", ["0", "1"])
@pytest.mark.parametrize("columns", ["30", "80", "200"])
def test_a_name_is_never_cut(
    living: Sluiceway, lived: Lived, monkeypatch: pytest.MonkeyPatch, columns: str, terminal: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", terminal)
    monkeypatch.setenv("TERM", "dumb")
    for name in (lived.rejected, lived.canary):
        assert re.search(f"^{name} ", living("status").out, re.MULTILINE)
    shown = living("impact", "fraud").out
    for contact in ("logistics@shop.example", "finance@shop.example", "desk@shop.example"):
        assert re.search(f" {contact} *$", shown, re.MULTILINE)


# The journal


def test_an_intact_journal_is_a_yes(living: Sluiceway) -> None:
    said = living("journal", "verify")
    assert said.code == 0, said.out
    assert "intact" in said.out
    assert "2 heads kept elsewhere are in it" in said.out
    value = living("journal", "verify", "--json").value
    assert value["faults"] == []
    assert value["events"] > 10


@pytest.mark.parametrize(
    ("tampering", "fault"),
    [
        ("UPDATE events SET actor = 'mallory' WHERE position = 3", "was altered"),
        ("DELETE FROM events WHERE position = 3", "events are missing"),
        (
            "DELETE FROM events WHERE position > (SELECT max(position) - 3 FROM events)",
            "the chain lacks",
        ),
    ],
)
def test_an_altered_journal_is_a_no(
    living: Sluiceway, tmp_path: Path, tampering: str, fault: str
) -> None:
    journal = sqlite3.connect(tmp_path / "home" / "journal.db")
    with journal:
        journal.execute(tampering)
    journal.close()
    said = living("journal", "verify")
    assert said.code == 1
    assert fault in said.out
    value = living("journal", "verify", "--json")
    assert value.code == 1
    assert fault in value.value["faults"][0]
    seen = living("status")
    assert seen.out.startswith("✗ the journal is not what was written, so nothing goes on by it: ")
    assert "generation 1: cost@1" in seen.out, "what serves is shown all the same"


def test_with_an_altered_journal_a_canary_can_be_ended_and_not_approved(
    living: Sluiceway, lived: Lived, tmp_path: Path, prefect_flows: PrefectServer
) -> None:
    journal = sqlite3.connect(tmp_path / "home" / "journal.db")
    with journal:
        journal.execute("UPDATE events SET actor = 'mallory' WHERE position = 3")
    journal.close()
    for command in ("approve", "resume"):
        said = living(command, lived.canary)
        assert said.code == 3
        assert "was altered" in said.err
    said = living("abort", lived.canary, "--reason", "enough", "--here", *AS_OF)
    assert f"{lived.canary} is aborted" in said.out
    assert said.code != 0, "the look after it did not happen"
    assert "was altered" in said.err
    table = FlagFileRouter(Settings().routing_file).observed()
    assert table is not None
    assert not table.canaries, "nobody is sent to the candidate any more"
