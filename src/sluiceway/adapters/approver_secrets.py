"""Where approvers' keys are kept without a Prefect server: the environment, or a file of one's own.

On a Prefect server they are Secret blocks; see :mod:`sluiceway.secret_blocks`.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from sluiceway.errors import BadInput, Fault
from sluiceway.rights import ApproverKeys, KeyStore

VARIABLE: Final = "SLUICEWAY_APPROVER_KEYS"
"""Environment variable with a JSON object of keys by approver."""

_KEYS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class EnvironmentKeys:
    """Keys that whoever runs the programs has set, in :data:`VARIABLE`."""

    def key(self, approver: str) -> str | None:
        """The approver's key; None for somebody who has none here."""
        return self._read().get(approver)

    def approvers(self) -> tuple[str, ...]:
        """Names of all who have one here, sorted."""
        return tuple(sorted(self._read()))

    def _read(self) -> Mapping[str, str]:
        return _parsed(os.environ.get(VARIABLE, "{}"), VARIABLE)


@dataclass(frozen=True, slots=True)
class FileKeys:
    """Keys in one file that only its owner may read.

    Attributes:
        path: The file; it need not be there yet.
    """

    path: Path

    def key(self, approver: str) -> str | None:
        """The approver's key; None for somebody who has none here."""
        return self._read().get(approver)

    def approvers(self) -> tuple[str, ...]:
        """Names of all who have one here, sorted."""
        return tuple(sorted(self._read()))

    def keep(self, approver: str, key: str) -> None:
        """Remember somebody's key in the place of an earlier one."""
        self._write({**self._read(), approver: key})

    def forget(self, approver: str) -> bool:
        """Take somebody's key away; False where there was none."""
        known = dict(self._read())
        if known.pop(approver, None) is None:
            return False
        self._write(known)
        return True

    def _read(self) -> Mapping[str, str]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        if self.path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            what = f"others may read it, so it proves nothing; chmod 600 {self.path}"
            raise BadInput([Fault(where=str(self.path), what=what)])
        return _parsed(text, str(self.path))

    def _write(self, keys: Mapping[str, str]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_name(f".{self.path.name}.{uuid4().hex}")
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(dict(sorted(keys.items())), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.path)


@dataclass(slots=True)
class MemoryKeys:
    """Keys that are gone with the program."""

    keys: dict[str, str]

    def key(self, approver: str) -> str | None:
        """The approver's key; None for somebody who has none here."""
        return self.keys.get(approver)

    def approvers(self) -> tuple[str, ...]:
        """Names of all who have one here, sorted."""
        return tuple(sorted(self.keys))

    def keep(self, approver: str, key: str) -> None:
        """Remember somebody's key in the place of an earlier one."""
        self.keys[approver] = key

    def forget(self, approver: str) -> bool:
        """Take somebody's key away; False where there was none."""
        return self.keys.pop(approver, None) is not None


@dataclass(frozen=True, slots=True)
class FirstOf:
    """Keys of several places: of one who has a key in two, that of the first counts."""

    places: tuple[ApproverKeys, ...]

    def key(self, approver: str) -> str | None:
        """The approver's key; None for somebody who has none anywhere."""
        found = (place.key(approver) for place in self.places)
        return next((key for key in found if key is not None), None)

    def approvers(self) -> tuple[str, ...]:
        """Names of all who have one somewhere, sorted."""
        return tuple(sorted({name for place in self.places for name in place.approvers()}))


def local_keys(home: Path) -> KeyStore:
    """The file in the home folder."""
    return FileKeys(home / "approvers.json")


def keys_of(store: ApproverKeys) -> ApproverKeys:
    """The environment's keys before those of a store."""
    return FirstOf((EnvironmentKeys(), store))


def _parsed(text: str, where: str) -> Mapping[str, str]:
    """A file of keys; what is told never quotes it."""
    try:
        return _KEYS.validate_json(text)
    except ValidationError:
        what = 'is no JSON object of keys by approver, such as {"ada": "JBSWY3DP…"}'
        raise BadInput([Fault(where=where, what=what)]) from None
