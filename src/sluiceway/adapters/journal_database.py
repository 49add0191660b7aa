"""The journal's database: how it is opened, migrated, and what its errors say."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InternalError,
    ProgrammingError,
    SQLAlchemyError,
)

from sluiceway.adapters.tables import CHAINS
from sluiceway.journal import JournalConflict, JournalMismatch, JournalUnavailable

_LOG: Final = logging.getLogger("sluiceway.journal")
_MIGRATIONS = Path(__file__).parent / "migrations"

_MIGRATING = 0x51_0C_E3_A7
"""Key of the advisory lock that PostgreSQL migrations are made under; any fixed number does."""


def opened_engine(url: str) -> Engine:
    """The engine of a SQLite file or a PostgreSQL database.

    Raises:
        JournalUnavailable: There is no such database or driver.
    """
    try:
        wanted = _with_our_driver(make_url(url))
        if wanted.get_backend_name() == "postgresql":
            return _postgresql(wanted)
        engine = create_engine(wanted)
    except (SQLAlchemyError, ImportError) as error:
        what = f"the journal's database cannot be used: {error}"
        raise JournalUnavailable(what) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
    return engine


def _with_our_driver(url: URL) -> URL:
    """The URL with the driver that we ship for, where it names a database and no driver."""
    # "postgres" is how hosts write it; SQLAlchemy 2.0 would look for another driver than 2.1.
    ours = url.drivername in ("postgresql", "postgres")
    return url.set(drivername="postgresql+psycopg") if ours else url


def _postgresql(url: URL) -> Engine:
    patience = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
    try:
        engine = create_engine(
            url,
            # The lock on the chain's row does it all; a stricter default of the server would
            # turn each wait into a failure.
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # a server that was restarted leaves dead connections behind
            connect_args=patience if url.get_driver_name() == "psycopg" else {},
        )
    except ImportError as error:
        what = (
            f"the journal's database cannot be used: {error.name} is not installed, which "
            f"{url.drivername} needs"
        )
        if url.get_driver_name() == "psycopg":
            what += "; install it with: pip install 'sluiceway[postgres]'"
        raise JournalUnavailable(what) from error
    event.listen(engine, "connect", _postgresql_connected)
    return engine


def _postgresql_connected(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '30s'")  # as long as SQLite's writers wait
    connection.commit()


def _sqlite_connected(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions on its own
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _sqlite_begins(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def migrate(engine: Engine) -> None:
    """Bring its tables to the newest revision, whole or not at all.

    Raises:
        JournalMismatch: A newer version of Sluiceway, or another program, has used it, or it could
            not be brought there; nothing was changed.
    """
    config = Config()
    # Alembic reads it with Python's configparser, to which a percent sign is the start of a name.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    with engine.connect() as connection:
        # In this order: whoever makes the tables meanwhile makes tables and revision at once.
        is_ours = inspect(connection).has_table(CHAINS.name)
        current = MigrationContext.configure(connection).get_current_revision()
        if current == newest:
            return
    known = {script.revision for script in scripts.walk_revisions()}
    if refusal := _refusal(current, is_ours=is_ours, is_known=current in known):
        raise JournalMismatch(refusal)
    try:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            if engine.dialect.name == "postgresql":
                # Two processes that open a new database at once would both make the tables.
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        if error.connection_invalidated or not isinstance(error, ProgrammingError | InternalError):
            raise  # a server that went away, a lock that was not given: gone the next time
        was = "is empty" if current is None else f"is at revision {current}"
        raise JournalMismatch(
            f"the journal's database {was}, and bringing it to {newest} failed; nothing was "
            f"changed: {_said_by(error)}; its user must own the database, or have the right to "
            "make tables in it"
        ) from error
    if current is not None:
        _LOG.warning("the journal's database was brought from revision %s to %s", current, newest)


def _refusal(current: str | None, *, is_ours: bool, is_known: bool) -> str | None:
    """Why a database that is not at the newest revision is left alone; None where it is not."""
    if current is None:
        return (
            None
            if not is_ours
            else (
                "the journal's database has the journal's tables and says no revision; restore its "
                "table alembic_version from a copy, or name an empty database"
            )
        )
    if is_known and is_ours:
        return None
    if is_ours:
        return (
            f"the journal's database is at revision {current}, which this version of Sluiceway "
            "does not know: a newer one has used it; install that one, or restore a copy"
        )
    return (
        f"the journal's database is another program's, which is at its own revision {current} "
        "there; the journal needs a database of its own: SLUICEWAY_DATABASE_URL"
    )


@contextmanager
def in_our_words(url: str) -> Iterator[None]:
    """Turn the database's errors into ours; the URL's password is masked by SQLAlchemy."""
    try:
        yield
    except IntegrityError as error:
        raise JournalConflict(f"somebody else wrote first: {error.orig}") from error
    except DBAPIError as error:
        raise JournalUnavailable(f"the journal at {url}: {_said_by(error)}") from error
    except SQLAlchemyError as error:
        raise JournalUnavailable(f"the journal at {url}: {error}") from error


def _said_by(error: DBAPIError) -> str:
    """What the database said, in one line; PostgreSQL says several."""
    return " ".join(str(error.orig).split())
