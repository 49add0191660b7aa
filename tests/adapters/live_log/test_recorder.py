"""Answers are written down behind them: nothing waits, nothing raises, every loss is told."""

import os
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sluiceway.adapters.live_log import sessions
from sluiceway.adapters.live_log.database import LogUnavailable
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.contracts.values import Trigger
from sluiceway.ports import GapReason, Window
from sluiceway.serving.keeping import Keeping
from sluiceway.serving.values import ArmName
from sluiceway.serving.values import Path as AnswerPath
from tests.serving.questions import START, answers, question

ALWAYS = Window(start=START - timedelta(days=1), end=START + timedelta(days=10))


@pytest.fixture
def log(tmp_path: Path) -> LivePredictionLog:
    return LivePredictionLog(tmp_path / "predictions", tmp_path / "serving" / "log.db")


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[LiveRecorder]:
    with LiveRecorder(tmp_path / "serving" / "log.db", Keeping()) as found:
        yield found


def in_a_child(act: Callable[[], None]) -> int:
    """Do something in a process of its own; its exit code, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - the child must not go on as a test
            print(repr(error))
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_is_answered_can_be_read_as_soon_as_it_is(
    log: LivePredictionLog, recorder: LiveRecorder
) -> None:
    """A reader waits for what is not committed, in this process or another."""
    asked = question("a", "b", "c")
    reasons = np.asarray(["", str(Trigger.TIMEOUT)], dtype=object)
    recorder.record(asked, answers(asked, 0, 2, stand_ins={"dep_delay": reasons}))
    recorder.record(
        asked,
        answers(asked, 1, arm=ArmName.CANDIDATE, path=AnswerPath.MIRROR, paired=np.zeros(1, bool)),
    )
    rows = log.read(ALWAYS)
    assert rows[["unit", "arm", "path", "paired", "fallback", "seq"]].values.tolist() == [
        ["a", "baseline", "primary", True, False, 0],
        ["c", "baseline", "primary", True, True, 1],
        ["b", "candidate", "mirror", False, False, 2],
    ]
    assert rows["dep_delay.minutes"].tolist() == [0.5, 2.5, 1.5]
    assert rows["input:origin"][:2].tolist() == [0.0, 2.0]
    assert rows["input:schedule.name"][:2].tolist() == ["name of a", "name of c"]
    assert rows["input:schedule.departs"][:2].tolist() == [pd.Timestamp(START)] * 2
    assert rows.filter(regex="^input:").loc[2].isna().all(), "the primary row says what was asked"
    assert rows["stand_in:dep_delay"].fillna("").tolist() == ["", "timeout", ""]
    assert rows["event_time"].tolist() == [pd.Timestamp(START)] * 3
    assert set(rows["models"]) == {"arr_delay,dep_delay"}
    assert rows["seconds:arr_delay"].tolist() == [0.002] * 3
    assert (log.callers(ALWAYS).rows, log.callers(ALWAYS).callers[0].consumer) == (2, "app")
    assert log.gaps(ALWAYS) == ()


def test_event_times_that_are_given_place_the_rows(
    log: LivePredictionLog, recorder: LiveRecorder
) -> None:
    times = np.asarray(["2013-09-02T01:00", "2013-09-03T02:00"], dtype="M8[us]")
    asked = question("a", "b", event_time=times)
    recorder.record(asked, answers(asked))
    assert log.read(ALWAYS)["event_time"].dt.tz_localize(None).tolist() == times.tolist()
    assert len(log.read(Window(start=START, end=START + timedelta(hours=10)))) == 1


def test_more_than_may_wait_is_lost_and_told(tmp_path: Path, log: LivePredictionLog) -> None:
    database = tmp_path / "serving" / "log.db"
    with LiveRecorder(database, Keeping(), queue_rows=5, interval=30) as recorder:
        for number in range(4):
            asked = question(f"u{number}a", f"u{number}b", after=number)
            recorder.record(asked, answers(asked))
        assert recorder.counts().lost == 4
        assert recorder.flush()
        (first, second) = log.gaps(ALWAYS)
        assert (first.rows, second.rows) == (2, 2)
        assert (first.first, second.last, first.reason) == (4, 7, GapReason.DROPPED)
        assert first.window.start == START + timedelta(hours=2)
        assert second.window.end - timedelta(microseconds=1) == START + timedelta(hours=3)
    assert log.read(ALWAYS)["seq"].tolist() == [0, 1, 2, 3]
    # A gap outside of a window is none of it.
    assert log.gaps(Window(start=START, end=START + timedelta(hours=2))) == ()


def test_what_cannot_be_written_is_told_and_holds_up_nothing(
    log: LivePredictionLog, recorder: LiveRecorder
) -> None:
    good, bad, worse = question("a"), question("b", consumer=object()), question("c")
    object.__setattr__(worse, "event_time", "yesterday")
    for asked in (bad, good, worse):
        recorder.record(asked, answers(asked))
    assert recorder.flush()
    assert log.read(ALWAYS)["unit"].tolist() == ["a"]
    everywhen = Window(start=ALWAYS.start, end=START + timedelta(days=36_500))
    found = [(gap.first, gap.rows, gap.reason) for gap in log.gaps(everywhen)]
    assert found == [(0, 1, GapReason.UNWRITABLE), (2, 1, GapReason.DROPPED)]


def test_a_full_disk_loses_rows_that_are_counted_and_nobody_is_held_up(
    tmp_path: Path, log: LivePredictionLog
) -> None:
    """The disk has room again before the process ends; then it tells what it could not keep."""
    database = tmp_path / "serving" / "log.db"

    def act() -> None:
        with LiveRecorder(database, Keeping(), queue_rows=1_000, interval=0.01) as recorder:
            asked = question(*(f"u{k}" for k in range(100)))
            recorder.record(asked, answers(asked))
            assert recorder.flush()
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
            for _ in range(50):
                recorder.record(asked, answers(asked))
            assert not recorder.flush(timeout=0.5)
            counts = recorder.counts()
            assert (counts.waiting, counts.lost) == (1_000, 4_000)
            assert counts.fault is not None
            assert counts.behind > 0
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert recorder.flush()
            assert recorder.counts().fault is None

    assert in_a_child(act) == 0
    assert len(log.read(ALWAYS)) == 1_100
    assert sum(gap.rows or 0 for gap in log.gaps(ALWAYS)) == 4_000


def test_a_disk_that_stays_full_is_told_by_whoever_looks(
    tmp_path: Path, log: LivePredictionLog
) -> None:
    database = tmp_path / "serving" / "log.db"

    def act() -> None:
        with LiveRecorder(database, Keeping(), queue_rows=500, interval=0.01) as recorder:
            asked = question(*(f"u{k}" for k in range(100)))
            recorder.record(asked, answers(asked))
            assert recorder.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            for _ in range(10):
                recorder.record(asked, answers(asked))

    assert in_a_child(act) == 0
    assert len(log.read(ALWAYS)) == 100
    (gap,) = log.gaps(ALWAYS)
    assert (gap.first, gap.last, gap.rows, gap.reason) == (100, 1_099, 1_000, GapReason.KILLED)
    # The next process writes it down, and it stays the same.
    LiveRecorder(database, Keeping()).close()
    assert log.gaps(ALWAYS) == (gap,)
    assert not list((tmp_path / "serving" / "sessions").iterdir())


def test_where_losses_could_not_be_known_nobody_begins_to_answer(tmp_path: Path) -> None:
    def act() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with pytest.raises(LogUnavailable):
            LiveRecorder(tmp_path / "serving" / "log.db", Keeping())

    assert in_a_child(act) == 0
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailable, match="cannot be used"):
        LiveRecorder(tmp_path / "file" / "log.db", Keeping())


def test_after_a_loss_of_power_nobody_knows_what_is_missing(
    tmp_path: Path, log: LivePredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the last commit to the next start, and where rows were known to wait."""
    database = tmp_path / "serving" / "log.db"

    def act() -> None:
        recorder = LiveRecorder(database, Keeping(), interval=0.01)
        asked = question("a")
        recorder.record(asked, answers(asked))
        recorder.flush()
        os.kill(os.getpid(), 9)

    assert in_a_child(act) == -9
    assert log.gaps(ALWAYS) == ()  # it had written everything, and the machine went on
    monkeypatch.setattr(sessions, "boot_id", lambda: "another run of the machine")
    before = sessions.now_micros()
    now = sessions.moment(before)
    (gap,) = log.gaps(Window(start=now - timedelta(minutes=5), end=now + timedelta(minutes=5)))
    assert (gap.rows, gap.reason) == (None, GapReason.POWER)
    assert gap.window.start < now <= gap.window.end


