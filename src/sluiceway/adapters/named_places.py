"""Settings that point nowhere, told before anything is opened, made or written.

What is told here is wrong however long one waits: an address that is none, a folder or a database
file that is not there. A server that does not answer may be back in a moment; whoever asks it says
so.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from sluiceway.addresses import address_fault, shown
from sluiceway.errors import BadInput, Fault
from sluiceway.settings import Settings

_STORES: Final = ("postgresql", "mysql", "mssql", "databricks", "databricks-uc", "uc")
"""Schemes of registries that MLflow knows and that are its to open."""


def refuse_nowhere(settings: Settings, *, writes: bool = False) -> None:
    """Refuse settings of which one points nowhere.

    Args:
        writes: Whether a home that is there has to be this user's to write to; some only look.

    Raises:
        BadInput: With every such setting, its value without secrets, and what would be right.
    """
    if faults := [
        *_home(settings, writes),
        *_data(settings),
        *_journal(settings),
        *_registry(settings),
    ]:
        raise BadInput(faults)


def _home(settings: Settings, writes: bool) -> Iterator[Fault]:
    home = settings.home.absolute()
    there = next(one for one in (home, *home.parents) if one.exists())
    if not there.is_dir():
        what = f"{settings.home} cannot be made: {there} is no folder"
    elif (writes or there != home) and not os.access(there, os.W_OK | os.X_OK):
        what = f"{settings.home} cannot be written to by this user, as {there} is not theirs"
    else:
        return
    yield Fault(where="SLUICEWAY_HOME", what=f"{what}; name a folder that may be written to")


def _data(settings: Settings) -> Iterator[Fault]:
    if settings.data is not None and not settings.data.is_dir():
        what = f"there is no folder {settings.data}; it is what {{data}} stands for in loaders"
        yield Fault(where="SLUICEWAY_DATA", what=what)


def _journal(settings: Settings) -> Iterator[Fault]:
    url, where = settings.database_url, "SLUICEWAY_DATABASE_URL"
    if url is None:
        return
    right = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE is right"
    try:
        database = make_url(url)
        backend = database.drivername.partition("+")[0]
    except (ArgumentError, ValueError):
        yield Fault(where=where, what=f"{shown(url)!r} is no database's address; {right}")
        return
    if backend not in ("sqlite", "postgresql", "postgres"):
        yield Fault(where=where, what=f"{shown(url)}: the journal is never kept there; {right}")
        return
    file = _file_of(database.database) if backend == "sqlite" else None
    # The first to write makes the file, so only its folder has to be there.
    if file is not None and not file.absolute().parent.is_dir():
        yield Fault(where=where, what=f"{url}: there is no folder {file.absolute().parent}")


def _registry(settings: Settings) -> Iterator[Fault]:
    uri, where = settings.tracking_uri, "SLUICEWAY_TRACKING_URI"
    if uri is None:
        return
    right = "http://HOST:PORT or sqlite:///FILE is right"
    scheme = uri.partition("://")[0].partition("+")[0] if "://" in uri else uri.partition(":")[0]
    if scheme in ("http", "https"):
        if what := address_fault(uri, example="http://127.0.0.1:5000"):
            yield Fault(where=where, what=what)
    elif scheme == "sqlite":
        try:
            file = _file_of(make_url(uri).database)
        except (ArgumentError, ValueError):
            yield Fault(where=where, what=f"{shown(uri)!r} is no registry's address; {right}")
            return
        # Nobody can roll out of an empty registry, and MLflow would make one without a word.
        if file is not None and not file.is_file():
            yield Fault(where=where, what=f"{uri}: there is no file {file}; {right}")
    elif scheme not in _STORES and not Path(uri.removeprefix("file://")).is_dir():
        yield Fault(where=where, what=f"{shown(uri)!r} is no registry that MLflow knows; {right}")


def _file_of(database: str | None) -> Path | None:
    """The file of a SQLite database; None where it is in memory, or SQLite's to find."""
    if not database or database == ":memory:" or database.startswith("file:"):
        return None
    return Path(database)
