"""Keeping what libraries write to the console by themselves out of our answers."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Final

_ONE_AT_A_TIME: Final = RLock()
"""The output is the process's: of two threads that turn it, one would put back the other's."""


@contextmanager
def strays_to_stderr() -> Iterator[None]:
    """Send what is written to the process's standard output meanwhile to standard error.

    A solver written in C++ writes past Python, and buffers: its buffer is emptied before the
    output is ours again. One thread at a time; what others write meanwhile is not lost either.
    """
    with _ONE_AT_A_TIME:
        if sys.stdout is not None:
            sys.stdout.flush()
        try:
            saved = os.dup(1)
        except OSError:  # there is no such output, so nothing can stray into it
            yield
            return
        try:
            with suppress(OSError):  # without standard error it strays, which is no reason to fail
                os.dup2(2, 1)
            yield
        finally:
            ctypes.CDLL(None).fflush(None)
            os.dup2(saved, 1)
            os.close(saved)
