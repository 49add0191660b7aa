"""Who may do what: bearer tokens with roles, held as digests only."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

from sluiceway.errors import BadInput, Fault
from sluiceway.serving.refusals import RefusalCode, Refused

TOKENS: Final = "SLUICEWAY_GATEWAY_TOKENS"
"""The environment's variable; there is no other way to give tokens."""

SHORTEST: Final = 20
"""Characters of a token; what is guessed in fewer is none."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_RIGHT = "[NAME=]ROLE[+ROLE…]:TOKEN is right, several apart by commas"


class Role(StrEnum):
    """What a caller may do."""

    PREDICT = "predict"
    """Ask models."""
    LABEL = "label"
    """Say what came true."""
    OPERATE = "operate"
    """Change what is served, and choose an arm as a tester."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request.

    Attributes:
        name: The token's name, or the address where there is none; goes into logs and the journal.
        roles: What they may do.
    """

    name: str
    roles: frozenset[Role]

    def must(self, role: Role) -> None:
        """Refuse whoever may not.

        Raises:
            Refused: The caller lacks the role.
        """
        if role not in self.roles:
            what = f"{self.name} lacks the role {role}"
            raise Refused(RefusalCode.FORBIDDEN, what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token.

    Attributes:
        digest: Its SHA-256; the token itself is nowhere.
    """

    name: str
    roles: frozenset[Role]
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who is let in.

    Attributes:
        tokens: All that are known; without any, everybody on this machine may do everything.
    """

    tokens: tuple[Token, ...] = ()

    def caller(self, authorization: bytes | None, address: str) -> Caller:
        """Who sent a request.

        Every token is compared, in constant time, so that the time tells nobody how near they were.

        Args:
            authorization: The header's value; None where it is missing.
            address: Where the request came from.

        Raises:
            Refused: Tokens are wanted, and this is none of them.
        """
        if not self.tokens:
            return Caller(name=address, roles=_ALL)
        scheme, _, given = (authorization or b"").partition(b" ")
        digest = sha256(given.strip()).digest()
        found: Token | None = None
        for token in self.tokens:
            if hmac.compare_digest(digest, token.digest):
                found = token
        if found is None or scheme.lower() != b"bearer":
            what = "send a known token in the header Authorization: Bearer TOKEN"
            raise Refused(RefusalCode.UNAUTHENTICATED, what)
        return Caller(name=found.name, roles=found.roles)

    def check_listening(self, host: str) -> None:
        """Refuse to listen where strangers reach us, as long as nobody needs a token.

        Args:
            host: Address or name; a path stands for a socket of this machine.

        Raises:
            BadInput: There are no tokens, and the address is not this machine's own.
        """
        if not self.tokens and not is_local(host):
            what = f"other machines reach {host}, so tokens are needed; {_RIGHT}"
            raise BadInput([Fault(where=TOKENS, what=what)])


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address; a name other than localhost may lead away."""
    if host == "localhost" or host.startswith(("/", "\0")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def access_of(environment: Mapping[str, str]) -> Access:
    """Read tokens: ``role[+role]:token`` or ``name=role[+role]:token``, apart by commas.

    Raises:
        BadInput: An entry is not written so, a token is too short, or two are one. Tokens are never
            in the message.
    """
    text = environment.get(TOKENS, "")
    faults: list[Fault] = []
    tokens: list[Token] = []
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    for place, entry in enumerate(entries, 1):
        where = f"{TOKENS}: entry {place}"
        rights, colon, secret = entry.partition(":")
        name, named, roles = rights.rpartition("=")
        known = [role.strip() for role in roles.split("+")]
        if not colon or not all(role in set(Role) for role in known):
            what = f"{_RIGHT}; the roles are {', '.join(Role)}"
        elif named and not _NAME.fullmatch(name):
            what = "a name is 1 to 64 letters, digits or any of . _ @ -"
        elif not _TOKEN.fullmatch(secret) or len(secret) < SHORTEST:
            what = f"a token is {SHORTEST} or more letters, digits or any of . _ ~ + / -"
        else:
            digest = sha256(secret.encode()).digest()
            label = name or f"token-{place}"
            if any(digest == one.digest or label == one.name for one in tokens):
                faults.append(Fault(where=where, what="its token or its name is there already"))
            roles_held = frozenset(Role(role) for role in known)
            tokens.append(Token(name=label, roles=roles_held, digest=digest))
            continue
        faults.append(Fault(where=where, what=what))
    if faults:
        raise BadInput(faults)
    return Access(tokens=tuple(tokens))


_ALL: Final = frozenset(Role)
