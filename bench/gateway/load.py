"""Clients that ask as fast as they are answered, or by the clock whoever answers.

Raw HTTP/1.1 over asyncio protocols: a client library would cost more than the server it measures.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Seen = Callable[[int, int, bytes], None]
"""Is told which question was answered, with which status and body."""


@dataclass(slots=True)
class Load:
    """What came of a load.

    Attributes:
        seconds: Wall time from the first question to the last answer.
        latencies: Seconds from when each question was due to its answer.
        statuses: How many answers by HTTP status; 0 stands for a connection that broke.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def answers(self) -> int:
        """How many answers came."""
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """How many questions were not answered with 200."""
        return self.answers - self.statuses.get(200, 0)

    def percentile(self, share: float) -> float:
        """The latency within which a share (0 to 1) of the answers came, in seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def request_bytes(path: str, body: bytes, *, content_type: str = "application/json") -> bytes:
    """A POST as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one question at a time."""

    def __init__(self, free: Callable[["_Connection"], None]) -> None:
        self._free = free
        self._read = b""
        self._done: Callable[[int, bytes], None] | None = None
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes, done: Callable[[int, bytes], None]) -> None:
        self._done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head = self._read.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self._read[:head].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 : (lower.find(b"\r\n", at) + 1 or len(lower) + 1) - 1])
        if len(self._read) < head + 4 + length:
            return
        status, body = int(self._read[9:12]), self._read[head + 4 : head + 4 + length]
        self._read = self._read[head + 4 + length :]
        self._answered(status, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._answered(0, str(exc or "closed").encode())

    def _answered(self, status: int, body: bytes) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status, body)
            self._free(self)


async def closed_loop(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float | None = None,
    count: int | None = None,
    seen: Seen | None = None,
) -> Load:
    """Ask on each connection as soon as it was answered, for some seconds or so many questions."""
    load, loop = Load(), asyncio.get_running_loop()
    over = loop.create_future()
    began = time.perf_counter()
    asked = alive = 0

    def next_one(connection: _Connection) -> None:
        nonlocal asked, alive
        now = time.perf_counter()
        late = seconds is not None and now - began >= seconds
        if late or (count is not None and asked >= count) or connection.is_lost:
            alive -= 1
            if not alive and not over.done():
                over.set_result(None)
            return
        number, asked = asked, asked + 1

        def done(status: int, body: bytes) -> None:
            load.latencies.append(time.perf_counter() - now)
            load.statuses[status] = load.statuses.get(status, 0) + 1
            if seen is not None:
                seen(number, status, body)

        connection.ask(requests[number % len(requests)], done)

    opened = [
        (await loop.create_connection(lambda: _Connection(next_one), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    began = time.perf_counter()
    alive = len(opened)
    for connection in opened:
        next_one(connection)
    await over
    load.seconds = time.perf_counter() - began
    for connection in opened:
        connection.transport.close()
    return load


async def open_loop(
    port: int,
    requests: Sequence[bytes],
    *,
    per_second: float,
    count: int,
    seen: Seen | None = None,
    most: int = 512,
) -> Load:
    """Ask by the clock, whoever has answered: what is late is late from when it was due.

    Args:
        per_second: Questions a second, evenly spaced.
        most: Most connections; beyond them questions wait, and their waiting counts.
    """
    load, loop = Load(), asyncio.get_running_loop()
    idle: deque[_Connection] = deque()
    waiting: deque[tuple[int, float]] = deque()
    answered = asyncio.Event()
    opened: list[_Connection] = []

    def free(connection: _Connection) -> None:
        if connection.is_lost:
            return
        if waiting:
            start(connection, *waiting.popleft())
        else:
            idle.append(connection)

    def start(connection: _Connection, number: int, due: float) -> None:
        def done(status: int, body: bytes) -> None:
            load.latencies.append(time.perf_counter() - due)
            load.statuses[status] = load.statuses.get(status, 0) + 1
            if seen is not None:
                seen(number, status, body)
            if load.answers == count:
                answered.set()

        connection.ask(requests[number % len(requests)], done)

    async def opening() -> None:
        _, connection = await loop.create_connection(lambda: _Connection(free), "127.0.0.1", port)
        opened.append(connection)
        free(connection)

    for _ in range(min(32, most)):
        await opening()
    tasks: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    for number in range(count):
        due = began + number / per_second
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        elif number % 64 == 0:
            await asyncio.sleep(0)
        while idle and idle[0].is_lost:
            idle.popleft()
        if idle:
            start(idle.popleft(), number, due)
            continue
        waiting.append((number, due))
        if len(opened) + len(tasks) < most:
            task = loop.create_task(opening())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    await asyncio.wait_for(answered.wait(), timeout=120)
    load.seconds = time.perf_counter() - began
    for connection in opened:
        connection.transport.close()
    return load
