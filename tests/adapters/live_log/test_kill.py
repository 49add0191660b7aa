"""A gateway that is killed loses what it had not written yet, and every loss is known."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sluiceway.adapters.live_log.compaction import compact
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.ports import GapReason, Window
from tests.serving.questions import START

ALWAYS = Window(start=START - timedelta(days=1), end=START + timedelta(days=10))
KILLS = 20


class Writers:
    """Processes that write one after the other."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.adapters.live_log.writing", str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def begin(self, seed: str) -> tuple[str, int]:
        """Begin one; its session and process."""
        self._in.write(f"{seed}\n")
        self._in.flush()
        _, session, pid = self._out.readline().split()
        return session, int(pid)

    def said(self) -> Iterator[list[str]]:
        """What the one that runs says in whole lines, until it has ended."""
        for line in self._out:
            if line == "ended\n":
                return
            yield line.split()

    def killed(self, seed: str, after: float) -> tuple[str, int, set[str]]:
        """Session, rows numbered at least, and acknowledged labels of one killed after a time."""
        session, pid = self.begin(seed)
        timer = threading.Timer(after, os.kill, (pid, signal.SIGKILL))
        timer.start()
        said = list(self.said())
        timer.join()
        answered = sum(int(words[2]) for words in said if words[:1] == ["answered"])
        return session, answered, {words[1] for words in said if words[:1] == ["label"]}

    def end(self) -> None:
        self._in.close()
        self._process.wait(10)
        self._out.close()


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    begun = Writers(tmp_path / "serving")
    yield begun
    begun.end()


@pytest.fixture(scope="module")
def after_kills(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list, list[bool]]:
    folder = tmp_path_factory.mktemp("killed")
    log = LivePredictionLog(folder / "predictions", folder / "serving" / "log.db")
    random_times = random.Random(4)
    sessions, readable = [], []
    writers = Writers(folder / "serving")
    try:
        for number in range(KILLS):
            sessions.append(writers.killed(f"k{number}", random_times.uniform(0.05, 0.4)))
            readable.append(not log.read(ALWAYS).empty)
            if number % 4 == 3:
                compact(
                    folder / "predictions", folder / "serving" / "log.db",
                    retention=timedelta(days=1), settled=timedelta(0), waits=timedelta(0),
                )  # fmt: skip
    finally:
        writers.end()
    return folder, sessions, readable


def test_every_row_that_was_answered_is_there_or_known_to_be_lost(after_kills) -> None:
    """Twenty kills: rows and gaps together are what was numbered, of each process."""
    folder, sessions, readable = after_kills
    assert all(readable)
    log = LivePredictionLog(folder / "predictions", folder / "serving" / "log.db")
    rows, gaps = log.read(ALWAYS), log.gaps(ALWAYS)
    assert not rows.duplicated(["session", "seq"]).any()
    there = rows.groupby("session")["seq"].agg(["size", "max"])
    lost_rows = 0
    for session, answered, _ in sessions:
        lost = [gap for gap in gaps if gap.session == session]
        numbered = max(gap.last for gap in lost) + 1 if lost else 0
        if session in there.index:
            numbered = max(numbered, int(there.loc[session, "max"]) + 1)
        kept = int(there.loc[session, "size"]) if session in there.index else 0
        missing = sum(gap.rows or 0 for gap in lost)
        # What the process said last may be older than what it did last, never newer.
        assert numbered >= answered
        assert kept + missing == numbered
        lost_rows += missing
    assert lost_rows > 0
    assert {gap.reason for gap in gaps} == {GapReason.KILLED, GapReason.DROPPED}
    for gap in gaps:
        assert ALWAYS.start < gap.window.start < gap.window.end < ALWAYS.end


def test_no_acknowledged_label_is_lost(after_kills) -> None:
    folder, sessions, _ = after_kills
    acknowledged = set().union(*(labels for _, _, labels in sessions))
    with sqlite3.connect(folder / "serving" / "labels.db") as connection:
        kept = {unit for (unit,) in connection.execute("SELECT unit FROM labels")}
    connection.close()
    assert len(acknowledged) > KILLS
    assert acknowledged <= kept


def test_a_gap_lies_where_the_lost_rows_were(after_kills) -> None:
    """Rows come a few milliseconds of event time apart: a gap spans no more than was waiting."""
    folder, _, _ = after_kills
    log = LivePredictionLog(folder / "predictions", folder / "serving" / "log.db")
    killed_ones = [gap for gap in log.gaps(ALWAYS) if gap.reason is GapReason.KILLED]
    for gap in killed_ones:
        assert gap.rows is not None
        questions = (gap.window.end - gap.window.start) / timedelta(hours=1) * 1000
        assert questions <= gap.rows + 1


def test_a_reader_sees_every_row_once_while_others_write_and_move_them(
    tmp_path: Path, writers: Writers
) -> None:
    log = LivePredictionLog(tmp_path / "predictions", tmp_path / "serving" / "log.db")
    _, pid = writers.begin("r")
    drain = threading.Thread(target=lambda: list(writers.said()))
    drain.start()
    stop = threading.Event()
    failures: list[BaseException] = []

    def move() -> None:
        try:
            while not stop.is_set():
                compact(
                    tmp_path / "predictions", tmp_path / "serving" / "log.db",
                    retention=timedelta(days=1), settled=timedelta(0), waits=timedelta(0),
                )  # fmt: skip
        except BaseException as error:  # noqa: BLE001 - told to the test below
            failures.append(error)

    mover = threading.Thread(target=move)
    mover.start()
    began, before = time.monotonic(), 0

    def goes_on() -> bool:
        """For three seconds, and on a busy machine until something was moved."""
        moved = any((tmp_path / "predictions").glob("*/*.parquet"))
        return time.monotonic() < began + (3 if before and moved else 60)

    try:
        while goes_on():
            rows, gaps = log.read(ALWAYS), log.gaps(ALWAYS)
            if rows.empty:
                continue
            assert not rows.duplicated(["session", "seq"]).any()
            lost = sum(gap.rows or 0 for gap in gaps if gap.reason is GapReason.DROPPED)
            # Up to the last row that is seen, every number is a row or known to be lost.
            upto = int(rows["seq"].max()) + 1
            assert len(rows) <= upto <= len(rows) + lost
            assert len(rows) >= before
            before = len(rows)
    finally:
        stop.set()
        os.kill(pid, signal.SIGKILL)
        mover.join()
        drain.join()
    assert not failures
    assert before > 0
    assert list((tmp_path / "predictions").glob("*/*.parquet"))
