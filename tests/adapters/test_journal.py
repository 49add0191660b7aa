"""Every journal keeps the same promises."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sluiceway.adapters.memory_journal import MemoryJournal
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.journal import Draft, JournalConflict, JournalUnavailable, check_chain
from sluiceway.ports import Journal
from sluiceway.releases import Member, Release

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    opened = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    yield opened
    opened.close()


def draft(kind: str = "noted", **payload: object) -> Draft:
    return Draft(at=NOON, actor="ada", kind=kind, payload=payload)


def release(version: str) -> Release:
    return Release(
        members={
            "eta": Member(
                model="eta",
                version=version,
                contract_hash="c",
                artifact_sha256="a",
                features={"hour": "1.0.0"},
            )
        }
    )


def test_events_come_back_as_they_were_written(journal: Journal) -> None:
    written = journal.append("prod", "r1", [draft(x=1.5, s="é"), draft("second")], after=0)
    assert journal.events("prod", "r1") == written
    assert [event.seq for event in written] == [1, 2]
    assert journal.head("prod") == written[-1].hash


def test_a_writer_who_has_not_seen_the_newest_event_is_refused(journal: Journal) -> None:
    journal.append("prod", "r1", [draft()], after=0)
    with pytest.raises(JournalConflict):
        journal.append("prod", "r1", [draft()], after=0)
    assert len(journal.events("prod", "r1")) == 1


def test_rollouts_share_one_chain_an_environment(journal: Journal) -> None:
    journal.append("prod", "r1", [draft()], after=0)
    journal.append("prod", "r2", [draft()], after=0)
    journal.append("other", "r3", [draft()], after=0)
    journal.append("prod", "r1", [draft()], after=1)
    chain = list(journal.chain("prod"))
    assert [(e.position, e.rollout_id, e.seq) for e in chain] == [
        (1, "r1", 1),
        (2, "r2", 1),
        (3, "r1", 2),
    ]
    assert journal.rollouts("prod") == ("r1", "r2")
    assert check_chain(chain, known_heads={}).faults == ()


def test_the_champion_moves_with_its_events_or_not_at_all(journal: Journal) -> None:
    first = journal.move_champion("prod", release("1"), "r1", [draft()], after=0, revision=0)
    assert (first.generation, first.revision) == (1, 1)
    with pytest.raises(JournalConflict):
        journal.move_champion("prod", release("2"), "r1", [draft()], after=1, revision=0)
    with pytest.raises(JournalConflict):
        journal.move_champion("prod", release("2"), "r1", [draft()], after=0, revision=1)
    assert journal.champion("prod") == first
    assert len(journal.events("prod", "r1")) == 1
    assert dict(journal.generations("prod")) == {1: release("1").content_hash}


def test_rolling_back_gives_the_earlier_generation_again(journal: Journal) -> None:
    journal.move_champion("prod", release("1"), "r1", [draft()], after=0, revision=0)
    journal.move_champion("prod", release("2"), "r2", [draft()], after=0, revision=1)
    back = journal.move_champion("prod", release("1"), "r2", [draft()], after=1, revision=2)
    assert (back.generation, back.revision) == (1, 3)
    assert journal.release("prod", 2) == release("2")
    with pytest.raises(KeyError):
        journal.release("prod", 3)


def test_of_many_racing_writers_one_wins_each_place(journal: Journal) -> None:
    lost = []

    def write(name: str) -> None:
        for after in range(5):
            try:
                journal.append("prod", "r1", [draft(by=name)], after=after)
            except JournalConflict:
                lost.append(name)

    writers = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    chain = list(journal.chain("prod"))
    assert [event.seq for event in chain] == list(range(1, len(chain) + 1))
    assert len(chain) + len(lost) == 20
    assert check_chain(chain, known_heads={}).faults == ()


def test_an_altered_event_breaks_the_chain(journal: Journal) -> None:
    journal.append("prod", "r1", [draft(harm=1.0), draft(), draft()], after=0)
    chain = list(journal.chain("prod"))
    altered = [replace(chain[0], payload={"harm": 0.0}), *chain[1:]]
    assert "altered" in check_chain(altered, known_heads={}).faults[0]
    assert "missing" in check_chain([chain[0], chain[2]], known_heads={}).faults[0]


def test_events_cut_off_the_end_show_against_a_kept_head(journal: Journal) -> None:
    journal.append("prod", "r1", [draft(), draft()], after=0)
    chain = list(journal.chain("prod"))
    kept = {chain[1].hash: "the report of r1"}
    assert check_chain(chain, known_heads=kept).faults == ()
    (fault,) = check_chain(chain[:1], known_heads=kept).faults
    assert "the report of r1" in fault


def test_a_number_that_is_none_is_never_stored(journal: Journal) -> None:
    with pytest.raises(ValueError, match="JSON"):
        journal.append("prod", "r1", [draft(harm=float("nan"))], after=0)
    assert journal.events("prod", "r1") == ()


def test_a_row_changed_in_the_database_is_found(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    journal = SqlJournal(url)
    journal.append("prod", "r1", [draft(harm=1.0), draft()], after=0)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE events SET payload = '{\"harm\": 0.0}' WHERE position = 1"))
    engine.dispose()
    assert check_chain(journal.chain("prod"), known_heads={}).faults
    journal.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    SqlJournal(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(JournalUnavailable, match="9999"):
        SqlJournal(url)


def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="unable to open"):
        SqlJournal(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'journal.db'}")


@pytest.mark.parametrize("url", ["nonsense", "nowhere://me:s3cr3t@db/x"])
def test_a_url_that_leads_to_no_database_says_so_without_its_password(url: str) -> None:
    with pytest.raises(JournalUnavailable, match="the journal's database cannot be used") as told:
        SqlJournal(url)
    assert "s3cr3t" not in str(told.value)
