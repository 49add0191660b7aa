"""The shop's gateway as operators run it, and its customers, who know nothing but HTTP."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
import pandas as pd
import psutil

from sluiceway.ports import Window
from tests.end_to_end.prefect_server import TETHER
from tests.end_to_end.shop import Shop
from tests.orders.data import table

REPOSITORY = Path(__file__).parents[2]
STARTS_WITHIN = 120.0
"""Seconds in which a gateway must answer on a busy machine: it loads every model first."""
ENDS_WITHIN = 60.0


class GatewayProcess:
    """``sluiceway serve`` on a free port, until it is told to end or killed.

    Args:
        shop: Whose environment it serves.
        name: Of its log file.
    """

    def __init__(self, shop: Shop, name: str = "gateway") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._shop = shop
        self._log = shop.home / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def start(self) -> None:
        """Begin, and wait until it answers."""
        program = Path(sys.executable).with_name("sluiceway")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*TETHER, str(program), "serve", "--port", str(self._port)],
                cwd=REPOSITORY,
                env=environment_of(self._shop),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(httpx.HTTPError):
                ready = httpx.get(f"{self.url}/v2/health/ready", timeout=5, trust_env=False)
                if ready.status_code == httpx.codes.OK:
                    return
            time.sleep(0.05)
        said = self.said()[-3_000:]
        self.kill()
        raise RuntimeError(f"the gateway did not come up:\n{said}")

    @property
    def heartbeat(self) -> Path:
        """Where it says that it lives."""
        assert self._process is not None
        instance = f"{socket.gethostname()}-{self._process.pid}"
        return self._shop.settings.heartbeat_folder / f"{instance}.json"

    def tell_to_end(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        assert self._process is not None
        return self._process.wait(ENDS_WITHIN)

    def kill(self) -> None:
        """kill -9, of itself alone: nothing is tidied up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def children(self) -> list[psutil.Process]:
        """The processes that it has started."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def restart(self) -> None:
        """kill -9, and begin again on the same port."""
        self.kill()
        self.start()

    def said(self) -> str:
        """Its output so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")


def environment_of(shop: Shop) -> dict[str, str]:
    """What a program of the shop's operators finds in its environment."""
    code = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        **shop.environment,
        "PYTHONPATH": code,  # the shop's loaders and models are code of the tests
        "NO_PROXY": "127.0.0.1,localhost",
    }


def sluiceway(shop: Shop, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command of the shop's operators."""
    program = Path(sys.executable).with_name("sluiceway")
    return subprocess.run(
        [str(program), *arguments],
        cwd=REPOSITORY,
        env=environment_of(shop),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@dataclass(slots=True, kw_only=True)
class Customers:
    """They place orders, and say later what became of them.

    Attributes:
        feeds: By column of a question, what it holds for the orders of a frame: what further feeds
            said at the time.
    """

    url: str
    feeds: dict[str, Any] = field(default_factory=dict)
    _settled_until: datetime | None = None
    _client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=60, trust_env=False), repr=False
    )

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def place(self, window: Window) -> pd.DataFrame:
        """Ask about every order of a window, and wait until the answers are written down."""
        answers = self.ask(table(window), timed=True)
        self._client.post(f"{self.url}/log/flush").raise_for_status()
        return answers

    def ask(
        self, orders: pd.DataFrame, *, timed: bool = False, url: str | None = None
    ) -> pd.DataFrame:
        """Ask about orders in one batch.

        Args:
            timed: Whether the question says when they were placed; else it is now.
            url: Another gateway than usual.

        Returns:
            A row for each order: ``unit``, ``score``, ``arm``, ``rollout``, ``release``,
            ``stand_ins``, ``generation``.
        """
        response = self._client.post(
            f"{url or self.url}/invocations/priority", json=self.body(orders, timed=timed)
        )
        assert response.status_code == httpx.codes.OK, response.text
        return answers_of(response, orders["order_id"].tolist())

    def body(self, orders: pd.DataFrame, *, timed: bool = False) -> dict[str, Any]:
        """The question about some orders: columns of the source, and features, as both may be."""
        columns: dict[str, Any] = {
            "order_id": orders["order_id"],
            "orders.signal": orders["signal"],
            "orders.hour": orders["hour"],
            "amount": orders["amount"],
            "distance": orders["distance"],
            **{name: feed(orders) for name, feed in self.feeds.items()},
        }
        if timed:
            columns["event_time"] = [one.isoformat() for one in orders["placed_at"]]
        frame = pd.DataFrame({name: list(values) for name, values in columns.items()})
        split = {"columns": list(frame.columns), "data": frame.to_numpy(dtype=object).tolist()}
        return {"dataframe_split": split}

    def settle(self, now: datetime, *, since: datetime) -> dict[str, Any]:
        """Say what became of the orders that were settled by now and not told yet.

        Args:
            since: When the first of them were placed.
        """
        after = self._settled_until or since
        rows = table(Window(start=since, end=now))
        rows = rows[(rows["settled_at"] > after) & (rows["settled_at"] <= now)]
        self._settled_until = now
        if rows.empty:
            return {}
        labels = [
            {
                "unit": row.order_id,
                "source": "outcomes",
                "values": {
                    "fraud": row.fraud, "days": row.days, "euros": row.euros, "score": row.score,
                },
                "known_at": row.settled_at.isoformat(),
            }
            for row in rows.itertuples()
        ]  # fmt: skip
        response = self._client.post(f"{self.url}/labels", json={"labels": labels})
        assert response.status_code == httpx.codes.OK, response.text
        return dict(response.json())


