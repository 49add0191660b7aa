"""First contact with a candidate, in a process of its own; see :mod:`.conversation`."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from sluiceway.adapters.conversation import Conversation, ModelFolder, conversation
from sluiceway.adapters.trial_values import Answers, Trial, TrialCode, TrialFault, shape_fault

__all__ = ["Answers", "Trial", "TrialCode", "TrialFault", "meet", "shape_fault", "try_version"]


class ModelFiles(Protocol):
    """What has a version's files, such as :class:`.mlflow_registry.MlflowRegistry`."""

    def local_files(self, model: str, version: str) -> AbstractContextManager[Path]:
        """The folder with the version's files, on this machine while the block lasts."""


@contextmanager
def meet(
    files: ModelFiles,
    model: str,
    version: str,
    artifact_sha256: str,
    *,
    load_deadline: timedelta,
) -> Iterator[Conversation]:
    """A process that loads a version and answers as often as it is asked.

    Args:
        artifact_sha256: Digest of the files that were verified; others are not loaded.
        load_deadline: Longest time from starting the process to the loaded model.

    Raises:
        UnknownVersion: There is none.
        UnloadableVersion: Its files are missing.
        RegistryUnavailable: The registry did not answer.
    """
    with (
        files.local_files(model, version) as folder,
        conversation(
            f"{model}@{version}",
            ModelFolder(folder=folder, artifact_sha256=artifact_sha256),
            load_deadline=load_deadline,
        ) as ask,
    ):
        yield ask


def try_version(
    files: ModelFiles,
    model: str,
    version: str,
    artifact_sha256: str,
    columns: Mapping[str, Answers],
    *,
    deadline: timedelta,
    load_deadline: timedelta,
) -> Trial:
    """Let a process of its own load a version and answer some rows once.

    Args:
        artifact_sha256: Digest of the files that were verified; others are not loaded.
        columns: Arrays of shape (rows,), at least those the version reads.
        deadline: Longest time for the answer.
        load_deadline: Longest time from starting the process to the loaded model.

    Raises:
        UnknownVersion: There is none.
        UnloadableVersion: Its files are missing.
        RegistryUnavailable: The registry did not answer.
    """
    with meet(files, model, version, artifact_sha256, load_deadline=load_deadline) as ask:
        return ask(columns, deadline=deadline)
