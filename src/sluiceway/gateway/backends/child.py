"""One worker process as its parent sees it, from its start to its certain end."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from sluiceway.gateway.backends.frames import (
    BadFrame,
    Frames,
    Kind,
    answer_of,
    framed,
    question,
)
from sluiceway.serving.ports import BackendFailed, BackendTimeout
from sluiceway.serving.values import Values

_GRACE: Final = 5.0
"""Seconds beyond the load deadline after which a worker that lost its parent ends itself."""
_LAST_SECONDS: Final = 10.0
"""How long it may take to end once it hung up."""
_TAIL: Final = 2_000
"""Bytes of what the worker wrote on its error output that are kept."""
_LONGEST_SAYING: Final = 500
"""Characters of a model's own words that are passed on."""

Answer = tuple[np.ndarray[Any, np.dtype[Any]], float]
"""The array, and the seconds that the version took in its process."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A question that the worker has not answered yet.

    Attributes:
        deadline: Seconds it may take, once it is its turn.
        turn: When the one before it was answered, monotonic seconds; None until then.
        alarm: Goes off when nobody waits any more.
    """

    number: int
    answer: "asyncio.Future[Answer]"
    deadline: float
    turn: float | None = None
    alarm: asyncio.TimerHandle | None = None


class Child(asyncio.Protocol):
    """Asks one process, several questions at a time, which it answers in their order.

    It is killed, with all that it started, when it takes far longer over one question than that
    question's deadline, or says what it may not.

    Args:
        name: How people call the version, such as ``dep_delay@2``.
        most_waiting: Most questions that wait for it at once.
        patience: Seconds beyond a question's deadline after which it is taken to hang.
    """

    def __init__(self, name: str, *, most_waiting: int, patience: float) -> None:
        self._name = name
        self._most_waiting = most_waiting
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._frames = Frames()
        self._waiting: deque[_Waiting] = deque()
        self._asked = 0
        self._inputs: asyncio.Future[tuple[str, ...]] = self._loop.create_future()
        self._because: str | None = None
        self._words = b""
        self._ending: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self.inputs: tuple[str, ...] = ()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Once it is surely gone: how it ended, in words."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    async def start(self, folder: Path, artifact_sha256: str, *, seconds: float) -> None:
        """Start the process and let it load a version.

        Args:
            folder: The version's files.
            artifact_sha256: Digest of the files that were verified; others are not loaded.
            seconds: Longest time until it is loaded.

        Raises:
            BackendFailed: It cannot be loaded.
            BackendTimeout: It is not loaded in time.
        """
        ours, theirs = socket.socketpair()
        complaints, complaining = os.pipe()
        # Started by the thread of the loop: the kernel ends a worker with the thread it is of.
        try:
            self._running = _started(theirs, complaining)
        except BaseException:
            ours.close()
            os.close(complaints)
            raise
        finally:
            theirs.close()
            os.close(complaining)
        self._complaints = complaints
        os.set_blocking(complaints, False)
        self._loop.add_reader(complaints, self._complained)
        self._exit = os.pidfd_open(self._running.pid) if hasattr(os, "pidfd_open") else None
        if self._exit is not None:
            self._loop.add_reader(self._exit, self._end)
        try:
            await self._loop.create_unix_connection(lambda: self, sock=ours)
            await self._load(folder, artifact_sha256, seconds)
        except BaseException:
            await self.end("is not wanted any more")
            raise

    async def _load(self, folder: Path, artifact_sha256: str, seconds: float) -> None:
        request = {
            "folder": str(folder.absolute()),
            "artifact_sha256": artifact_sha256,
            "seconds": seconds + _GRACE,
        }
        assert self._transport is not None
        self._transport.write(framed(Kind.LOAD, 0, json.dumps(request).encode()))
        try:
            async with asyncio.timeout(seconds):
                self.inputs = await asyncio.shield(self._inputs)
        except TimeoutError:
            said = f"is not loaded after {seconds:g} seconds"
            await self.end(said)
            raise BackendTimeout(f"{self._name} {said}") from None

    async def ask(self, columns: Mapping[str, Values], deadline: float) -> Answer:
        """Ask it; see :meth:`sluiceway.serving.ports.Timed.timed`.

        Raises:
            BackendTimeout: It gave no answer in time.
            BackendFailed: It gave none at all.
        """
        if self._transport is None or self._ending is not None:
            raise BackendFailed(f"{self._name} {self._because or 'hung up'}")
        if len(self._waiting) >= self._most_waiting:
            raise BackendFailed(f"{self._name} has {self._most_waiting} questions waiting already")
        self._asked = (self._asked + 1) & 0xFFFFFFFF
        now = time.monotonic()
        try:
            asked = question(self._asked, self.inputs, columns, now + deadline)
        except KeyError as error:
            raise BackendFailed(f"{self._name} reads {error.args[0]}, which is missing") from None
        except ValueError as error:
            raise BackendFailed(f"{self._name} cannot be asked: {error}") from None
        waiting = _Waiting(self._asked, self._loop.create_future(), deadline)
        waiting.turn = None if self._waiting else now
        waiting.alarm = self._loop.call_later(deadline, self._late, waiting)
        self._waiting.append(waiting)
        self._transport.write(asked)
        return await waiting.answer

    async def end(self, because: str) -> None:
        """End it and all that it started, and wait until it is gone.

        Args:
            because: What whoever still waits for an answer is told.
        """
        self.kill(because)
        await asyncio.shield(self.ended)

    def kill(self, because: str) -> bool:
        """End it and all that it started, without waiting; False where it is ending already."""
        if self._ending is not None:
            return False
        self._because = because
        self._end()
        return True

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line stands."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        """It said something."""
        try:
            for kind, number, payload in self._frames.fed(data):
                self._said(kind, number, payload)
        except BadFrame as error:
            self.kill(str(error))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's word
        """It hung up, or is dead."""
        self._end()

    def _said(self, kind: Kind, number: int, payload: bytes) -> None:
        if not self._inputs.done():
            self._said_first(kind, payload)
            return
        if not self._waiting or self._waiting[0].number != number:
            raise BadFrame("answered what it was not asked")
        answered = self._waiting[0]
        match kind:
            case Kind.ANSWER:
                _settle(answered, answer_of(payload))
            case Kind.FAULT:
                _settle(answered, BackendFailed(f"{self._name} {_words(payload)}"))
            case Kind.EXPIRED:
                _settle(answered, self._timeout(answered))
            case _:
                raise BadFrame(f"said {kind.name.lower()} where an answer was wanted")
        self._waiting.popleft()
        if self._waiting:
            following = self._waiting[0]
            following.turn = time.monotonic()
            if following.answer.done():  # nobody waits for it; it may hang all the same
                seconds = following.deadline + self._patience
                following.alarm = self._loop.call_later(seconds, self._late, following)

    def _said_first(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.FAULT:
            self._inputs.set_exception(BackendFailed(f"{self._name} {_words(payload)}"))
            return
        try:
            said = json.loads(payload) if kind is Kind.LOADED else None
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, list) or not all(isinstance(name, str) for name in said):
            raise BadFrame("did not say what it reads")
        self._inputs.set_result(tuple(said))

    def _late(self, waiting: _Waiting) -> None:
        """Nobody waits for this answer any more; where it was its turn long enough, it hangs."""
        if not waiting.answer.done():
            waiting.answer.set_exception(self._timeout(waiting))
        if waiting.turn is None:
            return
        left = waiting.turn + waiting.deadline + self._patience - time.monotonic()
        # A loop may count in milliseconds.
        if left > 0.001:
            waiting.alarm = self._loop.call_later(left, self._late, waiting)
        else:
            self.kill(f"was ended: it gave no answer {self._patience:g} seconds after it was due")

    def _timeout(self, waiting: _Waiting) -> BackendTimeout:
        said = f"does not answer within {waiting.deadline:g} seconds"
        return BackendTimeout(f"{self._name} {said}")

    def _complained(self) -> None:
        try:
            chunk = os.read(self._complaints, 65_536)
        except BlockingIOError:
            return
        if chunk:
            self._words = (self._words + chunk)[-_TAIL:]
        else:
            self._loop.remove_reader(self._complaints)

    def _end(self) -> None:
        if self._ending is None:
            self._ending = self._loop.create_task(self._ended())

    async def _ended(self) -> None:
        """Kill what is left of it, and tell everybody who waits."""
        if self._because is None and self._exit is not None:
            # It hung up, and may be about to end for a reason of its own.
            gone, _, _ = await asyncio.to_thread(select.select, [self._exit], [], [], _LAST_SECONDS)
            if not gone:
                self._because = "was ended: it stopped talking"
        # Until it is waited for, nobody else can have its number.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._running.pid, signal.SIGKILL)
        code = await asyncio.to_thread(self._running.wait)
        self._complained()
        for file in (self._exit, self._complaints):
            if file is not None:
                self._loop.remove_reader(file)
                os.close(file)
        if self._transport is not None:
            self._transport.abort()
        self._because = self._because or _death(code, self._words)
        fault = f"{self._name} {self._because}"
        if not self._inputs.done():
            self._inputs.set_exception(BackendFailed(fault))
        self._inputs.exception()  # whoever waited for it has it
        while self._waiting:
            _settle(self._waiting.popleft(), BackendFailed(fault))
        self.ended.set_result(self._because)


def _settle(waiting: _Waiting, answer: Answer | BackendFailed) -> None:
    if waiting.alarm is not None:
        waiting.alarm.cancel()
    if waiting.answer.done():
        return  # nobody waits any more
    if isinstance(answer, BackendFailed):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)


def _words(payload: bytes) -> str:
    """A model's own words, as people may see them."""
    said = "".join(one if one.isprintable() else " " for one in payload.decode(errors="replace"))
    return said[:_LONGEST_SAYING]


def _death(code: int, words: bytes) -> str:
    if code >= 0:
        lines = words.decode(errors="replace").strip().splitlines()
        last = _words(lines[-1].encode()) if lines else ""
        return f"ended its process with code {code}" + (f" ({last})" if last else "")
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _started(line: socket.socket, complaining: int) -> "subprocess.Popen[bytes]":
    # The child finds the same modules as its parent, and none that lie around by chance.
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [
            sys.executable, "-P", "-m", "sluiceway.gateway.backends.answering",
            str(line.fileno()), str(os.getpid()),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaining,
        pass_fds=(line.fileno(),),
        start_new_session=True,
        env={
            **os.environ,
            # One thread a model: rows come one at a time, and the cores are the champion's too.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": paths,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
        },
    )  # fmt: skip
