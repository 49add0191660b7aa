"""Structured logs: one JSON object a line, written by a thread of its own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any, Final, TextIO

import orjson

LOGGER: Final = "sluiceway.gateway"
"""The root of all loggers of the gateway."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A line with ``at``, ``level``, ``logger``, ``message``, and whatever ``extra`` gave."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["traceback"] = record.exc_text
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class _Handing(QueueHandler):
    """Hands a record over as it is; the listener's formatter has use for its traceback."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.msg, record.args = record.getMessage(), None
        return record


@contextmanager
def json_logs(stream: TextIO, *, level: int = logging.INFO) -> Iterator[None]:
    """Write the gateway's and uvicorn's logs to a stream for as long as the block runs.

    Whoever logs only puts a record into a queue; no request waits for the stream.
    """
    written = logging.StreamHandler(stream)
    written.setFormatter(JsonFormatter())
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    listener = QueueListener(queue, written)
    handing = _Handing(queue)
    loggers = [logging.getLogger(name) for name in (LOGGER, "uvicorn")]
    before = [(one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.addHandler(handing)
        one.setLevel(level)
        one.propagate = False
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        for one, (was_level, propagated) in zip(loggers, before, strict=True):
            one.removeHandler(handing)
            one.setLevel(was_level)
            one.propagate = propagated
