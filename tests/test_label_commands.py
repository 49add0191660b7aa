"""`sluiceway labels` and `sluiceway log`: labels from files, what the log has and lacks."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sluiceway.cli.commands import app
from sluiceway.errors import BadInput
from sluiceway.settings import Settings
from sluiceway.system.file import read_system
from sluiceway.wiring import prediction_log, recorder
from tests.serving.questions import answers, question
from tests.test_system_file import ORDERS


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An environment in which a and b were answered, and a row was lost."""
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(ORDERS / "system.yaml"))
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path / "home"))
    settings = Settings()
    with recorder(settings, read_system(settings.system)) as writing:
        asked = question("a", "b")
        writing.record(asked, answers(asked))
        broken = question("c", consumer=object())
        writing.record(broken, answers(broken))
    return settings


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def file_of(folder: Path, *rows: str) -> str:
    place = folder / "labels.csv"
    place.write_text("\n".join(["unit,label,value,known_at", *rows]) + "\n")
    return str(place)


def test_labels_are_taken_from_a_file(here: Settings, tmp_path: Path) -> None:
    good = [f"{unit},outcomes.fraud,1,2013-09-02T18:00:00Z" for unit in "ab"]
    taken = run("labels", "load", file_of(tmp_path, *good))
    assert taken.exit_code == 0, taken.output
    assert "2 labels taken (2 after their maturity), 0 known already" in taken.stdout
    bad = [good[0].replace(",1,", ",0,"), good[0].replace("a,", "x,")]
    refused = run("labels", "load", file_of(tmp_path, *bad), "--json")
    assert refused.exit_code == 1
    found = json.loads(refused.stdout)
    assert (found["accepted"], found["conflicting"], found["unknown"]) == (0, 1, ["x"])
    told = run("labels", "load", file_of(tmp_path, *bad))
    assert "a: outcomes.fraud is 1, and 0 was not taken" in told.stdout
    assert "nothing was ever answered to 1 units: x" in told.stdout


def test_a_file_with_a_fault_is_refused_whole_and_all_is_told(
    here: Settings, tmp_path: Path
) -> None:
    rows = ["a,outcomes.fraud,1,2013-09-02T18:00:00Z", "b,outcomes.mood,1,2013-09-02T18:00:00Z"]
    refused = run("labels", "load", file_of(tmp_path, *rows))
    assert isinstance(refused.exception, BadInput)
    (fault,) = refused.exception.faults
    assert fault.where.endswith("labels.csv: label")
    assert "outcomes.mood is no label that a model is judged by" in fault.what
    assert "(1 labels, the first: 2)" in fault.what
    assert json.loads(run("log", "status", "--json").stdout)["labels"] == 0


def test_status_shows_what_is_missing(here: Settings) -> None:
    status = run("log", "status", "--json")
    assert status.exit_code == 1
    found = json.loads(status.stdout)
    assert (found["rows"], found["newest_rows"], found["lost"], found["gateways"]) == (2, 2, 1, 0)
    assert [gap["reason"] for gap in found["gaps"]] == ["unwritable"]
    told = run("log", "status").stdout
    assert "✗ missing: 1 answers from 2013-09-01T22:00:00+00:00" in told


def test_compacting_forgets_nothing_that_is_young(here: Settings) -> None:
    done = run("log", "compact", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["rows"], found["forgotten"], found["forgotten_labels"]) == (0, 0, 0)
    assert "0 rows moved into 0 files" in run("log", "compact").stdout
    assert prediction_log(here).answered({"a"})
