"""Rows move into files while they are read and written; killed anywhere, each stays there once."""

import os
import shutil
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sluiceway.adapters import prediction_log
from sluiceway.adapters.live_log import compaction
from sluiceway.adapters.live_log.compaction import compact, log_status
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.ports import Window
from sluiceway.serving.keeping import Keeping
from tests.adapters.live_log.test_recorder import in_a_child
from tests.serving.questions import START, answers, question

ALWAYS = Window(start=START - timedelta(days=1), end=START + timedelta(days=10))
NO_TIME = timedelta(0)
YEAR = timedelta(days=365)


class Logged:
    """A folder with a log that something was answered into."""

    def __init__(self, folder: Path) -> None:
        self.files, self.database = folder / "predictions", folder / "serving" / "log.db"
        self.log = LivePredictionLog(self.files, self.database)

    def answer(self, *names: str, after: float = 0.0) -> None:
        """Each name a segment of its own, a day later than the one before."""
        with LiveRecorder(self.database, Keeping()) as recorder:
            for day, name in enumerate(names):
                asked = question(f"{name}1", f"{name}2", after=after + 24 * day)
                recorder.record(asked, answers(asked))
                assert recorder.flush()

    def compact(self, settled: timedelta = NO_TIME, retention: timedelta = YEAR, **how: Any) -> Any:
        return compact(self.files, self.database, retention=retention, settled=settled,
                       **{"waits": NO_TIME, **how})  # fmt: skip

    def rows(self) -> pd.DataFrame:
        return self.log.read(ALWAYS)


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    return Logged(tmp_path)


def test_rows_are_the_same_before_and_after(logged: Logged) -> None:
    logged.answer("a", "b")
    logged.answer("c")
    before = logged.rows()
    done = logged.compact()
    assert (done.rows, done.files) == (6, 2)
    pd.testing.assert_frame_equal(logged.rows(), before)
    assert log_status(logged.files, logged.database).newest_rows == 0
    assert logged.compact().rows == 0


def test_only_what_is_settled_moves_and_little_waits_for_more(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged.answer("a", "b", "c")
    assert logged.compact(settled=timedelta(minutes=1)).rows == 0
    assert logged.compact(waits=timedelta(hours=1)).rows == 0
    monkeypatch.setattr(compaction, "_ROWS", 4)
    assert logged.compact(waits=timedelta(hours=1)).rows == 4  # as many as fill a file
    assert len(logged.rows()) == 6


def test_killed_at_any_step_every_row_is_there_once(tmp_path: Path) -> None:
    """Every statement, sync and rename is a place to be killed at."""
    Logged(tmp_path / "first").answer("a", "b")
    for place in range(100):
        shutil.copytree(tmp_path / "first", tmp_path / str(place))
        logged = Logged(tmp_path / str(place))
        before = logged.rows()
        ended = in_a_child(partial(killed_at, place, logged.compact))
        pd.testing.assert_frame_equal(logged.rows(), before)
        logged.answer("c", after=100)
        before = logged.rows()
        assert len(before) == 6
        logged.compact()
        pd.testing.assert_frame_equal(logged.rows(), before)
        assert log_status(logged.files, logged.database).file_rows == 6
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert place > 15


def killed_at(place: int, act: Callable[[], object]) -> None:
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        if steps == place:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1

    connect, sync, replace = compaction.connect_to_log, os.fsync, Path.replace

    def traced(path: Path) -> Any:
        connection = connect(path)
        connection.set_trace_callback(step)
        return connection

    def synced(descriptor: int) -> None:
        step()
        sync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        step()
        found = replace(self, target)
        step()
        return found

    compaction.connect_to_log = traced
    prediction_log.os.fsync = synced
    Path.replace = replaced  # type: ignore[method-assign]
    act()


def test_a_full_disk_leaves_rows_where_they_were(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged.answer("a")
    before = logged.rows()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("sluiceway.adapters.prediction_log.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            logged.compact()
    pd.testing.assert_frame_equal(logged.rows(), before)


def test_one_compacts_at_a_time(logged: Logged) -> None:
    logged.answer("a")
    with compaction._alone(logged.database):
        assert logged.compact().busy
    assert not logged.compact().busy


def test_a_process_that_died_is_settled(logged: Logged) -> None:
    def act() -> None:
        recorder = LiveRecorder(logged.database, Keeping(), interval=30)
        asked = question("a", "b")
        recorder.record(asked, answers(asked))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_child(act) == -signal.SIGKILL
    (gap,) = logged.log.gaps(ALWAYS)
    assert logged.compact().gaps in (0, 1)
    assert logged.log.gaps(ALWAYS) == (gap,)
    assert log_status(logged.files, logged.database).lost == gap.rows


def test_what_is_older_than_the_retention_is_forgotten(logged: Logged) -> None:
    """By when it was written: the events may be of any time."""
    logged.answer("a")
    logged.compact()
    logged.answer("b")
    assert logged.log.answered({"a1", "b1"}).keys() == {"a1", "b1"}
    (file,) = logged.files.glob("*/*.parquet")
    old = file.stat().st_mtime - timedelta(days=30).total_seconds()
    os.utime(file, (old, old))
    assert logged.compact(settled=YEAR, retention=timedelta(days=31)).forgotten == 0
    assert logged.compact(settled=YEAR, retention=timedelta(days=29)).forgotten == 1
    assert logged.rows()["unit"].tolist() == ["b1", "b2"]
    assert logged.compact(settled=YEAR, retention=NO_TIME).forgotten == 1
    assert logged.rows().empty
    assert logged.log.answered({"b1"}) == {}


def test_status_of_nothing_makes_nothing(logged: Logged) -> None:
    found = log_status(logged.files, logged.database)
    assert (found.newest_rows, found.files, found.sessions, found.gaps) == (0, 0, 0, ())
    assert logged.compact().rows == 0
    assert not logged.files.exists()
    assert not logged.database.parent.exists()
