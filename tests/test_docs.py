"""What the documents show works: commands exist and run, links lead somewhere, words are ours."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from sluiceway.cli.commands import app
from sluiceway.statistics.metrics import METRIC_NAMES, METRICS, metric_named
from sluiceway.system.check_rights import holders_of
from sluiceway.system.shapes import ApprovalsShape, OwnerShape

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
RUNNER = CliRunner()

READS_ONLY = {"validate", "graph", "impact", "consumers", "contract diff", "check"}
"""Commands that are run as they are shown, in the repository; of others only the help is asked."""


def commands(document: Path) -> list[str]:
    """Every command line shown after ``$`` in a console block."""
    blocks = re.findall(r"```console\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line[2:].split("#")[0].strip() for line in lines]


def known_commands() -> dict[str, object]:
    return dict(get_command(app).commands)  # type: ignore[attr-defined]


SHOWN = [
    pytest.param(command, id=f"{document.name}: {command}")
    for document in DOCUMENTS
    for command in commands(document)
]


@pytest.mark.parametrize("command", SHOWN)
def test_a_shown_command_exists_and_takes_what_is_shown(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(command)
    words = words[next(n for n, w in enumerate(words) if "=" not in w) :]
    program = Path(words[0]).name
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    elif program == "sluiceway":
        assert words[1] in known_commands()
        monkeypatch.setenv("SLUICEWAY_SYSTEM", str(ROOT / "examples" / "flights" / "system.yaml"))
        monkeypatch.chdir(ROOT)
        runs = {words[1], " ".join(words[1:3])} & READS_ONLY
        arguments = words[1:] if runs else [*words[1:], "--help"]
        result = RUNNER.invoke(app, arguments)
        assert result.exit_code == 0, result.output
    elif program == "python":
        assert (ROOT / Path(*words[2].split("."))).exists(), command
    else:
        assert program in {"prefect", "mlflow"}, f"{command} is not checked"


PYTHON = [
    pytest.param(block, id=f"{document.name} {place}")
    for document in DOCUMENTS
    for place, block in enumerate(
        re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL), 1
    )
]


@pytest.mark.parametrize("block", PYTHON)
def test_shown_python_runs(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(block, "shown", "exec"), {})


def test_every_command_is_documented() -> None:
    documented = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name in known_commands():
        assert f"`sluiceway {name}" in documented, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_every_metric_has_its_formula_in_the_documents() -> None:
    gates = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
    system_file = (ROOT / "docs" / "system-file.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| (higher|lower|as said) \| .+ \| .+ \|$", gates, re.M)
    assert sorted(name for name, _ in rows) == sorted(METRIC_NAMES)
    for name, worse in rows:
        assert f"`{name.partition('(')[0]}`" in system_file, name
        assert name not in METRICS or METRICS[name].worse == worse, name


def test_the_metrics_of_the_system_files_description_are_read_from_yaml() -> None:
    text = (ROOT / "docs" / "system-file.md").read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        for target in yaml.safe_load(block).get("metrics", []):
            assert metric_named(target["metric"]).name == target["metric"]


def test_the_owners_and_approvals_of_the_system_files_description_are_read_from_yaml() -> None:
    text = (ROOT / "docs" / "system-file.md").read_text(encoding="utf-8")
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    (block,) = (one for one in shown if "owners" in one)
    owners = {name: OwnerShape.model_validate(body) for name, body in block["owners"].items()}
    approvals = ApprovalsShape.model_validate(block["policies"]["approvals"])
    for rule in approvals.rules:
        assert all(holders_of(name, owners, owners) for name in rule.ask)


def test_a_metric_shown_with_parameters_is_one() -> None:
    text = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    names = "|".join({name.partition("(")[0] for name in METRIC_NAMES})
    shown = set(re.findall(rf"\b(?:{names})\(\w+=[^)…]+\)", text))
    assert len(shown) >= 6
    for name in shown:
        assert metric_named(name).name == name


def test_every_make_target_is_described() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):(.*)$", makefile, re.MULTILINE)
    assert {"demo", "test", "lint", "bench", "clean"} <= {name for name, _ in targets}
    assert all("## " in rest for _, rest in targets)
