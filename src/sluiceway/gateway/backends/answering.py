"""The process of its own in which a version answers; see :mod:`.worker` for its other end.

It loads the version out of the very bytes that were verified, says which columns it reads, and
answers one question after the other until its parent hangs up or is gone.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sluiceway.gateway.backends.frames import (
    BadFrame,
    Frame,
    Frames,
    Kind,
    answered,
    asked,
    framed,
)

_GRACE: Final = 5.0
"""Seconds beyond a deadline after which a worker that lost its parent ends itself."""
_LONGEST_SAYING: Final = 500
"""Characters of a model's own words that are passed on."""
_PR_SET_PDEATHSIG: Final = 1


def _live(line: socket.socket, parent: int) -> None:
    """The worker's whole life."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _die_with(parent)
    frames = _heard(line)
    _, _, payload = next(frames)
    request = json.loads(payload)
    _end_after(request["seconds"])
    predictor, said = _loaded(request)
    if predictor is None:
        line.sendall(framed(Kind.FAULT, 0, said.encode()))
        return
    inputs = predictor.inputs
    _end_after(0)
    line.sendall(framed(Kind.LOADED, 0, json.dumps(inputs).encode()))
    for _, number, payload in frames:
        until, columns = asked(payload, inputs)
        left = until - time.monotonic()
        if left <= 0:
            line.sendall(framed(Kind.EXPIRED, number))
            continue
        # The kernel ends us even inside foreign code, should the parent be gone.
        _end_after(left + _GRACE)
        kind, answer = _answered(predictor, columns)
        _end_after(0)
        line.sendall(framed(kind, number, answer))


def _die_with(parent: int) -> None:
    """Be killed when the parent is, also by a signal that it cannot catch."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def _end_after(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _heard(line: socket.socket) -> Iterator[Frame]:
    """What the parent says, until it hangs up."""
    frames = Frames()
    while chunk := line.recv(1 << 18):
        yield from frames.fed(chunk)


def _loaded(request: dict[str, Any]) -> tuple[Any, str]:
    """The version; None where it cannot be loaded, and why."""
    from sluiceway.adapters.model_files import ModelFilesError, load_verified

    try:
        return load_verified(Path(request["folder"]), request["artifact_sha256"]), ""
    except ModelFilesError as error:
        return None, _short(str(error))


def _answered(predictor: Any, columns: dict[str, Any]) -> tuple[Kind, bytes]:
    began = time.perf_counter()
    try:
        answer = predictor.predict(columns)
        took = time.perf_counter() - began
    except Exception as error:  # noqa: BLE001 - a candidate may raise anything; it is told
        return Kind.FAULT, _short(f"raised {type(error).__name__}: {error}").encode()
    try:
        return Kind.ANSWER, answered(answer, took)
    except ValueError as error:
        return Kind.FAULT, _short(f"answers with what is no array: {error}").encode()


def _short(said: str) -> str:
    """Some words, as far as they are passed on; lone surrogates cannot be."""
    return " ".join(said.split())[:_LONGEST_SAYING].encode("utf-8", "replace").decode()


if __name__ == "__main__":
    with (
        socket.socket(fileno=int(sys.argv[1])) as _line,
        suppress(BadFrame, ConnectionError, StopIteration),
    ):
        _line.set_inheritable(False)  # it closes with us, whatever the model starts
        _live(_line, int(sys.argv[2]))