def test_a_session_whose_counter_is_gone_lost_nobody_knows_what(
    tmp_path: Path, log: LivePredictionLog
) -> None:
    def act() -> None:
        LiveRecorder(tmp_path / "serving" / "log.db", Keeping())
        os.kill(os.getpid(), 9)

    assert in_a_child(act) == -9
    (counter,) = (tmp_path / "serving" / "sessions").glob("*.seq")
    counter.unlink()
    now = sessions.moment(sessions.now_micros())
    (gap,) = log.gaps(Window(start=now - timedelta(minutes=5), end=now + timedelta(minutes=5)))
    assert (gap.rows, gap.reason) == (None, GapReason.POWER)


def test_what_is_on_its_way_is_no_gap_and_what_is_stuck_is_one(tmp_path: Path) -> None:
    log = LivePredictionLog(tmp_path / "predictions", tmp_path / "serving" / "log.db", patience=0.2)
    with LiveRecorder(tmp_path / "serving" / "log.db", Keeping(), interval=30) as recorder:
        recorder.record(question("a"), answers(question("a")))
        asked = question("b", after=1)
        recorder.record(asked, answers(asked))
        (gap,) = log.gaps(ALWAYS)
        assert (gap.rows, gap.reason) == (2, GapReason.WAITING)
        assert gap.window.end == START + timedelta(hours=1, microseconds=1)
        assert log.gaps(Window(start=START + timedelta(hours=2), end=ALWAYS.end)) == ()
        recorder.flush()
        assert log.gaps(ALWAYS) == ()


