"""A model's own repository is checked in an empty folder: no server, no registry, no trace."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from junitparser import Error, Failure, JUnitXml, TestCase
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

from sluiceway.cli import main
from sluiceway.contracts.file import read_contract
from tests.adapters.mlflow_worlds import QUIET
from tests.test_cli import Said

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

CONTRACT = """\
model: delay
version: 1.1.0
output:
  minutes:
    position: 0
    unit: minutes
    range: [-10, 200]
    promise:
      measured_on: flights.parquet
      scale: {reference: 45, ratio: [0.5, 2]}
inputs:
  distance: {dtype: double, unit: miles, range: [0, 2000]}
  carrier: {dtype: string, categories: [AA, DL]}
latency: {deadline: 20s}
fallback: {minutes: 10}
"""
MODEL = """\
import numpy as np


def predict(frame):
    late = frame["carrier"].map({"AA": 0.0, "DL": 5.0})
    return (frame["distance"] * 0.09 + late).to_numpy(dtype=np.float64)


def odd(frame):
    if (frame["carrier"] == "DL").any() and (frame["distance"] > 1500).any():
        raise ValueError("no such [route]")
    return predict(frame)


def killed(frame):
    import os, signal
    os.kill(os.getpid(), signal.SIGSEGV)
"""

Check = Callable[..., Said]

ENDING = """
import sys
from sluiceway.cli import main
from sluiceway.contracts.file import read_contract
try:
    main()
finally:
    heavy = {"prefect", "mlflow", "sqlalchemy", "matplotlib"} & set(sys.modules)
    assert not heavy, heavy
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a contract, a model of own code, and rows."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "delay.yaml").write_text(CONTRACT, encoding="utf-8")
    (folder / "model.py").write_text(MODEL, encoding="utf-8")
    draw = np.random.default_rng(5)
    rows = pd.DataFrame(
        {"distance": draw.uniform(100, 1100, 400), "carrier": draw.choice(["AA", "DL"], 400)}
    )
    rows.to_parquet(folder / "flights.parquet")
    return folder


