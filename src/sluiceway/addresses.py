"""Addresses that people give: whether they are any, and what of them may be printed."""

import re
from typing import Final
from urllib.parse import urlsplit

_CREDENTIALS: Final = re.compile(r"(\w://)([^\s/@:]*)(:[^\s@]*)?@")
_ARGUMENTS: Final = re.compile(r"(?i)([?&](?:password|passwd|pwd|token|secret|key)=)[^\s&]+")


def shown(text: str) -> str:
    """A text with the secrets of every address in it masked.

    A lone word before the ``@`` may be a token, so it goes too; a user's name that has a password
    stays.
    """

    def masked(found: re.Match[str]) -> str:
        scheme, name, password = found.groups()
        return f"{scheme}{name}:***@" if password else f"{scheme}***@"

    return _ARGUMENTS.sub(r"\1***", _CREDENTIALS.sub(masked, text))


def address_fault(url: str, *, example: str) -> str | None:
    """Why this is no address of a server, in words; None where it is one."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        named = False
    return None if named else f"{shown(url)!r} is no address of a server; {example} is one"
