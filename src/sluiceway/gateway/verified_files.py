"""Files of verified versions, kept on this machine by their digest, and their contracts by hash.

A gateway that starts while the registry is down loads from here; what is kept here is compared with
the digest again before it is loaded, so whoever can write to the folder gains nothing.
"""

import shutil
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from sluiceway.adapters.model_files import FilesChanged, ModelFilesError, digest_of
from sluiceway.adapters.trial import ModelFiles
from sluiceway.contracts.values import Contract
from sluiceway.ports import Journal, Registry
from sluiceway.releases import Member
from sluiceway.steps.members import contract_of
from sluiceway.system.values import System


class VerifiedFiles:
    """What serving needs of the registry, asked for once a version.

    Args:
        folder: Where it is kept; several gateways may share it.
        files: What has the versions' files.
        registry: What knows contracts that versions carry.
        journal: What keeps the contracts that versions were verified against.
    """

    def __init__(
        self, folder: Path, files: ModelFiles, registry: Registry, journal: Journal
    ) -> None:
        self._models = folder / "models"
        self._contracts = folder / "contracts"
        self._files = files
        self._registry = registry
        self._journal = journal

    def folder_of(self, member: Member) -> Path:
        """A folder with the version's files as they were verified; it stays there.

        Raises:
            ModelFilesError: The registry's files are not those that were verified.
            UnknownVersion: The registry has no such version.
            UnloadableVersion: Its files are missing.
            RegistryUnavailable: They are not kept here, and the registry did not answer.
        """
        kept = self._models / member.artifact_sha256
        if kept.is_dir():
            try:
                _compare(kept, member)
            except ModelFilesError:
                shutil.rmtree(kept)  # somebody touched it; the registry still has the files
            else:
                return kept
        self._models.mkdir(parents=True, exist_ok=True)
        copy = self._models / f".{member.artifact_sha256}.{uuid4().hex}"
        try:
            with self._files.local_files(member.model, member.version) as folder:
                shutil.copytree(folder, copy)
            _compare(copy, member)
            _place(copy, kept)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        return kept

    def contract_of(self, member: Member, system: System) -> Contract:
        """The contract that the version was verified against, or else the one it has now.

        Raises:
            UnknownVersion: The registry has no such version.
            RegistryUnavailable: It is not kept here, and the registry did not answer.
        """
        declared = system.models[member.model].contract
        if declared.content_hash == member.contract_hash:
            return declared
        file = self._contracts / f"{member.contract_hash}.json"
        kept = _read_contract(file)
        if kept is not None and kept.content_hash == member.contract_hash:
            return kept
        known = self._journal.contract(member.contract_hash) or contract_of(
            self._registry.version(member.model, member.version), system
        )
        if known.content_hash == member.contract_hash:
            self._contracts.mkdir(parents=True, exist_ok=True)
            written = file.with_name(f".{file.name}.{uuid4().hex}")
            written.write_text(known.to_json(), encoding="utf-8")
            written.replace(file)
        return known

    def inputs_of(self, member: Member) -> tuple[str, ...]:
        """Columns of the version's signature, in order; for versions that are not loaded here.

        Raises:
            UnknownVersion: The registry has no such version.
            RegistryUnavailable: The registry did not answer.
            ModelFilesError: It has no signature.
        """
        inputs = self._registry.version(member.model, member.version).inputs
        if inputs is None:
            raise ModelFilesError(f"{member.name} has no signature with named columns")
        return inputs


def _compare(folder: Path, member: Member) -> None:
    found = digest_of(folder)
    if found != member.artifact_sha256:
        said = f"files have digest {found}, verified was {member.artifact_sha256}"
        raise FilesChanged(f"{member.name} {said}")


def _place(copy: Path, kept: Path) -> None:
    """Give the copy its name; where another gateway was first, its copy is as good."""
    try:
        copy.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise


def _read_contract(file: Path) -> Contract | None:
    try:
        return Contract.from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None
