"""Contracts are drafted, compared and tested from the command line, with codes and JUnit."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import Error, JUnitXml

from sluiceway.cli import main
from sluiceway.cli.rendering import CONSOLE
from sluiceway.contracts.file import read_contract
from sluiceway.steps import requests
from tests.adapters.mlflow_worlds import QUIET
from tests.end_to_end.shop import LIVE, NOW, SYSTEM, Shop
from tests.test_cli import Said

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

AS_OF = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%S}", "--window", "5d")
FRAUD = SYSTEM.parent / "contracts" / "fraud.yaml"

Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The command line, in this process."""
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("SYSTEM", "HOME", "ENVIRONMENT"):  # options write them
        monkeypatch.setenv(f"SLUICEWAY_{name}", "unset")
        monkeypatch.delenv(f"SLUICEWAY_{name}")

    def said(*arguments: str | Path) -> Said:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["sluiceway", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        written = capfd.readouterr()
        return Said(code=int(left.value.code or 0), out=written.out, err=written.err)

    return said


@pytest.fixture
def adopted(run: Run, shop: Shop) -> Run:
    """The made-up shop with generation 1 serving."""
    with shop.site() as site:
        requests.adopt(site, LIVE, now=NOW, actor="ada")
    return run


@pytest.fixture
def orders(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The shop's system file, and nothing else."""
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(SYSTEM))
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path / "home"))
    return run


def contract(folder: Path, name: str, *changes: tuple[str, str], base: Path = FRAUD) -> Path:
    """A contract file with some of its text replaced."""
    text = base.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# Drafting


def test_a_draft_is_written_and_read_back_and_kept(adopted: Run, tmp_path: Path) -> None:
    path = tmp_path / "drafts" / "fraud.yaml"
    said = adopted("contract", "infer", "fraud@2", "--out", path, *AS_OF)
    assert (said.code, said.err) == (0, "")
    assert "drafted from fraud@2 and 600 recorded rows of 2026-02-05 to 2026-02-10" in said.out
    drafted = read_contract(path)
    assert (drafted.model, drafted.output[0].name) == ("fraud", "probability")
    assert {d.name: d.dtype for d in drafted.inputs} == {"amount": "double", "signal": "double"}

    again = adopted("contract", "infer", "fraud@2", "--out", path, *AS_OF)
    assert again.code == 2
    assert again.err == f"✗ {path}: is there already; --force replaces it\n"
    told = adopted("contract", "infer", "fraud@2", "--json", *AS_OF).value
    assert told["text"].startswith("# Drafted by `sluiceway contract infer` from fraud@2")
    assert told["reasons"]["fallback.probability"].startswith("median of the answers")


def test_a_draft_of_no_version_is_bad_input(adopted: Run) -> None:
    said = adopted("contract", "infer", "fraud@99", *AS_OF)
    assert said.code == 2
    assert "fraud@99" in said.err


# Differences


def test_what_a_change_breaks_is_shown_with_its_owner(orders: Run, tmp_path: Path) -> None:
    wider = contract(tmp_path, "new.yaml", ("range: [0, 1]", "range: [0, 2]"), (
        "version: 1.0.0", "version: 2.0.0"), ("unit: probability", "unit: odds"))  # fmt: skip
    said = orders("contract", "diff", "fraud", wider)
    assert said.code == 1
    assert "fraud: 1.0.0 → 2.0.0" in said.out
    assert "probability: [0, 1] → [0, 2]" in said.out
    assert "breaks fraud.probability → cost (numeric): finance@shop.example" in said.out
    assert "the changes require a major bump, declared is a major bump" in said.out
    value = orders("contract", "diff", "fraud", wider, "--json").value
    kinds = {change["kind"] for change in value["changes"]}
    assert {"range_widened", "unit_changed"} <= kinds
    broken = {(one["edge"], one["owner"]) for one in value["broken_edges"]}
    assert broken == {
        ("fraud.probability → handling", "logistics"), ("fraud.probability → cost", "finance"),
    }  # fmt: skip
    assert value["required_bump"] == value["declared_bump"] == "major"


def test_a_number_that_rises_too_little_is_no_even_where_nobody_breaks(
    orders: Run, tmp_path: Path
) -> None:
    tighter = ("ratio: [0.25, 12]", "ratio: [0.5, 2]")
    too_small = contract(tmp_path, "a.yaml", tighter, ("version: 1.0.0", "version: 1.0.1"))
    said = orders("contract", "diff", FRAUD, too_small)
    assert said.code == 1
    assert "✗ fraud: version 1.0.0 → 1.0.1 is less than the minor bump" in said.out
    honest = contract(tmp_path, "b.yaml", tighter, ("version: 1.0.0", "version: 1.1.0"))
    assert orders("contract", "diff", FRAUD, honest).code == 0