@pytest.fixture
def apart(folder: Path, tmp_path: Path) -> Check:
    """The command in a process of its own, in that folder, with nothing set."""

    def run(*arguments: str) -> Said:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLUICEWAY_")}
        environment |= {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PREFECT_API_URL": "http://127.0.0.1:9/nobody",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9/nobody",
            "HOME": str(tmp_path),
            "COLUMNS": "120",
        }
        ran = subprocess.run(
            [sys.executable, "-c", ENDING, "check", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return Said(code=ran.returncode, out=ran.stdout, err=ran.stderr)

    return run


@pytest.fixture
def check(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Check:
    """The command in this process, in that folder."""
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> Said:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["sluiceway", "check", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        written = capfd.readouterr()
        return Said(code=int(left.value.code or 0), out=written.out, err=written.err)

    return run


def cases(path: Path) -> dict[str, TestCase]:
    return {
        f"{case.classname}: {case.name}": case
        for suite in JUnitXml.fromfile(str(path))
        for case in suite
    }


def test_a_good_model_of_own_code_passes_and_leaves_nothing_behind(
    apart: Check, folder: Path
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    said = apart("delay.yaml", "--model", "model:predict", "--data", "flights.parquet")
    assert (said.code, said.err) == (0, "")
    assert "delay 1.1.0: a valid contract" in said.out
    assert "model:predict keeps its contract" in said.out
    after = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert sorted(after) == before


def test_what_breaks_is_no_with_the_smallest_example_and_in_junit(
    apart: Check, folder: Path
) -> None:
    said = apart(
        "delay.yaml", "--model", "model:odd", "--data", "flights.parquet", "--junit", "out/j.xml"
    )
    assert said.code == 1
    assert "no such [route]" in said.out
    found = cases(folder / "out" / "j.xml")
    assert found["delay 1.1.0: valid contract"].is_passed
    case = found["model:odd: anything admitted, mixed"]
    assert isinstance(case.result[0], Failure)
    shown = case.result[0].message
    assert "carrier “DL”" in shown
    assert "distance = 1501" in shown
    assert "raised ValueError: no such [route]" in shown


def test_a_model_that_kills_its_process_takes_nobody_along(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sluiceway.contracts.questioning.MOST_DEATHS", 2)  # each takes a second
    said = check("delay.yaml", "--model", "model:killed")
    assert said.code == 1
    assert "was ended by SIGSEGV in predict" in said.out


def test_behaviour_that_is_promised_needs_rows(check: Check, folder: Path) -> None:
    said = check("delay.yaml", "--model", "model:predict", "--junit", "j.xml")
    assert said.code == 3
    assert "give a file by --data" in said.out
    case = cases(folder / "j.xml")["model:predict: recorded rows keep every promise"]
    assert isinstance(case.result[0], Error)


def test_a_contract_alone_is_checked_against_the_released_one(check: Check, folder: Path) -> None:
    old = CONTRACT.replace("version: 1.1.0", "version: 1.0.0")
    (folder / "base.yaml").write_text(old.replace("[-10, 200]", "[-20, 200]"), encoding="utf-8")
    assert check("delay.yaml", "--against", "base.yaml").code == 0
    (folder / "base.yaml").write_text(old.replace("[-10, 200]", "[0, 200]"), encoding="utf-8")
    said = check("delay.yaml", "--against", "base.yaml", "--junit", "j.xml")
    assert said.code == 1
    assert "✗ delay: version 1.0.0 → 1.1.0 is less than the major bump" in said.out
    assert isinstance(cases(folder / "j.xml")["delay 1.1.0: number since 1.0.0"].result[0], Failure)


def git(folder: Path, *words: str) -> None:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}  # fmt: skip
    subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **identity}
    )


def test_the_released_contract_may_be_the_one_of_a_commit(check: Check, folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "delay.yaml")
    git(folder, "commit", "-q", "-m", "released")
    assert "nothing it promises" in check("delay.yaml", "--against", "main").out
    (folder / "delay.yaml").write_text(
        CONTRACT.replace("[-10, 200]", "[-10, 300]"), encoding="utf-8"
    )
    for against in ("main", "main:delay.yaml", "HEAD"):
        assert check("delay.yaml", "--against", against).code == 1
    (folder / "new.yaml").write_text(CONTRACT, encoding="utf-8")
    first = check("new.yaml", "--against", "main", "--json")
    assert (first.code, first.value["checks"][0]["against"]) == (0, None)


def test_a_folder_as_mlflow_writes_it_is_a_model_too(apart: Check, folder: Path) -> None:
    given = pd.DataFrame({"distance": np.linspace(0, 1100, 200)})
    fitted = LinearRegression().fit(given, given["distance"] * 0.09)
    mlflow.sklearn.save_model(
        fitted, folder / "saved", signature=infer_signature(given, fitted.predict(given)),
        pip_requirements=[], serialization_format="cloudpickle",
    )  # fmt: skip
    given.to_csv(folder / "rows.csv", index=False)
    said = apart("delay.yaml", "--model", "saved", "--data", "rows.csv")
    assert (said.code, said.err) == (0, "")
    assert "saved keeps its contract" in said.out


def test_all_faults_of_all_files_are_told_together(check: Check, folder: Path) -> None:
    (folder / "bad.yaml").write_text(CONTRACT.replace("1.1.0", "one"), encoding="utf-8")
    (folder / "worse.yaml").write_text(CONTRACT.replace("[-10, 200]", "[5, 1]"), encoding="utf-8")
    said = check("bad.yaml", "worse.yaml", "missing.yaml", "--data", "flights.parquet")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "✗ --data: is for a model; name it by --model",
        "✗ bad.yaml: version: is no semantic version; write it like 1.0.0 (found 'one')",
        "✗ worse.yaml: output.minutes.range: goes from 5 down to 1",
        "✗ worse.yaml: fallback.minutes: 10 lies outside the promised range",
        "✗ missing.yaml: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "nowhere"), "nowhere: is neither a folder with an MLmodel nor written like"),
        (("--model", "."), ".: MLmodel cannot be read: No such file or directory"),
        (("--model", "model:predict", "--data", "rows.txt"), "rows.txt: is neither a .parquet nor"),
        (("--model", "model:predict", "--data", "none.csv"), "none.csv: cannot be read"),
        (("--model", "model:predict", "--data", "some.csv"), "the rows of --data: have no carrier"),
        (("--against", "base.yaml"), "base.yaml: cannot be read"),
        (("--against", "v1"), "v1: is no file, and no "),
    ],
)
def test_what_is_typed_wrong_is_bad_input(
    check: Check, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    (folder / "some.csv").write_text("distance\n1\n", encoding="utf-8")
    told = check("delay.yaml", *arguments)
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"✗ {said}")


def test_a_contract_is_drafted_from_local_rows_and_then_kept(
    check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = ["sluiceway", "contract", "infer", "model:predict", "--data", "flights.parquet"]
    monkeypatch.setattr(sys, "argv", [*infer, "--out", "drafted.yaml"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    drafted = read_contract(folder / "drafted.yaml")
    assert {d.name: d.categories for d in drafted.inputs} == {
        "carrier": ("AA", "DL"), "distance": None,
    }  # fmt: skip
    said = check("drafted.yaml", "--model", "model:predict", "--data", "flights.parquet")
    assert (said.code, said.err) == (0, "")


def test_a_contract_that_is_none_is_told_in_junit_too(check: Check, folder: Path) -> None:
    (folder / "wrong.yaml").write_text(
        CONTRACT.replace("range: [-10, 200]", "range: [200, -10]").replace("unit: miles, ", ""),
        encoding="utf-8",
    )
    (folder / "report.xml").write_text("what an earlier run said", encoding="utf-8")
    said = check("delay.yaml", "wrong.yaml", "--junit", "report.xml")
    assert said.code == 2
    told = cases(folder / "report.xml")
    assert told["delay.yaml: valid contract"].is_passed
    (failure,) = told["wrong.yaml: valid contract"].result
    assert isinstance(failure, Failure)
    assert failure.message == "wrong.yaml: output.minutes.range: goes from 200 down to -10"
    assert failure.message in said.err


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("model:nofn", "is not there: model has no nofn (it has: killed, odd, predict)"),
        ("model:np", "is no function, np is module (it has: killed, odd, predict)"),
        ("nomodel:predict", "is not there: no module nomodel in"),
        ("model.sub:predict", "is not there: no module model.sub in"),
    ],
)
def test_a_mistyped_function_is_bad_input_and_told_once(
    check: Check, folder: Path, model: str, why: str
) -> None:
    said = check("delay.yaml", "--model", model, "--junit", "report.xml")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"✗ {model}: {why}")
    assert said.err.count("\n") == 1
    (case,) = cases(folder / "report.xml").values()
    (error,) = case.result
    assert isinstance(error, Error)
    assert why in error.message


def test_a_module_that_cannot_be_imported_breaks_the_contract_once(
    check: Check, folder: Path
) -> None:
    """It was found and is of no use, as whoever serves it would find."""
    (folder / "lacking.py").write_text("import nowhere\n\ndef predict(frame): ...\n")
    said = check("delay.yaml", "--model", "lacking:predict", "--data", "flights.parquet")
    assert said.code == 1
    assert said.out.count("No module named 'nowhere'") == 1
    assert "1 of 1 cases" in said.out


def test_what_is_compared_with_is_named_where_it_is_nothing(check: Check, folder: Path) -> None:
    said = check("delay.yaml", "--against", "nosuch")
    assert (said.code, said.err) == (
        2, f"✗ nosuch: is no file, and no commit either: {folder} is in no git repository\n",
    )  # fmt: skip
    subprocess.run(["git", "init", "--quiet", "."], cwd=folder, check=True)
    said = check("delay.yaml", "--against", "nosuch")
    what = "is no file, and no branch, tag or commit of the git repository"
    assert (said.code, said.err) == (2, f"✗ nosuch: {what} {folder}\n")
