"""One file in the home folder holds settings of ours, and of what `sluiceway up` starts."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from sluiceway.settings import ELSEWHERE, Settings, kept_lines, meant_by, place_of

LINES = """# PostgreSQL
SLUICEWAY_DATABASE_URL=postgresql://me:p%40ss@127.0.0.1:5432/sluiceway
SLUICEWAY_WEBHOOK_SECRET=abc
PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://me:p%40ss@127.0.0.1:5432/prefect
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path))
    monkeypatch.delenv("SLUICEWAY_DATABASE_URL", raising=False)
    return tmp_path


def test_settings_of_other_programs_may_stand_beside_ours(home: Path) -> None:
    (home / "settings.env").write_text(LINES, encoding="utf-8")
    assert Settings().journal_url == "postgresql://me:p%40ss@127.0.0.1:5432/sluiceway"
    assert kept_lines(home).keys() == {
        "SLUICEWAY_DATABASE_URL",
        "SLUICEWAY_WEBHOOK_SECRET",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    }


def test_a_setting_of_ours_that_is_none_is_told_with_its_line_and_not_what_it_says(
    home: Path,
) -> None:
    text = f"{LINES}\n\nexport SLUICEWAY_DATABSE_URL=hidden\n"
    (home / "settings.env").write_text(text, encoding="utf-8")
    with pytest.raises(ValidationError) as told:
        Settings()
    (error,) = told.value.errors()
    assert (error["loc"], error["input"]) == (("databse_url",), f"{home}/settings.env: line 7")
    assert "hidden" not in str(told.value)


def test_a_setting_stands_where_it_holds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert place_of("environment") is None, "there is no file"
    text = "SLUICEWAY_ENVIRONMENT=a\nSLUICEWAY_DATA='x\ny'\nSLUICEWAY_ENVIRONMENT=b\n"
    (home / "settings.env").write_text(text, encoding="utf-8")
    assert place_of("environment") == f"{home}/settings.env: line 4"
    assert place_of("progress") is None
    monkeypatch.setenv("SLUICEWAY_ENVIRONMENT", "c")
    assert place_of("environment") is None, "the environment holds"


def test_a_misspelt_variable_is_told_without_what_it_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_DATABSE_URL", "postgresql://me:secret@there/x")
    with pytest.raises(ValidationError) as told:
        Settings(home=home)
    (error,) = told.value.errors()
    assert (error["loc"], error["type"]) == (("databse_url",), "extra_forbidden")
    assert "secret" not in str(told.value)
    assert meant_by("sluiceway_databse_url") == "SLUICEWAY_DATABASE_URL"
    assert meant_by("sluiceway_webhok_secret") == "SLUICEWAY_WEBHOOK_SECRET"
    assert meant_by("sluiceway_xyz") is None


@pytest.mark.parametrize(
    "name",
    [
        "SERVICE_HOST",  # as Kubernetes sets for a service of our name
        "SERVICE_PORT_HTTP",
        "PORT",
        "PORT_8080_TCP_ADDR",
        "GATEWAY_SERVICE_HOST",
        "GATEWAY_PORT_8080_TCP",
        "PAGER_URL",  # as people name what a channel or a loader reads
        "WAREHOUSE",
        "VERSION",
        "TEST_DATABASE",  # as our own tests and Makefile do
        "INSTALL_SECONDS",
    ],
)
def test_what_others_call_after_us_is_no_fault(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"SLUICEWAY_{name}", "tcp://10.0.0.1:8080")
    assert Settings(home=home).home == home


def test_the_operating_guide_names_every_setting() -> None:
    text = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`SLUICEWAY_([A-Z_]+)`", text))
    told = {*Settings.model_fields, *ELSEWHERE}
    assert {name.upper() for name in told} <= named
