"""Talking with a model in a process of its own that may hang, crash or die.

The parent starts ``python -m sluiceway.adapters.answering``, hands each question over as a file
of rows and one line, and reads one line for each thing that happened; the child loads the model and
answers until there is no more question. Whatever the child does, the parent has an answer by the
deadlines, and nothing of the child is left.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from sluiceway.adapters.trial_values import Answers, Trial, TrialCode, TrialFault, shape_fault

_GRACE: Final = 5.0
"""Seconds beyond a deadline after which a child that lost its parent ends itself."""
_TAIL: Final = 2_000
"""Bytes of what the child wrote on its error output that are looked at."""
_LONGEST_SAYING: Final = 500
"""Characters of a model's own words that are passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model as MLflow writes it, with the digest of the files that were verified."""

    folder: Path
    artifact_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonFunction:
    """A function over a frame of the inputs.

    Attributes:
        name: ``module:function``.
        columns: Name and MLflow type of each input, in order.
        search: Folder in which the module is looked for first.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    search: Path


@contextmanager
def conversation(
    name: str, model: ModelFolder | PythonFunction, *, load_deadline: timedelta
) -> Iterator["Conversation"]:
    """A process that is started at the first question, and surely gone when the block ends.

    Args:
        name: How people call the version, such as ``dep_delay@2``.
        load_deadline: Longest time from starting the process to the loaded model.
    """
    with tempfile.TemporaryDirectory(prefix="sluiceway-trial-") as private:
        talk = Conversation(name, model, Path(private), _seconds(load_deadline))
        try:
            yield talk
        finally:
            talk.end()


class Conversation:
    """Asks one model, and starts it again where it died over a question.

    Made by :func:`conversation`.
    """

    def __init__(
        self, name: str, model: ModelFolder | PythonFunction, place: Path, load_deadline: float
    ) -> None:
        self._name = name
        self._model = model
        self._place = place
        self._load_deadline = load_deadline
        self._child: _Child | None = None
        self._asked = 0

    def __call__(self, columns: Mapping[str, Answers], *, deadline: timedelta) -> Trial:
        """Ask for answers to some rows.

        Args:
            columns: Arrays of shape (rows,), at least those the version reads.
            deadline: Longest time for the answer.
        """
        rows = max((len(values) for values in columns.values()), default=0)
        self._asked += 1
        question = self._place / f"columns-{self._asked}"
        with question.open("wb") as file:
            pickle.dump({name: np.asarray(values) for name, values in columns.items()}, file)
        try:
            return self._held(question, rows, _seconds(deadline))
        finally:
            question.unlink(missing_ok=True)

    def end(self) -> None:
        """End the child and all that it started."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def load(self) -> Trial | None:
        """Start its process, unless it runs, and let it load the model.

        Returns:
            Why it is not loaded; None where it is.
        """
        if self._child is not None:
            return None
        self._child = _Child(self._place, self._model, self._load_deadline)
        line = self._child.next_line(self._load_deadline)
        if line is None:
            said = f"is not loaded after {self._load_deadline:g} seconds"
            return self._dead(TrialCode.LOAD_DEADLINE_EXCEEDED, said)
        if line == "":
            return self._dead(TrialCode.CRASHED, f"{self._child.death()} while being loaded")
        if line != "loaded":
            return self._dead_of(json.loads(line))
        self._child.loaded_after = time.monotonic() - self._child.started
        return None

    def _held(self, question: Path, rows: int, deadline: float) -> Trial:
        if (not_loaded := self.load()) is not None:
            return not_loaded
        assert self._child is not None
        load_seconds = self._child.loaded_after
        answers = self._place / f"answers-{self._asked}.npy"
        asked = time.monotonic()
        self._child.ask(question, answers, deadline)
        line = self._child.next_line(deadline)
        waited = time.monotonic() - asked
        if line is None:
            said = f"does not answer {rows:,} rows within {deadline:g} seconds"
            return self._dead(TrialCode.DEADLINE_EXCEEDED, said, waited, load_seconds)
        if line == "":
            said = f"{self._child.death()} in predict"
            return self._dead(TrialCode.CRASHED, said, waited, load_seconds)
        try:
            return self._answered(json.loads(line), answers, rows, waited, load_seconds)
        finally:
            answers.unlink(missing_ok=True)

    def _answered(
        self,
        news: Mapping[str, Any],
        file: Path,
        rows: int,
        waited: float,
        load_seconds: float | None,
    ) -> Trial:
        if "fault" in news:
            return self._fault(TrialCode(news["fault"]), str(news["said"]), waited, load_seconds)
        seconds = float(news["seconds"])
        try:
            answers = np.load(file, allow_pickle=False)
        except (OSError, ValueError) as error:
            said = f"left no readable answer: {error}"
            return self._fault(TrialCode.NO_ARRAY, said, seconds, load_seconds)
        fault = shape_fault(self._name, answers, rows=rows)
        return Trial(
            answers=answers if fault is None else None,
            seconds=seconds,
            load_seconds=load_seconds,
            fault=fault,
        )

    def _fault(
        self,
        code: TrialCode,
        said: str,
        seconds: float | None = None,
        load_seconds: float | None = None,
    ) -> Trial:
        return Trial(
            answers=None,
            seconds=seconds,
            load_seconds=load_seconds,
            fault=TrialFault(code=code, sentence=f"{self._name} {said}"),
        )

    def _dead(
        self,
        code: TrialCode,
        said: str,
        seconds: float | None = None,
        load_seconds: float | None = None,
    ) -> Trial:
        """A fault after which the child is of no use; the next question starts another."""
        self.end()
        return self._fault(code, said, seconds, load_seconds)

    def _dead_of(self, news: Mapping[str, Any]) -> Trial:
        return self._dead(TrialCode(news["fault"]), str(news["said"]))


