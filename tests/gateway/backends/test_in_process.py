"""A version in this process is asked in threads; one that is stuck holds up nobody else."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest

from sluiceway.gateway.backends.in_process import InProcessBackend
from sluiceway.gateway.hanging import IN_A_ROW
from sluiceway.serving.ports import BackendFailed, BackendTimeout

pytestmark = pytest.mark.anyio

LONG = 30.0


@dataclass
class Doors:
    """Doubles `a`, after it went through a door that may be shut for some values."""

    inputs: tuple[str, ...] = ("a",)
    doors: dict[float, threading.Event] = field(default_factory=dict)

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        value = float(columns["a"][0])
        if value < 0:
            raise ZeroDivisionError("no")
        if value in self.doors:
            self.doors[value].wait()
        return columns["a"] * 2


def a(value: float) -> dict[str, np.ndarray]:
    return {"a": np.array([value])}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not true():
            await asyncio.sleep(0.001)


async def test_each_question_gets_its_own_answer() -> None:
    one = InProcessBackend("m@1", Doors(), threads=2)
    asked = (one.predict(a(float(n)), deadline=LONG) for n in range(20))
    answers = await asyncio.gather(*asked)
    assert [float(answer[0]) for answer in answers] == [2.0 * n for n in range(20)]
    assert one.inputs == ("a",)
    assert isinstance(one.local, Doors)
    await one.close()
    assert one.local is None
    with pytest.raises(BackendFailed, match="m@1 is closed"):
        await one.predict(a(1.0), deadline=LONG)


async def test_what_it_raises_is_told() -> None:
    one = InProcessBackend("m@1", Doors())
    with pytest.raises(BackendFailed, match="m@1 raised ZeroDivisionError: no"):
        await one.predict(a(-1.0), deadline=LONG)
    await one.close()


async def test_a_stuck_thread_is_left_alone_and_replaced() -> None:
    door = threading.Event()
    one = InProcessBackend("m@1", Doors(doors={9.0: door}), threads=1)
    with pytest.raises(BackendTimeout):
        await one.predict(a(9.0), deadline=0.01)
    await until(lambda: one.abandoned == 1)
    assert one.stuck == 1
    answer = await one.predict(a(1.0), deadline=LONG)
    assert float(answer[0]) == 2.0
    door.set()
    await until(lambda: one.stuck == 0)
    await one.close()
    await until(lambda: not any(thread.name == "m@1" for thread in threading.enumerate()))


async def test_an_asker_who_goes_away_does_not_keep_a_stuck_thread() -> None:
    door = threading.Event()
    one = InProcessBackend("m@1", Doors(doors={9.0: door}), threads=1)
    asked = asyncio.ensure_future(one.predict(a(9.0), deadline=0.05))
    await asyncio.sleep(0.01)
    asked.cancel()
    answer = await one.predict(a(1.0), deadline=LONG)
    assert float(answer[0]) == 2.0
    door.set()
    await one.close()


async def test_a_version_whose_threads_are_all_stuck_is_asked_once_in_a_while_only() -> None:
    door = threading.Event()
    one = InProcessBackend("m@1", Doors(doors={9.0: door}), threads=1)
    for count in range(1, IN_A_ROW + 1):
        with pytest.raises(BackendTimeout):
            await one.predict(a(9.0), deadline=0.01)
        await until(lambda count=count: one.stuck == count)  # type: ignore[misc]
    with pytest.raises(BackendFailed, match="8 threads that do not come back; it is tried again"):
        await one.predict(a(1.0), deadline=LONG)
    # Nobody came back, and it is well: the next try shows it, in a thread of its own.
    answer = await answered_after_a_pause(one)
    assert float(answer[0]) == 2.0
    assert one.stuck == IN_A_ROW
    assert float((await one.predict(a(1.0), deadline=LONG))[0]) == 2.0
    door.set()
    await until(lambda: one.stuck == 0)
    await one.close()


async def answered_after_a_pause(one: InProcessBackend) -> np.ndarray:
    """Ask until it is tried again; at most a minute."""
    async with asyncio.timeout(60):
        while True:
            with suppress(BackendFailed):
                return await one.predict(a(1.0), deadline=LONG)
            await asyncio.sleep(0.05)


async def test_a_question_that_waited_too_long_for_a_thread_is_never_asked() -> None:
    door = threading.Event()
    one = InProcessBackend("m@1", Doors(doors={9.0: door}), threads=1)
    first = asyncio.ensure_future(one.predict(a(9.0), deadline=LONG))
    await asyncio.sleep(0.01)
    with pytest.raises(BackendTimeout):
        await one.predict(a(1.0), deadline=0.01)
    assert one.abandoned == 0
    door.set()
    assert float((await first)[0]) == 18.0
    await one.close()


async def test_more_questions_than_may_wait_are_refused() -> None:
    door = threading.Event()
    one = InProcessBackend("m@1", Doors(doors={9.0: door}), threads=1, most_waiting=1)
    asked = [asyncio.ensure_future(one.predict(a(9.0), deadline=LONG)) for _ in range(2)]
    await asyncio.sleep(0.01)
    asked.append(asyncio.ensure_future(one.predict(a(9.0), deadline=LONG)))
    await asyncio.sleep(0.01)
    with pytest.raises(BackendFailed, match="has 1 questions waiting already"):
        await one.predict(a(1.0), deadline=LONG)
    door.set()
    await asyncio.gather(*asked, return_exceptions=True)
    await one.close()
