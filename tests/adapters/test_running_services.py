"""Services come up in order, and what was started is ended: that, and nothing else."""

import errno
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import httpx
import psutil
import pytest
from mlflow import MlflowClient

from sluiceway.adapters.running_services import ServiceBook, ServiceFailed, kept_secrets
from sluiceway.errors import BadInput
from sluiceway.services.declared import Service


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def web(folder, name="web", *, port=None, then=()):
    port = port or free_port()
    command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    return Service(
        name=name,
        command=(*command, "--directory", str(folder)),
        environment={},
        port=port,
        ready=f"http://127.0.0.1:{port}/",
        then=then,
    )


def program(name, code):
    command = (sys.executable, "-c", code)
    return Service(name=name, command=command, environment={}, port=None, ready=None, then=())


@pytest.fixture
def book(tmp_path):
    book = ServiceBook(tmp_path / "services")
    yield book
    book.end(lambda _: None)


def test_what_is_up_answers_and_what_was_ended_does_not(tmp_path, book):
    told = []
    services = [web(tmp_path), program("worker", "import time; time.sleep(60)")]
    book.start(services, told.append)
    assert told == [f"web is up: {services[0].url}", "worker is up"]
    assert httpx.get(services[0].url, trust_env=False).status_code == 200
    pids = [one.pid for one in book.running()]
    assert book.end(told.append) == 2
    assert told[2:] == ["worker has ended", "web has ended"]
    assert not any(psutil.pid_exists(pid) for pid in pids if pid != os.getpid())
    assert book.running() == ()


def test_what_a_service_started_ends_with_it(tmp_path, book):
    code = (
        "import subprocess, sys, time, pathlib;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid));"
        "time.sleep(60)"
    )
    book.start([program("parent", code)], lambda _: None)
    until = time.monotonic() + 20
    while not (tmp_path / "child").exists() and time.monotonic() < until:
        time.sleep(0.05)
    child = int((tmp_path / "child").read_text())
    book.end(lambda _: None)
    assert not psutil.pid_exists(child)


