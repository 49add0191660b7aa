"""Somebody else's machine: the wheel alone, a folder outside of any clone, and a second system."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.end_to_end.shop import CASCADE, JOINT, LIVE, NOW

ROOT = Path(__file__).parents[2]
AS_OF = ("--as-of", f"{NOW:%Y-%m-%dT%H:%M:%S}")

FILLED = {
    r"TODO: what the models do together, in a sentence": "A shop that forecasts its orders.",
    r"TODO: the column that names one unit, such as order_id": "order_id",
    r"TODO: how to reach whoever answers for it": "shop@shop.example",
    r"TODO: parquet:PATH, csv:PATH, sql:… or python:module:function": "python:shopdata:orders",
    r"TODO: like that of recorded": "python:shopdata:outcomes",
    r"TODO: the column with the time a row belongs to \(UTC\)": "placed_at",
    r"TODO: the column that says when the label was known": "settled_at",
}
"""What only people know, in the system file as a whole."""

JUDGED = {
    "fraud": ("brier", "fraud", "0.005", ""),
    "handling": ("mae", "days", "0.05", "days"),
    "cost": ("mae", "euros", "0.5", "EUR"),
    "priority": ("mae", "score", "0.2", "points"),
}
"""Metric, label, margin and unit of each model."""

PROMISED = {"fraud": ("probability", "0.3"), "handling": ("days", "4")}
PROMISED |= {"cost": ("EUR", "30"), "priority": ("points", "12")}

PLAY = """
from datetime import datetime, timedelta, UTC
from flows.evaluate_canaries import evaluate_canaries
from sluiceway.ports import Window
from sluiceway.settings import Settings
from sluiceway.steps.serving import BatchServer
from sluiceway.wiring import opened

now = datetime.fromisoformat("{now}")
for _ in range(25):
    end = now + timedelta(days=1)
    with opened(Settings()) as site:
        BatchServer(site).answer(Window(start=now, end=end), now=end)
    now = end
    if not evaluate_canaries(as_of=now):
        break
"""


def told(command: list[str], folder: Path, environment: Mapping[str, str], seconds: int) -> str:
    ran = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        timeout=seconds,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel, and nothing but what it asks for."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--quiet", "--no-deps", "-w", str(folder), "."]
    kept = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    told(wheel, ROOT, kept, 300)
    (built,) = folder.glob("sluiceway-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    there = [*pip, "--python", str(python)]
    told([*there, "install", "--quiet", "--no-deps", "--no-index", str(built)], folder, kept, 300)
    (site,) = (folder / "venv").glob("lib/*/site-packages")
    (own,) = distributions(name="sluiceway", path=[str(site)])
    for asked in asked_for(own):
        _linked(asked, site)
    assert not (site / "pytest").exists(), "it holds what nobody asked for"
    assert "No broken requirements" in told([*there, "check"], folder, kept, 300)
    return python.parent


def asked_for(own: Distribution) -> Iterable[Distribution]:
    """What a distribution asks for, without its extras, and what that asks for in its turn.

    It is taken from the environment of the tests, which holds the same pinned set.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(own, "")]
    while waiting:
        asks, extra = waiting.pop()
        for text in asks.requires or ():
            wanted = Requirement(text)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
                continue
            one = found.setdefault(canonicalize_name(wanted.name), distribution(wanted.name))
            further = {(one.name, part) for part in ("", *wanted.extras)} - seen
            seen |= further
            waiting += [(one, part) for _, part in further]
    return found.values()


def _linked(one: Distribution, site: Path) -> None:
    """Let the files of a distribution appear in another environment too, without its programs."""
    for file in one.files or ():
        if ".." in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() and (source := Path(str(one.locate_file(file)))).exists():
            try:
                target.hardlink_to(source)
            except OSError:  # another disk
                shutil.copy2(source, target)


def filled_in(project: Path) -> None:
    """Do what the draft says is still to do, as its owner would."""
    system = project / "system.yaml"
    text = system.read_text(encoding="utf-8")
    for asked, answer in FILLED.items():
        text, count = re.subn(asked, answer, text)
        assert count, asked
    head, *parts = re.split(r"^  (?=\w+: # drafted from version)", text, flags=re.MULTILINE)
    for part in parts:
        model = part.partition(":")[0]
        metric, label, margin, unit = JUDGED[model]
        part = re.sub(r'"TODO: mae, brier[^"]*"', metric, part)
        part = re.sub(r'"TODO: labels.COLUMN"', f"labels.{label}", part)
        part = re.sub(r'"TODO: the tolerated harm[^"]*"', margin, part)
        part = re.sub(r'"TODO: the metric\'s unit"', f'"{unit}"', part)
        part = re.sub(r'"TODO: the business reason[^"]*"', "Less than that nobody notices.", part)
        head += f"  {part}"
    for asked, answer in (
        ("alpha: 0.05", "alpha: 0.2"),
        ("{window: 30d, extension: 15d}", "{window: 12d, extension: 4d}"),
        (re.search(r"steps: .*", head).group(), "steps: [{weight: 10, bake: 1d}]"),  # type: ignore[union-attr]
        ("watch: {window: 7d}", "watch: {window: 1d}"),
    ):
        assert head.count(asked) == 1, asked
        head = head.replace(asked, answer)
    system.write_text(head, encoding="utf-8")
    for model, (unit, fallback) in PROMISED.items():
        contract = project / "contracts" / f"{model}.yaml"
        text = contract.read_text(encoding="utf-8")
        text = re.sub(r'"TODO: the unit of \w+"', unit, text)
        text = re.sub(r'"TODO: which column[^"]*"', "1", text)
        text = re.sub(r'"TODO: what a consumer receives[^"]*"', fallback, text)
        contract.write_text(text.replace("deadline: 5s", "deadline: 20s"), encoding="utf-8")


def test_a_second_system_is_drafted_filled_in_and_rolled_out(
    installed: Path, shop_registry: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(shop_registry / "mlflow.db", home / "mlflow.db")
    project = tmp_path / "shop"
    bare = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLUICEWAY_", "PREFECT_", "PYTHON"))
    }
    bare |= {
        "SLUICEWAY_HOME": str(home),
        "SLUICEWAY_DATA": str(home),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "COLUMNS": "200",
    }
    command = str(installed / "sluiceway")

    def sluiceway(*arguments: str, folder: Path = project) -> str:
        return told([command, *arguments], folder, bare, 300)

    sluiceway("init", str(project), folder=tmp_path)
    refused = subprocess.run(
        [command, "validate"], cwd=project, env=bare, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "contracts" not in refused.stdout
    assert refused.stderr.count("is still to do") > 20
    filled_in(project)
    data = (ROOT / "tests" / "orders" / "data.py").read_text(encoding="utf-8")
    (project / "shopdata.py").write_text(data, encoding="utf-8")
    assert "4 models" in sluiceway("validate")
    sluiceway("adopt", *LIVE, *AS_OF)
    alone = subprocess.run(
        [command, "rollout", *CASCADE, "--here", *AS_OF],
        cwd=project,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert alone.returncode == 1, alone.stdout + alone.stderr
    assert "rejected" in alone.stdout
    sluiceway("rollout", *JOINT, "--here", *AS_OF)
    (project / "play.py").write_text(PLAY.format(now=NOW.isoformat()), encoding="utf-8")
    told([str(installed / "python"), "play.py"], project, bare, 600)
    status = sluiceway("status")
    assert "generation 2: cost@2, fraud@2, handling@1, priority@1" in status
    assert "intact" in sluiceway("journal", "verify")
