"""Keeping what libraries write to the console by themselves out of our answers."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def strays_to_stderr() -> Iterator[None]:
    """Send what is written to the process's standard output meanwhile to standard error.

    A solver written in C++ writes past Python, and buffers: its buffer is emptied before the
    output is ours again.
    """
    sys.stdout.flush()
    try:
        saved = os.dup(1)
    except OSError:  # there is no such output, so nothing can stray into it
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(saved, 1)
        os.close(saved)
