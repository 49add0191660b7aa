"""Settings that point nowhere are refused at once: which, without secrets, and what is right."""

from pathlib import Path

import pytest

from sluiceway.adapters.named_places import refuse_nowhere
from sluiceway.cli.running import refuse_prefect_away
from sluiceway.errors import BadInput
from sluiceway.settings import Settings
from sluiceway.wiring import opened

NOWHERE = {
    "SLUICEWAY_TRACKING_URI": {
        "htp://ada:s3cr3t@127.0.0.1:5000": "is no registry that MLflow knows; http://HOST:PORT or "
        "sqlite:///FILE is right",
        "http://": "is no address of a server; http://127.0.0.1:5000 is one",
        "http://127.0.0.1:port": "is no address of a server",
        "sqlite:///{tmp}/none.db": "there is no file {tmp}/none.db",
        "{tmp}/mlruns": "is no registry that MLflow knows",
    },
    "SLUICEWAY_DATABASE_URL": {
        "nonsense": "is no database's address; sqlite:///FILE or postgresql://USER:PASSWORD@HOST/",
        "postgresql://ada:s3cr3t@127.0.0.1:port/db": "is no database's address",
        "mysql://ada:s3cr3t@127.0.0.1/db": "the journal is never kept there",
        "sqlite:///{tmp}/none/journal.db": "there is no folder {tmp}/none",
    },
    "SLUICEWAY_DATA": {"{tmp}/none": "there is no folder {tmp}/none"},
    "SLUICEWAY_HOME": {"{tmp}/file/home": "cannot be made: {tmp}/file is no folder"},
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n in NOWHERE for v in NOWHERE[n]])
def test_a_setting_that_points_nowhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path / "home"))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(name, value.format(tmp=tmp_path))
    with pytest.raises(BadInput) as refused, opened(Settings()):
        pass
    (fault,) = refused.value.faults
    assert fault.where == name
    assert NOWHERE[name][value].format(tmp=tmp_path) in fault.what
    assert "s3cr3t" not in str(fault)
    assert [one.name for one in tmp_path.iterdir()] == ["file"], "nothing was made"


def test_all_of_them_are_told_together(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, data=tmp_path / "none", database_url="nonsense", tracking_uri="nonsense:1"
    )
    with pytest.raises(BadInput) as refused:
        refuse_nowhere(settings)
    assert [fault.where for fault in refused.value.faults] == [
        "SLUICEWAY_DATA",
        "SLUICEWAY_DATABASE_URL",
        "SLUICEWAY_TRACKING_URI",
    ]


@pytest.mark.parametrize(
    "right",
    [
        {},
        {"database_url": "sqlite://"},
        {"database_url": "postgresql://ada:s3cr3t@127.0.0.1:1/db"},
        {"tracking_uri": "http://ada:s3cr3t@127.0.0.1:1"},
        {"tracking_uri": "databricks-uc"},
        {"tracking_uri": "postgresql+psycopg://ada@db/mlflow"},
    ],
)
def test_what_may_be_away_for_a_moment_points_somewhere(
    tmp_path: Path, right: dict[str, str]
) -> None:
    refuse_nowhere(Settings(home=tmp_path / "home", **right))  # type: ignore[arg-type]


@pytest.mark.parametrize("url", [None, "nonsense", "http://ada:s3cr3t@"])
def test_a_prefect_server_that_nobody_named_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(BadInput, match=r"PREFECT_API_URL: .*127\.0\.0\.1:4200/api") as refused:
        refuse_prefect_away("the receiver")
    assert "s3cr3t" not in str(refused.value)


def test_a_home_that_others_own_may_be_looked_at_and_not_begun_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests may be allowed everything, so the system's answer is given here."""
    monkeypatch.setattr("os.access", lambda _path, _mode: False)
    home = tmp_path / "home"
    home.mkdir()
    refuse_nowhere(Settings(home=home))
    with pytest.raises(BadInput, match=r"SLUICEWAY_HOME: .* cannot be written to by this user"):
        refuse_nowhere(Settings(home=home), writes=True)
    with pytest.raises(BadInput, match=r"as .* is not theirs"):
        refuse_nowhere(Settings(home=home / "new"))
