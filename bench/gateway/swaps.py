"""Releases are promoted and rolled back under load: nothing fails, nothing mixes, nothing waits."""

import asyncio
import statistics
import time

import orjson

from bench.gateway.load import Load, closed_loop, open_loop, request_bytes
from bench.gateway.processes import gateway
from bench.gateway.switching import Switching, switching
from bench.gateway.system import Shop
from bench.gateway.throughput import CONNECTIONS, say

_NEW = ("first@2", "second@2", "third@2")
_REPEATS = 5
_TOLERANCE = 1e-6


class Answers:
    """Looks at every answer: whose generation it names, and whether it is that generation's."""

    def __init__(self, shop: Shop) -> None:
        self._expected = {number: shop.answers[number]["third"] for number in ("1", "2")}
        self._rows = len(shop.frame)
        self.mixed = 0
        self.last: dict[int, float] = {}

    def __call__(self, number: int, status: int, body: bytes) -> None:
        if status != 200:
            return
        said = orjson.loads(body)
        generation = said["sluiceway"]["generation"]
        expected = self._expected[str(generation)][number % self._rows]
        value = said["predictions"][0]
        value = value["value"] if isinstance(value, dict) else value
        if abs(value - expected) > _TOLERANCE:
            self.mixed += 1
        self.last[generation] = time.time()


def measured(shop: Shop, *, quick: bool) -> dict[str, float | int]:
    requests = [request_bytes("/invocations/third", body) for body in shop.bodies()]
    count = 4_000 if quick else 20_000
    with gateway(shop.settings) as server, switching(shop.settings) as switch:
        port = server.port
        asyncio.run(closed_loop(port, requests, connections=CONNECTIONS, seconds=1))
        full = asyncio.run(closed_loop(port, requests, connections=CONNECTIONS, seconds=3))
        rate = full.answers / full.seconds / 2
        say(f"{2 * rate:.0f} chains a second at most; {rate:.0f} asked")
        _back_and_forth(switch)  # both generations are loaded once
        failed = mixed = 0
        ratios: list[float] = []
        backs: list[float] = []
        for _ in range(_REPEATS):
            quiet = asyncio.run(open_loop(port, requests, per_second=rate, count=count))
            answers = Answers(shop)
            load, back = asyncio.run(_swapping(port, requests, rate, count, switch, answers))
            failed += load.failed + quiet.failed
            mixed += answers.mixed
            ratios.append(load.percentile(0.99) / quiet.percentile(0.99))
            backs.append(back)
            slow, calm = (1e3 * one.percentile(0.99) for one in (load, quiet))
            say(
                f"p99 {slow:.1f} ms against {calm:.1f} quiet; the last bad answer {back:.2f} s "
                f"after the decision; {load.statuses}"
            )
            switch.tell("rollback")
    return {
        "failed_during_swaps": failed,
        "mixed_generation": mixed,
        "swap_p99_ratio": round(statistics.median(ratios), 2),
        "rollback_s": round(max(backs), 2),
    }


def _back_and_forth(switch: Switching) -> None:
    switch.tell("promote", *_NEW)
    time.sleep(3)
    switch.tell("rollback")
    time.sleep(1)


async def _swapping(
    port: int,
    requests: list[bytes],
    rate: float,
    count: int,
    switch: Switching,
    answers: Answers,
) -> tuple[Load, float]:
    """One load during which a release is promoted, rolled back and promoted again."""
    load = asyncio.create_task(
        open_loop(port, requests, per_second=rate, count=count, seen=answers)
    )
    quarter = count / rate / 4
    await asyncio.sleep(quarter)
    await asyncio.to_thread(switch.tell, "promote", *_NEW)
    await asyncio.sleep(quarter)
    decided = (await asyncio.to_thread(switch.tell, "rollback"))["decided"]
    await asyncio.sleep(quarter)
    back = answers.last.get(2, decided) - decided
    await asyncio.to_thread(switch.tell, "promote", *_NEW)
    return await load, back