def answers_of(response: httpx.Response, units: Sequence[str]) -> pd.DataFrame:
    """What an answer says of each of its rows."""
    said = response.json()
    about = said["sluiceway"]
    rows = about["rows"] * len(units) if len(about["rows"]) == 1 else about["rows"]
    assert len(rows) == len(said["predictions"]) == len(units)
    frame = pd.DataFrame(rows)
    return frame.assign(unit=list(units), score=said["predictions"], generation=about["generation"])


def probes(count: int, name: str = "probe") -> pd.DataFrame:
    """Orders of today, whatever day is played; they are evidence of nothing."""
    draw = np.random.default_rng(count)
    return pd.DataFrame(
        {
            "order_id": [f"{name}-{number}" for number in range(count)],
            "signal": draw.normal(size=count).clip(-4, 4),
            "amount": draw.uniform(1, 900, count),
            "hour": draw.integers(0, 24, count).astype(float),
            "distance": draw.uniform(10, 2000, count),
        }
    )


@dataclass(slots=True)
class Seen:
    """One request under load.

    Attributes:
        began: Clock of :func:`time.monotonic` when it was sent.
        answered: The same when its answer was there.
        status: Of the answer; None where there was none.
        row: What the answer says of its row.
    """

    unit: str
    began: float
    answered: float
    status: int | None = None
    row: dict[str, Any] = field(default_factory=dict)


class Load:
    """Customers who ask one order after another, each over a connection of their own."""

    def __init__(self, customers: Customers, name: str) -> None:
        self.seen: list[Seen] = []
        self._customers = customers
        self._name = name
        self._over = threading.Event()

    @contextmanager
    def running(self, *, threads: int = 1, pause: float = 0.02) -> Iterator[Self]:
        """Ask for as long as the block lasts.

        Args:
            pause: Seconds that each rests after an answer: programs beside it get their turn.
        """
        asking = [threading.Thread(target=self._ask, args=(n, pause)) for n in range(threads)]
        for one in asking:
            one.start()
        try:
            yield self
        finally:
            self._over.set()
            for one in asking:
                one.join()

    def wait_for(self, count: int, *, seconds: float = 60.0) -> None:
        """Until so many more requests were answered."""
        wanted, until = len(self.seen) + count, time.monotonic() + seconds
        while len(self.seen) < wanted:
            assert time.monotonic() < until, f"only {len(self.seen)} requests were answered"
            time.sleep(0.01)

    def _ask(self, thread: int, pause: float) -> None:
        orders = probes(50, f"{self._name}-{thread}")
        number = 0
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(timeout=30, trust_env=False, limits=limits) as client:
            while not self._over.is_set():
                one = orders.iloc[[number % len(orders)]]
                unit = f"{self._name}-{thread}-{number}"
                body = self._customers.body(one.assign(order_id=unit))
                number += 1
                seen = Seen(unit, time.monotonic(), 0.0)
                try:
                    response = client.post(f"{self._customers.url}/invocations/priority", json=body)
                except httpx.TransportError:
                    seen.answered = time.monotonic()
                else:
                    seen.answered = time.monotonic()
                    seen.status = response.status_code
                    if response.status_code == httpx.codes.OK:
                        seen.row = response.json()["sluiceway"]["rows"][0]
                self.seen.append(seen)
                time.sleep(pause if seen.status else 0.02)
