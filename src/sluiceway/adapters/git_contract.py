"""A contract file as a git commit has it, for comparing with what is about to be released."""

import subprocess
import tempfile
from pathlib import Path

from sluiceway.contracts.file import read_contract
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault

_PATIENCE = 30
"""Seconds that git may take."""


def contract_at(ref: str, path: Path) -> Contract | None:
    """Read a contract file out of a commit, without touching the work tree.

    Args:
        ref: A branch, tag or commit.
        path: The file in the work tree, or where it was.

    Returns:
        None where the commit exists and has no such file.

    Raises:
        BadInput: This is no git repository, there is no such commit, or the file is no contract.
    """
    folder = path.resolve().parent
    where = f"{ref}:{path}"
    if not folder.is_dir():
        raise BadInput([Fault(where=where, what=f"there is no folder {folder}")])
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top.returncode:
        what = f"is no file, and no commit either: {folder} is in no git repository"
        raise BadInput([Fault(where=ref, what=what)])
    commit = _git(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
    )
    if commit.returncode:
        repository = top.stdout.decode(errors="replace").strip()
        what = f"is no file, and no branch, tag or commit of the git repository {repository}"
        raise BadInput([Fault(where=ref, what=what)])
    name = f"{commit.stdout.decode().strip()}:./{path.name}"
    if _git(folder, "cat-file", "-e", name).returncode:
        return None
    shown = _git(folder, "cat-file", "blob", name)
    if shown.returncode:
        said = shown.stderr.decode(errors="replace").strip()
        raise BadInput([Fault(where=where, what=said)])
    with tempfile.TemporaryDirectory(prefix="sluiceway-contract-") as private:
        copy = Path(private) / path.name
        copy.write_bytes(shown.stdout)
        try:
            return read_contract(copy)
        except BadInput as error:
            raise BadInput(
                [Fault(where=f"{ref}:{fault.where}", what=fault.what) for fault in error.faults]
            ) from error


def _git(folder: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        what = f"git cannot be asked: {error}"
        raise BadInput([Fault(where="git", what=what)]) from error
