"""Approvers' keys as Secret blocks of a Prefect server.

One block an approver, so that adding one does not touch the others. Only the tasks and the commands
import this module: nothing else knows Prefect.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel, SecretStr, ValidationError

_PREFIX: Final = "sluiceway-approver-"
_TYPE: Final = "secret"


class _Kept(BaseModel):
    approver: str
    key: str


class SecretBlockKeys:
    """The keys that the server of ``PREFECT_API_URL`` keeps, encrypted at rest."""

    def key(self, approver: str) -> str | None:
        """The approver's key; None for somebody who has none here."""
        with get_client(sync_client=True) as client:
            try:
                document = client.read_block_document_by_name(block_name(approver), _TYPE)
            except ObjectNotFound:
                return None
        kept = _read(document.data.get("value"))
        return kept.key if kept is not None and kept.approver == approver else None

    def approvers(self) -> tuple[str, ...]:
        """Names of all who have one here, sorted."""
        return tuple(sorted(kept.approver for kept in self._all()))

    def keep(self, approver: str, key: str) -> None:
        """Remember somebody's key in the place of an earlier one."""
        kept = _Kept(approver=approver, key=key)
        secret: Secret[str] = Secret(value=SecretStr(kept.model_dump_json()))
        secret.save(block_name(approver), overwrite=True)

    def forget(self, approver: str) -> bool:
        """Take somebody's key away; False where there was none."""
        with get_client(sync_client=True) as client:
            try:
                document = client.read_block_document_by_name(block_name(approver), _TYPE)
            except ObjectNotFound:
                return False
            client.delete_block_document(document.id)
        return True

    def _all(self) -> Iterator[_Kept]:
        with get_client(sync_client=True) as client:
            try:
                found = client.read_block_documents_by_type(_TYPE)  # all: it knows no pages
            except ObjectNotFound:
                return
        for document in found:
            if (document.name or "").startswith(_PREFIX):
                kept = _read(document.data.get("value"))
                if kept is not None:
                    yield kept


def block_name(approver: str) -> str:
    """The block of one approver: names of blocks hold lower-case letters, digits and dashes only.

    What the letters lose, the first digits of the name's hash keep apart.
    """
    letters = re.sub(r"[^a-z0-9]+", "-", approver.lower()).strip("-")
    digest = sha256(approver.encode()).hexdigest()[:10]
    return "-".join(part for part in (f"{_PREFIX}{letters[:60]}".rstrip("-"), digest) if part)


def _read(value: object) -> _Kept | None:
    """What a block holds; None where it is none of ours."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    try:
        return _Kept.model_validate_json(str(text))
    except ValidationError:
        return None
