"""First contact with a candidate, in a process of its own that may hang, crash or die.

The parent writes the rows, starts ``python -m sluiceway.adapters.trial`` and reads one line for
each thing that happened; the child loads the model, answers the rows once, and ends. Whatever the
child does, the parent has an answer by the deadlines, and nothing of the child is left.
"""

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np

Answers = np.ndarray[Any, np.dtype[Any]]

_GRACE: Final = 5.0
"""Seconds beyond both deadlines after which a child that lost its parent ends itself."""
_TAIL: Final = 2_000
"""Bytes of what the child wrote on its error output that are looked at."""
_LONGEST_SAYING: Final = 500
"""Characters of a model's own words that are passed on."""


class ModelFiles(Protocol):
    """What has a version's files, such as :class:`.mlflow_registry.MlflowRegistry`."""

    def local_files(self, model: str, version: str) -> AbstractContextManager[Path]:
        """The folder with the version's files, on this machine while the block lasts."""


class TrialCode(StrEnum):
    """How a version failed its first contact."""

    FILES_CHANGED = "files_changed"
    CANNOT_LOAD = "cannot_load"
    LOAD_DEADLINE_EXCEEDED = "load_deadline_exceeded"
    RAISED = "raised"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CRASHED = "crashed"
    WRONG_ROWS = "wrong_rows"
    NO_ARRAY = "no_array"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFault:
    """Why there is no answer, with a sentence for people."""

    code: TrialCode
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of asking a version once.

    Attributes:
        answers: Shape (rows,) or (rows, columns); None where there is a fault.
        seconds: Wall time of predict, or how long it was waited for; None where it never began.
        load_seconds: From starting the process to the loaded model; None where it never was.
        fault: None where there is an answer.
    """

    answers: Answers | None
    seconds: float | None
    load_seconds: float | None
    fault: TrialFault | None


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
    with (
        files.local_files(model, version) as folder,
        tempfile.TemporaryDirectory(prefix="sluiceway-trial-") as private,
    ):
        place = Path(private)
        with (place / "columns").open("wb") as file:
            pickle.dump({name: np.asarray(values) for name, values in columns.items()}, file)
        request = {
            "folder": str(folder),
            "artifact_sha256": artifact_sha256,
            "seconds": _seconds(deadline) + _seconds(load_deadline) + _GRACE,
        }
        (place / "request").write_text(json.dumps(request), encoding="utf-8")
        return _Conversation(f"{model}@{version}", place, columns).held(
            deadline=_seconds(deadline), load_deadline=_seconds(load_deadline)
        )


def shape_fault(name: str, answers: Answers, *, rows: int) -> TrialFault | None:
    """What is wrong with the shape of an answer of the version `name`; None where nothing is."""
    if answers.ndim in (1, 2) and len(answers) == rows:
        return None
    said = (
        f"{name} answers {rows:,} rows with an array of shape {answers.shape}, "
        f"promised ({rows},) or ({rows}, columns)"
    )
    return TrialFault(code=TrialCode.WRONG_ROWS, sentence=said)


class _Conversation:
    """One child, from its start to its certain end."""

    def __init__(self, name: str, place: Path, columns: Mapping[str, Answers]) -> None:
        self._name = name
        self._place = place
        self._rows = max((len(values) for values in columns.values()), default=0)
        self._load_seconds: float | None = None

    def held(self, *, deadline: float, load_deadline: float) -> Trial:
        """Start the child, hear it out, and end it and all that it started."""
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb", buffering=0) as news:
            try:
                with (self._place / "stderr").open("wb") as complaints:
                    child = _started(self._place, writing, complaints)
            finally:
                os.close(writing)
            try:
                return self._heard(child, news, deadline=deadline, load_deadline=load_deadline)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def _heard(
        self,
        child: subprocess.Popen[bytes],
        news: IO[bytes],
        *,
        deadline: float,
        load_deadline: float,
    ) -> Trial:
        started = time.monotonic()
        lines = _Lines(news)
        line = lines.next(load_deadline)
        if line is None:
            return self._fault(
                TrialCode.LOAD_DEADLINE_EXCEEDED,
                f"is not loaded after {load_deadline:g} seconds",
            )
        if line == "loaded":
            self._load_seconds = time.monotonic() - started
            asked = time.monotonic()
            line = lines.next(deadline)
            waited = time.monotonic() - asked
            if line is None:
                said = f"does not answer {self._rows:,} rows within {deadline:g} seconds"
                return self._fault(TrialCode.DEADLINE_EXCEEDED, said, waited)
            if line == "":
                return self._fault(TrialCode.CRASHED, f"{self._death(child)} in predict", waited)
            return self._answered(json.loads(line), waited)
        if line == "":
            return self._fault(TrialCode.CRASHED, f"{self._death(child)} while being loaded")
        return self._answered(json.loads(line), None)

    def _answered(self, news: Mapping[str, Any], waited: float | None) -> Trial:
        if "fault" in news:
            return self._fault(TrialCode(news["fault"]), str(news["said"]), waited)
        seconds = float(news["seconds"])
        try:
            answers = np.load(self._place / "answers.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            return self._fault(TrialCode.NO_ARRAY, f"left no readable answer: {error}", seconds)
        fault = shape_fault(self._name, answers, rows=self._rows)
        return Trial(
            answers=answers if fault is None else None,
            seconds=seconds,
            load_seconds=self._load_seconds,
            fault=fault,
        )

    def _fault(self, code: TrialCode, said: str, seconds: float | None = None) -> Trial:
        return Trial(
            answers=None,
            seconds=seconds,
            load_seconds=self._load_seconds,
            fault=TrialFault(code=code, sentence=f"{self._name} {said}"),
        )

    def _death(self, child: subprocess.Popen[bytes]) -> str:
        """How the child ended; it closed its end of the pipe, so it is dying or dead."""
        try:
            code = child.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            return "stopped talking"
        if code >= 0:
            words = self._last_words()
            return f"ended its process with code {code}" + (f" ({words})" if words else "")
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"

    def _last_words(self) -> str:
        with (self._place / "stderr").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:_LONGEST_SAYING] if lines else ""


class _Lines:
    """Lines from a pipe, each waited for only so long."""

    def __init__(self, news: IO[bytes]) -> None:
        self._news = news
        self._read = b""

    def next(self, seconds: float) -> str | None:
        """The next line; empty where the other end is closed, None where the time is over."""
        until = time.monotonic() + seconds
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._news], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            chunk = self._news.read(65_536)
            if not chunk:
                return ""
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace")


def _started(place: Path, writing: int, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    # The child finds the same modules as its parent, and none that lie around by chance.
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "sluiceway.adapters.trial", str(place), str(writing)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=(writing,),
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": paths,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
        },
    )


def _seconds(duration: timedelta) -> float:
    return max(0.0, duration.total_seconds())


def _answer_as_child(place: Path, writing: int) -> None:
    """The child's whole life."""
    import resource

    os.set_inheritable(writing, False)  # the pipe closes with us, whatever the model starts
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads((place / "request").read_text(encoding="utf-8"))
    # The kernel ends us even inside foreign code, should the parent be killed and not come back.
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])
    with os.fdopen(writing, "w", encoding="utf-8") as news:

        def tell(line: str) -> None:
            news.write(line + "\n")
            news.flush()

        fault = _load_and_answer(request, place, tell)
        if fault is not None:
            code, said = fault
            tell(json.dumps({"fault": code, "said": " ".join(said.split())[:_LONGEST_SAYING]}))


