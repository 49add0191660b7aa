"""Whether servers and their databases are of the versions that this installation speaks with."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

import httpx

_PATIENCE: Final = 10.0
"""Seconds in which a server has to answer."""
_ASKED: Final = {
    "SLUICEWAY_TRACKING_URI": ("mlflow", "/version"),
    "PREFECT_API_URL": ("prefect", "/admin/version"),
}
"""By the setting that names the server: its program, and where it says its version."""
_UNKNOWN_REVISION: Final = re.compile(r"Can't locate revision identified by '(\w+)'")
_OTHER_REVISION: Final = re.compile(r"schema \(found version (\w+), but expected (\w+)\)")
"""What a server's last words hold where its database is of another version than the server."""


def strange_database(words: str) -> str | None:
    """What is wrong with a database, where that is why a server would not start; else None.

    Args:
        words: The end of the server's log.
    """
    other = "install that version, or name another database"
    if (found := _UNKNOWN_REVISION.search(words)) is not None:
        return (
            f"its database is at revision {found[1]}, which it does not know. A newer version "
            f"wrote it: {other}"
        )
    if (found := _OTHER_REVISION.search(words)) is not None:
        return (
            f"its database is at revision {found[1]}, and it wants {found[2]}. Where an older one "
            f"wrote it: back it up, and run mlflow db upgrade URL. Where a newer one did: {other}"
        )
    return None


def strange_servers(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What is wrong with the servers that an environment names, in words, by the setting.

    A server that does not say its version, such as one that wants to know first who asks, is not
    judged; MLflow and Prefect refuse by themselves what they cannot do.
    """
    found = {}
    for setting, (program, path) in _ASKED.items():
        url = environment.get(setting, "").rstrip("/")
        if url.startswith(("http://", "https://")):
            said = _said(program, url, path)
            if said is not None:
                found[setting] = said
    return found


def _said(program: str, url: str, path: str) -> str | None:
    shown = str(httpx.URL(url).copy_with(userinfo=b""))
    try:
        answer = httpx.get(f"{url}{path}", timeout=_PATIENCE, follow_redirects=True)
    except httpx.HTTPError as error:
        return f"no server answers at {shown}: {error}; start it, or name another"
    there = re.match(r'"?(\d+)\.(\d+)\S*?"?$', answer.text.strip())
    if not answer.is_success or there is None:
        return None
    here = version(program)
    ours = ".".join(here.split(".")[:2])
    if ".".join(there.groups()) == ours:
        return None
    is_version = answer.text.strip().strip('"')
    return (
        f"the server at {shown} is {program} {is_version}, and {here} is installed here; major and "
        f"minor have to be the same: where it runs, pip install '{program}=={ours}.*'"
    )
