"""kill -9 of the gateway under load: what was acknowledged is there, and what is lost is known."""

import asyncio
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import orjson

from bench.gateway.load import closed_loop, request_bytes
from bench.gateway.processes import Server, free_port, gateway
from bench.gateway.switching import switching
from bench.gateway.system import Shop
from bench.gateway.throughput import say
from sluiceway.ports import Window
from sluiceway.routing import in_canary
from sluiceway.wiring import prediction_log

_KILLS = 20
_UNITS = 400
"""Labels posted a round."""


def measured(shop: Shop, *, quick: bool) -> dict[str, int]:
    kills = 5 if quick else _KILLS
    port = free_port()
    answered: dict[str, str] = {}
    labelled: set[str] = set()
    began = datetime.now(UTC) - timedelta(minutes=1)
    with switching(shop.settings) as switch:
        switch.tell("canary", "50", "first@2", "second@2", "third@2")
        for number in range(kills):
            with gateway(shop.settings, port=port) as server:
                time.sleep(2.5 if number == 0 else 1.5)  # the candidate's processes start
                _round(shop, server, number, answered, labelled)
        with gateway(shop.settings, port=port):  # settles what the last one left
            time.sleep(1.0)
    lost = _lost(shop, began, answered, labelled)
    say(f"{len(answered):,} answers and {len(labelled):,} labels over {kills} kills; {lost} lost")
    return {"kill_lost": lost}


def _round(
    shop: Shop, server: Server, number: int, answered: dict[str, str], labelled: set[str]
) -> None:
    """Ask and label as fast as it goes until the gateway is killed in the middle."""
    bodies = shop.bodies(salt=f"k{number}-")
    units = [f"k{number}-u{row}" for row in range(len(bodies))]
    requests = [request_bytes("/invocations/third", body) for body in bodies]
    base = len(answered)

    def seen(asked: int, status: int, body: bytes) -> None:
        if status == 200:
            row = orjson.loads(body)["sluiceway"]["rows"][0]
            answered[units[asked % len(units)]] = row["arm"]

    labels = threading.Thread(target=_label, args=(server.port, units, labelled))
    killer = threading.Timer(0.6 + 0.07 * (number % 10), server.kill)
    labels.start()
    killer.start()
    asyncio.run(closed_loop(server.port, requests, connections=8, seconds=3.0, seen=seen))
    killer.join()
    labels.join()
    say(f"kill {number + 1}: {len(answered) - base} more units answered")


def _label(port: int, units: list[str], labelled: set[str]) -> None:
    """Post labels one by one; what is acknowledged is noted."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as client:
        for unit in units[:_UNITS]:
            one = {
                "unit": unit,
                "label": "truth.value",
                "value": 1.0,
                "known_at": datetime.now(UTC).isoformat(),
            }
            try:
                answer = client.post("/labels", json={"labels": [one]})
            except httpx.HTTPError:
                return
            if answer.status_code == httpx.codes.OK:
                labelled.add(unit)


def _lost(shop: Shop, began: datetime, answered: dict[str, str], labelled: set[str]) -> int:
    """Acknowledged labels that are gone, rows lost without a recorded gap, units that moved."""
    window = Window(start=began, end=datetime.now(UTC) + timedelta(minutes=1))
    log = prediction_log(shop.settings)
    rows = log.read(window)
    primary = rows[rows["path"] == "primary"]
    missing = len(answered.keys() - set(primary["unit"]))
    known = sum(gap.rows or 0 for gap in log.gaps(window))
    kept = _labels(shop)
    rollout = primary["rollout_id"].iloc[0]
    units = list(answered)
    expected = in_canary(rollout, units, 50)
    moved = sum(
        (answered[unit] == "candidate") != chosen
        for unit, chosen in zip(units, expected.tolist(), strict=True)
    )
    say(
        f"{missing} answered units are not in the log, gaps know of {known} rows; "
        f"{len(labelled - kept)} labels are gone; {moved} units moved"
    )
    return max(0, missing - known) + len(labelled - kept)


def _labels(shop: Shop) -> set[str]:
    database = shop.settings.serving_folder / "labels.db"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return {str(unit) for (unit,) in connection.execute("SELECT unit FROM labels")}
    finally:
        connection.close()