class _Child:
    """One process, from its start to its certain end."""

    def __init__(
        self, place: Path, model: ModelFolder | PythonFunction, load_deadline: float
    ) -> None:
        self._place = place
        self.loaded_after: float | None = None
        reading, news = os.pipe()
        hearing, asking = os.pipe()
        self._news = os.fdopen(reading, "rb", buffering=0)
        self._asking = os.fdopen(asking, "wb", buffering=0)
        self._lines = _Lines(self._news)
        request = {**_loading(model), "seconds": load_deadline + _GRACE}
        (place / "request").write_text(json.dumps(request), encoding="utf-8")
        self.started = time.monotonic()
        try:
            with (place / "stderr").open("wb") as complaints:
                self._running = _started(place, hearing, news, complaints)
        except BaseException:
            self._news.close()
            self._asking.close()
            raise
        finally:
            os.close(hearing)
            os.close(news)

    def ask(self, question: Path, answers: Path, deadline: float) -> None:
        """Hand a question over; a child that is gone shows in the next line."""
        line = {"columns": str(question), "answers": str(answers), "seconds": deadline + _GRACE}
        with suppress(BrokenPipeError):
            self._asking.write(json.dumps(line).encode() + b"\n")

    def next_line(self, seconds: float) -> str | None:
        """What it says next; empty where it is gone, None where the time is over."""
        return self._lines.next(seconds)

    def death(self) -> str:
        """How it ended; it closed its end of the pipe, so it is dying or dead."""
        try:
            code = self._running.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            return "stopped talking"
        if code >= 0:
            words = self._last_words()
            return f"ended its process with code {code}" + (f" ({words})" if words else "")
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"

    def end(self) -> None:
        """End it and all that it started."""
        self._asking.close()
        with suppress(ProcessLookupError):
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.wait()
        self._news.close()

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


def _loading(model: ModelFolder | PythonFunction) -> dict[str, Any]:
    match model:
        case ModelFolder():
            return {"folder": str(model.folder), "artifact_sha256": model.artifact_sha256}
        case PythonFunction():
            return {
                "function": model.name,
                "columns": [list(column) for column in model.columns],
                "search": str(model.search),
            }


def _started(
    place: Path, hearing: int, news: int, complaints: IO[bytes]
) -> "subprocess.Popen[bytes]":
    # The child finds the same modules as its parent, and none that lie around by chance.
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [
            sys.executable, "-P", "-m", "sluiceway.adapters.answering",
            str(place), str(hearing), str(news),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        pass_fds=(hearing, news),
        start_new_session=True,
        env={
            # A thread that spins while it waits takes the core from the one it waits for: a single
            # row of a forest of trees takes 70 ms instead of 2 on a busy machine.
            "OMP_WAIT_POLICY": "PASSIVE",
            **os.environ,
            "PYTHONPATH": paths,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
        },
    )  # fmt: skip


def _seconds(duration: timedelta) -> float:
    return max(0.0, duration.total_seconds())
