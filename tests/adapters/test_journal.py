"""Every journal keeps the same promises."""

import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sluiceway.adapters.memory_journal import MemoryJournal
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.contracts.values import Contract
from sluiceway.journal import (
    Champion,
    Draft,
    JournalConflict,
    JournalMismatch,
    JournalUnavailable,
    check_chain,
)
from sluiceway.ports import Journal
from sluiceway.releases import Member, Release
from tests.adapters.postgres_server import PostgresServer

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    if request.param == "sqlite":
        opened = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        opened = SqlJournal(server.new_database())
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


def contract(version: str) -> Contract:
    return Contract(
        model="eta",
        version=version,
        output=(),
        inputs=(),
        deadline=timedelta(seconds=5),
        fallback={},
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


def test_a_writer_whose_event_rests_on_all_rollouts_must_have_seen_the_newest(
    journal: Journal,
) -> None:
    start = journal.head("prod")
    (first,) = journal.append("prod", "r1", [draft()], after=0, head=start)
    with pytest.raises(JournalConflict):
        journal.append("prod", "r2", [draft()], after=0, head=start)
    assert journal.rollouts("prod") == ("r1",)
    journal.append("other", "r1", [draft()], after=0)
    journal.append("prod", "r2", [draft()], after=0, head=first.hash)
    assert journal.rollouts("prod") == ("r1", "r2")


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


def test_a_contract_is_kept_by_its_content_whatever_environment_verified_it(
    journal: Journal,
) -> None:
    first, second = contract("1.0.0"), contract("1.1.0")
    assert journal.contract(first.content_hash) is None
    journal.keep_contracts([first, second, first])
    journal.keep_contracts([second])
    assert journal.contract(first.content_hash) == first
    assert journal.contract(second.content_hash) == second


def test_of_many_that_keep_one_contract_none_fails(url: str) -> None:
    rivals = {name: SqlJournal(url) for name in ("a", "b", "c")}
    for minor in range(10):
        one = contract(f"1.{minor}.0")
        came = _at_once({name: partial(j.keep_contracts, [one]) for name, j in rivals.items()})
        assert set(came.values()) == {None}
        assert rivals["a"].contract(one.content_hash) == one
    for journal in rivals.values():
        journal.close()


def test_an_altered_contract_is_known_no_longer_until_it_is_kept_again(url: str) -> None:
    journal = SqlJournal(url)
    kept = contract("1.0.0")
    journal.keep_contracts([kept])
    for altered in ("replace(content, '1.0.0', '1.0.1')", "'{}'", "'no JSON'"):
        _change(url, f"UPDATE contracts SET content = {altered}")
        assert journal.contract(kept.content_hash) is None
        journal.keep_contracts([kept])
        assert journal.contract(kept.content_hash) == kept
    journal.close()


def test_a_journal_from_before_contracts_were_kept_is_brought_up_to_date(url: str) -> None:
    first = SqlJournal(url)
    written = first.append("prod", "r1", [draft()], after=0)
    first.close()
    _change(url, "DROP TABLE contracts")
    _change(url, "UPDATE alembic_version SET version_num = '0001'")
    journal = SqlJournal(url)
    assert journal.events("prod", "r1") == written
    journal.keep_contracts([contract("1.0.0")])
    assert journal.contract(contract("1.0.0").content_hash) == contract("1.0.0")
    journal.close()


def test_a_number_that_is_none_is_never_stored(journal: Journal) -> None:
    with pytest.raises(ValueError, match="JSON"):
        journal.append("prod", "r1", [draft(harm=float("nan"))], after=0)
    assert journal.events("prod", "r1") == ()


def test_a_row_changed_in_the_database_is_found(url: str) -> None:
    journal = SqlJournal(url)
    journal.append("prod", "r1", [draft(harm=1.0), draft()], after=0)
    _change(url, "UPDATE events SET payload = '{\"harm\": 0.0}' WHERE position = 1")
    assert check_chain(journal.chain("prod"), known_heads={}).faults
    journal.close()


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    SqlJournal(url).close()
    _change(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(JournalMismatch, match=r"revision 9999, which .* a newer one has used it"):
        SqlJournal(url)


def test_a_database_of_another_program_is_refused_and_left_as_it_is(url: str) -> None:
    _change(url, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    _change(url, "INSERT INTO alembic_version VALUES ('cbc13b556ace')")  # as MLflow's
    with pytest.raises(JournalMismatch, match=r"another program's, .* revision cbc13b556ace"):
        SqlJournal(url)
    _change(url, "CREATE TABLE chains (x INTEGER)")  # was not made by us


def test_tables_without_their_revision_are_refused(url: str) -> None:
    SqlJournal(url).close()
    _change(url, "DROP TABLE alembic_version")
    with pytest.raises(JournalMismatch, match="says no revision; restore"):
        SqlJournal(url)


def test_a_database_that_cannot_be_brought_up_to_date_stays_as_it_was(
    postgres: PostgresServer,
) -> None:
    """Its user may write into the tables that there are, and make none."""
    url = postgres.new_database()
    journal = SqlJournal(url)
    written = journal.append("prod", "r1", [draft()], after=0)
    journal.close()
    _change(url, "DROP TABLE contracts")
    _change(url, "UPDATE alembic_version SET version_num = '0001'")
    name = f"writer_{url.rpartition('_')[2]}"
    _change(url, f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    _change(url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
    with pytest.raises(JournalMismatch) as told:
        SqlJournal(url.replace("postgres@", f"{name}:x@"))
    assert "is at revision 0001, and bringing it to 0002 failed; nothing was changed" in str(
        told.value
    )
    assert "permission denied for schema public" in str(told.value)
    again = SqlJournal(url)
    assert again.events("prod", "r1") == written
    again.close()


def test_of_two_connections_that_move_the_champion_at_once_one_does(url: str) -> None:
    """Compare-and-swap: the other is refused, and leaves no event and no generation behind."""
    rivals = {name: SqlJournal(url) for name in ("a", "b")}
    rivals["a"].move_champion("prod", release("0"), "r0", [draft()], after=0, revision=0)
    for revision in range(1, 11):
        outcomes = _at_once(
            {
                name: partial(
                    journal.move_champion,
                    "prod",
                    release(f"{revision}{name}"),
                    f"r{revision}{name}",
                    [draft()],
                    after=0,
                    revision=revision,
                )
                for name, journal in rivals.items()
            }
        )
        (winner,) = [name for name, came in outcomes.items() if isinstance(came, Champion)]
        (refused,) = [came for came in outcomes.values() if not isinstance(came, Champion)]
        assert isinstance(refused, JournalConflict)
        assert outcomes[winner] == rivals["a"].champion("prod") == rivals["b"].champion("prod")
        assert f"r{revision}{winner}" in rivals["a"].rollouts("prod")
        assert len(rivals["a"].rollouts("prod")) == revision + 1
        assert len(rivals["a"].generations("prod")) == revision + 1
    assert check_chain(rivals["a"].chain("prod"), known_heads={}).faults == ()
    for journal in rivals.values():
        journal.close()


def test_many_may_open_a_new_database_at_once(url: str) -> None:
    """Whoever comes second finds the tables made."""

    def open_and_write(name: str) -> None:
        journal = SqlJournal(url)
        journal.append(name, "r1", [draft()], after=0)
        journal.close()

    names = ("a", "b", "c", "d")
    assert _at_once({name: partial(open_and_write, name) for name in names}) == dict.fromkeys(names)
    journal = SqlJournal(url)
    assert [len(journal.events(name, "r1")) for name in names] == [1, 1, 1, 1]
    journal.close()


def test_a_postgresql_server_that_ended_every_connection_is_connected_to_again(
    postgres: PostgresServer,
) -> None:
    journal = SqlJournal(postgres.new_database())
    written = journal.append("prod", "r1", [draft()], after=0)
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'journal_%'"
    )
    assert journal.events("prod", "r1") == written
    journal.close()


def test_a_postgresql_server_that_does_not_answer_is_told_in_one_line_without_its_password() -> (
    None
):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        with pytest.raises(JournalUnavailable, match="refused") as told:
            SqlJournal(f"postgresql://me:s3cr3t@127.0.0.1:{port}/x")
    assert "s3cr3t" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_where_the_driver_lacks_it_is_told_what_to_install(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JournalUnavailable, match=r"psycopg is not installed") as told:
        SqlJournal(f"{scheme}://me:s3cr3t@db/x")
    assert "pip install 'sluiceway[postgres]'" in str(told.value)
    assert "s3cr3t" not in str(told.value)


def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="unable to open"):
        SqlJournal(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'journal.db'}")


@pytest.mark.parametrize("url", ["nonsense", "nowhere://me:s3cr3t@db/x"])
def test_a_url_that_leads_to_no_database_says_so_without_its_password(url: str) -> None:
    with pytest.raises(JournalUnavailable, match="the journal's database cannot be used") as told:
        SqlJournal(url)
    assert "s3cr3t" not in str(told.value)


def _change(url: str, statement: str) -> None:
    """What somebody does behind the journal's back."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _at_once(calls: Mapping[str, Callable[[], object]]) -> dict[str, object]:
    """What each call gave, or the conflict it raised; they begin together."""
    start = threading.Barrier(len(calls))

    def called(call: Callable[[], object]) -> object:
        start.wait()
        try:
            return call()
        except JournalConflict as conflict:
            return conflict

    with ThreadPoolExecutor(len(calls)) as threads:
        begun = {name: threads.submit(called, call) for name, call in calls.items()}
        return {name: one.result() for name, one in begun.items()}


def test_every_environment_with_a_champion_is_named(journal: Journal) -> None:
    assert journal.environments() == ()
    for environment in ("staging", "production"):
        journal.move_champion(environment, release("1"), "adoption", [draft()], after=0, revision=0)
    journal.append("trial", "r0001", [draft()], after=0)
    assert journal.environments() == ("production", "staging")
