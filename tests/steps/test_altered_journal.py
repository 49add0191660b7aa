"""A journal that is not what was written decides nothing more, says which row, and is told."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.adapters.told_beside import ToldBeside
from sluiceway.errors import BadInput
from sluiceway.notices import Message
from sluiceway.steps import controlling, going_back, notifying, requests
from sluiceway.steps.chain import JournalAltered, altered, refuse_altered
from sluiceway.steps.site import Site
from sluiceway.system.notifications import Channel
from tests.driver import QUICK, adopt_live, advance, memory_site, variant

from .worlds import NOW, ask, same_fraud

TELLING = (
    "notifications:\n  channels:\n    pager: {url: env:PAGER}\n    chat: {url: env:CHAT}\n"
    "  otherwise: {page: [pager, chat]}\n"
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The shop over a real database, with a rollout that waits in canary."""
    (tmp_path / "system").mkdir()
    file = variant(tmp_path / "system", *QUICK)
    file.write_text(file.read_text() + TELLING)
    made = memory_site(tmp_path, file=file)
    made = replace(made, journal=SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}"))
    adopt_live(made, NOW)
    same_fraud(made)
    advance(made, ask(made, "fraud@2"), NOW)
    assert altered(made) == ()
    return made


def sql(tmp_path: Path, statement: str) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'journal.db'}")
    with engine.begin() as connection:
        assert connection.execute(text(statement)).rowcount == 1
    engine.dispose()


HANDS = {
    "a row that is missing": (
        "DELETE FROM events WHERE kind = 'planned'",
        r"event \d+ \(r0001-fraud2 #\d+, .*events are missing",
    ),
    "the last row that is missing": (
        "DELETE FROM events WHERE position = (SELECT max(position) FROM events)",
        r"the chain lacks [0-9a-f]{12}…, kept by the journal's own end",
    ),
    "an altered verdict": (
        "UPDATE events SET payload = replace(payload, 'passed', 'failed') "
        "WHERE kind = 'shadow_measured'",
        r"\(r0001-fraud2 #\d+, shadow_measured\): its content or what came before it was altered",
    ),
    "another actor": (
        "UPDATE events SET actor = 'eve' WHERE kind = 'requested'",
        r"\(r0001-fraud2 #1, requested\): its content or what came before it was altered",
    ),
    "an altered release": (
        "UPDATE releases SET content = replace(content, 'fraud', 'frond') WHERE generation = 1",
        r"generation 1: its release was altered",
    ),
    "a pointer that nobody moved": (
        "UPDATE champion SET generation = 7",
        r"the champion is nothing, which no event made it",
    ),
}


@pytest.mark.parametrize("hand", HANDS)
def test_what_was_altered_is_named_and_nothing_is_asked_for(
    site: Site, tmp_path: Path, hand: str
) -> None:
    statement, said = HANDS[hand]
    before = site.router.observed()
    sql(tmp_path, statement)
    head = site.journal.head(site.environment)
    with pytest.raises(JournalAltered, match=said):
        refuse_altered(site)
    wanted: tuple[Callable[[], object], ...] = (
        lambda: ask(site, "handling@1"),
        lambda: going_back.request_rollback(site, to=1, reason="", now=NOW, actor="ada"),
        lambda: requests.resume(site, "r0001-fraud2", reason="", now=NOW, actor="ada"),
        lambda: requests.approve(site, "r0001-fraud2", reason="", now=NOW, actor="ada"),
        lambda: controlling.restore_edges(site, "fraud", reason="", now=NOW, actor="ada"),
        lambda: controlling.set_flag(site, "f", "on", reason="", now=NOW, actor="ada"),
        lambda: controlling.unset_flag(site, "f", reason="", now=NOW, actor="ada"),
    )
    for one in wanted:
        with pytest.raises(JournalAltered, match=said):
            one()
    assert site.journal.head(site.environment) == head
    assert site.router.observed() == before, "what serves goes on"


def test_what_only_stops_is_taken_all_the_same(site: Site, tmp_path: Path) -> None:
    """Nobody judges a canary while the journal is altered: a person must be able to end it."""
    sql(tmp_path, HANDS["another actor"][0])
    before = site.router.observed()
    assert before is not None
    assert before.canaries
    said = {"reason": "the journal was altered", "now": NOW, "actor": "ada"}
    assert controlling.isolate(site, "fraud → cost", **said) == ("fraud.probability → cost",)
    requests.hold(site, "r0001-fraud2", **said)
    with pytest.raises(BadInput, match="does not wait for an approval"):
        requests.refuse(site, "r0001-fraud2", **said)
    requests.abort(site, "r0001-fraud2", **said)
    after = site.router.observed()
    assert after is not None
    assert not after.canaries
    assert altered(site), "a stop does not heal it"


def test_everybody_is_told_once_a_channel_and_the_journal_is_not_written_to(
    site: Site, tmp_path: Path
) -> None:
    sql(tmp_path, HANDS["another actor"][0])
    head = site.journal.head(site.environment)
    sent: list[str] = []
    broken = {"chat"}

    def send(channel: Channel, message: Message) -> str | None:
        if channel.name in broken:
            return "is away"
        assert "requested" in message.body
        assert "sluiceway journal verify" in message.body
        sent.append(f"{channel.name}: {message.title}")
        return None

    told = ToldBeside(tmp_path / "told.json")
    faults = JournalAltered(altered(site))
    for _ in range(3):
        notifying.tell_altered(site, send, told, faults, now=NOW)
    broken.clear()
    for _ in range(2):
        notifying.tell_altered(site, send, told, faults, now=NOW)
    title = "the journal of test was altered or has lost events"
    assert sent == [f"pager: {title}", f"chat: {title}"]
    assert len(json.loads((tmp_path / "told.json").read_text())) == 2
    assert site.journal.head(site.environment) == head