def _load_and_answer(
    request: Mapping[str, Any], place: Path, tell: Any
) -> tuple[TrialCode, str] | None:
    from sluiceway.adapters.model_files import FilesChanged, ModelFilesError, load_verified

    # Written by the parent, in a folder that only this user can write to.
    columns = pickle.loads((place / "columns").read_bytes())
    try:
        predictor = load_verified(Path(request["folder"]), request["artifact_sha256"])
    except FilesChanged as error:
        return TrialCode.FILES_CHANGED, str(error)
    except ModelFilesError as error:
        return TrialCode.CANNOT_LOAD, str(error)
    tell("loaded")
    try:
        started = time.perf_counter()
        answers = predictor.predict(columns)
        seconds = time.perf_counter() - started
    except Exception as error:  # noqa: BLE001 - a candidate may raise anything; it is told
        return TrialCode.RAISED, f"raised {type(error).__name__}: {error}"
    if answers.dtype == object:
        answers = _unboxed(answers)
    try:
        np.save(place / "answers.npy", answers, allow_pickle=False)
    except ValueError:
        return TrialCode.NO_ARRAY, f"answers with {answers.dtype} values, which are no array"
    tell(json.dumps({"seconds": seconds}))
    return None


def _unboxed(answers: Answers) -> Answers:
    """Boxed texts as texts, boxed numbers and None as numbers; anything else as it is."""
    if all(isinstance(answer, str) for answer in answers.flat):
        return answers.astype(str)
    with suppress(TypeError, ValueError):
        return answers.astype(np.float64)
    return answers


if __name__ == "__main__":
    _answer_as_child(Path(sys.argv[1]), int(sys.argv[2]))