def test_nothing_changed_is_yes(orders: Run) -> None:
    said = orders("contract", "diff", "fraud", FRAUD)
    assert (said.code, "nothing changed" in said.out) == (0, True)


def test_without_a_system_file_a_breaking_change_is_a_no_that_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    wider = contract(tmp_path, "new.yaml", ("range: [0, 1]", "range: [0, 2]"), (
        "version: 1.0.0", "version: 2.0.0"), ("unit: probability", "unit: odds"))  # fmt: skip
    said = run("contract", "diff", FRAUD, wider)
    assert said.code == 1
    assert "nobody knows whose edges these changes break" in said.out
    assert run("contract", "diff", FRAUD, wider, "--json").value["broken_edges"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.yaml"]


def test_a_versions_contract_is_its_own_or_the_systems(adopted: Run) -> None:
    said = adopted("contract", "diff", "fraud@1", "fraud")
    assert (said.code, "nothing changed" in said.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.yaml", "fraud"), ["nowhere.yaml: cannot be read: No such file or directory"]),
        (
            ("fruad", "costs"),
            [
                "fruad: is no contract file, no MODEL@VERSION, and no model of a system file "
                "(there are: fraud, handling, cost, priority)",
                "costs: is no contract file, no MODEL@VERSION, and no model of a system file "
                "(there are: fraud, handling, cost, priority)",
            ],
        ),
        (("fraud", "cost"), ["cost: is a contract of cost, fraud is one of fraud"]),
    ],
)
def test_what_is_no_contract_is_bad_input_told_together(
    orders: Run, arguments: tuple[str, str], said: list[str]
) -> None:
    told = orders("contract", "diff", *arguments)
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines() == [f"✗ {line}" for line in said]


# Tests


def test_a_version_and_its_consumers_are_tested_in_processes_of_their_own(
    adopted: Run, tmp_path: Path
) -> None:
    junit = tmp_path / "reports" / "junit.xml"
    said = adopted("contract", "test", "fraud@1", *AS_OF, "--junit", junit)
    assert (said.code, said.err) == (0, "")
    assert "fraud@1 against contract 1.0.0, on 600 recorded rows" in said.out
    assert "fraud.probability → cost, answered by cost@1" in said.out
    assert "fraud@1 keeps its contract" in said.out
    suite = next(iter(JUnitXml.fromfile(str(junit))))
    assert (suite.name, suite.failures, suite.errors) == ("fraud@1", 0, 0)
    assert suite.tests >= 20


def test_no_recorded_rows_is_cannot_tell(adopted: Run, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    said = adopted("contract", "test", "priority@1", *AS_OF, "--window", "1s", "--junit", junit,
                   "--json")  # fmt: skip
    assert said.code == 3
    assert set(said.value) == {
        "tested", "contract", "outcome", "rows", "window", "cases", "notes",
    }  # fmt: skip
    recorded = said.value["cases"][0]
    assert set(recorded) == {"case", "asked", "edge", "rows", "outcome", "broken", "examples"}
    assert (recorded["case"], recorded["outcome"]) == ("recorded", "inconclusive")
    case = next(iter(next(iter(JUnitXml.fromfile(str(junit))))))
    assert isinstance(case.result[0], Error)


def test_what_is_typed_wrong_is_bad_input(adopted: Run) -> None:
    said = adopted("contract", "test", "fraud")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("✗ contract test: 'fraud' names no version; write MODEL@VERSION")
    said = adopted("contract", "test", "fraud@1", "--window", "soon")
    assert said.code == 2
    assert said.err.startswith("✗ --window: 'soon' is no duration")


@pytest.mark.parametrize("width", [80, 160])
def test_no_name_and_no_number_is_cut_however_narrow_the_terminal(
    width: int, orders: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CONSOLE, "_force_terminal", True)
    monkeypatch.setattr(CONSOLE, "_width", width)
    moved = contract(tmp_path, "new.yaml", ("reference: 0.05", "reference: 0.15"))
    said = orders("contract", "diff", "fraud", moved)
    words = " ".join(said.out.split())
    assert "…" not in said.out
    for name in ("scale_moved", "fraud.probability → cost", "finance@shop.example"):
        assert name in words


def test_a_version_that_serves_is_compared_as_it_was_verified_after_its_file_was_edited(
    adopted: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(SYSTEM.parent / "contracts", folder / "contracts")
    shutil.copy(SYSTEM, folder / "system.yaml")
    contract(folder / "contracts", "fraud.yaml", ("range: [0, 1]", "range: [0, 0.99]"))
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(folder / "system.yaml"))
    said = adopted("contract", "diff", "fraud@1", "fraud")
    assert said.code == 1
    assert "range_narrowed" in said.out
    assert "two contracts bear the version 1.0.0" in said.out
