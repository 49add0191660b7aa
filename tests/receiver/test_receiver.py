"""A real MLflow server tells a real receiver; strangers, repeats and tests start nothing."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography.fernet import Fernet
from mlflow import MlflowClient

from sluiceway.adapters.mlflow_registry import MlflowRegistry
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.journal import JournalUnavailable
from sluiceway.ports import RegistryUnavailable
from sluiceway.receiver import receiver
from sluiceway.registrations import (
    BODY_LIMIT,
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Registration,
    signature_of,
)
from sluiceway.steps.registering import heard_of
from sluiceway.steps.site import Site
from tests.adapters.mlflow_worlds import QUIET, log_estimator, server
from tests.driver import TRAINED
from tests.steps.worlds import add, quick_site

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

SECRET = "a secret of the webhook"


@dataclass
class Living:
    """A receiver that listens, and what it passed on."""

    site: Site
    url: str = ""
    passed_on: list[Registration] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)

    def emit(self, registration: Registration) -> None:
        if self.broken:
            raise self.broken.pop()
        self.passed_on.append(registration)

    @property
    def versions(self) -> list[str]:
        return [f"{one.model}@{one.version}" for one in self.passed_on]

    def send(
        self,
        body: bytes | None = None,
        *,
        delivery_id: str = "d1",
        at: datetime | None = None,
        secret: str = SECRET,
        **headers: str,
    ) -> tuple[int, dict[str, str]]:
        sent = body_of("fraud", "2") if body is None else body
        stamp = str(int((at or datetime.now(UTC)).timestamp()))
        given = {
            ID_HEADER: delivery_id,
            TIMESTAMP_HEADER: stamp,
            SIGNATURE_HEADER: signature_of(secret, delivery_id, stamp, sent),
            **headers,
        }
        found = httpx.post(f"{self.url}/mlflow", content=sent, headers=given, trust_env=False)
        return found.status_code, found.json()


def body_of(model: str, version: str) -> bytes:
    data = {"name": model, "version": version, "run_id": None}
    return json.dumps({"entity": "model_version", "action": "created", "data": data}).encode()


@contextmanager
def listening(living: Living) -> Iterator[Living]:
    app = receiver(lambda: nullcontext(living.site), living.emit, secrets=[SECRET])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    until = time.monotonic() + 30
    while not running.started and time.monotonic() < until:
        time.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    living.url = f"http://127.0.0.1:{port}"
    try:
        yield living
    finally:
        running.should_exit = True
        thread.join(30)


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    site = quick_site(tmp_path)
    add(site, "fraud", "2", TRAINED)
    add(site, "fraud", "3", TRAINED)
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    alive = Living(site=replace(site, journal=journal))
    with closing(journal), listening(alive):
        yield alive


def test_strangers_start_nothing(living: Living) -> None:
    assert living.send(secret="guessed")[0] == 401
    assert living.send(**{SIGNATURE_HEADER: ""}) == (
        401, {"refused": "unsigned", "why": "it is not signed; give the webhook a secret"}
    )  # fmt: skip
    long_ago = datetime.now(UTC) - timedelta(minutes=6)
    code, said = living.send(at=long_ago)
    assert (code, said["refused"]) == (401, "stale")
    assert living.send(b"{}")[1]["refused"] == "unreadable"
    assert living.passed_on == []
    assert heard_of(living.site) == ()


def test_too_much_is_not_even_read(living: Living) -> None:
    assert living.send(b" " * (BODY_LIMIT + 1))[0] == 413

    def drip() -> Iterator[bytes]:
        for _ in range(BODY_LIMIT // 1024 + 2):
            yield b" " * 1024

    found = httpx.post(f"{living.url}/mlflow", content=drip(), trust_env=False)
    assert found.status_code == 413, "a length that is not announced"
    assert living.send()[0] == 200


def test_a_delivery_that_comes_again_starts_nothing_again(living: Living) -> None:
    assert living.send() == (200, {"heard": "passed_on"})
    assert living.send() == (200, {"heard": "known"})
    assert living.send(delivery_id="d2") == (200, {"heard": "known"}), "another hook, same version"
    assert living.send(body_of("fraud", "3"), delivery_id="d1") == (200, {"heard": "known"})
    assert living.send(body_of("fraud", "3"), delivery_id="d3") == (200, {"heard": "passed_on"})
    assert living.versions == ["fraud@2", "fraud@3"]


def test_the_registry_is_asked_before_anything_is_believed(living: Living) -> None:
    assert living.send(body_of("fraud", "99")) == (200, {"heard": "not_there"})
    assert living.send(body_of("weather", "1")) == (200, {"heard": "not_ours"})
    other = {"entity": "registered_model", "action": "created", "data": {"name": "fraud"}}
    assert living.send(json.dumps(other).encode()) == (
        200, {"heard": "nothing_to_do", "about": "registered_model.created"}
    )  # fmt: skip
    assert living.passed_on == []


@pytest.mark.parametrize(
    "error", [RegistryUnavailable("away"), JournalUnavailable("full"), RuntimeError("unforeseen")]
)
def test_what_could_not_be_passed_on_is_asked_for_again(living: Living, error: Exception) -> None:
    living.broken.append(error)
    assert living.send()[0] == 503
    assert heard_of(living.site) == ()
    assert living.send() == (200, {"heard": "passed_on"})
    assert living.versions == ["fraud@2"]


def test_many_at_once_pass_one_on_and_remember_it_once(living: Living) -> None:
    codes: list[int] = []
    senders = [threading.Thread(target=lambda: codes.append(living.send()[0])) for _ in range(8)]
    for one in senders:
        one.start()
    for one in senders:
        one.join(60)
    assert set(codes) == {200}
    assert len(heard_of(living.site)) == 1
    assert set(living.versions) == {"fraud@2"}


def test_a_receiver_without_a_secret_does_not_start(living: Living) -> None:
    for secrets in ([], [""], ["one", ""]):
        with pytest.raises(ValueError, match="anybody could sign"):
            receiver(lambda: nullcontext(living.site), living.emit, secrets=secrets)


def waited(wanted: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not wanted() and time.monotonic() < until:
        time.sleep(0.05)
    assert wanted()


def test_a_real_mlflow_server_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", key)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    site = quick_site(tmp_path)
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    with closing(journal), server(tmp_path) as uri:
        served = replace(site, journal=journal, registry=MlflowRegistry(uri))
        with listening(Living(site=served)) as living:
            client = MlflowClient(uri, uri)
            hook = client.create_webhook(
                "sluiceway",
                f"{living.url}/mlflow",
                events=["model_version.created"],
                secret=SECRET,
            )
            tested = client.test_webhook(hook.webhook_id)
            assert tested.success
            assert json.loads(tested.response_body or "") == {"heard": "not_ours"}
            for model in ("fraud", "weather", "fraud"):
                log_estimator(uri, model)
            waited(lambda: len(living.passed_on) == 2)
            assert sorted(living.versions) == ["fraud@1", "fraud@2"]
            assert len(heard_of(living.site)) == 2
