"""A version in a process of its own cannot touch who asks it, whatever it does."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from sluiceway.gateway.backends import child
from sluiceway.gateway.backends.worker import WorkerBackend, WorkerLimits
from sluiceway.serving.ports import BackendFailed, BackendTimeout
from tests.gateway.backends import strange
from tests.gateway.backends.models import rows, saved

pytestmark = pytest.mark.anyio

LIMITS = WorkerLimits(patience_seconds=0.2, first_pause=0.01, memory_poll_seconds=0.02)
LONG = 30.0
"""Seconds in which a healthy worker answers on any machine."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return saved(tmp_path_factory.mktemp("strange") / "model")


@asynccontextmanager
async def worker(
    files: tuple[Path, str], limits: WorkerLimits = LIMITS
) -> AsyncIterator[WorkerBackend]:
    warm = [rows(strange.WELL, 1.0), rows(strange.WELL, 1.0, 2.0)]
    one = await WorkerBackend.started("strange@1", *files, warm=warm, limits=limits)
    try:
        yield one
    finally:
        await one.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def recovers(one: WorkerBackend, restarts: int = 1) -> None:
    """It is replaced, and the replacement answers."""
    await until(lambda: one.state.restarts >= restarts and one.state.pid is not None)
    answers = await one.predict(rows(strange.WELL, 7.0), deadline=LONG)
    np.testing.assert_array_equal(answers, [7.0])


def alive(pid: int) -> bool:
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    except FileNotFoundError:
        return False


async def test_questions_in_flight_are_each_answered_with_their_own_rows(
    files: tuple[Path, str],
) -> None:
    async with worker(files) as one:
        assert one.inputs == ("how", "value")
        assert one.local is None
        asked = [rows(strange.WELL, *np.arange(n, n + 1 + n % 3, dtype=float)) for n in range(50)]
        answers = await asyncio.gather(*(one.predict(q, deadline=LONG) for q in asked))
    for question, answer in zip(asked, answers, strict=True):
        np.testing.assert_array_equal(answer, question["value"])


