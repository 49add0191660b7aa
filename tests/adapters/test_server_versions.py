"""Servers of another version are told, with what would be right, before anything starts."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from sluiceway.adapters.server_versions import strange_servers
from sluiceway.cli.commands import app
from sluiceway.errors import BadInput
from tests.driver import ORDERS

MLFLOW, PREFECT = "SLUICEWAY_TRACKING_URI", "PREFECT_API_URL"


@contextmanager
def saying(text: str, status: int = 200) -> Iterator[str]:
    """A server that says this, whatever it is asked, as one of another version would."""

    class Saying(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Saying)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_servers_of_our_own_versions_are_not_strange() -> None:
    with saying(version("mlflow")) as mlflow, saying(json.dumps(version("prefect"))) as prefect:
        assert strange_servers({MLFLOW: mlflow, PREFECT: f"{prefect}/api"}) == {}


@pytest.mark.parametrize("there", ["2.22.1", "3.1.0", "4.0.0rc1"])
def test_another_version_is_told_with_what_would_be_right(there: str) -> None:
    with saying(there) as mlflow, saying(json.dumps(there)) as prefect:
        told = strange_servers({MLFLOW: mlflow, PREFECT: f"{prefect}/api"})
    assert told[MLFLOW] == (
        f"the server at {mlflow} is mlflow {there}, and {version('mlflow')} is installed here; "
        "major and minor have to be the same: where it runs, pip install 'mlflow==3.17.*'"
    )
    assert "pip install 'prefect==3.8.*'" in told[PREFECT]


@pytest.mark.parametrize(("text", "status"), [("who are you?", 401), ("<html>", 200), ("", 404)])
def test_one_that_does_not_say_its_version_is_not_judged(text: str, status: int) -> None:
    with saying(text, status) as url:
        assert strange_servers({MLFLOW: url}) == {}


def test_no_server_is_told_without_the_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://me:s3cr3t@127.0.0.1:{taken.getsockname()[1]}"
        told = strange_servers({MLFLOW: url, PREFECT: ""})
    assert "no server answers at http://127.0.0.1:" in told[MLFLOW]
    assert "s3cr3t" not in told[MLFLOW]


def test_up_refuses_a_server_of_another_version_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICEWAY_SYSTEM", str(ORDERS / "system.yaml"))
    monkeypatch.setenv("SLUICEWAY_HOME", str(tmp_path / "home"))
    with saying("2.9.0") as mlflow:
        file = tmp_path / "services.yaml"
        file.write_text(
            f"environment: {{{MLFLOW}: '{mlflow}', PREFECT_API_URL: '{{own.url}}/api'}}\n"
            "services: {own: {port: 4200, command: [sleep, '60']}}\n",
            encoding="utf-8",
        )
        result = CliRunner().invoke(app, ["up", "--services", str(file), "--shift", "9000"])
    assert isinstance(result.exception, BadInput)
    (fault,) = result.exception.faults
    assert fault.where == MLFLOW
    assert "is mlflow 2.9.0" in fault.what
    assert not (tmp_path / "home" / "services" / "running.json").exists()