def test_many_threads_may_record(log: LivePredictionLog, recorder: LiveRecorder) -> None:
    def ask(name: int) -> None:
        for number in range(200):
            asked = question(f"{name}-{number}")
            recorder.record(asked, answers(asked))

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = log.read(ALWAYS)
    assert sorted(rows["seq"]) == list(range(800))
    assert rows["unit"].nunique() == 800


def test_a_damaged_database_is_told_and_never_read_as_no_rows(
    tmp_path: Path, log: LivePredictionLog, recorder: LiveRecorder
) -> None:
    asked = question("a")
    recorder.record(asked, answers(asked))
    recorder.flush()
    with sqlite3.connect(tmp_path / "serving" / "log.db") as connection:
        connection.execute("UPDATE segments SET body = ?", (b"[{",))
    connection.close()
    with pytest.raises(Exception, match="cannot be read"):
        log.read(ALWAYS)


def test_units_and_inputs_are_kept_as_the_policy_says(
    tmp_path: Path, log: LivePredictionLog
) -> None:
    keeping = Keeping(
        excluded=frozenset({"schedule.name"}),
        hashed=frozenset({"origin"}),
        hash_units=True,
        key=b"0123456789abcdef",
    )
    with LiveRecorder(tmp_path / "serving" / "log.db", keeping) as recorder:
        asked = question("Ada Lovelace")
        recorder.record(asked, answers(asked))
    (row,) = log.read(ALWAYS).to_dict("records")
    assert row["unit"] == keeping.hash("Ada Lovelace")
    assert row["hashed:origin"] == keeping.hash("0.0")
    assert not {"input:origin", "input:schedule.name"} & set(row)
    everything = b"".join(place.read_bytes() for place in (tmp_path / "serving").glob("log.db*"))
    assert b"Ada Lovelace" not in everything


@pytest.mark.parametrize("share", [0, 30])
def test_a_sample_of_units_keeps_its_inputs(
    tmp_path: Path, log: LivePredictionLog, share: int
) -> None:
    with LiveRecorder(tmp_path / "serving" / "log.db", Keeping(share=share)) as recorder:
        for _ in range(2):
            asked = question(*(f"u{k}" for k in range(500)))
            recorder.record(asked, answers(asked))
    rows = log.read(ALWAYS)
    if not share:
        assert not [name for name in rows if name.startswith("input:")]
        return
    kept = rows.groupby("unit")["input:origin"].count()
    assert set(kept) == {0, 2}  # a unit is always drawn alike
    assert 0.2 < (kept == 2).mean() < 0.4
    assert (rows["input:origin"].isna() == rows["input:schedule.departs"].isna()).all()
