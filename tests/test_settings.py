"""One file in the home folder holds settings of ours, and of what `sluiceway up` starts."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from sluiceway.settings import Settings, kept_lines

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


def test_a_setting_of_ours_that_is_none_is_told(home: Path) -> None:
    (home / "settings.env").write_text("SLUICEWAY_DATABSE_URL=x\n", encoding="utf-8")
    with pytest.raises(ValidationError) as told:
        Settings()
    assert [error["loc"] for error in told.value.errors()] == [("databse_url",)]