def test_where_one_does_not_come_up_all_are_ended_and_its_log_is_told(tmp_path, book):
    bad = Service(
        name="bad",
        command=(sys.executable, "-c", "raise SystemExit('no such database')"),
        environment={},
        port=1,
        ready="http://127.0.0.1:1/",
        then=(),
    )
    book.log("bad").parent.mkdir(parents=True)
    book.log("bad").write_text("Can't locate revision identified by 'abc', said an earlier one\n")
    with pytest.raises(ServiceFailed, match=r"(?s)bad ended by itself.*no such database") as told:
        book.start([web(tmp_path), bad], lambda _: None)
    assert "revision" not in str(told.value), "what it said before is no cause"
    assert book.running() == ()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("prefect", "server", "start"), "it does not know. A newer version wrote it"),
        (("mlflow", "server", "--workers=1"), "it wants .*back it up, and run mlflow db up"),
    ],
)
def test_a_real_server_on_a_database_of_another_version_is_told(tmp_path, book, command, told):
    """What they say of it themselves lies beneath a long traceback."""
    file = tmp_path / "there.db"
    if command[0] == "mlflow":
        MlflowClient(f"sqlite:///{file}").search_experiments()  # makes all tables
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
        database.execute("DELETE FROM alembic_version")
        database.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
        database.commit()
    port = free_port()
    one = Service(
        name="one",
        command=(*command, f"--port={port}"),
        environment={
            "PREFECT_HOME": str(tmp_path / "prefect"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{file}",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{file}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        port=port,
        ready=f"http://127.0.0.1:{port}/",
        then=(),
    )
    with pytest.raises(ServiceFailed, match=f"one ended by itself.*ffffffffffff.*{told}"):
        book.start([one], lambda _: None)
    assert book.running() == ()


def test_a_command_that_follows_and_fails_ends_all(tmp_path, book):
    one = web(tmp_path, then=((sys.executable, "-c", "raise SystemExit(3)"),))
    with pytest.raises(ServiceFailed, match="ended with 3"):
        book.start([one], lambda _: None)
    assert book.running() == ()


def test_a_taken_port_is_told_before_anything_starts(tmp_path, book):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        one = web(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(BadInput, match="is taken by another program"):
            book.start([one], lambda _: None)
    assert book.running() == ()


def test_a_second_start_is_refused_and_ends_nothing(tmp_path, book):
    book.start([web(tmp_path)], lambda _: None)
    with pytest.raises(BadInput, match="web: runs already, as process"):
        book.start([web(tmp_path)], lambda _: None)
    assert all(one.lives for one in book.running())


def test_an_id_that_was_given_to_another_program_is_left_alone(tmp_path, book):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        book.start([program("worker", "import time; time.sleep(60)")], lambda _: None)
        (one,) = book.running()
        os.kill(one.pid, signal.SIGKILL)
        file = tmp_path / "services" / "running.json"
        # The book says an earlier beginning than that of the program which has the id by now.
        text = file.read_text().replace(str(one.pid), str(other.pid))
        file.write_text(text.replace(str(one.began), str(one.began - 60)))
        assert book.end(lambda _: None) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_secrets_are_made_once_and_are_for_their_owner_alone(tmp_path):
    first = kept_secrets(tmp_path / "secrets", ["webhook", "webhook_encryption"])
    assert kept_secrets(tmp_path / "secrets", ["webhook", "webhook_encryption"]) == first
    assert len(set(first.values())) == 2
    for name in first:
        assert stat.S_IMODE((tmp_path / "secrets" / name).stat().st_mode) == 0o600


def test_what_died_is_started_again_and_ended_by_its_own_turn(tmp_path, book):
    services = [web(tmp_path), program("worker", "import time; time.sleep(60)")]
    book.start(services, lambda _: None)
    first, worker = book.running()
    psutil.Process(first.pid).kill()
    told = []
    until = time.monotonic() + 30
    book.keep(services, told.append, goes_on=lambda: not told and time.monotonic() < until)
    again, still = book.running()
    assert told == [f"web had died and was started again, as process {again.pid}"]
    assert still == worker, "what lives is left alone"
    assert again.pid != first.pid
    assert again.lives
    ended = []
    assert book.end(ended.append) == 2
    assert ended == ["worker has ended", "web has ended"]


@pytest.mark.parametrize("then", ["keep", "end"])
def test_what_a_service_that_was_killed_left_behind_does_not_hold_its_port(tmp_path, book, then):
    """MLflow's server is one: its first process starts another, which listens."""
    one = web(tmp_path)
    code = f"import subprocess; subprocess.run({list(one.command)!r})"
    parent = replace(one, command=(sys.executable, "-c", code))
    book.start([parent], lambda _: None)
    (first,) = book.running()
    (listening,) = psutil.Process(first.pid).children()
    psutil.Process(first.pid).kill()
    if then == "end":
        book.end(lambda _: None)
    else:
        told = []
        until = time.monotonic() + 30
        book.keep([parent], told.append, goes_on=lambda: not told and time.monotonic() < until)
        assert told
    assert not listening.is_running() or listening.status() == psutil.STATUS_ZOMBIE


def test_a_keeper_that_cannot_write_starts_nothing_twice_and_goes_on(tmp_path, book, monkeypatch):
    book.start([web(tmp_path)], lambda _: None)
    (first,) = book.running()
    psutil.Process(first.pid).kill()
    tried, told = [], []
    write, begin = ServiceBook._write, ServiceBook._begin

    def full(self, running):
        if len(tried) < 2:
            raise OSError(errno.ENOSPC, "no space left on device")
        write(self, running)

    def counted(self, service):
        tried.append(begin(self, service))
        return tried[-1]

    monkeypatch.setattr(ServiceBook, "_write", full)
    monkeypatch.setattr(ServiceBook, "_begin", counted)
    until = time.monotonic() + 60
    services = [web(tmp_path, port=int(first.url.rpartition(":")[2]))]
    book.keep(services, told.append, goes_on=lambda: not told and time.monotonic() < until)
    assert [one.lives for one in tried] == [False, True]
    assert book.running() == (tried[1],)


def test_two_that_start_at_once_do_not_end_each_other(tmp_path, book):
    other = ServiceBook(tmp_path / "services")
    refused = []

    def told(_what):
        with pytest.raises(BadInput) as error:
            other.start([web(tmp_path, name="second")], lambda _: None)
        refused.append(str(error.value))

    book.start([web(tmp_path)], told)
    assert len(refused) == 1
    assert "another `sluiceway up` is under way" in refused[0]
    assert [one.name for one in book.running() if one.lives] == ["web"]


@pytest.mark.parametrize("content", ["{", "[1]", '[{"name": "web"}]', "7"])
def test_a_book_that_cannot_be_read_is_told_with_what_to_do(tmp_path, book, content):
    file = tmp_path / "services" / "running.json"
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(BadInput, match=r"running\.json: cannot be read, so nobody knows what"):
        book.end(lambda _: None)
    with pytest.raises(BadInput, match="cannot be read"):
        book.start([web(tmp_path)], lambda _: None)
    file.unlink()


def test_what_an_up_that_was_killed_left_is_ended_by_the_next_down(tmp_path, book):
    code = (
        "import os, pathlib, sys, tests.adapters.test_running_services as here;"
        "folder = pathlib.Path(sys.argv[1]);"
        "book = here.ServiceBook(folder / 'services');"
        "book.start([here.web(folder)], lambda _: os.kill(os.getpid(), 9))"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = book.running()
    assert left.lives
    with pytest.raises(BadInput, match="web: runs already"):
        book.start([web(tmp_path)], lambda _: None)
    assert book.end(lambda _: None) == 1
    assert not left.lives
