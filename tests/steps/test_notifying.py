"""People hear what happened, by real requests to a real listener, and a dead one stops nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread

import pytest

from sluiceway.adapters.notifier import AppriseNotifier
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.errors import BadInput
from sluiceway.notices import CameTo
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import RollbackDecided
from sluiceway.steps import notifying, requests
from sluiceway.steps.site import Site
from sluiceway.system.file import read_system
from sluiceway.system.notifications import Tier
from tests.driver import advance, variant
from tests.steps.test_decision_rights import deprecated_site
from tests.steps.worlds import NOW, ask, ended, quick_site, same_fraud

DECLARED = """
notifications:
  channels:
    pager: {url: "env:SHOP_PAGER"}
    chat: {url: "env:SHOP_CHAT", at_most: 5, within: 1h}
    post: {url: "block:shop-post"}
  owners:
    risk: {page: [pager], notify: [chat]}
  otherwise: {page: [chat], notify: [chat], digest: [post]}
"""
APPROVALS = ("  approvals: []\n", "  approvals: [risk]\n" + DECLARED)
PLAIN = ("  approvals: []\n", "  approvals: []\n" + DECLARED)


@dataclass
class Sink:
    """A listener on loopback, and what it was sent."""

    port: int = 0
    code: int = 200
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    @property
    def titles(self) -> list[tuple[str, str]]:
        return [(path, said["title"]) for path, said in self.heard]


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    sink = Sink()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.heard.append((self.path.strip("/"), json.loads(body)))
            self.send_response(sink.code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    sink.port = server.server_address[1]
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SHOP_PAGER", sink.url("pager"))
    monkeypatch.setenv("SHOP_CHAT", sink.url("chat"))
    yield sink
    server.shutdown()
    thread.join(10)
    server.server_close()


def tell(site: Site, sink: Sink, now: datetime = NOW) -> list[tuple[str, str]]:
    """What was heard this time, by path and title."""
    before = len(sink.heard)
    notifier = AppriseNotifier(block={"shop-post": sink.url("post")}.get)
    notifying.tell_people(site, notifier, now=now)
    return sink.titles[before:]


def test_who_must_approve_is_told_once_and_with_the_command(tmp_path: Path, sink: Sink) -> None:
    site = quick_site(tmp_path, APPROVALS)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    assert tell(site, sink) == [("chat", f"{rollout} waits for risk to approve")]
    said = sink.heard[0][1]
    assert f"sluiceway approve {rollout} --as risk --reason WHY" in said["message"]
    assert said["type"] == "warning"
    assert tell(site, sink) == tell(site, sink, NOW + timedelta(days=6)) == []


def test_a_rollback_pages_and_its_owner_is_told_at_once(tmp_path: Path, sink: Sink) -> None:
    site = quick_site(tmp_path, PLAIN)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    state = site.state(rollout)
    why = "brier: harm 0.1 > margin 0.002"
    decided = RollbackDecided(code=ReasonCode.HARM_IN_CANARY, reason=why)
    site.tell(rollout, decided, after=state.seq, now=NOW)
    heard = tell(site, sink)
    assert heard == [
        ("pager", f"{rollout} is rolled back"), ("chat", f"{rollout} is rolled back")
    ]  # fmt: skip
    assert sink.heard[0][1]["type"] == "failure"
    assert "brier: harm 0.1 > margin 0.002" in sink.heard[0][1]["message"]
    advance(site, rollout, NOW)
    assert ended(site, rollout).ending is Ending.ROLLED_BACK
    assert tell(site, sink) == [], "its end and its incident are no further news"


def test_what_can_wait_comes_as_a_digest(tmp_path: Path, sink: Sink) -> None:
    site = quick_site(tmp_path, PLAIN)
    same_fraud(site)
    for _ in range(2):
        rollout = ask(site, "fraud@2")
        requests.abort(site, rollout, reason="not yet", now=NOW, actor="ada")
        advance(site, rollout, NOW)
    assert tell(site, sink) == []
    later = NOW + timedelta(days=1)
    assert tell(site, sink, later) == [
        ("post", "Sluiceway: 2 things since the last digest")
    ]  # fmt: skip
    assert sink.heard[0][1]["message"].count("not yet") == 2
    assert tell(site, sink, later + timedelta(days=2)) == []


def test_announcements_reach_the_owners_they_are_for(tmp_path: Path, sink: Sink) -> None:
    site = deprecated_site(tmp_path)
    file = tmp_path / "system" / "system.yaml"
    file.write_text(file.read_text() + DECLARED)
    heard = tell(site, sink)
    assert heard, "what was announced before anybody sent anything"
    assert all(path == "chat" for path, _ in heard)
    assert any("will go, from " in title for _, title in heard)
    assert any("acknowledge it with: " in said["message"] for _, said in sink.heard)


def test_a_dead_channel_stops_nothing_and_is_told_elsewhere(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = quick_site(tmp_path, APPROVALS)
    monkeypatch.setenv("SHOP_CHAT", "json://user:hunter2@127.0.0.1:1/")
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    now = NOW
    elsewhere = [("post", "the channel chat does not take messages")]
    for heard in ([], [], elsewhere, []):
        assert tell(site, sink, now) == heard
        now += timedelta(minutes=10)
    faults = [one.attempt.fault for one in notifying.attempts(site) if one.attempt.fault]
    assert faults == ["env:SHOP_CHAT did not take it"] * 3
    assert "env:SHOP_CHAT did not take it; it was tried 3 times" in sink.heard[-1][1]["message"]
    journalled = [str(event.payload) for event in site.journal.chain(site.environment)]
    assert not [text for text in journalled if "hunter2" in text]
    requests.approve(site, rollout, reason="fine", now=now, actor="ada")
    advance(site, rollout, now)
    assert site.state(rollout).step == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "env:SHOP_CHAT is not set"),
        ("", "env:SHOP_CHAT is not set"),
        ("nonsense://hunter2", "env:SHOP_CHAT holds no address that Apprise knows"),
        ("hunter2", "env:SHOP_CHAT holds no address that Apprise knows"),
    ],
)
def test_what_is_no_address_is_told_and_never_quoted(
    tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch, url: str | None, said: str
) -> None:
    site = quick_site(tmp_path, APPROVALS)
    same_fraud(site)
    advance(site, ask(site, "fraud@2"), NOW)
    if url is None:
        monkeypatch.delenv("SHOP_CHAT")
    else:
        monkeypatch.setenv("SHOP_CHAT", url)
    tell(site, sink)
    assert [one.attempt.fault for one in notifying.attempts(site)] == [None, said]


def test_a_listener_that_refuses_is_a_failure(tmp_path: Path, sink: Sink) -> None:
    site = quick_site(tmp_path, APPROVALS)
    same_fraud(site)
    advance(site, ask(site, "fraud@2"), NOW)
    sink.code = 500
    tell(site, sink)
    last = notifying.attempts(site)[-1].attempt
    assert (last.came_to, last.tier) == (CameTo.FAILED, Tier.NOTIFY)


def test_of_two_workers_one_sends(tmp_path: Path, sink: Sink) -> None:
    site = quick_site(tmp_path, APPROVALS)
    same_fraud(site)
    rollout = ask(site, "fraud@2")
    advance(site, rollout, NOW)
    journal = SqlJournal(f"sqlite:///{tmp_path / 'raced.db'}")
    for event in site.journal.events("test", rollout):
        told = [event]
        journal.append("test", rollout, told, after=event.seq - 1)  # type: ignore[arg-type]
    raced, start = replace(site, journal=journal), Barrier(2)

    def work() -> None:
        start.wait(10)
        tell(raced, sink)

    workers = [Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    tried = [one.attempt.came_to for one in notifying.attempts(raced)]
    journal.close()
    assert len(sink.heard) == 1
    assert tried == [CameTo.CLAIMED, CameTo.SENT]


def test_the_file_names_channels_and_never_holds_them(tmp_path: Path) -> None:
    def faults(name: str, section: str) -> list[str]:
        change = ("  approvals: []\n", "  approvals: []\nnotifications: " + section)
        with pytest.raises(BadInput) as refused:
            read_system(variant(tmp_path / name, change))
        return [str(fault) for fault in refused.value.faults]

    root = "system.yaml: notifications"
    assert faults("secret", '{channels: {chat: {url: "slack://hunter2/x/y"}}}') == [
        f"{root}.channels.chat.url: an address is a secret; write env:NAME or block:NAME of what "
        "holds it"
    ]
    assert faults("names", "{owners: {ceo: {page: [pager]}}, otherwise: {digest: [post]}}") == [
        f"{root}.owners.ceo.page: pager is no channel (there are: none)",
        f"{root}.otherwise.digest: post is no channel (there are: none)",
        f"{root}.owners.ceo: is no owner (there are: shop-data, risk, logistics, finance, desk)",
    ]
    (found,) = faults("tier", "{tiers: {drift: loud}}")
    assert found.startswith(f"{root}.tiers.drift: ")
    (found,) = faults("list", "[chat]")
    assert found.startswith(f"{root}: ")