async def test_a_raised_error_is_told_and_the_process_goes_on(files: tuple[Path, str]) -> None:
    async with worker(files) as one:
        pid = one.state.pid
        with pytest.raises(BackendFailed) as caught:
            await one.predict(rows(strange.RAISES, 1.0), deadline=LONG)
        assert str(caught.value) == (
            "strange@1 raised ZeroDivisionError: a quite private  [31m matter"
        )
        answers = await one.predict(rows(strange.WELL, 2.0), deadline=LONG)
        np.testing.assert_array_equal(answers, [2.0])
        assert one.state.pid == pid


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (strange.SEGFAULTS, "strange@1 was ended by SIGSEGV"),
        (strange.EXITS, "strange@1 ended its process with code 3"),
        (strange.LIES, "strange@1 said something of "),
        (strange.HUGE_LIE, "strange@1 said something of "),
        (strange.FORKS, "strange@1 was ended by SIGKILL"),
        (strange.HANGS_UP, "strange@1 was ended: it stopped talking"),
    ],
)
async def test_a_dead_worker_is_told_and_replaced(
    files: tuple[Path, str], how: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == strange.HANGS_UP:  # for minutes: whoever waits for its end need not wait for long
        monkeypatch.setattr(child, "_LAST_SECONDS", 0.5)
    async with worker(files) as one:
        with pytest.raises(BackendFailed) as caught:
            await one.predict(rows(how, 1.0), deadline=LONG)
        assert str(caught.value).startswith(said)
        assert not isinstance(caught.value, BackendTimeout)
        await recovers(one)


@pytest.mark.parametrize("how", [strange.HANGS, strange.SPINS])
async def test_a_hanging_worker_is_ended_and_replaced(files: tuple[Path, str], how: float) -> None:
    async with worker(files) as one:
        pid = one.state.pid
        assert pid is not None
        with pytest.raises(BackendTimeout, match=r"strange@1 does not answer within 0\.05 seconds"):
            await one.predict(rows(how, 1.0), deadline=0.05)
        await recovers(one)
        assert not alive(pid)
        assert one.state.fault == "was ended: it gave no answer 0.2 seconds after it was due"


async def test_who_waits_behind_a_hanging_question_is_told_at_its_own_deadline(
    files: tuple[Path, str],
) -> None:
    async with worker(files) as one:
        hanging = asyncio.ensure_future(one.predict(rows(strange.HANGS, 1.0), deadline=0.05))
        behind = asyncio.ensure_future(one.predict(rows(strange.WELL, 1.0), deadline=LONG))
        hurried = asyncio.ensure_future(one.predict(rows(strange.WELL, 1.0), deadline=0.05))
        faults = await asyncio.gather(hanging, behind, hurried, return_exceptions=True)
        assert [type(fault) for fault in faults] == [BackendTimeout, BackendFailed, BackendTimeout]


async def test_a_slow_answer_is_late_and_its_worker_lives(files: tuple[Path, str]) -> None:
    limits = WorkerLimits(patience_seconds=LONG)
    async with worker(files, limits) as one:
        with pytest.raises(BackendTimeout):
            await one.predict(rows(strange.SLOW, 1.0), deadline=0.05)
        answers = await one.predict(rows(strange.WELL, 2.0), deadline=LONG)
        np.testing.assert_array_equal(answers, [2.0])
        assert one.state.restarts == 0


async def test_an_asker_who_goes_away_leaves_no_trace(files: tuple[Path, str]) -> None:
    async with worker(files, WorkerLimits(patience_seconds=LONG)) as one:
        asked = asyncio.ensure_future(one.predict(rows(strange.SLOW, 1.0), deadline=LONG))
        await asyncio.sleep(0)
        asked.cancel()
        answers = await one.predict(rows(strange.WELL, 2.0), deadline=LONG)
        np.testing.assert_array_equal(answers, [2.0])


async def test_a_hanging_question_is_ended_though_its_asker_went_away(
    files: tuple[Path, str],
) -> None:
    async with worker(files) as one:
        asked = asyncio.ensure_future(one.predict(rows(strange.HANGS, 1.0), deadline=0.05))
        await asyncio.sleep(0)
        asked.cancel()
        await recovers(one)


async def test_what_is_no_good_answer_is_for_the_asker_to_judge(files: tuple[Path, str]) -> None:
    async with worker(files) as one:
        nan = await one.predict(rows(strange.NAN, 1.0), deadline=LONG)
        wrong = await one.predict(rows(strange.WRONG_SHAPE, 1.0), deadline=LONG)
        texts = await one.predict(rows(strange.TEXTS, 1.0, 2.0), deadline=LONG)
        with pytest.raises(BackendFailed, match="answers with what is no array: holds dict values"):
            await one.predict(rows(strange.NO_ARRAY, 1.0), deadline=LONG)
    assert np.isnan(nan).all()
    assert wrong.shape == (2, 3)
    assert texts.tolist() == ["late", None]


async def test_a_worker_that_grows_is_ended_and_counted(files: tuple[Path, str]) -> None:
    async with worker(files, WorkerLimits()) as one:
        rss = one.state.rss_bytes
    assert rss > 0
    limits = WorkerLimits(
        memory_bytes=rss + (200 << 20), memory_poll_seconds=0.02, first_pause=0.01
    )
    async with worker(files, limits) as one:
        with suppress(BackendFailed):  # it may be seen before it answers
            await one.predict(rows(strange.LEAKS, 1.0), deadline=LONG)
        await recovers(one)
        assert one.state.memory_kills == 1
        assert one.state.fault is not None
        assert one.state.fault.startswith("was ended: it held ")


async def test_killed_in_the_middle_of_a_question_it_is_told_at_once(
    files: tuple[Path, str],
) -> None:
    async with worker(files) as one:
        asked = asyncio.ensure_future(one.predict(rows(strange.HANGS, 1.0), deadline=LONG))
        await asyncio.sleep(0.1)
        assert one.state.pid is not None
        os.kill(one.state.pid, signal.SIGKILL)
        with pytest.raises(BackendFailed, match="strange@1 was ended by SIGKILL"):
            await asked
        with pytest.raises(BackendFailed, match="was ended by SIGKILL"):
            await one.predict(rows(strange.WELL, 1.0), deadline=LONG)
        await recovers(one)


async def test_a_replacement_that_cannot_start_is_tried_again(
    files: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.symlink_to(files[0])
    async with worker((folder, files[1])) as one:
        folder.unlink()
        with pytest.raises(BackendFailed):
            await one.predict(rows(strange.SEGFAULTS, 1.0), deadline=LONG)
        await until(lambda: "cannot be read" in (one.state.fault or ""))
        folder.symlink_to(files[0])
        await recovers(one)


async def test_more_questions_than_may_wait_are_refused(files: tuple[Path, str]) -> None:
    async with worker(files, WorkerLimits(most_waiting=2, patience_seconds=LONG)) as one:
        asked = [one.predict(rows(strange.SLOW, 1.0), deadline=LONG) for _ in range(3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers[:2]] == [np.ndarray, np.ndarray]
    assert str(answers[2]) == "strange@1 has 2 questions waiting already"


async def test_other_files_than_those_verified_are_not_loaded(files: tuple[Path, str]) -> None:
    with pytest.raises(BackendFailed, match=r"strange@1 files have digest .*, verified was 0000"):
        await WorkerBackend.started("strange@1", files[0], "0000")


async def test_a_version_that_fails_its_first_question_is_not_started(
    files: tuple[Path, str],
) -> None:
    with pytest.raises(BackendFailed, match="raised ZeroDivisionError"):
        await WorkerBackend.started("strange@1", *files, warm=[rows(strange.RAISES, 1.0)])


async def test_a_missing_column_is_said(files: tuple[Path, str]) -> None:
    async with worker(files) as one:
        with pytest.raises(BackendFailed, match="strange@1 reads value, which is missing"):
            await one.predict({"how": np.zeros(1)}, deadline=LONG)


async def test_a_closed_worker_is_gone(files: tuple[Path, str]) -> None:
    async with worker(files) as one:
        pid = one.state.pid
    assert pid is not None
    assert not alive(pid)
    with pytest.raises(BackendFailed):
        await one.predict(rows(strange.WELL, 1.0), deadline=LONG)


PARENT = """
import asyncio, sys
from pathlib import Path
from sluiceway.gateway.backends.worker import WorkerBackend
from tests.gateway.backends.models import rows

async def main():
    one = await WorkerBackend.started("strange@1", Path(sys.argv[1]), sys.argv[2])
    print(one.state.pid, flush=True)
    await one.predict(rows(float(sys.argv[3]), 1.0), deadline=600)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [strange.HANGS, strange.SPINS])
def test_a_worker_ends_with_its_parent_even_inside_a_question(
    files: tuple[Path, str], how: float
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(files[0]), files[1], str(how)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    ends = time.monotonic() + 60
    while alive(pid) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not alive(pid)
